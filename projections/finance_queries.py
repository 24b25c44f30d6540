"""What finance reads of the journal. Amounts are minor units of their currency.

As of a time or a position, only entries that were recorded by then count: the journal is
append-only. Sums as of a time are of whole days, and of the entries of its day; as of a
position, and those by obligation, they are of all, less the entries that came after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.sql import Composable

from domain.revenue.chart import CHART
from domain.revenue.facts import FACTS
from domain.revenue.journal import JournalEntry
from domain.revenue.liability import LiabilityMonth, liability_months_of
from domain.revenue.tenant_books import FIRST_CURRENCY
from domain.revenue.trial_balance import Balance
from projections.as_of import AsOf, recorded_after, recorded_by
from projections.journal import JOURNAL
from projections.pages import Page, cursor, place
from projections.receivable_queries import ReceivableQueries
from projections.schedule_queries import ScheduleQueries

FINANCE_MODELS = ("journal",)

_IN_CHART: dict[str, int] = {account.key: order for order, account in enumerate(CHART)}
JOURNAL_SUMS = """
    SELECT period, currency, fact, account, debit, credit, entries FROM {journal_sums}
    WHERE tenant = %(tenant)s AND period <= %(until)s
"""
# Whole days before that of the time, and what was recorded on its day by then.
_SUMS_AS_OF = """
    SELECT period, currency, fact, account, debit, credit, entries FROM {journal_sums}
    WHERE tenant = %(tenant)s AND period <= %(until)s
    AND recorded_on < (%(as_of)s AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT period, currency, fact, account, greatest(amount, 0), greatest(-amount, 0), 1
    FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
    WHERE tenant = %(tenant)s AND period <= %(until)s AND recorded_at <= %(as_of)s
    AND recorded_at >= date_trunc('day', %(as_of)s, 'UTC')
"""
_SUMS_AS_OF_POSITION = """
    SELECT period, currency, fact, account, debit, credit, entries FROM {journal_sums}
    WHERE tenant = %(tenant)s AND period <= %(until)s
    UNION ALL
    SELECT period, currency, fact, account, -greatest(amount, 0), -greatest(-amount, 0), -1
    FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
    WHERE tenant = %(tenant)s AND period <= %(until)s AND position > %(as_of)s
"""
TRIAL_BALANCE = """
    SELECT account, currency,
        coalesce(sum(debit - credit) FILTER (WHERE period < %(until)s), 0)::text,
        coalesce(sum(debit) FILTER (WHERE period = %(until)s), 0)::text,
        coalesce(sum(credit) FILTER (WHERE period = %(until)s), 0)::text
    FROM ({sums}) AS s GROUP BY account, currency HAVING sum(entries) > 0
"""
LIABILITY_SUMS = """
    SELECT currency, period, fact, account, sum(credit - debit)::text
    FROM ({sums}) AS s GROUP BY currency, period, fact, account
"""

_OPENED = """
    SELECT period, sum(least(greatest(delivered, 0), greatest(opening, 0)))::text FROM (
        SELECT period, delivered,
            coalesce(sum(moved) OVER (
                PARTITION BY obligation_id ORDER BY period
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS opening
        FROM ({months}) AS months
    ) AS opened GROUP BY period
"""
_MONTHS = """
    SELECT m.period, m.obligation_id, m.delivered,
        m.paid - m.recognized - m.breakage - m.refunded - m.escheated - m.transferred AS moved
    FROM {obligation_months} m JOIN {obligations} o USING (tenant, obligation_id)
    WHERE m.tenant = %(tenant)s AND m.period <= %(until)s AND o.currency = %(currency)s
"""
_MONTHS_AS_OF = """
    SELECT period, obligation_id, sum(delivered) AS delivered, sum(moved) AS moved FROM (
        {months}
        UNION ALL
        SELECT period,
            CASE WHEN amount > 0 THEN coalesce(from_grant_id, obligation_id)
            ELSE obligation_id END,
            CASE WHEN fact = ANY(%(facts)s) AND account IN ('revenue_usage', 'revenue_ratable')
            THEN amount ELSE 0 END,
            CASE WHEN account = 'contract_liability' THEN amount ELSE 0 END
        FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
        WHERE tenant = %(tenant)s AND period <= %(until)s AND currency = %(currency)s
        AND obligation_id IS NOT NULL AND {later}
    ) AS moves GROUP BY 1, 2
"""
_RECOGNITION = [fact.key for fact in FACTS if fact.movement == "RECOGNITION"]


@dataclass(frozen=True, slots=True)
class LateSum:
    """amount: of revenue, in minor units."""

    currency: str
    entries: int
    amount: int


class FinanceQueries(ScheduleQueries, ReceivableQueries):
    """Part of `ReadModels`."""

    def journal_page(
        self,
        tenant_id: str,
        month: str,
        first: int,
        after: str | None = None,
        as_of: AsOf | None = None,
    ) -> Page[JournalEntry]:
        """Return the entries dated in a month, by number. Raises BadCursor."""
        rows = self._rows(
            tenant_id,
            "SELECT {columns} FROM {journal} WHERE tenant = %(tenant)s AND period = %(month)s"
            " AND number > %(after)s AND {recorded} ORDER BY number LIMIT %(limit)s",
            {
                "month": month,
                "after": 0 if after is None else place("journal", 1, after)[0],
                "as_of": as_of,
                "limit": first + 1,
            },
            columns=JOURNAL.selected(),
            recorded=recorded_by(as_of),
        )
        entries = [JOURNAL.row_of(row) for row in rows[:first]]
        end = cursor("journal", entries[-1].number) if entries else None
        return Page(entries, end, has_next=len(rows) > first)

    def trial_balance(self, tenant_id: str, month: str, as_of: AsOf | None = None) -> list[Balance]:
        """Return the accounts with entries by the month's end, by currency, as in the chart."""
        rows = self._rows(
            tenant_id, TRIAL_BALANCE, {"until": month, "as_of": as_of}, sums=self._sums(as_of)
        )
        return balances_from(rows)

    def liability_months(
        self,
        tenant_id: str,
        months: tuple[str, str],
        currency: str,
        as_of: AsOf | None = None,
    ) -> list[LiabilityMonth]:
        """Return how contract liabilities moved in each month, the first and the last included."""
        asked = {"until": months[1], "currency": currency, "as_of": as_of}
        sums = self._rows(tenant_id, LIABILITY_SUMS, asked, sums=self._sums(as_of))
        opened = self._rows(
            tenant_id,
            _OPENED,
            {**asked, "facts": _RECOGNITION},
            months=self._months(as_of),
        )
        return liability_months_of(
            liability_sums_from(sums).get(currency, ()),
            {period: int(figure) for period, figure in opened},
            months,
        )

    def entries_of_charges(
        self, tenant_id: str, charge_ids: Sequence[str]
    ) -> dict[str, list[JournalEntry]]:
        """Return the entries of charges, by number."""
        rows = self._rows(
            tenant_id,
            "SELECT {columns} FROM {journal} WHERE tenant = %(tenant)s"
            " AND charge_id = ANY(%(ids)s::uuid[]) ORDER BY number",
            {"ids": list(charge_ids)},
            columns=JOURNAL.selected(),
        )
        found: dict[str, list[JournalEntry]] = {}
        for row in rows:
            entry = JOURNAL.row_of(row)
            assert entry.charge_id is not None
            found.setdefault(entry.charge_id, []).append(entry)
        return found

    def late_entries(self, tenant_id: str, month: str) -> list[LateSum]:
        """Return by currency what of a month's service stands in later months."""
        rows = self._rows(
            tenant_id,
            "SELECT currency, count(DISTINCT number),"
            " coalesce(-sum(amount) FILTER (WHERE account = ANY(%(revenue)s)), 0)::text"
            " FROM {journal}, unnest(accounts, amounts) AS line (account, amount)"
            " WHERE tenant = %(tenant)s AND service_period = %(month)s"
            " AND period > service_period GROUP BY currency ORDER BY currency",
            {
                "month": month,
                "revenue": [each.key for each in CHART if each.type == "REVENUE"],
            },
        )
        return [LateSum(currency, entries, int(amount)) for currency, entries, amount in rows]

    def has_entries(self, tenant_id: str) -> bool:
        """Whether a tenant's journal has begun."""
        rows = self._rows(
            tenant_id, "SELECT 1 FROM {journal} WHERE tenant = %(tenant)s LIMIT 1", {}
        )
        return bool(rows)

    def functional_currency(self, tenant_id: str) -> str:
        """Return the currency of a tenant's functional amounts."""
        rows = self._rows(
            tenant_id,
            "SELECT state ->> 'functional_currency' FROM {tenant_books} WHERE tenant = %(tenant)s",
            {},
        )
        return str(rows[0][0]) if rows else FIRST_CURRENCY

    def _sums(self, as_of: AsOf | None) -> Composable:
        """Return the query of debits and credits by month, currency, fact and account."""
        if as_of is None:
            return self._location.query(JOURNAL_SUMS)
        by_position = isinstance(as_of, int)
        return self._location.query(_SUMS_AS_OF_POSITION if by_position else _SUMS_AS_OF)

    def _months(self, as_of: AsOf | None) -> Composable:
        """Return the query of what moved each obligation in each month."""
        months = self._location.query(_MONTHS)
        if as_of is None:
            return months
        return self._location.query(_MONTHS_AS_OF, months=months, later=recorded_after(as_of))


def balances_from(rows: Iterable[Sequence[Any]]) -> list[Balance]:
    """Return the rows of TRIAL_BALANCE, by currency, as in the chart."""
    balances = [
        Balance(account, currency, *map(int, figures)) for account, currency, *figures in rows
    ]
    return sorted(balances, key=lambda each: (each.currency, _IN_CHART[each.account]))


def liability_sums_from(
    rows: Iterable[Sequence[Any]],
) -> dict[str, list[tuple[str, str, str, int]]]:
    """Return the rows of LIABILITY_SUMS by currency: (period, fact, account, amount)."""
    found: dict[str, list[tuple[str, str, str, int]]] = {}
    for currency, period, fact, account, amount in rows:
        found.setdefault(currency, []).append((period, fact, account, int(amount)))
    return found
