"""The revenue schedule: what each obligation was paid, what of it left the liability, what is left.

For every obligation and month: paid = recognised + breakage + refunded + escheated +
transferred, all to date, + remaining.

Source: ASC 606-10-50-8 to 50-10, 50-13 to 50-15; IFRS 15.116 to 118, 120 to 122.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from domain.money.rounding import divide_half_even
from domain.revenue import ratable
from domain.revenue.books import Movements
from domain.revenue.months import ONE_DAY, last_day, month_before, month_of
from domain.revenue.obligation import Obligation


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """An obligation in a month, in minor units. paid: all that was allocated by its end;
    remaining: at its end; expected: what time alone releases in it; sold_in: the month.
    """

    obligation_id: str
    grant_id: str | None
    customer_id: str
    title: str
    currency: str
    period: str
    paid: int
    recognized: int
    breakage: int
    refunded: int
    escheated: int
    transferred: int
    remaining: int
    expected: int
    sold_in: str


def schedule_of(
    o: Obligation, months: Iterable[Movements], only: str | None = None
) -> Iterator[ScheduleRow]:
    """Yield an obligation's months with movements, in order; or that of `only`, if it moved in
    it or something remained.

    months: its movements by month, in order.
    """
    paid = left = 0
    moved: Movements | None = None
    for each in months:
        if only is not None and each.period > only:
            break
        moved = each
        paid += each.paid
        left += each.recognized + each.breakage + each.refunded
        left += each.escheated + each.transferred
        if only is None:
            yield _row(o, each, paid, paid - left)
    if only is None or moved is None:
        return
    if moved.period == only:
        yield _row(o, moved, paid, paid - left)
    elif paid != left:
        still = Movements(
            o.tenant, o.obligation_id, only, o.grant_id, o.customer_id, "", o.currency
        )
        yield _row(o, still, paid, paid - left)


def _row(o: Obligation, moved: Movements, paid: int, remaining: int) -> ScheduleRow:
    return ScheduleRow(
        o.obligation_id,
        o.grant_id,
        o.customer_id,
        title_of(o),
        o.currency,
        moved.period,
        paid,
        moved.recognized,
        moved.breakage,
        moved.refunded,
        moved.escheated,
        moved.transferred,
        remaining,
        expected_in(o, moved.period, remaining),
        month_of(o.first_day),
    )


def title_of(o: Obligation) -> str:
    """Return what is owed, as a schedule names it: "CREDIT, paid", "pro, plan"."""
    if o.grant_id is None:
        return f"{o.product or o.asset}, plan"
    return f"{o.asset}, {o.source.lower()}"


def expected_in(o: Obligation, month: str, remaining: int) -> int:
    """Return what time alone releases in a month: a ratable one's days; else what remains, in
    the month at whose days it lapses.
    """
    if o.ends_on is None:
        return 0
    if o.ratable:
        return _by_days(o, last_day(month)) - _by_days(o, last_day(month_before(month)))
    return remaining if month_of(o.ends_on - ONE_DAY) == month else 0


def within_a_year(o: Obligation, liability: int, on: date) -> int:
    """Return what of a liability is expected to be recognised within twelve months of `on`.

    A ratable one by its days. Credits may be used at any time, so all of them, unless they
    only become usable later.
    """
    end = _a_year_after(on)
    if not o.ratable or o.ends_on is None:
        return liability if o.starts_on < end else 0
    left = _by_days(o, o.ends_on) - _by_days(o, on - ONE_DAY)
    if not left:
        return liability
    soon = _by_days(o, end - ONE_DAY) - _by_days(o, on - ONE_DAY)
    return divide_half_even(liability * soon, left)


def _by_days(o: Obligation, last_ended: date) -> int:
    assert o.ends_on is not None
    ended = ratable.ended_days(o.starts_on, o.ends_on, last_ended)
    days = ratable.days_of(o.starts_on, o.ends_on)
    return ratable.earned_to_date(o.consideration, o.granted, o.live, ended, days, o.minor)


def _a_year_after(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February
        return date(day.year + 1, 3, 1)
