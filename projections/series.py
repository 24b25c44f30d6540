"""Buckets of time, in UTC: hours, days, weeks from Monday, months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

Bucket = Literal["HOUR", "DAY", "WEEK", "MONTH"]

MOST_POINTS = 10_000


class TooManyPoints(ValueError):
    """The series would have more points than are answered at once: ask for less."""


def begin_of(at: datetime, bucket: Bucket) -> datetime:
    """Return the beginning of the bucket that holds `at`."""
    at = at.astimezone(UTC)
    if bucket == "HOUR":
        return at.replace(minute=0, second=0, microsecond=0)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if bucket == "WEEK":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if bucket == "MONTH" else day


def ends_of(frm: datetime, to: datetime, bucket: Bucket) -> list[datetime]:
    """Return the end of each bucket that [frm, to) touches, the last cut off at `to`.

    Raises TooManyPoints.
    """
    ends: list[datetime] = []
    to = to.astimezone(UTC)
    begin = begin_of(frm, bucket)
    while begin < to and frm < to:
        begin = _next(begin, bucket)
        ends.append(min(begin, to))
        if len(ends) > MOST_POINTS:
            raise TooManyPoints(f"more than {MOST_POINTS} points: a longer bucket, or less time")
    return ends


def _next(begin: datetime, bucket: Bucket) -> datetime:
    if bucket == "MONTH":
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + {
        "HOUR": timedelta(hours=1), "DAY": timedelta(days=1), "WEEK": timedelta(weeks=1),
    }[bucket]  # fmt: skip
