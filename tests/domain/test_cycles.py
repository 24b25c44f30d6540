"""Cycles tile, in every zone, from every anchor; the figures of R6, R20, R22 and R23."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar.cycles import (
    Cycle,
    CyclePeriod,
    boundary,
    calendar_day,
    calendar_month,
    calendar_week,
    cycle_at,
    days_later,
)
from domain.calendar.zones import TZDATA_VERSION, ZONE_NAMES, zone_named

TEN_YEARS = timedelta(days=3_653)
ZONES = st.sampled_from(
    sorted(ZONE_NAMES)
    + ["America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"] * 20
)
TIMES = st.integers(0, 37 * 365 * 86_400).map(
    lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_named(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    "case,zone,period,anchor,starts",
    [
        ("R6", "UTC", "MONTH", "2026-01-31T00:00", "02-28T00 03-31T00 04-30T00 05-31T00"),
        ("R20", "UTC", "MONTH", "2026-01-31T00:00", "02-28T00 03-31T00 04-30T00 05-31T00"),
        ("R22", "America/New_York", "MONTH", "2026-02-08T02:30", "03-08T07:30 04-08T06:30"),
        ("R22", "UTC", "QUARTER", "2026-11-30T00:00", "02-28T00 05-30T00 08-30T00 11-30T00"),
        ("a gap", "America/New_York", "DAY", "2026-03-07T02:30", "03-08T07:30 03-09T06:30"),
        ("twice", "America/New_York", "DAY", "2026-10-31T01:30", "11-01T05:30 11-02T06:30"),
        ("weeks", "Europe/Berlin", "WEEK", "2026-03-23T00:00", "03-29T22:00 04-05T22:00"),
    ],
)
def test_boundaries_are_local_wall_times(
    case: str, zone: str, period: CyclePeriod, anchor: str, starts: str
) -> None:
    # given
    first = local(anchor, zone)
    # when
    found, instant = [], cycle_at(first, CyclePeriod(period), zone_named(zone), first).ends_at
    for _ in starts.split():
        cycle = cycle_at(first, CyclePeriod(period), zone_named(zone), instant)
        found.append(cycle.starts_at)
        instant = cycle.ends_at
    # then
    for start, expected in zip(found, starts.split(), strict=True):
        assert start == time(f"{start.year}-{expected}" + ("" if ":" in expected else ":00"))


def test_r22_a_leap_day_a_trial_and_a_month_in_tokyo() -> None:
    years = [boundary(time("2024-02-29T00:00"), CyclePeriod.YEAR, UTC, n) for n in range(5)]
    assert [f"{at:%Y-%m-%d}" for at in years] == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]
    started = local("2026-03-01T23:30", "America/Los_Angeles")
    ended = days_later(started, 30, zone_named("America/Los_Angeles"))
    assert ended == time("2026-04-01T06:30")
    january = calendar_month(zone_named("Asia/Tokyo"), time("2026-01-10T00:00"))
    assert (january.starts_at, january.ends_at) == (
        time("2025-12-31T15:00"),
        time("2026-01-31T15:00"),
    )


def test_r23_a_local_day_may_have_twenty_three_hours() -> None:
    day = calendar_day(zone_named("America/New_York"), time("2026-03-08T12:00"))
    assert (day.starts_at, day.ends_at) == (time("2026-03-08T05:00"), time("2026-03-09T04:00"))
    assert day.seconds == 23 * 3_600
    day = calendar_day(zone_named("Asia/Shanghai"), time("2026-03-08T12:00"))
    assert day.ends_at == time("2026-03-08T16:00")


@pytest.mark.parametrize("week_start", range(1, 8))
def test_a_week_starts_on_its_iso_weekday(week_start: int) -> None:
    week = calendar_week(UTC, time("2026-03-11T12:00"), week_start)
    assert week.starts_at.isoweekday() == week_start
    assert time("2026-03-11T12:00") in week
    assert week.ends_at - week.starts_at == timedelta(days=7)


def test_an_anchor_that_is_the_second_of_two_wall_times_is_a_boundary() -> None:
    anchor = time("2026-11-01T06:30")  # 01:30 in New York for the second time
    cycle = cycle_at(anchor, CyclePeriod.MONTH, zone_named("America/New_York"), anchor)
    assert cycle == Cycle(0, anchor, time("2026-12-01T06:30"))


def test_a_day_that_the_zone_leaves_out_has_no_cycle() -> None:
    apia = zone_named("Pacific/Apia")  # went from 2011-12-29 to 2011-12-31
    before = cycle_at(time("2011-12-01T20:00"), CyclePeriod.DAY, apia, time("2011-12-30T19:00"))
    after = cycle_at(time("2011-12-01T20:00"), CyclePeriod.DAY, apia, before.ends_at)
    assert before.ends_at == after.starts_at == time("2011-12-30T20:00")
    assert after.number == before.number + 2


@given(TIMES, st.sampled_from(CyclePeriod), ZONES, st.floats(0, 1))
def test_cycles_tile_ten_years(
    anchor: datetime, period: CyclePeriod, zone_name: str, somewhere: float
) -> None:
    # given
    zone = zone_named(zone_name)
    start = anchor + somewhere * TEN_YEARS - TEN_YEARS / 2
    # when
    cycle = cycle_at(anchor, period, zone, start)
    for _ in range(60):
        following = cycle_at(anchor, period, zone, cycle.ends_at)
        # then
        assert following.starts_at == cycle.ends_at < following.ends_at
        assert following.number > cycle.number
        middle = following.starts_at + (following.ends_at - following.starts_at) / 2
        last = following.ends_at - timedelta(microseconds=1)
        assert cycle_at(anchor, period, zone, middle) == following
        assert cycle_at(anchor, period, zone, last) == following
        cycle = following
    ten_years_on = cycle_at(anchor, period, zone, start + TEN_YEARS)
    assert start + TEN_YEARS in ten_years_on
    assert cycle_at(anchor, period, zone, ten_years_on.starts_at) == ten_years_on


@given(TIMES, ZONES, st.integers(1, 7))
def test_windows_tile(instant: datetime, zone_name: str, week_start: int) -> None:
    zone = zone_named(zone_name)
    for window_at in (
        calendar_day,
        calendar_month,
        lambda zone, instant: calendar_week(zone, instant, week_start),
    ):
        window = window_at(zone, instant)
        assert instant in window
        assert window_at(zone, window.starts_at) == window
        following = window_at(zone, window.ends_at)
        assert following.starts_at == window.ends_at < following.ends_at


def test_the_zones_are_of_one_pinned_version() -> None:
    assert len(ZONE_NAMES) > 590
    assert TZDATA_VERSION[:4].isdigit()
    assert "UTC" in ZONE_NAMES
    assert zone_named("Europe/Berlin").key == "Europe/Berlin"
