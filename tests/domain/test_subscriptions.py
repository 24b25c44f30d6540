"""Subscriptions, case by case: cycles, fees, included credits, changes of plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.commands.requests import FreezeWallet, Money
from application.commands.spend_requests import SetBudget
from application.commands.subscription_requests import Subscribe
from application.commands.top_up_requests import SetAutoTopUp, SetBalanceAlert
from domain.invoicing.unbilled import FEE, Unbilled, fold
from domain.refusals import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    SpendLimitReached,
)
from projections.unbilled import UnbilledModel
from tests.books import Books, amount, reloaded
from tests.plans import Plans, flat, included, seat


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]


def plans_at(*moment: int, **customer: str) -> Plans:
    return Plans(Books(utc(*moment)), **customer)


# Beginning


def test_subscribing_charges_the_fee_and_gives_the_credits() -> None:
    # given
    plans = plans_at(2026, 1, 31)
    plans.publish("pro", [flat("20")], [included("100")])
    # when
    pro = plans.subscribe("pro")
    # then
    enrolment = plans.enrolment(pro)
    assert enrolment.status == "ACTIVE"
    assert enrolment.cycle == 1
    assert enrolment.windows[0].starts_at == utc(2026, 1, 31)
    assert enrolment.windows[0].ends_at == utc(2026, 2, 28)
    assert plans.fees() == ["20"]
    assert plans.books.available() == "100"
    assert plans.fee_charges()[0].reported.meter == "fee"
    assert plans.told(pro).status == "ACTIVE"


def test_r6_month_ends() -> None:
    # given
    plans = plans_at(2026, 1, 31)
    plans.publish("pro", [flat("1")])
    pro = plans.subscribe("pro")
    starts: list[datetime] = []
    # when
    for _ in range(4):
        plans.books.clock.at = plans.enrolment(pro).windows[0].ends_at
        plans.run()
        starts.append(plans.told(pro).cycle.starts_at)
    # then
    assert starts == [utc(2026, 2, 28), utc(2026, 3, 31), utc(2026, 4, 30), utc(2026, 5, 31)]
    assert plans.fees() == ["1"] * 5
    assert plans.told(pro).cycle.number == 5


def test_r22_a_trial_is_cycle_0_without_fees_and_its_end_is_the_anchor() -> None:
    # given
    plans = plans_at(2026, 3, 2, 7, 30, timezone="America/Los_Angeles")
    plans.publish("pro", [flat("20")], [included("100")], trial_days=30)
    # when
    pro = plans.subscribe("pro")
    # then
    enrolment = plans.enrolment(pro)
    assert enrolment.status == "TRIALING"
    assert enrolment.trial_ends_at == utc(2026, 4, 1, 6, 30)
    assert enrolment.cycle == 0
    assert plans.fees() == []
    assert plans.books.available() == "100"
    # and when it ends
    plans.books.at(2026, 4, 1, 6, 30)
    plans.run()
    # then
    assert plans.told(pro).status == "ACTIVE"
    assert plans.told(pro).cycle.number == 1
    assert plans.told(pro).cycle.ends_at == utc(2026, 5, 1, 6, 30)
    assert plans.fees() == ["20"]
    assert plans.books.available() == "100"


@pytest.mark.parametrize(
    "period, start, zone, ends",
    [
        (
            "MONTH",
            (2026, 2, 8, 7, 30),
            "America/New_York",
            [(2026, 3, 8, 7, 30), (2026, 4, 8, 6, 30)],
        ),
        (
            "YEAR",
            (2024, 2, 29),
            "UTC",
            [(2025, 2, 28), (2026, 2, 28), (2027, 2, 28), (2028, 2, 29)],
        ),
        ("QUARTER", (2026, 11, 30), "UTC", [(2027, 2, 28), (2027, 5, 30), (2027, 8, 30)]),
        ("MONTH", (2025, 12, 31, 15), "Asia/Tokyo", [(2026, 1, 31, 15)]),
    ],
)
def test_r22_cycles_in_the_customers_zone(
    period: str, start: tuple[int, ...], zone: str, ends: list[tuple[int, ...]]
) -> None:
    # given
    plans = plans_at(*start, timezone=zone)
    plans.publish("pro", [flat("1")], period=period)
    pro = plans.subscribe("pro")
    for end in ends:
        # when
        assert plans.enrolment(pro).windows[0].ends_at == utc(*end)
        plans.books.at(*end)
        plans.run()


def test_a_past_start_charges_all_fees_and_gives_the_running_cycles_credits() -> None:
    # given
    plans = plans_at(2026, 4, 10)
    plans.publish("pro", [flat("20")], [included("100")])
    # when
    pro = plans.subscribe("pro", starts_at=utc(2026, 1, 1))
    # then
    assert plans.fees() == ["20"] * 4
    assert plans.books.available() == "100"
    assert plans.enrolment(pro).cycle == 4
    assert plans.enrolment(pro).windows[0].ends_at == utc(2026, 5, 1)


def test_a_future_start_is_scheduled_until_then() -> None:
    # given
    plans = plans_at(2026, 1, 10)
    plans.publish("pro", [flat("20")], [included("100")])
    # when
    pro = plans.subscribe("pro", starts_at=utc(2026, 2, 1))
    # then
    assert plans.enrolment(pro).status == "SCHEDULED"
    assert plans.fees() == []
    # and
    plans.books.at(2026, 2, 1)
    plans.run()
    assert plans.told(pro).status == "ACTIVE"
    assert plans.fees() == ["20"]
    assert plans.books.available() == "100"


def test_one_that_was_cancelled_before_it_began_stands_in_no_ones_way() -> None:
    # given
    plans = plans_at(2026, 1, 10)
    plans.publish("pro", [flat("20")])
    plans.cancel(plans.subscribe("pro", starts_at=utc(2026, 2, 1)), at_cycle_end=False)
    # when
    again = plans.subscribe("pro", "again", starts_at=utc(2026, 1, 5))
    # then
    assert plans.enrolment(again).status == "ACTIVE"
    assert plans.fees() == ["20"]


def test_a_first_cycle_that_the_anchor_cuts_short_is_prorated() -> None:
    # given
    plans = plans_at(2026, 4, 16)
    plans.publish("pro", [flat("20")], [included("100")])
    # when
    pro = plans.subscribe("pro", anchor=utc(2026, 5, 1))
    # then
    assert plans.fees() == ["10"]
    assert plans.books.available() == "50"
    assert plans.enrolment(pro).windows[0].ends_at == utc(2026, 5, 1)


def test_fees_in_arrears_are_charged_when_their_cycle_ends() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20", in_advance=False), seat("3", in_advance=False)])
    # when
    plans.subscribe("pro", quantity=4)
    # then
    assert plans.fees() == []
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.fees() == ["20", "12"]


def test_a_discount_takes_off_every_fee() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20"), seat("10")])
    # when
    plans.subscribe("pro", quantity=3, discount="0.2")
    # then
    assert plans.fees() == ["16", "24"]


def test_the_same_key_again_answers_the_same_subscription() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20")])
    pro = plans.subscribe("pro", "k")
    rows = len(plans.books.log.rows)
    # when
    again = plans.books.do(Subscribe("k", "ext:acme", "pro"))
    # then
    assert (again.subscription_id, again.replayed) == (pro, True)
    assert len(plans.books.log.rows) == rows
    with pytest.raises(IdempotencyConflict) as conflict:
        plans.subscribe("pro", "k", quantity=2)
    assert conflict.value.field == "quantity"


# Refusals


def test_subscribing_is_refused_where_the_fee_is_not_covered() -> None:
    # given
    plans = Plans(Books(utc(2026, 4, 1)), money="19.99")
    plans.publish("pro", [flat("20")], [included("100")])
    rows = len(plans.books.log.rows)
    # when
    with pytest.raises(InsufficientFunds) as refused:
        plans.subscribe("pro")
    # then
    assert (amount(refused.value.required_units, 9), amount(refused.value.available_units, 9)) == (
        "20",
        "19.99",
    )
    assert len(plans.books.log.rows) == rows


def test_a_later_cycle_never_fails() -> None:
    # given
    plans = Plans(Books(utc(2026, 4, 1)), money="25")
    plans.publish("pro", [flat("20")], [included("100")])
    plans.subscribe("pro")
    # when
    plans.books.at(2026, 5, 1)
    plans.run()
    # then
    assert plans.fees() == ["20", "20"]
    assert amount(plans.books.account("USD").owed_units, 9) == "15"
    assert plans.books.available() == "100"


def test_included_credits_do_not_pay_the_fee_they_come_with() -> None:
    # given
    plans = Plans(Books(utc(2026, 4, 1)), money=None)
    plans.publish("pro", [flat("20", "CREDIT")], [included("100")])
    # when / then
    with pytest.raises(InsufficientFunds):
        plans.subscribe("pro")


@pytest.mark.parametrize(
    "terms, refusal",
    [
        ({"product": "none"}, NotFound),
        ({"product": "pro", "version": 9}, NotFound),
        ({"product": "draft"}, InvalidState),
        ({"product": "draft", "version": 1}, InvalidState),
        ({"product": "pro", "quantity": 0}, InvalidInput),
        ({"product": "pro", "discount": "1.5"}, InvalidInput),
        ({"product": "pro", "discount": "-0.1"}, InvalidInput),
        ({"product": "pro", "overrides": (flat("5", key="other"),)}, InvalidInput),
        ({"product": "pro", "overrides": (flat("-5"),)}, InvalidInput),
        ({"product": "pro", "overrides": (flat("5", "NOPE"),)}, InvalidInput),
        ({"product": "pro", "starts_at": datetime(1990, 1, 1, tzinfo=UTC)}, InvalidInput),
        ({"product": "pro", "anchor": datetime(9999, 12, 31, tzinfo=UTC)}, InvalidInput),
    ],
)
def test_bad_subscribing_is_refused(terms: dict[str, Any], refusal: type[Exception]) -> None:
    # given
    from application.commands.catalog_requests import DraftProductVersion

    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20")])
    plans.books.do(DraftProductVersion("draft", (flat("20"),)))
    rows = len(plans.books.log.rows)
    product = terms.pop("product")
    # when
    with pytest.raises(refusal):
        plans.subscribe(str(product), **terms)
    # then
    assert len(plans.books.log.rows) == rows


def test_subscribing_twice_is_refused() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20")])
    plans.subscribe("pro")
    # when
    with pytest.raises(InvalidState, match="change its quantity"):
        plans.subscribe("pro", "again")
    # then
    assert plans.fees() == ["20"]


def test_a_frozen_wallet_pays_no_new_fee() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20")])
    plans.books.do(FreezeWallet("ext:acme", "fraud"))
    # when
    with pytest.raises(InvalidState) as refused:
        plans.subscribe("pro")
    # then
    assert refused.value.state == "FROZEN"


def test_what_is_over_changes_no_more() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [flat("20")])
    pro = plans.subscribe("pro")
    plans.cancel(pro, at_cycle_end=False)
    # when / then
    for do in (plans.cancel, plans.pause, plans.resume):
        with pytest.raises(InvalidState) as refused:
            do(pro)
        assert refused.value.state == "CANCELED"
    with pytest.raises(InvalidState):
        plans.change(pro, "pro", quantity=2)


# Changes of plan


def test_r7_proration() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("basic", [flat("20")])
    plans.publish("pro", [flat("50")])
    basic = plans.subscribe("basic")
    # when
    plans.books.at(2026, 4, 16)
    plans.change(basic, "pro")
    # then
    assert plans.fees() == ["20", "-10", "25"]
    assert plans.enrolment(basic).windows[0].ends_at == utc(2026, 5, 1)
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.fees() == ["20", "-10", "25", "50"]


def test_r26_paid_in_part() -> None:
    # given
    plans = plans_at(2024, 5, 20)
    plans.publish("quarterly", [flat("182")], period="QUARTER")
    # when
    quarterly = plans.subscribe("quarterly", anchor=utc(2024, 4, 1))
    # then
    assert plans.fees() == ["84"]
    # and
    plans.books.at(2024, 6, 10)
    plans.cancel(quarterly, at_cycle_end=False)
    assert plans.fees() == ["84", "-42"]


def test_r26_credit_is_of_what_was_really_charged() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("basic", [flat("20")])
    plans.publish("pro", [flat("50")])
    basic = plans.subscribe("basic", overrides=(flat("10"),))
    # when
    plans.books.at(2026, 4, 16)
    plans.change(basic, "pro")
    # then
    assert plans.fees() == ["10", "-5", "25"]


@pytest.mark.parametrize(
    "includes, available", [("REPLACE", "1000"), ("CARRY", "1040"), ("PRORATE", "540")]
)
def test_r18_plan_change(includes: str, available: str) -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("a", [], [included("100")])
    plans.publish("b", [], [included("1000")])
    a = plans.subscribe("a")
    plans.books.charge("e", "60")
    # when
    plans.books.at(2026, 4, 16)
    plans.change(a, "b", includes=includes)
    # then
    assert plans.books.available() == available
    # and all of it ends with the cycle
    plans.books.at(2026, 5, 1)
    assert plans.books.available() == "1000"


def test_r18_coming_back_restores_what_was_left() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("a", [], [included("100")])
    plans.publish("b", [], [included("1000")])
    b = plans.subscribe("b")
    plans.books.charge("e", "300")
    # when
    plans.books.at(2026, 4, 10)
    plans.change(b, "a")
    assert plans.books.available() == "100"
    plans.change(b, "b")
    # then
    assert plans.books.available() == "700"


def test_cancelling_and_subscribing_again_restores_what_was_left() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("a", [flat("20")], [included("100")])
    first = plans.subscribe("a")
    plans.books.charge("e", "60")
    # when
    plans.books.at(2026, 4, 16)
    plans.cancel(first, at_cycle_end=False)
    # then 40 % of the credits are left, half of the time
    assert plans.fees() == ["20", "-8"]
    assert plans.books.available() == "0"
    # and
    plans.subscribe("a", "again")
    assert plans.books.available() == "40"
    # until its own next cycle
    plans.books.at(2026, 5, 16)
    assert plans.books.available() == "100"


def test_credits_that_are_carried_are_paid_for() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("a", [flat("20")], [included("100")])
    plans.publish("free")
    a = plans.subscribe("a")
    # when
    plans.change(a, "free", includes="CARRY")
    # then neither the fee comes back nor do the credits go
    assert plans.fees() == ["20", "0"] or plans.fees() == ["20"]
    assert plans.books.available() == "100"


def test_r19_bought_credits_stay() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.books.grant("topup", "25")
    plans.publish("a", [flat("20")], [included("50")])
    a = plans.subscribe("a")
    assert plans.books.available() == "75"
    # when
    plans.cancel(a)
    # then
    assert plans.enrolment(a).status == "ACTIVE"
    assert plans.enrolment(a).cancel_at == utc(2026, 5, 1)
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.told(a).status == "ENDED"
    assert plans.books.available() == "25"
    assert plans.fees() == ["20"]


def test_a_change_of_period_begins_a_new_cycle() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("monthly", [flat("30")], [included("100")])
    plans.publish("yearly", [flat("365")], [included("100", period="MONTH")], period="YEAR")
    monthly = plans.subscribe("monthly")
    # when
    plans.books.at(2026, 4, 16)
    plans.change(monthly, "yearly")
    # then
    assert plans.fees() == ["30", "-15", "365"]
    assert plans.enrolment(monthly).windows[0].ends_at == utc(2027, 4, 16)
    assert plans.books.available() == "100"
    plans.books.at(2026, 5, 16)
    assert plans.books.available() == "100"


def test_a_change_at_the_cycles_end_is_visible_until_then() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("a", [flat("20")], [included("100")])
    plans.publish("b", [flat("50")], [included("1000")])
    a = plans.subscribe("a")
    # when
    plans.change(a, "b", quantity=2, at_cycle_end=True)
    # then
    pending = plans.enrolment(a).pending
    assert pending is not None
    assert (pending.terms.product_key, pending.quantity) == ("b", 2)
    assert plans.told(a).pending is not None
    assert plans.fees() == ["20"]
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.enrolment(a).pending is None
    assert plans.told(a).pending is None
    assert plans.told(a).product_key == "b"
    assert plans.told(a).quantity == 2
    assert plans.fees() == ["20", "50"]
    assert plans.books.available() == "1000"


def test_a_pending_change_is_taken_back_by_what_there_is() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("a", [flat("20")])
    plans.publish("b", [flat("50")])
    a = plans.subscribe("a")
    plans.change(a, "b", at_cycle_end=True)
    # when
    plans.change(a, "a", at_cycle_end=True)
    # then
    assert plans.enrolment(a).pending is None
    assert plans.told(a).pending is None
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.fees() == ["20", "20"]


def test_a_change_that_costs_more_than_there_is_is_refused_whole() -> None:
    # given
    plans = Plans(Books(utc(2026, 4, 1)), money="30")
    plans.publish("a", [flat("20")], [included("100")])
    plans.publish("b", [flat("50")], [included("1000")])
    a = plans.subscribe("a")
    plans.books.at(2026, 4, 16)
    rows = len(plans.books.log.rows)
    # when: 25 less 10 are due, 10 there
    with pytest.raises(InsufficientFunds) as refused:
        plans.change(a, "b")
    # then
    assert amount(refused.value.required_units, 9) == "15"
    assert len(plans.books.log.rows) == rows


# Seats


def test_seats_added_in_mid_cycle_are_prorated_with_their_credits() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("team", [seat("30")], [included("100", per_seat=True)])
    team = plans.subscribe("team", quantity=2)
    assert plans.books.available() == "200"
    # when
    plans.books.at(2026, 4, 16)
    plans.change(team, "team", quantity=5)
    # then
    assert plans.fees() == ["60", "45"]
    assert plans.books.available() == "350"
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.fees() == ["60", "45", "150"]
    assert plans.books.available() == "500"


def test_seats_taken_away_are_credited_for_the_time_left() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("team", [seat("30"), seat("6", key="arrears", in_advance=False)])
    team = plans.subscribe("team", quantity=5)
    # when
    plans.books.at(2026, 4, 16)
    plans.change(team, "team", quantity=3)
    # then
    assert plans.fees() == ["150", "-30", "15"]
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert plans.fees()[3:] == ["9", "90"]


def test_no_credits_are_farmed_with_seats() -> None:
    # given
    plans = plans_at(2026, 4, 1)
    plans.publish("team", [seat("30")], [included("100", per_seat=True)])
    team = plans.subscribe("team", quantity=1)
    # when
    for _ in range(3):
        plans.change(team, "team", quantity=10)
        plans.books.charge(f"e{len(plans.books.log.rows)}", plans.books.available())
        plans.change(team, "team", quantity=1)
    # then the credits of ten seats were given once, and paid for
    assert amount(plans.books.account().burned_units) == "1000"
    paid = 1_000_000 - float(plans.books.available("USD"))
    assert paid >= 300


# Credits


def test_r8_rollover() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("pro", [], [included("100", rollover=True, rollover_limit="50")])
    plans.subscribe("pro")
    plans.books.charge("e", "30")
    # when
    plans.books.at(2026, 2, 1)
    plans.run()
    # then
    account = plans.books.account()
    assert amount(account.expired_units) == "20"
    assert plans.books.available() == "150"
    rolled, fresh = account.in_burn_order()
    assert (amount(rolled.remaining_units), amount(fresh.remaining_units)) == ("50", "100")
    assert rolled.terms.effective_at == utc(2026, 1, 1)
    assert rolled.terms.expires_at == fresh.terms.expires_at == utc(2026, 3, 1)
    # and they burn first
    charge = plans.books.charge("f", "60")
    assert [amount(units) for _, units in charge.allocations] == ["50", "10"]


def test_rollover_times_and_the_limit_on_the_sum() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish(
        "pro", [], [included("100", rollover=True, rollover_limit="150", rollover_times=1)]
    )
    plans.subscribe("pro")
    available: list[str] = []
    # when
    for month in range(2, 6):
        plans.books.at(2026, month, 1)
        plans.run()
        available.append(plans.books.available())
    # then what has rolled once does not roll again
    assert available == ["200", "200", "200", "200"]


def test_r20_a_year_with_monthly_credits() -> None:
    # given
    plans = plans_at(2026, 1, 31)
    plans.publish("yearly", [flat("1200")], [included("100", period="MONTH")], period="YEAR")
    # when
    plans.subscribe("yearly")
    # then
    assert plans.books.available() == "100"
    grants = [(utc(2026, 1, 31), "100")]
    for end in [(2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30)]:
        plans.books.at(2026, *end)
        plans.run()
        live = plans.books.account().in_burn_order()
        grants += [(each.terms.effective_at, amount(each.remaining_units)) for each in live]
    assert len(grants) == 9
    assert {units for _, units in grants} == {"100"}
    plans.books.at(2027, 1, 30)
    plans.run()
    assert amount(plans.books.account().granted_units) == "1200"
    assert plans.fees() == ["1200"]
    plans.books.at(2027, 1, 31)
    plans.run()
    assert plans.fees() == ["1200", "1200"]
    assert plans.books.available() == "100"


def test_r21_one_instant() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("pro", [], [included("100", rollover=True, rollover_limit="20")])
    plans.subscribe("pro")
    plans.books.charge("e", "60")
    plans.books.grant("bought", "30")
    plans.books.at(2026, 1, 31, 23)
    plans.books.authorize("h", "5", ttl_seconds=3600)
    plans.books.do(SetBalanceAlert("ext:acme", "CREDIT", "60"))
    plans.books.do(SetAutoTopUp("ext:acme", "CREDIT", "60", amount="100", price=Money("10", "USD")))
    rows = len(plans.books.log.rows)
    # when
    plans.books.at(2026, 2, 1)
    plans.run()
    # then
    wallet_id = plans.books.wallet().id
    topics = [topic for stream, _, topic, _ in plans.books.log.rows[rows:] if stream == wallet_id]
    assert topics == [
        "wallet.hold_lapsed",
        "wallet.grant_lapsed",
        "wallet.grant_revoked",
        "wallet.grant_credited",
        "wallet.grant_credited",
        "wallet.subscription_moved",
    ]
    assert plans.books.available() == "150"


def test_rolled_credits_stay_when_only_the_version_changes_at_the_cycles_end() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("pro", [], [included("100", rollover=True)])
    plans.publish("pro", [], [included("200", rollover=True)], effective_at=utc(2026, 1, 1))
    pro = plans.subscribe("pro", version=1)
    # when
    plans.change(pro, "pro", version=2, at_cycle_end=True)
    plans.books.at(2026, 2, 1)
    # then
    assert plans.books.available() == "300"


# Pause


def test_paused_is_without_fees_and_credits_and_resuming_begins_a_cycle() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("pro", [flat("20")], [included("100")])
    pro = plans.subscribe("pro")
    plans.books.at(2026, 1, 10)
    plans.pause(pro)
    # when
    plans.books.at(2026, 3, 15)
    plans.run()
    # then
    assert plans.told(pro).status == "PAUSED"
    assert plans.fees() == ["20"]
    assert plans.books.available() == "0"
    # and
    plans.resume(pro)
    assert plans.fees() == ["20", "20"]
    assert plans.books.available() == "100"
    assert plans.enrolment(pro).windows[0].ends_at == utc(2026, 4, 15)
    assert plans.told(pro).status == "ACTIVE"
    with pytest.raises(InvalidState):
        plans.resume(pro)


# Versions


def test_a_followed_versions_fees_and_credits_come_with_the_next_cycle() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("pro", [flat("20")], [included("100")])
    plans.subscribe("pro")
    plans.publish("pro", [flat("30")], [included("150")], effective_at=utc(2026, 1, 15))
    # when
    plans.books.at(2026, 2, 1)
    plans.run()
    # then
    assert plans.fees() == ["20", "30"]
    assert plans.books.available() == "150"


def test_a_pinned_version_stays() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("pro", [flat("20")])
    plans.subscribe("pro", version=1)
    plans.publish("pro", [flat("30")], effective_at=utc(2026, 1, 15))
    # when
    plans.books.at(2026, 2, 1)
    plans.run()
    # then
    assert plans.fees() == ["20", "20"]


def test_a_seat_added_and_a_period_begun_have_the_prices_agreed_by_then() -> None:
    # given a year's plan with a monthly fee
    plans = plans_at(2026, 4, 1)
    plans.publish("pro", [seat("12"), flat("20", period="MONTH")], period="YEAR")
    pro = plans.subscribe("pro")
    # when
    plans.override(pro, seat("6"), discount="0.5")
    plans.books.at(2026, 5, 1)
    plans.run()
    plans.books.at(2026, 10, 1)
    plans.change(pro, "pro", quantity=2)
    # then: what runs stays; from May on 20 less a half; the new seat's 6, less a half, for 182 days
    assert plans.fees() == ["12", "20", "10", "10", "10", "10", "10", "10", "1.495890411"]


def test_overrides_act_on_fees_from_the_next_cycle_and_end_with_their_product() -> None:
    # given
    plans = plans_at(2026, 1, 1)
    plans.publish("a", [flat("20")])
    plans.publish("b", [flat("50")])
    a = plans.subscribe("a")
    # when
    plans.override(a, flat("12"), discount="0.5")
    plans.books.at(2026, 2, 1)
    plans.run()
    # then
    assert plans.fees() == ["20", "6"]
    # and
    plans.change(a, "b", at_cycle_end=True)
    plans.books.at(2026, 3, 1)
    plans.run()
    assert plans.fees() == ["20", "6", "50"]
    assert plans.told(a).overrides == ()


# By invoice


def test_fees_by_invoice_never_touch_the_wallet() -> None:
    # given
    plans = Plans(Books(utc(2026, 4, 1)), money=None)
    plans.publish("pro", [flat("20")], [included("100")])
    # when
    pro = plans.subscribe("pro", collection="INVOICE")
    # then
    assert plans.books.available() == "100"
    assert "USD" not in plans.books.wallet().accounts
    line = plans.enrolment(pro).fees[0]
    assert (amount(line.units, 9), line.charge_id) == ("20", None)


# Downtime


def test_a_month_of_downtime_gives_the_same_figures() -> None:
    # given
    def run(each_day: bool) -> tuple[list[str], str, str]:
        plans = plans_at(2026, 1, 31)
        plans.publish("pro", [flat("20")], [included("100", rollover=True, rollover_limit="50")])
        plans.books.grant("short", "7", expires_at=utc(2026, 3, 5), asset="USD")
        plans.subscribe("pro")
        plans.books.charge("e", "30")
        for _ in range(100):
            plans.books.later(days=1)
            if each_day:
                plans.run()
        plans.run()
        money = plans.books.available("USD")
        return plans.fees(), plans.books.available(), money

    # when / then
    assert run(True) == run(False)


def test_paid_in_full_by_a_grant_that_ended_during_the_downtime() -> None:
    # given
    def left(runs: bool) -> str:
        plans = Plans(Books(utc(2026, 1, 1)), money=None)
        plans.books.grant(
            "short", "40", asset="USD", expires_at=utc(2026, 2, 2), paid=Money("40", "USD")
        )
        plans.publish("pro", [flat("20")])
        plans.subscribe("pro")
        if runs:
            plans.books.at(2026, 2, 1)
            plans.run()
        plans.books.at(2026, 2, 20)
        plans.run()
        return amount(plans.books.account("USD").owed_units, 9)

    # when / then
    assert left(runs=True) == left(runs=False) == "0"


def unbilled(plans: Plans) -> dict[str, str]:
    """Return what a draft in USD shows, by month and line."""
    state = Unbilled()
    for position, event in enumerate(plans.books.log.all(), start=1):
        if type(event) in UnbilledModel.events:
            fold(state, position, plans.books.tenant_id, event)
    return {
        f"{line.cycle} {line.meter.removeprefix(FEE)}": amount(line.units, 9)
        for line in state.lines.values()
        if line.units
    }


def test_fees_by_invoice_are_lines_of_the_draft() -> None:
    # given
    plans = Plans(Books(utc(2026, 4, 1)), money=None)
    plans.publish("basic", [flat("20"), seat("6", in_advance=False)])
    plans.publish("pro", [flat("50")])
    # when
    basic = plans.subscribe("basic", collection="INVOICE", quantity=2)
    assert unbilled(plans) == {"2026-04 fee": "20"}
    plans.books.at(2026, 4, 16)
    plans.change(basic, "pro")
    # then 10 of the fee come back, half of the seats' is due, and half of the new fee
    assert unbilled(plans) == {"2026-04 fee": "35", "2026-04 seat": "6"}
    # and
    plans.books.at(2026, 5, 1)
    plans.run()
    assert unbilled(plans) == {
        "2026-04 fee": "35",
        "2026-04 seat": "6",
        "2026-05 fee": "50",
    }


def test_a_cycle_budget_has_the_window_of_the_oldest_subscription() -> None:
    # given
    plans = plans_at(2026, 1, 20)
    plans.publish("pro", [], [included("1000")])
    plans.subscribe("pro")
    # when
    answer = plans.books.do(SetBudget("ext:acme", "", "CREDIT", "10", "CYCLE"))
    # then
    assert answer.figures.resets_at == utc(2026, 2, 20)
    plans.books.charge("a", "10")
    plans.books.at(2026, 2, 19)
    with pytest.raises(SpendLimitReached):
        plans.books.charge("b", "1")
    plans.books.at(2026, 2, 20)
    plans.books.charge("b", "1")


def test_paused_at_once_it_keeps_its_cycle_to_show() -> None:
    # given
    plans = plans_at(2026, 6, 1)
    plans.publish("pro", [flat("10")], [included("100")])
    pro = plans.subscribe("pro")
    # when
    plans.pause(pro)
    # then
    assert plans.enrolment(pro).tiling.anchor == utc(2026, 6, 1)
    assert plans.enrolment(pro).cycle_of(utc(2026, 6, 1)) is None
    plans.books.at(2026, 8, 10)
    plans.resume(pro)
    assert plans.fees() == ["10", "10"]
    assert plans.books.available() == "100"


def test_a_snapshot_gives_the_wallet_back_with_its_subscriptions() -> None:
    # given
    plans = plans_at(2026, 1, 31)
    plans.publish("pro", [flat("20"), seat("5", in_advance=False)], [included("9", rollover=True)])
    plans.publish("other", [flat("3")])
    pro = plans.subscribe("pro", quantity=3, overrides=(flat("12"),), discount="0.1")
    over = plans.subscribe("other")
    plans.books.later(days=40)
    plans.run()
    plans.change(pro, "pro", quantity=2, at_cycle_end=True)
    plans.cancel(over, at_cycle_end=False)
    # when
    wallet = plans.books.wallet()
    again = reloaded(wallet)
    # then
    assert again.state() == wallet.state()
    assert again.due == wallet.due
    later = plans.books.clock.at + timedelta(days=100)
    assert again.as_of(later).state() == wallet.as_of(later).state()
