"""What exports read of the journal, up to a position of the log: as much as there is, in
constant memory. Amounts are minor units of their currency.

Entries are only added and each has its position, so the same position gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, LiteralString

from psycopg.sql import SQL, Composable

from domain.revenue.journal import JournalEntry
from projections.journal import JOURNAL
from projections.tenant_rows import TenantRows

ROWS_AT_ONCE = 2_000
Bucket = Literal["DAILY", "MONTHLY"]
Months = tuple[str, str]
"""The first and the last, both included."""

_BUCKETS: dict[Bucket, Composable] = {
    "DAILY": SQL("date"),
    "MONTHLY": SQL("(date_trunc('month', date) + interval '1 month - 1 day')::date"),
}
_WITHIN = SQL(
    "tenant = %(tenant)s AND period BETWEEN %(first)s AND %(last)s AND position <= %(position)s"
)


@dataclass(frozen=True, slots=True)
class SummedLine:
    """What the entries of a day or month add to an account, a debit above zero.

    day: the last one of a month. Entries of one exchange rate are summed up together.
    """

    day: date
    currency: str
    product: str | None
    exchange_rate: str | None
    account: str
    amount: int
    functional: int


@dataclass(frozen=True, slots=True)
class AccountSum:
    account: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class EarnedLine:
    """What an account of revenue gained in a month, a gain above zero."""

    period: str
    currency: str
    product: str | None
    meter: str | None
    customer: str | None
    account: str
    amount: int


class ExportQueries(TenantRows):
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def entries(
        self, tenant_id: str, months: Months, position: int
    ) -> Iterator[tuple[JournalEntry, str | None, str]]:
        """Yield the entries dated in these months, by date and number, each with its customer's
        own id and with who made its event.
        """
        rows = self._streamed(
            tenant_id,
            "SELECT {columns}, (SELECT external_id FROM {customers} c WHERE c.tenant = j.tenant"
            " AND c.customer_id = j.customer_id), (SELECT actor FROM {events} e"
            " WHERE e.notification_id = j.position) FROM {journal} j WHERE {within}"
            " ORDER BY date, number",
            months,
            position,
            columns=JOURNAL.selected(),
        )
        for *row, customer, actor in rows:
            yield JOURNAL.row_of(row), customer, str(actor)

    def late_entries(
        self, tenant_id: str, months: Months, position: int
    ) -> Iterator[tuple[JournalEntry, str | None]]:
        """Yield the entries of these months' service that are dated later, by service month."""
        rows = self._streamed(
            tenant_id,
            "SELECT {columns}, (SELECT external_id FROM {customers} c WHERE c.tenant = j.tenant"
            " AND c.customer_id = j.customer_id) FROM {journal} j WHERE tenant = %(tenant)s"
            " AND service_period BETWEEN %(first)s AND %(last)s AND position <= %(position)s"
            " AND service_period <> period ORDER BY service_period, number",
            months,
            position,
            columns=JOURNAL.selected(),
        )
        for *row, customer in rows:
            yield JOURNAL.row_of(row), customer

    def summed(
        self, tenant_id: str, months: Months, position: int, bucket: Bucket
    ) -> Iterator[SummedLine]:
        """Yield what each day or month adds, by day, currency, product and rate."""
        rows = self._streamed(
            tenant_id,
            "SELECT {day}, currency, product, exchange_rate, account, sum(amount)::text,"
            " sum(own)::text FROM {journal}, unnest(accounts, amounts, functional)"
            " AS line (account, amount, own) WHERE {within} GROUP BY 1, 2, 3, 4, 5"
            ' ORDER BY 1, currency, product COLLATE "C" NULLS FIRST,'
            ' exchange_rate COLLATE "C" NULLS FIRST, account',
            months,
            position,
            day=_BUCKETS[bucket],
        )
        for day, currency, product, rate, account, amount, functional in rows:
            yield SummedLine(day, currency, product, rate, account, int(amount), int(functional))

    def sums_before(self, tenant_id: str, month: str, position: int) -> list[AccountSum]:
        """Return what each account stands at when a month begins."""
        return self._sums(tenant_id, "period < %(month)s", month, position)

    def sums_by_end_of(self, tenant_id: str, month: str, position: int) -> list[AccountSum]:
        """Return what each account that has entries stands at when a month has ended."""
        return self._sums(tenant_id, "period <= %(month)s", month, position)

    def lines(self, tenant_id: str, months: Months, position: int) -> int:
        """Return how many lines the entries dated in these months have."""
        rows = self._rows(
            tenant_id,
            "SELECT coalesce(sum(cardinality(accounts)), 0)::bigint FROM {journal} WHERE {within}",
            {"first": months[0], "last": months[1], "position": position},
            within=_WITHIN,
        )
        return int(rows[0][0])

    def liability_currencies(self, tenant_id: str, month: str, position: int) -> list[str]:
        """Return the currencies in which there was a contract liability by a month's end."""
        sums = self.sums_by_end_of(tenant_id, month, position)
        return sorted({each.currency for each in sums if each.account == "contract_liability"})

    def earned(self, tenant_id: str, months: Months, position: int) -> Iterator[EarnedLine]:
        """Yield revenue by month, currency, product, meter and customer."""
        rows = self._streamed(
            tenant_id,
            "SELECT s.period, s.currency, s.product, s.meter, c.external_id, s.account, s.amount"
            " FROM (SELECT tenant, period, currency, product, meter, customer_id, account,"
            " (-sum(amount))::text AS amount"
            " FROM {journal}, unnest(accounts, amounts) AS line (account, amount)"
            " WHERE {within} AND account LIKE 'revenue%%' GROUP BY 1, 2, 3, 4, 5, 6, 7) AS s"
            " LEFT JOIN {customers} c ON c.tenant = s.tenant AND c.customer_id = s.customer_id"
            ' ORDER BY s.period, s.currency, s.product COLLATE "C" NULLS FIRST,'
            ' s.meter COLLATE "C" NULLS FIRST, c.external_id COLLATE "C" NULLS FIRST, s.account',
            months,
            position,
        )
        for period, currency, product, meter, customer, account, amount in rows:
            yield EarnedLine(period, currency, product, meter, customer, account, int(amount))

    def _sums(
        self, tenant_id: str, condition: LiteralString, month: str, position: int
    ) -> list[AccountSum]:
        rows = self._rows(
            tenant_id,
            "SELECT account, currency, sum(amount)::text"
            " FROM {journal}, unnest(accounts, amounts) AS line (account, amount)"
            " WHERE tenant = %(tenant)s AND position <= %(position)s AND {condition}"
            " GROUP BY account, currency",
            {"month": month, "position": position},
            condition=SQL(condition),
        )
        return [AccountSum(account, currency, int(amount)) for account, currency, amount in rows]

    def _streamed(
        self, tenant_id: str, query: str, months: Months, position: int, **parts: Composable
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; the database keeps them, a few at a time are here."""
        with self._transaction(tenant_id) as connection:
            # What is planned to be read to its end is not planned for its first rows.
            connection.execute("SET LOCAL cursor_tuple_fraction = 1")
            with connection.cursor("export") as cursor:
                cursor.itersize = ROWS_AT_ONCE
                cursor.execute(
                    self._location.query(query, within=_WITHIN, **parts),
                    {
                        "tenant": tenant_id,
                        "first": months[0],
                        "last": months[1],
                        "position": position,
                    },
                )
                yield from cursor
