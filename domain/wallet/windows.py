"""The window of a budget: how long what was spent counts, in local time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from domain.calendar.cycles import calendar_day, calendar_month, calendar_week
from domain.calendar.zones import zone_named

BudgetPeriod = Literal["DAY", "WEEK", "MONTH", "CYCLE", "TOTAL"]
Window = tuple[datetime, datetime | None]
"""[from, to) in UTC; TOTAL has no end."""


def window_of(
    period: BudgetPeriod,
    timezone: str,
    week_start: int,
    at: datetime,
    cycle: tuple[datetime, datetime] | None = None,
) -> Window:
    """Return the window that `at` lies in. week_start: an ISO weekday.

    cycle: that of the oldest live subscription; None: a CYCLE is the calendar month.
    """
    if period == "TOTAL":
        return at, None
    if period == "CYCLE" and cycle is not None:
        return cycle
    zone = zone_named(timezone)
    if period == "DAY":
        window = calendar_day(zone, at)
    elif period == "WEEK":
        window = calendar_week(zone, at, week_start)
    else:
        window = calendar_month(zone, at)
    return window.starts_at, window.ends_at
