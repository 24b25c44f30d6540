"""What a statement shows, line by line, with exact figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

import pytest

from application.codec import EventCodec
from application.commands.requests import (
    AdjustWallet,
    RefundCharge,
    RefundGrant,
    ReleaseHold,
    SetWalletMode,
    VoidGrant,
)
from domain.money.decimals import decimal_of
from domain.wallet.events import WalletEvent, WalletOpened
from domain.wallet.wallet import Wallet
from projections import statement as statement_model
from projections import statement_queries
from projections.statement import LineRow, State, Statement
from projections.statement_queries import StatementLine
from projections.tables import Location
from tests.projections.shop import SCALE, C, Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]


def lines_of(shop: Shop, customer: str) -> list[StatementLine]:
    """Return the statement, oldest first."""
    shop.catch_up()
    page = shop.queries.statement_page(shop.tenant, shop.wallet(customer), "CREDIT", 1000)
    return page.nodes[::-1]


def statement(shop: Shop, customer: str) -> list[str]:
    """Return kind, change, and what was available, held and owed after each line."""
    return [
        " ".join(
            [
                line.kind,
                *(
                    decimal_of(units, SCALE)
                    for units in (
                        line.change, line.balance_after, line.held_after, line.overage_after,
                    )
                ),
            ]
        )
        for line in lines_of(shop, customer)
    ]  # fmt: skip


def table(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_l5_a_hold_over_expiry(shop: Shop) -> None:
    # given
    customer = shop.customer()
    noon = shop.clock.at + timedelta(hours=12)
    grant = shop.grant(customer, "10", expires_at=noon)
    shop.wait(hours=11, minutes=59)
    hold = shop.hold(customer, "6")
    # when
    shop.wait(minutes=6)
    charge = shop.capture(hold, "5")
    # then the unit that came back to the dead grant was never available again
    assert statement(shop, customer) == table("""
        GRANT    10  10  0  0
        HOLD     -6   4  6  0
        EXPIRY   -4   0  6  0
        RELEASE   5   5  0  0
        CHARGE   -5   0  0  0
    """)
    lines = lines_of(shop, customer)
    assert [line.at - noon for line in lines] == [
        timedelta(hours=-12), timedelta(minutes=-1), timedelta(0), timedelta(minutes=5),
        timedelta(minutes=5),
    ]  # fmt: skip
    assert [(line.grant_id, line.charge_id, line.hold_id) for line in lines] == [
        (grant, None, None),
        (None, charge, hold),
        (grant, None, None),
        (None, charge, hold),
        (None, charge, None),
    ]
    assert [line.description for line in lines] == [
        "Promotional grant", "Hold for tokens", "Grant expired", "Hold captured",
        "Usage of tokens",
    ]  # fmt: skip


def test_l6_overage_and_its_repayment(shop: Shop) -> None:
    # given
    customer = shop.customer("SHADOW")
    shop.grant(customer, "10")
    shop.charge(customer, "25")
    # when
    shop.do(SetWalletMode(customer, "HYBRID"))
    shop.charge(customer, "25")
    shop.grant(customer, "40", "PAID")
    # then
    assert statement(shop, customer) == table("""
        GRANT      10   10  0   0
        CHARGE    -25  -15  0  15
        GRANT      40   25  0  15
        REPAYMENT   0   25  0   0
    """)


def test_l13_a_late_capture(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "100")
    hold = shop.hold(customer, "40")
    lapses_at = shop.clock.at + timedelta(minutes=15)
    # when
    shop.wait(minutes=20)
    shop.capture(hold, "25")
    # then
    assert statement(shop, customer) == table("""
        GRANT   100  100   0  0
        HOLD    -40   60  40  0
        RELEASE  40  100   0  0
        CHARGE  -25   75   0  0
    """)
    assert lines_of(shop, customer)[2].at == lapses_at


def test_l15_partial_captures(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "100")
    hold = shop.hold(customer, "60")
    # when
    shop.capture(hold, "20", event_id=shop.key("event"), final=False)
    shop.capture(hold, "30", event_id=shop.key("event"))
    # then
    assert statement(shop, customer) == table("""
        GRANT   100  100   0  0
        HOLD    -60   40  60  0
        RELEASE  20   60  40  0
        CHARGE  -20   40  40  0
        RELEASE  40   80   0  0
        CHARGE  -30   50   0  0
    """)
    assert {line.hold_id for line in lines_of(shop, customer)[1:]} == {hold}


def test_l19_a_voided_grant_partly_held_by_two(shop: Shop) -> None:
    # given
    customer = shop.customer()
    grant = shop.grant(customer, "100", "PAID")
    shop.charge(customer, "30")
    first, second = shop.hold(customer, "20"), shop.hold(customer, "5")
    # when
    shop.do(VoidGrant(grant, "never paid"))
    shop.do(ReleaseHold(first))
    shop.capture(second, "4")
    # then nothing comes back: what a hold gives to a voided grant is revoked
    assert statement(shop, customer) == table("""
        GRANT      100  100   0  0
        CHARGE     -30   70   0  0
        HOLD       -20   50  20  0
        HOLD        -5   45  25  0
        REVOCATION -45    0  25  0
        RELEASE      0    0   5  0
        RELEASE      4    4   0  0
        CHARGE      -4    0   0  0
    """)


def test_a_grant_counts_from_when_it_is_effective(shop: Shop) -> None:
    # given
    customer = shop.customer()
    effective_at = shop.clock.at + timedelta(days=2)
    grant = shop.grant(customer, "40", "PAID", effective_at=effective_at)
    shop.do(RefundGrant(grant, "asked", credits="15", idempotency_key=shop.key("refund")))
    assert statement(shop, customer) == []
    # when
    shop.wait(days=3)
    shop.run_due_work(customer)
    # then
    assert statement(shop, customer) == ["GRANT 25 25 0 0"]
    assert lines_of(shop, customer)[0].at == effective_at


def test_a_refund_returns_to_usable_grants_alone(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    shop.grant(customer, "10", expires_at=shop.clock.at + timedelta(hours=1))
    shop.grant(customer, "5")
    charge = shop.charge(customer, "18")
    shop.wait(hours=2)
    # when
    shop.do(RefundCharge(charge, "wrong", shop.key("refund"), "4"))
    shop.do(RefundCharge(charge, "wrong", shop.key("refund"), "6"))
    shop.do(RefundCharge(charge, "wrong", shop.key("refund"), compensate=True))
    # then the second gives 2 to the expired grant, where they expire at once; the third 8
    assert statement(shop, customer) == table("""
        GRANT   10   10  0  0
        GRANT    5   15  0  0
        CHARGE -18   -3  0  3
        REFUND   4    1  0  0
        REFUND   6    7  0  0
        EXPIRY  -2    5  0  0
        REFUND   0    5  0  0
        GRANT    8   13  0  0
    """)


def test_adjustments(shop: Shop) -> None:
    # given
    customer = shop.customer()
    # when
    shop.do(AdjustWallet(shop.key("adjust"), customer, "CREDIT", "7", "GIFT"))
    shop.do(AdjustWallet(shop.key("adjust"), customer, "CREDIT", "-3", "FEE"))
    # then
    assert statement(shop, customer) == table("""
        GRANT       7  7  0  0
        ADJUSTMENT -3  4  0  0
    """)


def test_shadow_sets_nothing_aside(shop: Shop) -> None:
    # given
    customer = shop.customer("SHADOW")
    shop.grant(customer, "10")
    held, kept = shop.hold(customer, "7"), shop.hold(customer, "8")
    # when
    shop.capture(held, "5")
    shop.charge(customer, "6")
    shop.do(ReleaseHold(kept))
    shop.hold(customer, "9")
    shop.wait(hours=1)
    shop.run_due_work(customer)
    # then
    assert statement(shop, customer) == ["GRANT 10 10 0 0"]


def test_a_zero_charge_has_its_line(shop: Shop) -> None:
    # given
    customer = shop.customer()
    # when
    charge = shop.charge(customer, "0")
    # then
    (line,) = lines_of(shop, customer)
    assert (line.kind, line.change, line.balance_after, line.charge_id) == ("CHARGE", 0, 0, charge)


def test_after_every_commit_the_last_line_is_what_the_wallet_says(told_shop: Shop) -> None:
    # given
    rows = told_shop.rows(
        "SELECT xmin::text, notification_id, tenant::text, originator_id::text,"
        " originator_version, topic, state FROM ledger_00.events ORDER BY notification_id"
    )
    decode = EventCodec().decode
    statements = Statement(Location("unused"))
    state, wallets, compared = State(), dict[str, Wallet](), 0
    for _, commit in groupby(rows, key=lambda row: row[0]):
        # when
        for _, position, tenant, stream, version, topic, octets in commit:
            event = decode(topic, octets, stream, version)
            if topic in statements.topics:
                Statement.fold(state, [(position, tenant, event)])
            if isinstance(event, WalletOpened):
                wallets[stream] = Wallet.begin(event)
            elif isinstance(event, WalletEvent):
                event.mutate(wallets[stream])
        # then
        for (wallet_id, asset), shown in state.accounts.items():
            account = wallets[wallet_id].accounts[asset]
            without_grace = sum(account.usable.values())
            assert (shown.available, shown.held, shown.overage) == (
                without_grace - account.uncovered_held_units - account.owed_units,
                account.held_units,
                account.owed_units,
            )
            compared += 1
    assert compared > 400


@pytest.mark.parametrize("most_unwritten", [1, 3, 63])
def test_what_is_told_is_what_would_be_written(
    told_shop: Shop, monkeypatch: pytest.MonkeyPatch, most_unwritten: int
) -> None:
    # given every line of the story
    written = every_line(told_shop, monkeypatch)
    # when few of them are written
    for module in (statement_model, statement_queries):
        monkeypatch.setattr(module, "MOST_UNWRITTEN", most_unwritten)
    told_shop.forget_all()
    told_shop.catch_up()
    # then pages, balances and movements are those of all
    ((kept,),) = told_shop.rows("SELECT count(*) FROM ledger_00.statement_lines")
    assert kept < sum(map(len, written.values()))
    for (wallet, asset), lines in written.items():
        assert told(told_shop, wallet, asset) == [told_line(line) for line in lines]
        for at, balance in balances_before_the_last(told_shop, wallet, asset, lines):
            assert (
                balance
                == max(
                    ((line.position, line.balance_after) for line in lines if line.at <= at),
                    default=(0, 0),
                )[1]
            )
    for wallet in {wallet for wallet, _ in written}:
        assert told_movements(told_shop, wallet, written) == movements(wallet, written)


def every_line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], list[LineRow]]:
    """Return the lines of each account, as if each were written."""
    state, decode = State(), EventCodec().decode
    topics = Statement(Location("unused")).topics
    with monkeypatch.context() as patch:
        patch.setattr(statement_model, "MOST_UNWRITTEN", 0)
        for position, tenant, stream, version, topic, octets in shop.rows(
            "SELECT notification_id, tenant::text, originator_id::text, originator_version,"
            " topic, state FROM ledger_00.events ORDER BY notification_id"
        ):
            if topic in topics:
                event = decode(topic, octets, stream, version)
                Statement.fold(state, [(position, tenant, event)])
    lines: dict[tuple[str, str], list[LineRow]] = {}
    for line in state.lines:
        lines.setdefault((line.wallet_id, line.asset), []).append(line)
    return lines


def told(shop: Shop, wallet: str, asset: str) -> list[StatementLine]:
    """Return the lines of an account, oldest first, asked for in small pages."""
    found: list[StatementLine] = []
    after = None
    while True:
        page = shop.queries.statement_page(shop.tenant, wallet, asset, 3, after)
        found += page.nodes
        if not page.has_next:
            return found[::-1]
        after = page.end_cursor


def told_line(line: LineRow) -> StatementLine:
    return StatementLine(
        line.position, line.kind, line.at, line.change, line.balance_after, line.held_after,
        line.overage_after, line.description, line.grant_id, line.charge_id, line.hold_id,
    )  # fmt: skip


def balances_before_the_last(
    shop: Shop, wallet: str, asset: str, lines: list[LineRow]
) -> list[tuple[datetime, int]]:
    """Return an account's balance at the end of each hour that has a line after it."""
    series = shop.queries.balance_series(
        shop.tenant, wallet, asset, lines[0].at - timedelta(hours=1), lines[-1].at, "DAY"
    )
    return [(point.at, point.available) for point in series if point.at < lines[-1].at]


