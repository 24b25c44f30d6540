"""What holds of subscriptions whatever customers do with them, and whenever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.codec import topic_of
from domain.calendar.cycles import CyclePeriod
from domain.calendar.zones import ZONE_NAMES
from domain.grants.events import GrantIssued, GrantPlanRevoked
from domain.refusals import Refusal
from domain.subscriptions.enrolment import Tiling
from tests.books import Books
from tests.plans import Plans, flat, included, seat

START = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = st.sampled_from(sorted(ZONE_NAMES))
instants = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    anchor=instants,
    start=instants,
    zone=ZONES,
    other=ZONES,
    period=st.sampled_from(CyclePeriod),
    joined=st.booleans(),
)
def test_cycles_tile_over_ten_years(  # noqa: PLR0917
    anchor: datetime,
    start: datetime,
    zone: str,
    other: str,
    period: CyclePeriod,
    joined: bool,
) -> None:
    # given cycles, and those that follow a change of zone at a boundary of theirs
    first = Tiling(start, anchor, period, other, joined=False)
    changed_at = first.window(start).ends_at if joined else start
    tiling = Tiling(changed_at, anchor, period, zone, joined=joined)
    step = {"DAY": 31, "WEEK": 31, "MONTH": 1, "QUARTER": 1, "YEAR": 1}[period]
    end = changed_at + timedelta(days=3_653)
    # when / then: each begins where the one before ends, and whoever asks finds the same
    at, asked = changed_at, 0
    while at < end and asked < 130:
        window = tiling.window(at)
        assert window.starts_at == at
        assert window.ends_at > at
        last = window.ends_at - timedelta(microseconds=1)
        middle = at + (last - at) / 2
        assert tiling.window(last) == window
        assert tiling.window(middle) == window
        asked += 1
        at = window.ends_at if asked % step else tiling.window(window.ends_at).starts_at


moves = st.lists(
    st.tuples(
        st.sampled_from(
            ["change", "change", "cancel", "subscribe", "burn", "burn", "wait", "seats"]
        ),
        st.sampled_from(["a", "a", "b", "weekly", "yearly"]),
        st.sampled_from(["REPLACE", "REPLACE", "CARRY", "PRORATE"]),
        st.integers(1, 40),
    ),
    min_size=8,
    max_size=24,
)


@settings(max_examples=80)
@given(moves=moves, fees=st.booleans())
def test_no_sequence_of_changes_gives_a_products_credits_twice(
    moves: list[tuple[str, str, Any, int]], fees: bool
) -> None:
    # given
    plans = Plans(Books(START))
    price = [flat("20")] if fees else []
    plans.publish("a", price, [included("100")])
    plans.publish("b", price, [included("1000", rollover=True)])
    plans.publish("weekly", price, [included("25")], period="WEEK")
    plans.publish("yearly", price, [included("100", period="MONTH", per_seat=True)], period="YEAR")
    amounts = {"a": 100, "b": 1_000, "weekly": 25, "yearly": 300}
    running = plans.subscribe("a")
    # when
    for number, (move, product, how, size) in enumerate(moves):
        try:
            if move == "change":
                plans.change(running, product, includes=how)
            elif move == "seats":
                now = plans.enrolment(running).terms.product_key
                plans.change(running, now, quantity=size % 3 + 1)
            elif move == "cancel":
                plans.cancel(running, at_cycle_end=False)
            elif move == "subscribe":
                running = plans.subscribe(product, f"s{number}", quantity=1)
            elif move == "burn":
                plans.books.charge(
                    f"e{number}", plans.books.available() if size > 20 else str(size)
                )
            else:
                plans.books.later(days=size / 12)
        except Refusal:
            continue
    plans.run()
    # then: in no cycle more was given and not taken back than the product includes
    for product, stretches in given_by_cycle(plans).items():
        for units in stretches:
            assert units <= amounts[product] * 10**6, (product, stretches)


def given_by_cycle(plans: Plans) -> dict[str, list[int]]:
    """Return what was given, less what was taken back, of each product, by the stretch that
    its first giving begins.
    """
    until: dict[str, datetime] = {}
    units: dict[str, list[int]] = {}
    product_of: dict[str, tuple[str, int]] = {}
    for event in plans.books.log.all():
        if isinstance(event, GrantIssued) and event.origin.kind == "INCLUDED":
            product = event.origin.product_key
            assert product is not None
            assert event.expires_at is not None
            if product not in until or until[product] <= event.effective_at:
                until[product] = event.expires_at
                units.setdefault(product, []).append(0)
            units[product][-1] += event.amount_units
            product_of[event.originator_id] = product, len(units[product]) - 1
        elif isinstance(event, GrantPlanRevoked) and event.originator_id in product_of:
            product, place = product_of[event.originator_id]
            units[product][place] -= event.units
    return units


@settings(max_examples=100)
@given(
    old=st.integers(1, 10**9 - 1),
    new=st.integers(1, 10**9 - 1),
    second=st.integers(1, 30 * 86_400 - 1),
    arrears=st.booleans(),
)
def test_a_changed_cycle_costs_what_was_used_of_each_plan(
    old: int, new: int, second: int, arrears: bool
) -> None:
    # given, in smallest units, a cycle of 30 days
    plans = Plans(Books(datetime(2026, 4, 1, tzinfo=UTC)))
    plans.publish("old", [flat(f"0.{old:09}", in_advance=not arrears)])
    plans.publish("new", [flat(f"0.{new:09}", in_advance=not arrears)])
    running = plans.subscribe("old")
    # when
    plans.books.later(seconds=second)
    plans.change(running, "new")
    plans.books.at(2026, 5, 1)
    plans.cancel(running)  # what is in arrears is due then
    # then
    moves = [Fraction(each) for each in plans.fees()]
    in_april = sum(moves) - (0 if arrears else Fraction(new, 10**9))
    whole = 30 * 86_400
    used = Fraction(old * second + new * (whole - second), whole * 10**9)
    assert abs(in_april - used) <= Fraction(1, 10**9)


@settings(max_examples=25)
@given(
    day=st.integers(1, 31),
    limit=st.integers(0, 200),
    burned=st.integers(0, 100),
    seats=st.integers(1, 4),
    days=st.integers(20, 70),
    trial=st.sampled_from([0, 10]),
)
def test_a_month_of_downtime_writes_the_same_events(  # noqa: PLR0917
    day: int, limit: int, burned: int, seats: int, days: int, trial: int
) -> None:
    # given
    def log(each_day: bool) -> list[tuple[str, Any]]:
        plans = Plans(Books(datetime(2026, 1, day, 7, tzinfo=UTC)), money="90")
        plans.books.grant(
            "short", "33", asset="USD", source="PROMOTIONAL",
            expires_at=datetime(2026, 2, 20, tzinfo=UTC),
        )  # fmt: skip
        plans.publish(
            "pro",
            [flat("20"), flat("3", key="weekly", period="WEEK"), seat("5", in_advance=False)],
            [included("100", rollover=True, rollover_limit=str(limit))],
            trial_days=trial,
        )
        plans.subscribe("pro", quantity=seats)
        plans.books.charge("e", str(burned))
        start = len(plans.books.log.rows)
        for _ in range(days):
            plans.books.later(days=1)
            if each_day:
                plans.run()
        plans.run()
        return [(topic_of(event), facts(event)) for event in plans.books.log.all()[start:]]

    # when / then
    assert log(each_day=False) == log(each_day=True)


def facts(event: Any) -> dict[str, Any]:
    """Return what an event says but for when it was written."""
    told = dict(vars(event))
    del told["timestamp"]
    if "terms" in told:  # of a grant: when it was issued
        told["terms"] = told["terms"].amount_units, told["terms"].effective_at
    return told


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/New_York", "Asia/Gaza"])
def test_a_changed_zone_takes_effect_with_the_next_cycle(zone: str) -> None:
    # given
    from application.commands.requests import UpdateCustomer

    plans = Plans(Books(START))
    plans.publish("daily", [flat("1")], period="DAY")
    daily = plans.subscribe("daily")
    # when
    plans.books.later(hours=5)
    ends = plans.enrolment(daily).windows[0].ends_at
    plans.books.do(UpdateCustomer("ext:acme", zone, {}))
    assert plans.enrolment(daily).windows[0].ends_at == ends
    # then cycles go on without a gap
    bounds = [plans.enrolment(daily).windows[0]]
    for _ in range(4):
        plans.books.clock.at = bounds[-1].ends_at
        plans.run()
        bounds.append(plans.enrolment(daily).windows[0])
    assert all(a.ends_at == b.starts_at for a, b in pairwise(bounds))
    assert plans.enrolment(daily).tiling.zone == zone
