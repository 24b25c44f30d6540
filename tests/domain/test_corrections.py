"""Withdrawing and re-rating charges, and holds by quantity: R15, R16."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from application.commands.answers import RerateAnswer
from application.commands.requests import (
    AuthorizeUsage,
    CaptureUsage,
    Money,
    RecordUsage,
    RerateWallet,
    SetWalletMode,
    WithdrawCharge,
)
from application.commands.spend_requests import SetBudget
from domain.invoicing.unbilled import Unbilled, fold
from domain.money.decimals import decimal_of
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeWithdrawn
from domain.wallet import overage
from projections.unbilled import UnbilledModel
from tests.books import Books, reloaded
from tests.catalogue import R1_TIERS, RowSaid, TierSaid, amounts, meter, publish, said_price, use
from tests.plans import Plans, flat

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def books() -> Books:
    return funded()


def funded() -> Books:
    """acme has 50 000 USD, bought; usage is priced from January on."""
    books = Books()
    books.at(2026, 1, 1)
    books.customer()
    books.grant("bought", "50000", asset="USD", paid=Money("50000", "USD"))
    return books


def graduated(books: Books) -> None:
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))


def withdraw(books: Books, charge: UsageCharge) -> UsageCharge:
    withdrawn: UsageCharge = books.do(WithdrawCharge(charge.id, "test")).charge
    return withdrawn


def rerate(books: Books, version: int, **terms: Any) -> RerateAnswer:
    terms = {"occurred_from": JANUARY, "occurred_to": FEBRUARY, "reason": "typed wrong", **terms}
    answer: RerateAnswer = books.do(RerateWallet(books.wallet().id, "api", version, **terms))
    return answer


def of(answer: RerateAnswer) -> tuple[int, str, str]:
    before = decimal_of(answer.before_units, answer.scale)
    return answer.charges, before, decimal_of(answer.after_units, answer.scale)


def burned(books: Books) -> str:
    account = books.account("USD")
    return decimal_of(account.burned_units, 9)


def total(books: Books) -> str:
    (found,) = books.wallet().totals.by_key.values()
    return f"{decimal_of(found.quantity, 18)}: {decimal_of(found.amount_units, 9)}"


def net(books: Books, charge: UsageCharge) -> str:
    again = UsageCharge.fold(books.log.stream(charge.id))
    assert again is not None
    return decimal_of(again.net_units, 9)


def check_reloads(books: Books) -> None:
    folded = books.wallet()
    assert reloaded(folded).state() == folded.state()
    kept = books.cache.get(folded.id)
    assert kept is not None
    assert kept.state() == folded.state()


def test_r15_a_refund_leaves_the_total(books: Books) -> None:
    # given
    graduated(books)
    first, _ = use(books, "a", "tokens", "600"), use(books, "b", "tokens", "600")
    # when
    books.refund(first, "r")
    # then
    assert burned(books) == "56"
    assert amounts(use(books, "c", "tokens", "300")) == ["24"]


def test_r15_a_withdrawal_lowers_it(books: Books) -> None:
    # given
    graduated(books)
    first, second = use(books, "a", "tokens", "600"), use(books, "b", "tokens", "600")
    # when
    withdrawn = withdraw(books, first)
    # then
    assert burned(books) == "60"
    assert (withdrawn.status, net(books, first), net(books, second)) == ("WITHDRAWN", "4", "56")
    assert amounts(withdrawn) == ["60"]
    assert amounts(use(books, "c", "tokens", "300")) == ["30"]
    check_reloads(books)


def test_withdrawing_again_answers_the_same(books: Books) -> None:
    # given
    graduated(books)
    charge = use(books, "a", "tokens", "600")
    withdraw(books, charge)
    rows = len(books.log.rows)
    # when
    again = books.do(WithdrawCharge(charge.id, "once more"))
    # then
    assert again.replayed
    assert len(books.log.rows) == rows
    with pytest.raises(InvalidState):
        books.refund(charge, "r")


def test_withdrawing_may_give_back_more_than_the_charge_took(books: Books) -> None:
    # given prices that rise
    meter(books, "tokens")
    tiers = (TierSaid("0.05", "1000"), TierSaid("0.10"))
    rising = said_price("tokens", "GRADUATED", tiers=tiers)
    publish(books, "api", rising)
    first = use(books, "a", "tokens", "1000")
    use(books, "b", "tokens", "1000")
    assert burned(books) == "150"
    # when
    withdraw(books, first)
    # then
    assert burned(books) == "50"
    assert net(books, first) == "-50"
    check_reloads(books)


def test_withdrawing_may_burn(books: Books) -> None:
    # given a volume tier that the charge had reached
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    use(books, "a", "tokens", "990")
    credit = use(books, "b", "tokens", "20")
    assert burned(books) == "80.8"
    # when
    withdraw(books, credit)
    # then
    assert burned(books) == "99"
    assert total(books) == "990: 99"
    assert amounts(use(books, "c", "tokens", "20")) == ["-18.2"]
    check_reloads(books)


def test_a_refund_gives_back_what_is_still_paid(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    first = use(books, "a", "tokens", "990")
    use(books, "b", "tokens", "20")
    assert burned(books) == "80.8"
    # when
    with pytest.raises(InvalidInput, match=r"at most 80\.8 USD remain"):
        books.refund(first, "all of it", "80.9")
    books.refund(first, "some", "30")
    # then
    assert burned(books) == "50.8"
    books.refund(first, "rest")
    assert (burned(books), net(books, first)) == ("0", "18.2")
    with pytest.raises(InvalidInput, match="at most 0 USD remain"):
        books.refund(first, "more")
    check_reloads(books)


def test_what_was_refunded_does_not_go_back_again(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    first = use(books, "a", "tokens", "990")
    books.refund(first, "r", "90")
    # when
    credit = use(books, "b", "tokens", "20")
    # then
    assert (amounts(credit), burned(books)) == (["-9"], "0")
    check_reloads(books)


def test_a_refund_after_overage_was_forgiven() -> None:
    # given a grant that pays 90 of 99
    books = Books()
    books.at(2026, 1, 1)
    books.customer()
    books.grant("bought", "90", asset="USD", paid=Money("90", "USD"))
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    first = use(books, "a", "tokens", "990", delivered=True)
    # when
    use(books, "b", "tokens", "20")
    # then
    assert (burned(books), books.account("USD").owed_units) == ("80.8", 0)
    books.refund(first, "r")
    assert (burned(books), net(books, first)) == ("0", "18.2")
    check_reloads(books)


@pytest.mark.parametrize("back", [None, "30"])
def test_a_refund_of_a_cycle_that_the_wallet_no_longer_keeps(
    books: Books, back: str | None
) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    first = use(books, "a", "tokens", "990")
    use(books, "b", "tokens", "20")
    books.at(2026, 6, 1)
    use(books, "c", "tokens", "1")
    assert burned(books) == "80.9"
    # when
    if back is not None:
        books.refund(first, "some", back)
    books.refund(first, "r")
    # then
    assert (burned(books), net(books, first)) == ("0.1", "18.2")
    check_reloads(books)


def test_a_refund_after_a_latest_value_fell(books: Books) -> None:
    # given
    meter(books, "seats", "LATEST", property="v")
    publish(books, "api", said_price("seats", "UNIT", unit_price="10"))
    first = use(books, "a", "seats", properties={"v": 5})
    books.later(minutes=1)
    assert amounts(use(books, "b", "seats", properties={"v": 2})) == ["-30"]
    # when
    books.refund(first, "r")
    # then
    assert (burned(books), net(books, first)) == ("0", "30")
    books.later(minutes=1)
    assert amounts(use(books, "c", "seats", properties={"v": 1})) == ["0"]
    check_reloads(books)


def test_a_stated_charge_is_withdrawn_whole(books: Books) -> None:
    # given
    charge = use(books, "a", "other", amount="7", asset="USD")
    # when
    withdraw(books, charge)
    # then
    assert (burned(books), net(books, charge)) == ("0", "0")


@pytest.mark.parametrize(
    "aggregation, values, withdrawn, rest, then",
    [
        ("MAX", [3, 5, 4], 1, "40", (6, "20")),
        ("MAX", [3, 5, 4], 2, "50", (6, "10")),
        ("LATEST", [3, 5, 4], 2, "50", (6, "10")),
        ("LATEST", [3, 5, 4], 1, "40", (6, "20")),
        ("UNIQUE", ["u", "v", "u"], 0, "20", ("u", "0")),
        ("UNIQUE", ["u", "v", "u"], 1, "10", ("v", "10")),
    ],
)
def test_withdrawing_a_value(
    aggregation: str, values: list[Any], withdrawn: int, rest: str, then: tuple[Any, str]
) -> None:
    # given
    books = funded()
    meter(books, "m", aggregation, property="v")
    publish(books, "api", said_price("m", "UNIT", unit_price="10"))
    charges = []
    for number, value in enumerate(values):
        books.later(minutes=1)
        charges.append(use(books, f"e{number}", "m", properties={"v": value}))
    # when
    withdraw(books, charges[withdrawn])
    # then
    assert burned(books) == rest
    books.later(minutes=1)
    assert amounts(use(books, "next", "m", properties={"v": then[0]})) == [then[1]]
    check_reloads(books)


def test_withdrawing_from_a_table_with_a_free_allowance(books: Books) -> None:
    # given
    meter(books, "tokens")
    rows = (RowSaid({"model": "a"}, "1"), RowSaid({"model": "b"}, "10"))
    table = said_price("tokens", "UNIT", dimensions=("model",), rows=rows, free="10")
    publish(books, "api", table)
    first = use(books, "a", "tokens", "10", properties={"model": "a"})
    second = use(books, "b", "tokens", "10", properties={"model": "b"})
    assert amounts(first, second) == ["0", "100"]
    # when: then the second would have been free
    withdraw(books, first)
    # then
    assert burned(books) == "0"
    assert total(books) == "10: 0"


def test_r16_a_wrong_price(books: Books) -> None:
    # given
    meter(books, "tokens")
    books.do(SetBudget("ext:acme", "agent", "USD", "50000", "MONTH"))
    publish(books, "api", said_price("tokens", "UNIT", unit_price="3.00"))
    right = said_price("tokens", "UNIT", unit_price="3.00", per="1000000")
    charge = use(books, "a", "tokens", "10000", subject="agent")
    books.later(minutes=1)
    publish(books, "api", right)
    # when
    preview = rerate(books, 2)
    assert of(preview) == (1, "30000", "0.03")
    assert burned(books) == "30000"
    applied = rerate(books, 2, dry=False)
    # then
    assert of(applied) == of(preview)
    assert (burned(books), net(books, charge)) == ("0.03", "0.03")
    (budget,) = books.wallet().budgets.by_id.values()
    assert decimal_of(budget.spent_units, 9) == "0.03"
    assert total(books) == "10000: 0.03"
    rows = len(books.log.rows)
    assert of(rerate(books, 2, dry=False)) == (0, "0.03", "0.03")
    assert len(books.log.rows) == rows
    check_reloads(books)


def test_rerating_upwards_burns_and_what_nothing_covers_is_overage(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    charge = use(books, "a", "tokens", "100")
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="600"))
    # when
    assert of(rerate(books, 2, dry=False)) == (1, "100", "60000")
    # then
    account = books.account("USD")
    assert (decimal_of(account.owed_units, 9), burned(books)) == ("10000", "50000")
    assert net(books, charge) == "60000"
    assert of(rerate(books, 2, dry=False)) == (0, "60000", "60000")
    check_reloads(books)


def test_rerating_to_lines_below_zero_comes_to_what_was_previewed_at_once(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.01"))
    first, second = use(books, "a", "tokens", "990"), use(books, "b", "tokens", "20")
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    # when what goes back was not paid before the first is rated anew
    assert of(rerate(books, 2)) == of(rerate(books, 2, dry=False)) == (2, "10.1", "80.8")
    # then
    assert [net(books, first), net(books, second)] == ["99", "-18.2"]
    assert (burned(books), total(books)) == ("80.8", "1010: 80.8")
    assert of(rerate(books, 2, dry=False)) == (0, "80.8", "80.8")
    check_reloads(books)


def hybrid(bought: str) -> Books:
    """What acme has not bought is overage."""
    books = Books()
    books.at(2026, 1, 1)
    books.customer(mode="HYBRID")
    books.grant("bought", bought, asset="USD", paid=Money("5", "USD"))
    meter(books, "tokens")
    return books


def owed(books: Books) -> str:
    return decimal_of(books.account("USD").owed_units, 9)


def test_rerating_to_lines_below_zero_where_overage_pays() -> None:
    # given
    books = hybrid("12")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.01"))
    first, second = use(books, "a", "tokens", "990"), use(books, "b", "tokens", "20")
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    # when
    assert of(rerate(books, 2, dry=False)) == (2, "10.1", "80.8")
    # then
    assert [net(books, first), net(books, second)] == ["99", "-18.2"]
    assert (burned(books), owed(books)) == ("11.8", "69")
    assert of(rerate(books, 2, dry=False)) == (0, "80.8", "80.8")
    check_reloads(books)


def test_withdrawing_forgives_overage_that_paid_for_others() -> None:
    # given prices that rise
    books = hybrid("50")
    tiers = (TierSaid("0.05", "1000"), TierSaid("0.10"))
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=tiers))
    first, second = use(books, "a", "tokens", "1000"), use(books, "b", "tokens", "1000")
    assert (burned(books), owed(books)) == ("50", "100")
    # when
    withdraw(books, first)
    # then what it paid goes back, and what the other owes too much
    assert (burned(books), owed(books)) == ("0", "50")
    assert (net(books, first), net(books, second)) == ("-50", "100")
    # when
    withdraw(books, second)
    # then
    assert (burned(books), owed(books)) == ("0", "0")
    check_reloads(books)


def test_a_refund_gives_back_no_more_than_a_withdrawal_left(books: Books) -> None:
    # given
    meter(books, "tokens")
    tiers = (TierSaid("0.05", "1000"), TierSaid("0.10"))
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=tiers))
    first, second = use(books, "a", "tokens", "1000"), use(books, "b", "tokens", "1000")
    withdraw(books, first)
    # then
    with pytest.raises(InvalidInput, match="at most 50 USD remain"):
        books.refund(second, "all of it", "100")
    books.refund(second, "r")
    assert burned(books) == "0"
    check_reloads(books)


@pytest.mark.parametrize("rerated", [True, False])
def test_a_price_that_becomes_one_of_volume_gives_back(books: Books, rerated: bool) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.10"))
    use(books, "a", "tokens", "990")
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    if rerated:
        assert of(rerate(books, 2, dry=False)) == (1, "99", "99")
    # when
    credit = use(books, "b", "tokens", "20")
    # then
    assert (amounts(credit), burned(books)) == (["-18.2"], "80.8")
    assert total(books) == "1010: 80.8"
    check_reloads(books)


def test_withdrawing_where_versions_are_mixed_leaves_what_the_rest_costs(books: Books) -> None:
    # given
    meter(books, "tokens")
    tiers = (TierSaid("0.10", "1000"), TierSaid("0.05"))
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=tiers))
    first, second = use(books, "a", "tokens", "600"), use(books, "b", "tokens", "400")
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.20"))
    third = use(books, "c", "tokens", "100")
    assert burned(books) == "120"
    # when, then
    for charge, rest in ((first, "60"), (third, "40"), (second, "0")):
        withdraw(books, charge)
        assert burned(books) == rest
    check_reloads(books)


def test_refunded_and_withdrawn_parts_stay_out(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="2"))
    half, gone, whole = [use(books, each, "tokens", "100") for each in "abc"]
    books.refund(half, "r", "100")
    withdraw(books, gone)
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    # when
    rerate(books, 2, dry=False)
    # then
    assert [net(books, each) for each in (half, gone, whole)] == ["50", "0", "100"]
    assert burned(books) == "150"
    assert of(rerate(books, 2, dry=False))[0] == 0


def test_what_a_version_needs_and_a_charge_lacks_is_named(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="2"))
    use(books, "a", "tokens", "100")
    books.later(minutes=1)
    rows = (RowSaid({"model": "opus"}, "1"),)
    publish(books, "api", said_price("tokens", "UNIT", dimensions=("model",), rows=rows))
    # then
    with pytest.raises(InvalidInput, match=r"charge .* needs it") as refused:
        rerate(books, 2)
    assert refused.value.field == "properties.model"


def test_in_shadow_only_totals_are_corrected(books: Books) -> None:
    # given
    graduated(books)
    books.do(SetWalletMode("ext:acme", "SHADOW"))
    first, _ = use(books, "a", "tokens", "600"), use(books, "b", "tokens", "600")
    # when
    withdraw(books, first)
    # then
    assert (burned(books), total(books)) == ("0", "600: 60")


# Holds by quantity


def authorize(books: Books, event_id: str, quantity: str, **said: Any) -> Any:
    return books.do(AuthorizeUsage(event_id, "ext:acme", "tokens", quantity=quantity, **said))


def held(books: Books) -> str:
    return decimal_of(books.account("USD").held_units, 9)


def test_a_hold_by_quantity_is_rated_when_it_is_captured(books: Books) -> None:
    # given
    graduated(books)
    hold = authorize(books, "a", "1000").charge.hold_id
    assert held(books) == "100"
    # when the total moves meanwhile
    use(books, "b", "tokens", "600")
    charge = books.do(CaptureUsage(hold)).charge
    # then
    assert amounts(charge) == ["88"]
    assert held(books) == "0"
    assert total(books) == "1600: 148"
    assert books.do(CaptureUsage(hold)).replayed
    with pytest.raises(IdempotencyConflict, match="quantity"):
        books.do(CaptureUsage(hold, quantity="5"))
    assert authorize(books, "a", "1000").replayed
    check_reloads(books)


def test_the_quantity_of_a_capture_replaces_the_holds(books: Books) -> None:
    # given
    graduated(books)
    hold = authorize(books, "a", "1000").charge.hold_id
    # then
    assert amounts(books.do(CaptureUsage(hold, quantity="10")).charge) == ["1"]
    assert total(books) == "10: 1"


def test_a_capture_by_amount_moves_no_total(books: Books) -> None:
    # given
    graduated(books)
    hold = authorize(books, "a", "1000").charge.hold_id
    # when
    charge = books.capture(hold, "7")
    # then
    assert (amounts(charge), charge.lines) == (["7"], ())
    assert books.wallet().totals.by_key == {}


def test_partial_captures_by_quantity(books: Books) -> None:
    # given
    graduated(books)
    hold = authorize(books, "a", "2000").charge.hold_id
    assert held(books) == "180"
    # when
    first = books.do(CaptureUsage(hold, quantity="600", event_id="x", final=False)).charge
    second = books.do(CaptureUsage(hold, quantity="600", event_id="y")).charge
    # then
    assert amounts(first, second) == ["60", "56"]
    assert held(books) == "0"


def test_a_capture_below_zero_gives_the_hold_and_the_difference_back(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    use(books, "a", "tokens", "980")
    hold = authorize(books, "b", "10").charge.hold_id
    assert held(books) == "1"
    # when
    charge = books.do(CaptureUsage(hold, quantity="30")).charge
    # then
    assert amounts(charge) == ["-17.2"]
    assert (burned(books), held(books)) == ("80.8", "0")
    assert books.do(CaptureUsage(hold, quantity="30")).replayed
    check_reloads(books)


def test_checking_records_nothing(books: Books) -> None:
    # given
    meter(books, "users", "UNIQUE", property="user")
    publish(books, "api", said_price("users", "UNIT", unit_price="2"))
    rows = len(books.log.rows)
    # when
    checked = [
        books.do(RecordUsage("a", "ext:acme", "users", properties={"user": "u"}, dry=True)).charge
        for _ in range(2)
    ]
    # then
    assert amounts(*checked) == ["2", "2"]
    assert len(books.log.rows) == rows


def test_a_grant_that_paid_twice_gets_it_back_at_once() -> None:
    """A line below zero whose payers alternate, one of them used up."""
    # given
    books = Books()
    books.at(2026, 1, 1)
    books.customer(mode="HYBRID")
    for name, amount in (("a", "3"), ("b", "70")):
        books.grant(name, amount, asset="USD", paid=Money("5", "USD"))
    meter(books, "in", property="in", event_type="llm")
    meter(books, "out", property="out", event_type="llm")
    volume = (TierSaid("0.05", "5"), TierSaid("0.1", "40"), TierSaid("0.05"))
    one = said_price("in", "VOLUME", tiers=(TierSaid("0.05"),))
    publish(books, "api", one, said_price("out", "VOLUME", tiers=volume))
    use(books, "a", "llm", properties={"in": 6, "out": 25})
    use(books, "b", "llm", properties={"in": 24, "out": 12})
    # when
    credit = use(books, "c", "llm", properties={"in": 0, "out": 6})
    # then
    assert (amounts(credit), burned(books)) == (["-1.55"], "3.65")
    check_reloads(books)


def test_two_lines_of_one_charge_wait_for_what_is_taken_of_another() -> None:
    # given a latest value that fell
    books = hybrid("0.5")
    meter(books, "in", "LATEST", property="in", event_type="llm")
    meter(books, "out", property="out", event_type="llm")
    dear = said_price("in", "VOLUME", tiers=(TierSaid("0", "10"), TierSaid("0.1")))
    publish(books, "api", dear, said_price("out", "UNIT", unit_price="0.05"))
    first = use(books, "a", "llm", properties={"in": 28, "out": 3})
    books.later(minutes=1)
    second = use(books, "b", "llm", properties={"in": 21, "out": 0})
    assert [net(books, first), net(books, second)] == ["2.95", "-0.7"]
    books.later(minutes=1)
    free = said_price("in", "VOLUME", tiers=(TierSaid("0", "40"), TierSaid("0.1")))
    publish(books, "api", free, said_price("out", "UNIT", unit_price="0.3"))
    # when
    assert of(rerate(books, 2, dry=False)) == (2, "2.25", "0.9")
    # then
    assert [net(books, first), net(books, second)] == ["0.9", "0"]
    assert (burned(books), owed(books)) == ("0.05", "0.85")
    assert of(rerate(books, 2, dry=False)) == (0, "0.9", "0.9")
    check_reloads(books)


def test_a_fee_is_not_withdrawn() -> None:
    # given
    plans = Plans(Books(JANUARY))
    plans.publish("pro", [flat("20")])
    plans.subscribe("pro")
    (fee,) = plans.fee_charges()
    rows = len(plans.books.log.rows)
    # then
    with pytest.raises(InvalidState, match="refund it"):
        plans.books.do(WithdrawCharge(fee.id, "test"))
    assert len(plans.books.log.rows) == rows


@pytest.mark.parametrize("kept", [True, False])
def test_checking_a_line_below_zero_records_nothing(books: Books, kept: bool) -> None:
    """Whether the wallet knows who paid, or reads the charges to learn it."""
    # given
    meter(books, "tokens")
    if not kept:
        publish(books, "api", said_price("tokens", "UNIT", unit_price="0.10"))
        use(books, "a", "tokens", "990")
        books.later(minutes=1)
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    if kept:
        use(books, "a", "tokens", "990")
    before = books.wallet().state()
    rows = len(books.log.rows)
    # when
    check = RecordUsage("b", "ext:acme", "tokens", quantity="20", dry=True)
    checked = [books.do(check).charge for _ in range(2)]
    # then
    assert amounts(*checked) == ["-18.2", "-18.2"]
    assert len(books.log.rows) == rows
    assert books.wallet().state() == before
    assert amounts(use(books, "b", "tokens", "20")) == ["-18.2"]


def test_overage_given_back_out_of_the_middle_leaves_both_ends_to_bill() -> None:
    # given one charge of two lines, all of it overage
    books = hybrid("1")
    books.refund(use(books, "x", "other", amount="1", asset="USD"), "r")
    meter(books, "in", property="in", event_type="llm")
    meter(books, "out", property="out", event_type="llm")
    volume = said_price("in", "VOLUME", tiers=(TierSaid("0.10", "100"), TierSaid("0.05")))
    publish(books, "api", volume, said_price("out", "UNIT", unit_price="1"))
    charge = use(books, "a", "llm", properties={"in": 100, "out": 30})
    use(books, "b", "llm", properties={"in": 1, "out": 0})
    unbilled = Unbilled()
    for position, event in enumerate(books.log.all()):
        if isinstance(event, UnbilledModel.events):
            fold(unbilled, position, books.tenant_id, event)
    # then
    (line,) = unbilled.lines.values()
    (claimed,) = unbilled.ranges.values()
    assert line.units == books.account("USD").owed_units == overage.length(claimed.ranges)
    # when
    withdraw(books, charge)
    for position, event in enumerate(books.log.all()):
        if event.originator_id == charge.id and isinstance(event, ChargeWithdrawn):
            fold(unbilled, position, books.tenant_id, event)
    # then
    assert line.units == books.account("USD").owed_units == overage.length(claimed.ranges)


GAUGES = ("left", "right")


def two_gauges(books: Books, *unit_prices: str) -> int:
    """Publish prices of two latest values that one event tells; return the version."""
    prices = zip(GAUGES, unit_prices, strict=True)
    return publish(
        books, "api", *(said_price(key, "UNIT", unit_price=each) for key, each in prices)
    )


def tell_gauges(books: Books, *values: tuple[int, int]) -> list[UsageCharge]:
    charges = []
    for number, (left, right) in enumerate(values):
        books.later(seconds=1)
        properties = {"left": left, "right": right}
        charges.append(use(books, f"e{number}", "gauges", properties=properties))
    return charges


def test_two_lines_below_zero_give_back_to_one_grant_that_was_used_up() -> None:
    # given
    books = Books(JANUARY)
    books.customer()
    books.grant("small", "3", asset="USD", source="PROMOTIONAL", priority=1)
    books.grant("rest", "100", asset="USD", source="PROMOTIONAL")
    for gauge in GAUGES:
        meter(books, gauge, "LATEST", event_type="gauges", property=gauge)
    two_gauges(books, "1", "1")
    # when
    charges = tell_gauges(books, (2, 2), (0, 0))
    # then
    assert amounts(*charges) == ["4", "-4"]
    assert burned(books) == "0"
    check_reloads(books)


@settings(max_examples=60)
@example([(1, 1), (0, 0)], ["0", "1", "1", "0"])  # each waits for what the other takes
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7),
    st.lists(st.integers(0, 20).map(str), min_size=4, max_size=4),
)
def test_rerating_values_that_rise_and_fall_comes_to_what_they_cost(
    values: list[tuple[int, int]], unit_prices: list[str]
) -> None:
    # given
    books = funded()
    for gauge in GAUGES:
        meter(books, gauge, "LATEST", event_type="gauges", property=gauge)
    two_gauges(books, *unit_prices[:2])
    charges = tell_gauges(books, *values)
    version = two_gauges(books, *unit_prices[2:])
    # when
    rerate(books, version, dry=False)
    # then
    left, right = values[-1]
    cost = str(left * int(unit_prices[2]) + right * int(unit_prices[3]))
    assert burned(books) == cost
    assert decimal_of(sum(units(books, charge) for charge in charges), 9) == cost
    assert rerate(books, version, dry=False).charges == 0
    check_reloads(books)


def units(books: Books, charge: UsageCharge) -> int:
    again = UsageCharge.fold(books.log.stream(charge.id))
    assert again is not None
    return again.net_units
