"""What the tables say of wallets, accounts, grants, holds, charges and customers, to the unit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from application.codec import EventCodec
from application.commands.requests import (
    ExtendHold,
    FreezeWallet,
    Money,
    RefundCharge,
    ReleaseHold,
    SetOverageLimit,
    SetWalletMode,
    VoidGrant,
)
from domain.subscriptions.wallet_events import SubscriptionMoved
from domain.wallet.wallet import Wallet
from projections.balances import (
    ACCOUNTS,
    GRANTS,
    HOLDS,
    WALLETS,
    Balances,
    available_units,
)
from projections.charges import CHARGES
from projections.customers import CUSTOMERS
from projections.log import Events, LogReader, Recorded
from projections.subscriptions import Subscriptions
from projections.tables import Location
from projections.wallets import wallet_of
from tests.projections.shop import C, Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

LIVE = Location("ledger_00")
HOUR = timedelta(hours=1)


def row(shop: Shop, table: Any, *key: object) -> Any:
    """Return the one row of a key, after catching up."""
    shop.catch_up()
    with shop.proj.connection() as connection:
        (found,) = table.load(connection, LIVE, [(shop.tenant, *key)])
        return found


def charge_row(shop: Shop, charge: str) -> Any:
    shop.catch_up()
    query = "SELECT position FROM ledger_00.charges WHERE charge_id = %s"
    ((position,),) = shop.rows(query, charge)
    return row(shop, CHARGES, position)


def grant_figures(shop: Shop, grant: str) -> tuple[str, int, int, int, int, int]:
    """Return a grant's status; remaining, held, burned, expired, revoked, in whole CREDIT."""
    found = row(shop, GRANTS, grant)
    units = (found.remaining, found.held, found.burned, found.expired, found.revoked)
    assert all(each % C == 0 for each in units)
    remaining, held, burned, expired, revoked = (each // C for each in units)
    return found.status, remaining, held, burned, expired, revoked


def test_an_account_adds_up(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    grant = shop.grant(customer, "100", "PAID", meters=("tokens",))
    shop.hold(customer, "90")
    charge = shop.charge(customer, "25")
    shop.do(RefundCharge(charge, "wrong", shop.key("refund"), "3"))
    # when
    shop.grant(customer, "7", "PAID")
    # then
    account = row(shop, ACCOUNTS, shop.wallet(customer), "CREDIT")
    found = row(shop, GRANTS, grant)
    assert (account.scale, account.granted, account.burned) == (6, 107 * C, 17 * C)
    assert (account.expired, account.revoked) == (0, 0)
    assert (account.held, account.uncovered_held) == (90 * C, 0)
    assert (account.incurred, account.forgiven, account.repaid) == (15 * C, 3 * C, 7 * C)
    assert (account.owed, account.overage_limit) == (5 * C, 0)
    assert (found.amount, found.meters, found.source) == (100 * C, ["tokens"], "PAID")
    assert grant_figures(shop, grant) == ("ACTIVE", 90, 90, 10, 0, 0)
    assert available_units(account, [found], shop.clock.at) == -5 * C


def test_a_wallet_has_its_settings(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.do(
        SetWalletMode(customer, "HYBRID"),
        FreezeWallet(customer, "fraud"),
        SetOverageLimit(customer, "CREDIT", None),
    )
    # then
    wallet = row(shop, WALLETS, shop.wallet(customer))
    assert (wallet.customer_id, wallet.mode, wallet.frozen) == (customer, "HYBRID", True)
    assert row(shop, ACCOUNTS, shop.wallet(customer), "CREDIT").overage_limit is None


def test_the_life_of_grants(shop: Shop) -> None:
    # given
    customer = shop.customer()
    at = shop.clock.at
    lapsing = shop.grant(customer, "10", expires_at=at + HOUR)
    shop.hold(customer, "6", ttl_seconds=7200)
    spent = shop.grant(customer, "4", priority=1)
    shop.charge(customer, "4")
    pending = shop.grant(customer, "5", effective_at=at + HOUR, expires_at=at + 2 * HOUR)
    voided = shop.grant(customer, "8", "PAID")
    shop.do(VoidGrant(voided, "mistake"))
    # then
    assert grant_figures(shop, lapsing) == ("ACTIVE", 10, 6, 0, 0, 0)
    assert grant_figures(shop, spent) == ("EXHAUSTED", 0, 0, 4, 0, 0)
    assert grant_figures(shop, pending) == ("PENDING", 5, 0, 0, 0, 0)
    assert grant_figures(shop, voided) == ("VOIDED", 0, 0, 0, 0, 8)
    # when
    shop.wait(hours=1)
    shop.run_due_work(customer)
    # then
    assert grant_figures(shop, lapsing) == ("LAPSED", 6, 6, 0, 4, 0)
    assert grant_figures(shop, pending) == ("ACTIVE", 5, 0, 0, 0, 0)
    # when
    shop.wait(hours=1)
    shop.run_due_work(customer)
    # then
    assert grant_figures(shop, lapsing) == ("LAPSED", 0, 0, 0, 10, 0)
    assert grant_figures(shop, pending) == ("LAPSED", 0, 0, 0, 5, 0)


def test_the_life_of_a_hold(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    grant = shop.grant(customer, "10")
    placed_at = shop.clock.at
    hold = shop.hold(customer, "12")
    found = row(shop, HOLDS, hold)
    assert (found.status, found.units, found.held, found.uncovered) == (
        "OPEN", 12 * C, 12 * C, 2 * C,
    )  # fmt: skip
    assert found.pinned == {grant: 10 * C}
    # when
    shop.wait(minutes=5)
    shop.do(ExtendHold(hold, 900, "15"))
    shop.capture(hold, "4", event_id=shop.key("event"), final=False)
    # then
    found = row(shop, HOLDS, hold)
    assert (found.status, found.units, found.held, found.uncovered, found.captured) == (
        "OPEN", 15 * C, 11 * C, 5 * C, 4 * C,
    )  # fmt: skip
    assert found.pinned == {grant: 6 * C}
    assert (found.placed_at, found.expires_at) == (placed_at, placed_at + timedelta(minutes=20))
    # when
    shop.capture(hold, "1")
    # then
    found = row(shop, HOLDS, hold)
    assert (found.status, found.held, found.uncovered, found.captured, found.pinned) == (
        "CAPTURED", 0, 0, 5 * C, {},
    )  # fmt: skip


def test_holds_that_end_without_a_charge(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "10")
    released, lapsed = shop.hold(customer, "1"), shop.hold(customer, "2")
    shop.do(ReleaseHold(released))
    shop.wait(minutes=15)
    shop.run_due_work(customer)
    # then
    assert [row(shop, HOLDS, hold).status for hold in (released, lapsed)] == ["RELEASED", "LAPSED"]
    assert row(shop, ACCOUNTS, shop.wallet(customer), "CREDIT").held == 0


def test_a_charge_as_it_was_reported_and_settled(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    shop.grant(customer, "2")
    occurred_at = shop.clock.at - HOUR
    properties = {"model": 'a"b\\c{},NULL', "nested": [1, None, 2.5, {"ü": "漢"}], "big": 10**15}
    charge = shop.charge(
        customer, "5", "images", event_id="an, {event}", source="NULL", quantity="1.50",
        subject='agent:"x"\\', occurred_at=occurred_at, cost=Money("0.25", "USD"),
        properties=properties,
    )  # fmt: skip
    shop.do(RefundCharge(charge, "wrong", shop.key("refund"), "4"))
    # then
    found = charge_row(shop, charge)
    assert (found.customer_id, found.wallet_id) == (customer, shop.wallet(customer))
    assert (found.event_id, found.source, found.meter) == ("an, {event}", "NULL", "images")
    assert (found.subject, found.quantity, found.properties) == (
        'agent:"x"\\', "1.5", properties,
    )  # fmt: skip
    assert (found.cost, found.cost_currency) == (250_000_000, "USD")
    assert (found.occurred_at, found.recorded_at) == (occurred_at, shop.clock.at)
    assert (found.status, found.amount, found.overage) == ("PARTIALLY_REFUNDED", 5 * C, 3 * C)
    assert (found.refunded, found.forgiven) == (4 * C, 3 * C)


def test_a_captured_charge_has_the_capture_s_word(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "10")
    hold = shop.hold(customer, "5", quantity="100", properties={"stage": "estimate"})
    authorized_at = shop.clock.at
    charge = row(shop, HOLDS, hold).charge_id
    found = charge_row(shop, charge)
    assert (found.status, found.amount, found.quantity) == ("AUTHORIZED", 0, "100")
    # when
    shop.wait(minutes=1)
    shop.capture(hold, "3", quantity="60", properties={"stage": "true"})
    # then
    found = charge_row(shop, charge)
    assert (found.status, found.amount, found.quantity) == ("SETTLED", 3 * C, "60")
    assert (found.properties, found.recorded_at) == (
        {"stage": "true"}, authorized_at + timedelta(minutes=1),
    )  # fmt: skip


def test_sums_are_unbounded(shop: Shop) -> None:
    # given 10^15 whole units of a scale of 9, twelve times, is beyond 64 bits
    customer = shop.customer()
    for _ in range(12):
        shop.grant(customer, f"{10**15}")
    shop.charge(customer, f"{10**15}")
    # then
    account = row(shop, ACCOUNTS, shop.wallet(customer), "CREDIT")
    assert account.granted == 12 * 10**21 > 2**63
    assert account.burned == 10**21


def test_a_customer_keeps_the_tenant_s_own_id(shop: Shop) -> None:
    # given
    customer = shop.customer()
    # then
    found = row(shop, CUSTOMERS, customer)
    assert found.wallet_id == shop.wallet(customer)
    assert found.external_id.startswith("customer-")
    assert found.created_at == shop.clock.at


def test_the_tables_give_the_wallet_back_as_of_any_time_to_come(told_shop: Shop) -> None:
    # given aggregates that are folded beside the tables
    decode = EventCodec().decode
    log = LogReader(LIVE, EventCodec().decode_all)
    wallets: dict[str, Wallet] = {}
    told_shop.forget_all()
    engine = told_shop.engine(Balances(LIVE), batch_size=11)
    begin, compared = 0, 0
    while engine.step() is not None:
        end = engine.positions()["balances"]
        moved: list[Recorded] = []
        for position, topic, state, stream, version in told_shop.rows(
            "SELECT notification_id, topic, state, originator_id::text, originator_version"
            " FROM ledger_00.events WHERE starts_with(topic, 'wallet.') AND notification_id > %s"
            " AND notification_id <= %s ORDER BY notification_id",
            begin, end,
        ):  # fmt: skip
            event = decode(topic, state, stream, version)
            if isinstance(event, SubscriptionMoved):
                moved.append((position, told_shop.tenant, event))
            if stream in wallets:
                event.mutate(wallets[stream])
            else:
                wallets[stream] = Wallet.begin(event)
        begin = end
        with told_shop.proj.connection() as connection:
            Subscriptions(LIVE).apply(connection, Events(log, begin, moved))
        for wallet_id, wallet in wallets.items():
            if wallet.enrolments and _cut_in_a_turn(told_shop, wallet):
                continue
            with told_shop.app.transaction(told_shop.tenant) as connection:
                told = wallet_of(connection, LIVE, told_shop.tenant, wallet_id)
            assert told is not None
            assert (told.customer_id, told.mode, told.frozen) == (
                wallet.customer_id, wallet.mode, wallet.frozen,
            )  # fmt: skip
            for at in _times(wallet):
                # when
                ours, theirs = told.as_of(at), wallet.as_of(at)
                # then
                for asset in theirs.accounts:
                    compared += 1
                    assert _figures(ours, asset, at) == _figures(theirs, asset, at)
    assert compared > 300


def _cut_in_a_turn(shop: Shop, wallet: Wallet) -> bool:
    """Whether a subscription's turn, whose events share a time, may have been cut in two."""
    found = shop.rows(
        "SELECT recorded_at FROM ledger_00.events"
        " WHERE originator_id = %s AND originator_version = %s",
        wallet.id, wallet.version + 1,
    )  # fmt: skip
    return [at for (at,) in found] == [wallet.recorded_at]


def _times(wallet: Wallet) -> list[datetime]:
    """Return when the wallet changes by time alone, and the moment before each change."""
    last = wallet.recorded_at
    due = [due_at for due_at, *_ in wallet.due]
    before = [max(last, due_at - timedelta(microseconds=1)) for due_at in due]
    return [last, *before, *due, last + timedelta(days=4000)]


def _figures(wallet: Wallet, asset: str, at: datetime) -> tuple[int, ...]:
    account = wallet.accounts[asset]
    return (
        account.available_units(at), account.available_for_units("tokens", at, at),
        account.available_for_units("images", at, at), account.held_units, account.owed_units,
        account.granted_units, account.burned_units, account.expired_units,
        account.revoked_units, account.pending_units,
    )  # fmt: skip
