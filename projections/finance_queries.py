"""What finance reads of the journal. Amounts are minor units of their currency.

As of a time or a position, only entries that were recorded by then count: the journal is
append-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.sql import SQL, Composable

from domain.revenue.chart import CHART
from domain.revenue.facts import FACTS
from domain.revenue.journal import JournalEntry
from domain.revenue.liability import LiabilityMonth, liability_months_of
from domain.revenue.tenant_books import FIRST_CURRENCY
from projections.journal import JOURNAL
from projections.pages import Page, cursor, place
from projections.tables import Location

FINANCE_MODELS = ("journal",)

AsOf = datetime | int
"""A time, or a position of the log."""

_IN_CHART: dict[str, int] = {account.key: order for order, account in enumerate(CHART)}
_SUMS = (
    "SELECT period, currency, fact, account, debit, credit FROM {journal_sums}"
    " WHERE tenant = %(tenant)s AND period <= %(until)s"
)
_SUMS_AS_OF = (
    "SELECT period, currency, fact, account, greatest(amount, 0) AS debit,"
    " greatest(-amount, 0) AS credit"
    " FROM {journal}, unnest(accounts, amounts) AS line (account, amount)"
    " WHERE tenant = %(tenant)s AND period <= %(until)s AND {recorded}"
)

_FROM_OPENING = """
    SELECT period, sum(least(greatest(recognized, 0), greatest(opening, 0)))::text FROM (
        SELECT period, recognized,
            coalesce(sum(moved) OVER (
                PARTITION BY obligation_id ORDER BY period
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS opening
        FROM (
            SELECT period,
                CASE WHEN amount > 0 THEN coalesce(from_grant_id, obligation_id)
                ELSE obligation_id END AS obligation_id,
                coalesce(-sum(amount) FILTER (WHERE account = 'contract_liability'), 0) AS moved,
                coalesce(-sum(amount) FILTER (
                    WHERE fact = ANY(%(facts)s)
                    AND account IN ('revenue_usage', 'revenue_ratable')
                ), 0) AS recognized
            FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
            WHERE tenant = %(tenant)s AND period <= %(until)s AND currency = %(currency)s
            AND obligation_id IS NOT NULL
            AND {recorded}
            GROUP BY 1, 2
        ) AS months
    ) AS opened GROUP BY period
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """Of an account in a month; opening and closing are debit-positive, since inception."""

    account: str
    currency: str
    opening: int
    debit: int
    credit: int

    @property
    def closing(self) -> int:
        return self.opening + self.debit - self.credit


class FinanceQueries:
    """Part of `ReadModels`."""

    _location: Location

    def _rows(
        self, tenant_id: str, query: str, parameters: dict[str, Any], **parts: Composable
    ) -> Sequence[tuple[Any, ...]]:
        raise NotImplementedError

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
            tenant_id,
            "SELECT account, currency,"
            " coalesce(sum(debit - credit) FILTER (WHERE period < %(until)s), 0)::text,"
            " coalesce(sum(debit) FILTER (WHERE period = %(until)s), 0)::text,"
            " coalesce(sum(credit) FILTER (WHERE period = %(until)s), 0)::text"
            " FROM ({sums}) AS s GROUP BY account, currency",
            {"until": month, "as_of": as_of},
            sums=self._sums(as_of),
        )
        balances = [
            Balance(account, currency, *map(int, figures)) for account, currency, *figures in rows
        ]
        return sorted(balances, key=lambda each: (each.currency, _IN_CHART[each.account]))

    def liability_months(
        self,
        tenant_id: str,
        months: tuple[str, str],
        currency: str,
        as_of: AsOf | None = None,
    ) -> list[LiabilityMonth]:
        """Return how contract liabilities moved in each month, the first and the last included."""
        asked = {"until": months[1], "currency": currency, "as_of": as_of}
        sums = self._rows(
            tenant_id,
            "SELECT period, fact, account, sum(credit - debit)::text FROM ({sums}) AS s"
            " WHERE currency = %(currency)s GROUP BY period, fact, account",
            asked,
            sums=self._sums(as_of),
        )
        from_opening = self._rows(
            tenant_id,
            _FROM_OPENING,
            {**asked, "facts": [fact.key for fact in FACTS if fact.movement == "RECOGNITION"]},
            recorded=recorded_by(as_of),
        )
        moved = [(period, fact, account, int(figure)) for period, fact, account, figure in sums]
        return liability_months_of(
            moved, {period: int(figure) for period, figure in from_opening}, months
        )

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
            return self._location.query(_SUMS)
        return self._location.query(_SUMS_AS_OF, recorded=recorded_by(as_of))


def recorded_by(as_of: AsOf | None) -> Composable:
    """Return the condition that entries of the journal were recorded by %(as_of)s."""
    if as_of is None:
        return SQL("true")
    return SQL("position <= %(as_of)s" if isinstance(as_of, int) else "recorded_at <= %(as_of)s")
