"""The cycles of the default product: calendar months in the customer's zone.

They tile: a changed zone takes effect from the next month, which then is some hours longer
or shorter, as the cycles of a subscription are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from domain.calendar.cycles import Cycle, calendar_month
from domain.calendar.zones import zone_named


@dataclass(frozen=True, slots=True)
class Months:
    """since: (from when, zone), in order; of what was before `zone` holds."""

    zone: str
    since: tuple[tuple[datetime, str], ...] = ()

    def at(self, instant: datetime) -> Cycle:
        """Return the month that an instant lies in, at any time of the customer."""
        for since, zone in reversed(self.since):
            if instant >= since:
                return _joined(zone, since, instant)
        return _month(self.zone, instant)

    def moved(self, zone: str, at: datetime) -> Months:
        """Return the months as they are once the customer has another zone, at `at`."""
        begun = tuple(each for each in self.since if each[0] <= at)
        ends_at = Months(self.zone, begun).at(at).ends_at
        return Months(self.zone, (*begun, (ends_at, zone)))


def _joined(zone: str, since: datetime, instant: datetime) -> Cycle:
    """Return the month of a zone that holds since then; one of which only the end, or all but
    the beginning, is left is the rest of a whole.
    """
    first = _month(zone, since)
    if first.ends_at - since < since - first.starts_at:
        first = _month(zone, first.ends_at)
    if instant < first.ends_at:
        return Cycle(first.number, since, first.ends_at)
    return _month(zone, instant)


def _month(zone: str, instant: datetime) -> Cycle:
    first, second = _months_of_day(zone, instant.year, instant.month, instant.day)
    return first if instant < first.ends_at else second


@lru_cache(maxsize=10_000)
def _months_of_day(timezone: str, year: int, month: int, day: int) -> tuple[Cycle, Cycle]:
    """Return the month that a day of UTC begins in, and the next."""
    zone = zone_named(timezone)
    first = calendar_month(zone, datetime(year, month, day, tzinfo=UTC))
    return (first, calendar_month(zone, first.ends_at))
