"""Ends a tenant's accounting days: one event a local day, in order, whatever the downtime."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from application.caller import Caller
from application.commands.accounting_requests import EndDays
from application.ledger import Ledger
from application.reading import Reader
from domain.revenue.months import (
    ONE_DAY,
    end_of_day,
    last_day,
    local_day,
    month_of,
    months_from,
)
from domain.tenancy.tenant import Tenant


class AccountingDays:
    """Says which days are over, and ends them. Used by one thread at a time.

    What it remembers only saves look-ups: a day that has ended already is left alone.
    """

    def __init__(self, ledger: Ledger, reader: Reader) -> None:
        self._ledger = ledger
        self._reader = reader
        self._next: dict[str, date] = {}

    def over(self, tenant: Tenant, now: datetime) -> Iterator[tuple[date, datetime]]:
        """Yield, for each month with days that are over at `now` but have not ended, the last
        of them and when it was over.
        """
        yesterday = local_day(now, tenant.timezone) - ONE_DAY
        following = self._next.get(tenant.id)
        if following is None:
            following = self._next[tenant.id] = self._following(tenant, yesterday)
        if following <= yesterday:
            for month in months_from(month_of(following), month_of(yesterday)):
                day = min(last_day(month), yesterday)
                yield day, end_of_day(day, tenant.timezone)

    def _following(self, tenant: Tenant, yesterday: date) -> date:
        opened = local_day(tenant.created_on, tenant.timezone)
        months = list(months_from(month_of(opened), month_of(yesterday)))
        periods = self._reader.periods(tenant.id, months)
        ended = [each.last_day for each in periods.values() if each.last_day is not None]
        return max(ended) + ONE_DAY if ended else opened

    def end(self, caller: Caller, through: date, *, at_their_ends: bool) -> None:
        """End the days of a month, up to `through`."""
        (outcome,) = self._ledger.execute(caller, [EndDays(through, at_their_ends)])
        if outcome.error is not None:
            raise outcome.error
        if outcome.refusal is not None:
            raise outcome.refusal
        self._next[caller.tenant_id] = through + ONE_DAY
