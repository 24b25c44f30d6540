"""Accounting months, written "2026-01", and the days in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from domain.calendar.zones import zone_named

ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=10_000)
def month_of(day: date) -> str:
    """Return the accounting month of a day: "2026-01"."""
    return f"{day.year:04d}-{day.month:02d}"


def first_day(month: str) -> date:
    return date(int(month[:4]), int(month[5:]), 1)


def last_day(month: str) -> date:
    return first_day(month_after(month)) - ONE_DAY


def month_after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def month_before(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year - (number == 1):04d}-{number - 1 or 12:02d}"


def months_from(first: str, last: str) -> Iterator[str]:
    """Yield the months from `first` to `last`, both included."""
    month = first
    while month <= last:
        yield month
        month = month_after(month)


def local_day(at: datetime, timezone: str) -> date:
    """Return the day on which `at` falls in a zone."""
    if timezone == "UTC":
        return at.date()
    return at.astimezone(zone_named(timezone)).date()


def end_of_day(day: date, timezone: str) -> datetime:
    """Return the instant at which a day of a zone is over: the next one's midnight (UTC)."""
    following = day + ONE_DAY
    midnight = datetime(following.year, following.month, following.day, tzinfo=zone_named(timezone))
    return midnight.astimezone(UTC)
