"""Recurring intervals that tile time, bounded by local wall time in a zone.

A boundary is a wall time, so that what begins at midnight begins at midnight all year. A
wall time that does not exist is taken with the offset before the gap; one that comes twice
is the first. Months are counted from the anchor's own day, so that 31 Jan -> 28 Feb -> 31 Mar.
Intervals are half-open: no instant lies in two of a tiling, or in none. Nothing here walks
from the anchor; where the zone leaves a whole day out, that day has no cycle.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 a wall time; it was a Thursday, ISO weekday 4


class CyclePeriod(StrEnum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


_DAYS = {CyclePeriod.DAY: 1, CyclePeriod.WEEK: 7}
_MONTHS = {CyclePeriod.MONTH: 1, CyclePeriod.QUARTER: 3, CyclePeriod.YEAR: 12}


@dataclass(frozen=True)
class Cycle:
    """starts_at <= t < ends_at, in UTC. number: 0 starts at the anchor, -1 before it."""

    number: int
    starts_at: datetime
    ends_at: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.starts_at <= instant < self.ends_at

    @property
    def seconds(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds())


def cycle_at(anchor: datetime, period: CyclePeriod, zone: tzinfo, instant: datetime) -> Cycle:
    """Return the cycle that `instant` lies in, of those that have a boundary at `anchor`."""
    wall, at = _wall(anchor, zone), _wall(instant, zone)
    if period in _DAYS:
        estimate = (at - wall).days // _DAYS[period]
    else:
        months = (at.year - wall.year) * 12 + at.month - wall.month
        estimate = months // _MONTHS[period]
    return _containing(estimate, lambda n: boundary(anchor, period, zone, n), instant)


def boundary(anchor: datetime, period: CyclePeriod, zone: tzinfo, number: int) -> datetime:
    """Return the start of the `number`-th cycle from the anchor, in UTC."""
    if not number:  # even where the anchor is the second of a wall time that comes twice
        return anchor.astimezone(UTC)
    wall = _wall(anchor, zone)
    if period in _DAYS:
        return _instant(wall + number * _DAYS[period] * _DAY, zone)
    return _instant(_months_later(wall, number * _MONTHS[period]), zone)


def days_later(instant: datetime, days: int, zone: tzinfo) -> datetime:
    """Return the same wall time so many local days later, in UTC: where a trial ends."""
    return _instant(_wall(instant, zone) + days * _DAY, zone)


def calendar_day(zone: tzinfo, instant: datetime) -> Cycle:
    """Return the local day of `instant`, from midnight; numbered from 1970-01-01."""

    def midnight(number: int) -> datetime:
        return _instant(_EPOCH + number * _DAY, zone)

    return _containing((_wall(instant, zone) - _EPOCH).days, midnight, instant)


def calendar_week(zone: tzinfo, instant: datetime, week_start: int = 1) -> Cycle:
    """Return the local week of `instant`. week_start: its first ISO weekday, 1 is Monday."""
    first = _EPOCH + ((week_start - 4) % 7) * _DAY

    def midnight(number: int) -> datetime:
        return _instant(first + number * 7 * _DAY, zone)

    return _containing((_wall(instant, zone) - first).days // 7, midnight, instant)


def calendar_month(zone: tzinfo, instant: datetime) -> Cycle:
    """Return the local month of `instant`; number: months since the year 0."""

    def first_midnight(number: int) -> datetime:
        year, month = divmod(number, 12)
        return _instant(datetime(year, month + 1, 1), zone)  # noqa: DTZ001 a wall time

    at = _wall(instant, zone)
    return _containing(at.year * 12 + at.month - 1, first_midnight, instant)


def _containing(number: int, start: Callable[[int], datetime], instant: datetime) -> Cycle:
    """Return the interval of `instant`, from an estimate that is off by a few at most."""
    while instant < start(number):
        number -= 1
    while start(number + 1) <= instant:
        number += 1
    return Cycle(number, start(number), start(number + 1))


def _wall(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return the UTC instant of a wall time; PEP 495: fold 0 is the first of two, and in a
    gap the offset before it.
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _months_later(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    day = min(wall.day, monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day)
