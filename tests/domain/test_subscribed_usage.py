"""Usage that a subscription prices: which terms, which cycle, whose totals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.commands.catalog_requests import (
    CommitmentSaid,
    DefineMeter,
    PriceSaid,
    SetDefaultProduct,
    TierSaid,
)
from application.commands.requests import RecordUsage
from domain.catalog.price import PriceModel
from domain.refusals import InvalidInput, InvalidState
from tests.books import Books, amount
from tests.plans import Plans, flat


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]


def unit(price: str, key: str = "tokens", meter: str = "tokens") -> PriceSaid:
    return PriceSaid(key, PriceModel.UNIT, "USD", meter=meter, unit_price=price)


@pytest.fixture
def plans() -> Plans:
    """acme on 2026-01-10, with the meter `tokens`."""
    plans = Plans(Books(utc(2026, 1, 10)))
    plans.books.do(DefineMeter("tokens"))
    return plans


def use(plans: Plans, event_id: str, quantity: str, **report: Any) -> str:
    """Record usage; return what it cost."""
    command = RecordUsage(event_id, "ext:acme", "tokens", quantity=quantity, **report)
    charge = plans.books.do(command).charge
    return amount(charge.amount_units, 9)


def test_its_price_its_discount_and_its_overrides(plans: Plans) -> None:
    # given
    plans.publish("pro", [unit("2")])
    pro = plans.subscribe("pro", discount="0.25")
    # when / then
    assert use(plans, "a", "10") == "15"
    plans.override(pro, unit("1"))
    assert use(plans, "b", "10") == "10"
    assert use(plans, "late", "10", occurred_at=plans.books.clock.at) == "10"


def test_a_late_event_is_priced_as_it_was_then(plans: Plans) -> None:
    # given
    plans.publish("basic", [unit("2")])
    plans.publish("pro", [unit("1")])
    basic = plans.subscribe("basic")
    plans.books.later(days=5)
    plans.change(basic, "pro")
    plans.books.later(days=5)
    # when
    before = use(plans, "late", "3", occurred_at=utc(2026, 1, 12))
    now = use(plans, "now", "3")
    # then
    assert (before, now) == ("6", "3")


def test_a_cycles_total_begins_anew_and_a_late_event_moves_its_own(plans: Plans) -> None:
    # given
    tiers = (TierSaid("0.10", "1000"), TierSaid("0.08", "10000"), TierSaid("0.05"))
    plans.publish(
        "pro", [PriceSaid("tokens", PriceModel.GRADUATED, "USD", meter="tokens", tiers=tiers)]
    )
    plans.subscribe("pro")
    assert use(plans, "a", "990") == "99"
    # when
    plans.books.at(2026, 2, 10)
    # then
    assert use(plans, "b", "500") == "50"
    assert use(plans, "late", "20", occurred_at=utc(2026, 2, 9, 23)) == "1.8"
    assert use(plans, "c", "500") == "50"


def test_what_is_paused_or_over_prices_nothing(plans: Plans) -> None:
    # given
    plans.publish("pro", [unit("2")])
    plans.publish("list", [unit("5")])
    plans.books.do(SetDefaultProduct("list"))
    assert use(plans, "a", "1") == "5"
    pro = plans.subscribe("pro")
    assert use(plans, "b", "1") == "2"
    # when
    plans.books.later(days=1)
    plans.pause(pro)
    assert use(plans, "c", "1") == "5"
    late = plans.books.clock.at - timedelta(hours=1)
    assert use(plans, "d", "1", occurred_at=late) == "2"
    plans.resume(pro)
    assert use(plans, "e", "1") == "2"
    plans.books.later(days=1)
    plans.cancel(pro, at_cycle_end=False)
    # then
    assert use(plans, "f", "1") == "5"


def test_a_trial_prices_usage(plans: Plans) -> None:
    # given
    plans.publish("pro", [flat("20"), unit("2")], trial_days=7)
    plans.subscribe("pro")
    # when / then
    assert use(plans, "a", "4") == "8"
    assert plans.fees() == []


def test_a_scheduled_one_prices_nothing_yet(plans: Plans) -> None:
    # given
    plans.publish("pro", [unit("2")])
    plans.subscribe("pro", starts_at=utc(2026, 2, 1))
    # when / then
    with pytest.raises(InvalidInput) as refused:
        use(plans, "a", "4")
    assert refused.value.field == "amount"
    plans.books.at(2026, 2, 1)
    assert use(plans, "a", "4") == "8"


def test_two_plans_that_price_one_meter(plans: Plans) -> None:
    # given
    plans.publish("pro", [unit("2")])
    plans.publish("other", [unit("3", key="other")])
    pro = plans.subscribe("pro")
    # when
    with pytest.raises(InvalidState, match="tokens"):
        plans.subscribe("other")
    # then, once the first is over
    plans.cancel(pro, at_cycle_end=False)
    plans.subscribe("other")
    assert use(plans, "a", "1") == "3"


def test_a_followed_versions_usage_price_acts_from_its_time(plans: Plans) -> None:
    # given
    plans.publish("pro", [unit("2")])
    plans.subscribe("pro")
    plans.publish("pro", [unit("3")], effective_at=utc(2026, 1, 15))
    # when / then
    assert use(plans, "a", "1") == "2"
    plans.books.at(2026, 1, 15)
    assert use(plans, "b", "1") == "3"


def test_a_commitment_counts_usage_and_fees(plans: Plans) -> None:
    # given
    plans.publish("pro", [flat("20"), unit("2")], minimum_commitment=CommitmentSaid("100", "USD"))
    plans.subscribe("pro")
    use(plans, "a", "15")
    # when: 20 of fees and 30 of usage
    plans.books.at(2026, 2, 10)
    plans.run()
    # then
    assert plans.fees() == ["20", "50", "20"]
    # and what is above is enough
    use(plans, "b", "50")
    plans.books.at(2026, 3, 10)
    plans.run()
    assert plans.fees() == ["20", "50", "20", "20"]


def test_a_fee_says_its_price(plans: Plans) -> None:
    # given
    plans.publish("pro", [flat("20")])
    # when
    plans.subscribe("pro", overrides=(flat("12"),))
    # then
    (charge,) = plans.fee_charges()
    (line,) = charge.lines
    assert (line.product, line.version, line.price, line.overridden) == ("pro", 1, "fee", True)
    assert (line.starts_at, line.ends_at) == (utc(2026, 1, 10), utc(2026, 2, 10))
