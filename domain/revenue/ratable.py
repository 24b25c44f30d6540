"""Revenue by time: a stand-ready obligation, by whole days of the tenant's zone.

The first day counts, the day on which it ends does not; a day is posted when it has ended.
Burns of such credits post nothing.

Worked example: $20.00 for 2026-01-16 to 2026-02-16, 31 days. After the 16 days of January
20.00 x 16/31 = 10.32; February brings it to 20.00: 9.68.

Source: ASC 606-10-25-27(a), 55-184 to 55-186 (standing ready, evenly over time);
IFRS 15.35(a), B18.
"""

from __future__ import annotations

from datetime import date

from domain.money.rounding import divide_half_even


def days_of(first: date, end: date) -> int:
    """Return how many days are recognised; at least one."""
    return max((end - first).days, 1)


def ended_days(first: date, end: date, last_ended: date) -> int:
    """Return how many of them have ended with `last_ended`."""
    return min(max((last_ended - first).days + 1, 0), days_of(first, end))


def earned_to_date(
    consideration: int,
    granted_units: int,
    live_units: int,
    ended: int,
    days: int,
    units_per_minor: int,
) -> int:
    """Return the minor units earned once `ended` of `days` are over. Half-even, cumulative."""
    return divide_half_even(
        consideration * live_units * ended, granted_units * days * units_per_minor
    )
