"""The entries that time makes, and what closes and opens months."""

from __future__ import annotations

from datetime import date

from domain.money.rounding import divide_half_even
from domain.revenue import ratable, remote
from domain.revenue.accounting import AccountingPolicySet, FunctionalCurrencySet
from domain.revenue.books import Books, Place, policy_for
from domain.revenue.journal import Line, units_per_minor
from domain.revenue.months import ONE_DAY, last_day, month_before, month_of
from domain.revenue.obligation import Obligation, recognise
from domain.revenue.period import (
    AccountingDayEnded,
    PeriodCloseFailed,
    PeriodClosing,
    PeriodReopened,
)
from domain.revenue.tenant_books import Accrual, TenantBooks


def end_day(books: Books, place: Place, event: AccountingDayEnded) -> None:
    """Post what a day makes: ratable days, remote breakage, policies that begin, reversals."""
    tenant = books.tenant(place.tenant)
    next_day = event.day + ONE_DAY
    begins = month_of(next_day) != month_of(event.day) and any(
        setting.effective_from == month_of(next_day) for setting in tenant.settings
    )
    for o in books.living(place.tenant):
        if o.ratable and o.booked:
            _end_ratable_day(books, place, event, tenant, o)
        elif tenant.settings and _has_become_remote(books, tenant, o, event):
            o.remote_units = max(o.remaining_units, 0)
            day, service = tenant.entry_day(max(event.day, o.first_day), event.timestamp)
            lines = recognise(o, tenant.policy(o.asset, o.source, o.product, event.month))
            books.post(
                place, event, "remote", day, o.currency, lines, service=service, obligation=o
            )
    if begins:
        catch_up(books, place, event, next_day)
    reverse_accruals(books, place, event, tenant)


def _end_ratable_day(
    books: Books, place: Place, event: AccountingDayEnded, tenant: TenantBooks, o: Obligation
) -> None:
    assert o.ends_on is not None
    ended = ratable.ended_days(o.starts_on, o.ends_on, event.day)
    if ended <= o.ended_days:
        return
    o.ended_days = ended
    o.ended = ended == ratable.days_of(o.starts_on, o.ends_on)
    last = min(event.day, max(o.ends_on - ONE_DAY, o.starts_on))
    day, service = tenant.entry_day(max(last, o.first_day), event.timestamp)
    lines = recognise(o, policy_for(tenant, o, event.timestamp))
    books.post(place, event, "day", day, o.currency, lines, service=service, obligation=o)


def _has_become_remote(
    books: Books, tenant: TenantBooks, o: Obligation, event: AccountingDayEnded
) -> bool:
    policy = tenant.policy(o.asset, o.source, o.product, event.month)
    if (
        policy.breakage_method != "REMOTE"
        or policy.remote_months is None
        or o.ends_on is not None
        or o.remote_units >= 0
        or not o.booked
        or o.ended
    ):
        return False
    wallet = books.wallets.get(o.wallet_id)
    last = wallet.last_charge.get(o.asset) if wallet is not None else None
    active = max(o.first_day, last) if last is not None else o.first_day
    return event.day >= remote.remote_from(active, policy.remote_months)


def set_policy(books: Books, place: Place, event: AccountingPolicySet) -> None:
    """Method, estimate and escheat share reach all living grants, by catch-up."""
    tenant = books.tenant(place.tenant)
    tenant.settings.append(event.setting)
    today = tenant.local_day(event.timestamp)
    if event.setting.effective_from <= month_of(today):
        catch_up(books, place, event, today)


def catch_up(
    books: Books, place: Place, event: AccountingPolicySet | AccountingDayEnded, day: date
) -> None:
    tenant = books.tenant(place.tenant)
    for o in books.living(place.tenant):
        # One that lapsed but is not yet recorded as such is posted whole by its expiry.
        lapsed = o.ends_on is not None and o.ends_on < day
        if o.booked and not o.ratable and not lapsed:
            lines = recognise(o, tenant.policy(o.asset, o.source, o.product, month_of(day)))
            books.post(place, event, "estimate", day, o.currency, lines, obligation=o)


def set_functional_currency(books: Books, place: Place, event: FunctionalCurrencySet) -> None:
    books.tenant(place.tenant).functional_currency = event.currency


def close(books: Books, place: Place, event: PeriodClosing) -> None:
    """The month's last entry is its accrual; from here on nothing is posted into it."""
    tenant = books.tenant(place.tenant)
    if event.accrual is not None:
        minor = units_per_minor(event.accrual.currency)
        amount = divide_half_even(event.accrual.units, minor)
        lines: list[Line] = [("contract_liability", amount), ("revenue_usage", -amount)]
        number = books.post(
            place, event, "accrual", last_day(event.month), event.accrual.currency,
            lines if amount else [], kind="ACCRUAL",
        )  # fmt: skip
        if number is not None:
            tenant.accruals.append(Accrual(number, event.month, event.accrual.currency, amount))
    tenant.closed_through = event.month


def stay_open(books: Books, place: Place, event: PeriodCloseFailed) -> None:
    """The close failed: the month is open, and its accrual is taken back in it."""
    tenant = books.tenant(place.tenant)
    tenant.closed_through = month_before(event.month)
    _reverse(books, place, event, tenant, event.month, last_day(event.month))


def reopen(books: Books, place: Place, event: PeriodReopened) -> None:
    """An accrual that still waits is taken back in its own month."""
    tenant = books.tenant(place.tenant)
    tenant.closed_through = month_before(event.month)
    _reverse(books, place, event, tenant, event.month, last_day(event.month))


def reverse_accruals(
    books: Books, place: Place, event: AccountingDayEnded, tenant: TenantBooks
) -> None:
    """Accruals are taken back on the first day of the month after theirs."""
    for accrual in list(tenant.accruals):
        first = last_day(accrual.month) + ONE_DAY
        if event.day >= first:
            day, _ = tenant.entry_day(first, event.timestamp)
            _reverse(books, place, event, tenant, accrual.month, day)


def _reverse(
    books: Books,
    place: Place,
    event: AccountingDayEnded | PeriodCloseFailed | PeriodReopened,
    tenant: TenantBooks,
    month: str,
    day: date,
) -> None:
    for accrual in [each for each in tenant.accruals if each.month == month]:
        tenant.accruals.remove(accrual)
        lines: list[Line] = [
            ("revenue_usage", accrual.amount),
            ("contract_liability", -accrual.amount),
        ]
        books.post(
            place, event, "accrual_reversal", day, accrual.currency, lines, kind="REVERSAL",
            reverses=accrual.number,
        )  # fmt: skip
