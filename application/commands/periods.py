"""How days and months of a tenant's accounting end, and months are opened again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from application.commands.accounting_requests import (
    AbandonClose,
    BeginClose,
    CompleteClose,
    EndDays,
    ReopenPeriod,
)
from application.commands.answers import PeriodAnswer
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.grants.events import Paid
from domain.money.asset import currency
from domain.refusals import InvalidInput, InvalidState, PeriodClosed
from domain.revenue.journal import units_per_minor
from domain.revenue.months import (
    ONE_DAY,
    end_of_day,
    first_day,
    last_day,
    local_day,
    month_after,
    month_before,
    month_of,
)
from domain.revenue.period import (
    AccountingDayEnded,
    AccountingPeriod,
    PeriodCloseFailed,
    PeriodClosing,
    PeriodEvent,
    PeriodReopened,
)
from domain.revenue.period import PeriodClosed as MonthClosed


def end_days(work: Work, command: EndDays) -> PeriodAnswer:
    """End the days of the month of `through` that have not ended, in order."""
    month = month_of(command.through)
    period = period_of(work, month)
    day = max(first_day(month), local_day(work.tenant.created_on, work.tenant.timezone))
    if period is not None and period.last_day is not None:
        day = period.last_day + ONE_DAY
    while day <= command.through:
        _end_day(work, month, day, at_its_end=command.at_their_ends)
        day += ONE_DAY
    return PeriodAnswer(month)


def _end_day(work: Work, month: str, day: date, *, at_its_end: bool) -> None:
    at = work.now
    if at_its_end:
        at = max(at, end_of_day(day, work.tenant.timezone))
    record(work, month, lambda stream, version, latest: AccountingDayEnded(
        stream, version, max(at, latest), month, day
    ))  # fmt: skip


def begin_close(work: Work, command: BeginClose) -> PeriodAnswer:
    """From here on nothing is posted into the month. One that is closing answers as it is;
    so does a closed one, asked with the same accrual.

    Raises, first match wins: InvalidInput (an accrual finer than its currency), PeriodClosed,
    InvalidState (the running month, an earlier one is open, days have not ended).
    """
    month = command.month
    accrual = _accrual(command)
    period = period_of(work, month)
    if period is not None and period.status != "OPEN":
        if accrual not in (None, period.accrual):
            raise PeriodClosed(period=month)
        return PeriodAnswer(month)
    refuse_out_of_order(work, month)
    if period is None or period.last_day != last_day(month):
        raise InvalidState(
            state="OPEN",
            reason=f"the days of {month} have not all ended: close it once due work is done",
            passes_later=True,
        )
    record(work, month, lambda stream, version, at: PeriodClosing(
        stream, version, max(at, work.now), month, accrual
    ))  # fmt: skip
    return PeriodAnswer(month)


def refuse_out_of_order(work: Work, month: str) -> None:
    """Raises InvalidState: the month runs yet, precedes the books, or follows an open one."""
    today = month_of(local_day(work.now, work.tenant.timezone))
    begun = first_month(work)
    if month >= today:
        raise InvalidState(
            state="OPEN", reason=f"{month} is not over: close it once {month_after(month)} begins",
            passes_later=True,
        )  # fmt: skip
    if month < begun:
        raise InvalidState(
            state="OPEN", reason=f"{month} is before the tenant's first month, {begun}"
        )
    before = month_before(month)
    if month > begun:
        earlier = period_of(work, before)
        rely_on(work, before)
        if earlier is None or earlier.closed is None:
            raise InvalidState(
                state="OPEN", reason=f"{before} is open: months close in order, close it first",
                passes_later=True,
            )  # fmt: skip


def _accrual(command: BeginClose) -> Paid | None:
    if command.accrual is None:
        return None
    amount, key = command.accrual
    paid_in = currency(key)
    assert paid_in is not None
    units = paid_in.units(amount, "accrual.amount")
    if units % units_per_minor(key):
        raise InvalidInput(field="accrual.amount", reason=f"finer than {key} is on paper")
    return Paid(units, key)


def complete_close(work: Work, command: CompleteClose) -> PeriodAnswer:
    """The journal has passed the closing, and every check holds."""
    period = period_of(work, command.month)
    if period is not None and period.status == "CLOSING":
        record(work, command.month, lambda stream, version, at: MonthClosed(
            stream, version, max(at, work.now), command.month, command.position,
            command.trial_balance_hash, command.checks, work.caller.actor,
        ))  # fmt: skip
    return PeriodAnswer(command.month)


def abandon_close(work: Work, command: AbandonClose) -> PeriodAnswer:
    """A check failed: the month stays open."""
    period = period_of(work, command.month)
    if period is not None and period.status == "CLOSING":
        record(work, command.month, lambda stream, version, at: PeriodCloseFailed(
            stream, version, max(at, work.now), command.month, command.checks
        ))  # fmt: skip
    return PeriodAnswer(command.month)


def reopen_period(work: Work, command: ReopenPeriod) -> PeriodAnswer:
    """Open the last closed month again. Raises InvalidState: it is open, or a later one is
    closed.
    """
    month = command.month
    period = period_of(work, month)
    if period is None or period.closed is None:
        raise InvalidState(state="OPEN", reason=f"{month} is open")
    after = month_after(month)
    later = period_of(work, after)
    rely_on(work, after)
    if later is not None and later.status != "OPEN":
        raise InvalidState(
            state=later.status, reason=f"{after} is closed on top of it: reopen that first"
        )
    private = {"reason": command.reason}
    record(work, month, lambda stream, version, at: PeriodReopened(
        stream, version, max(at, work.now), month, private
    ))  # fmt: skip
    return PeriodAnswer(month)


def refuse_closed(work: Work, month: str) -> None:
    """Raises PeriodClosed: nothing may change what holds in a month that is closed."""
    period = period_of(work, month)
    rely_on(work, month)
    if period is not None and period.status != "OPEN":
        raise PeriodClosed(period=month)


def first_month(work: Work) -> str:
    """Return the month in which the tenant's books begin."""
    return month_of(local_day(work.tenant.created_on, work.tenant.timezone))


def period_of(work: Work, month: str) -> AccountingPeriod | None:
    return work.stream(AccountingPeriod, identity.period_id(work.tenant_id, month))


def rely_on(work: Work, month: str) -> None:
    """Decide again should that month change before this is written."""
    stream = identity.period_id(work.tenant_id, month)
    if not work.batch.wrote(stream):
        work.batch.relied_on[stream] = len(work.known(stream))


def record(work: Work, month: str, event: Callable[[str, int, datetime], PeriodEvent]) -> None:
    """Append to a month's stream the event that `event` makes of (stream, version, its last)."""
    stream = identity.period_id(work.tenant_id, month)
    period = period_of(work, month)
    if period is None:
        create(AccountingPeriod, event(stream, 1, work.now), work.log)
    else:
        period.record(event(stream, period.version + 1, period.recorded_at))