def span_of(lines: Iterable[LineRow]) -> tuple[datetime, datetime]:
    times = sorted(line.at for line in lines)
    return times[len(times) // 4], times[3 * len(times) // 4]


def told_movements(
    shop: Shop, wallet: str, written: dict[tuple[str, str], list[LineRow]]
) -> dict[tuple[str, str, str], int]:
    span = span_of(line for (of, _), lines in written.items() if of == wallet for line in lines)
    return {
        (each.asset, each.kind, each.description): each.units
        for each in shop.queries.account_movements(shop.tenant, wallet, *span)
    }


def movements(
    wallet: str, written: dict[tuple[str, str], list[LineRow]]
) -> dict[tuple[str, str, str], int]:
    accounts = {asset: lines for (of, asset), lines in written.items() if of == wallet}
    start, end = span_of(line for lines in accounts.values() for line in lines)
    found: Counter[tuple[str, str, str]] = Counter()
    for asset, lines in accounts.items():
        opening = [line.balance_after for line in lines if line.at < start]
        moved = [line for line in lines if start <= line.at < end]
        if opening or moved:
            first = opening[-1] if opening else 0
            found[asset, "OPENING", "Opening balance"] = first
            for line in moved:
                found[asset, line.kind, line.description] += line.change
            found[asset, "CLOSING", "Closing balance"] = first + sum(each.change for each in moved)
    return dict(found)


def test_a_clock_that_goes_back_moves_no_line_before_another(shop: Shop) -> None:
    # given
    customer = shop.customer()
    begin = shop.clock.at
    shop.grant(customer, "10")
    hour = begin.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    shop.clock.at = at = hour + timedelta(seconds=30)
    for _ in range(2):
        shop.charge(customer, "1")
    # when
    shop.wait(minutes=-1)
    shop.charge(customer, "2")
    shop.wait(minutes=2)
    shop.charge(customer, "3")
    # then
    lines = lines_of(shop, customer)
    assert [line.balance_after // C for line in lines] == [10, 9, 8, 6, 3]
    assert [line.at - at for line in lines[2:]] == [
        timedelta(0), timedelta(0), timedelta(minutes=1),
    ]  # fmt: skip
    # and nothing is told before its line
    asked = (shop.tenant, shop.wallet(customer))
    before = shop.queries.balance_series(*asked, "CREDIT", begin, hour, "HOUR")
    assert [point.available // C for point in before][-1:] == [10]
    assert [each.units // C for each in shop.queries.account_movements(*asked, begin, at)] == [
        0, 10, 10,
    ]  # fmt: skip
