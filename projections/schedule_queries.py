"""Schedules, what they sum to, and what of them lies ahead. Amounts are minor units.

As of a time or a position, an obligation's months are those that are kept, less its entries
recorded after it, and it is told by the terms that held then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice
from uuid import UUID

from psycopg.sql import SQL

from domain.revenue.books import Movements, movements_of
from domain.revenue.chart import CHART
from domain.revenue.obligation import Obligation
from domain.revenue.schedule import ScheduleRow, schedule_of, within_a_year
from domain.revenue.terms import as_it_was
from projections.as_of import AsOf, recorded_after, recorded_by
from projections.journal import JOURNAL, OBLIGATIONS, TERMS
from projections.pages import Page, cursor, place
from projections.tenant_rows import TenantRows

_AT_ONCE = 500
_ENTRIES_AT_ONCE = 2_000
_PART = 10**18
_REVENUE = [account.key for account in CHART if account.type == "REVENUE"]

_CHOSEN = """
    SELECT {columns} FROM {obligations} o
    WHERE tenant = %(tenant)s AND obligation_id > %(after)s
    AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s)
    AND (%(grant)s::uuid IS NULL OR obligation_id = %(grant)s OR grant_id = %(grant)s)
    AND (%(month)s::text IS NULL OR NOT ended OR EXISTS (
        SELECT FROM {obligation_months} m WHERE m.tenant = o.tenant
        AND m.obligation_id = o.obligation_id AND m.period >= %(month)s
    ))
    ORDER BY obligation_id LIMIT %(limit)s
"""
_MONTHS = """
    SELECT obligation_id::text, period, paid::text, recognized::text, breakage::text,
        refunded::text, escheated::text, transferred::text, delivered::text, entries,
        (SELECT max(number) FROM {journal} WHERE tenant = %(tenant)s)
    FROM {obligation_months} WHERE tenant = %(tenant)s AND obligation_id = ANY(%(ids)s::uuid[])
    ORDER BY obligation_id, period
"""
# Of those that are in the months: what came since these were read is in neither.
_LATER = """
    SELECT {columns} FROM {journal} WHERE tenant = %(tenant)s AND {later} AND number <= %(last)s
    AND (obligation_id = ANY(%(ids)s::uuid[]) OR from_grant_id = ANY(%(ids)s::uuid[]))
"""
_TERMS = """
    SELECT DISTINCT ON (obligation_id) {columns} FROM {obligation_terms}
    WHERE tenant = %(tenant)s AND obligation_id = ANY(%(ids)s::uuid[]) AND {recorded}
    ORDER BY obligation_id, position DESC
"""
_OWED = """
    SELECT {columns}, liability::text
    FROM {obligations} JOIN ({liabilities}) AS owed USING (obligation_id)
    WHERE tenant = %(tenant)s AND liability <> 0
"""
_LIABILITIES = """
    SELECT obligation_id,
        sum(paid - recognized - breakage - refunded - escheated - transferred) AS liability
    FROM {obligation_months} WHERE tenant = %(tenant)s GROUP BY obligation_id
"""
_LIABILITIES_AS_OF = """
    SELECT obligation_id, sum(liability) AS liability FROM (
        {liabilities}
        UNION ALL
        SELECT CASE WHEN amount > 0 THEN coalesce(from_grant_id, obligation_id)
            ELSE obligation_id END, amount
        FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
        WHERE tenant = %(tenant)s AND account = 'contract_liability' AND obligation_id IS NOT NULL
        AND {later}
    ) AS moves GROUP BY 1
"""
_WATERFALL = """
    SELECT to_char(o.first_day, 'YYYY-MM'), m.period, o.currency, sum(m.paid)::text,
        sum(m.recognized)::text, sum(m.breakage)::text, sum(m.refunded)::text,
        sum(m.escheated)::text, sum(m.transferred)::text
    FROM {obligation_months} m JOIN {obligations} o USING (tenant, obligation_id)
    WHERE m.tenant = %(tenant)s AND m.period <= %(until)s
    GROUP BY 1, 2, 3 ORDER BY 3, 1, 2
"""
_EARNED = """
    SELECT {key}, period, currency,
        coalesce(-sum(amount) FILTER (WHERE account = 'revenue_usage'), 0)::text,
        coalesce(-sum(amount) FILTER (WHERE account = 'revenue_ratable'), 0)::text,
        coalesce(-sum(amount) FILTER (WHERE account = 'revenue_breakage'), 0)::text,
        coalesce(sum(amount) FILTER (WHERE account = 'revenue_concessions'), 0)::text
    FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
    WHERE tenant = %(tenant)s AND period BETWEEN %(first)s AND %(last)s
    AND account = ANY(%(revenue)s) GROUP BY 1, 2, 3 ORDER BY 2, 3, 1
"""
_KEYS = {
    "PRODUCT": SQL("coalesce(product, '')"),
    "METER": SQL("coalesce(meter, '')"),
    "CUSTOMER": SQL("coalesce(customer_id::text, '')"),
    "TYPE": SQL("fact"),
}


@dataclass(frozen=True, slots=True)
class Ahead:
    """Contract liability by when it is expected to be revenue."""

    currency: str
    within_a_year: int
    beyond: int


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """What of the sales of `cohort` was allocated and left the liability in `period`."""

    cohort: str
    period: str
    currency: str
    paid: int
    recognized: int
    breakage: int
    refunded: int
    escheated: int
    transferred: int
    remaining: int


@dataclass(frozen=True, slots=True)
class EarnedRow:
    key: str
    period: str
    currency: str
    usage: int
    ratable: int
    breakage: int
    concessions: int


class ScheduleQueries(TenantRows):
    """Part of `ReadModels`."""

    def schedule_page(
        self,
        tenant_id: str,
        first: int,
        after: str | None = None,
        *,
        month: str | None = None,
        customer_id: str | None = None,
        grant_id: str | None = None,
        as_of: AsOf | None = None,
    ) -> Page[ScheduleRow]:
        """Return rows by obligation and month. Raises BadCursor."""
        passed = _place_of(after)
        rows = self.schedule_rows(
            tenant_id, month=month, customer_id=customer_id, grant_id=grant_id, as_of=as_of,
            after=passed,
        )  # fmt: skip
        found = list(islice(rows, first + 1))
        end = _cursor_of(found[:first][-1]) if found[:first] else None
        return Page(found[:first], end, has_next=len(found) > first)

    def schedule_rows(
        self,
        tenant_id: str,
        *,
        month: str | None = None,
        customer_id: str | None = None,
        grant_id: str | None = None,
        as_of: AsOf | None = None,
        after: tuple[str, str] | None = None,
    ) -> Iterator[ScheduleRow]:
        """Yield rows by obligation and month; after: an obligation and its month, passed."""
        last = "00000000-0000-0000-0000-000000000000"
        if after is not None:
            # The months of that obligation that come later are wanted still.
            last = str(UUID(int=max(UUID(after[0]).int - 1, 0)))
        asked = {"customer": customer_id, "grant": grant_id, "limit": _AT_ONCE}
        # What has ended since may have lived then.
        asked["month"] = month if as_of is None else None
        while True:
            chosen = [
                OBLIGATIONS.row_of(row)
                for row in self._rows(
                    tenant_id, _CHOSEN, {**asked, "after": last}, columns=OBLIGATIONS.selected()
                )
            ]
            months = self._months_of(tenant_id, chosen, as_of)
            for o in self._as_it_was(tenant_id, chosen, as_of):
                for row in schedule_of(o, months.get(o.obligation_id, ()), month):
                    if after is None or (row.obligation_id, row.period) > after:
                        yield row
            if len(chosen) < _AT_ONCE:
                return
            last = chosen[-1].obligation_id

    def _months_of(
        self, tenant_id: str, chosen: Sequence[Obligation], as_of: AsOf | None
    ) -> dict[str, list[Movements]]:
        """Return the movements of each of these obligations, by month in order."""
        wanted = {o.obligation_id: o for o in chosen}
        rows = self._rows(tenant_id, _MONTHS, {"ids": list(wanted)})
        moved = [
            Movements(
                tenant_id, obligation_id, period, wanted[obligation_id].grant_id,
                wanted[obligation_id].customer_id, "", wanted[obligation_id].currency,
                *map(int, figures),
            )
            for obligation_id, period, *figures, _ in rows
        ]  # fmt: skip
        if as_of is not None and rows:
            moved = _before(moved, self._later(tenant_id, list(wanted), as_of, rows[0][-1]))
        return {
            key: list(group) for key, group in groupby(moved, key=lambda each: each.obligation_id)
        }

    def _later(
        self, tenant_id: str, ids: list[str], as_of: AsOf, last: int
    ) -> Mapping[tuple[str, str, str], Movements]:
        """Return what moved these obligations after then, up to the entry of number `last`."""
        query = self._location.query(
            _LATER, columns=JOURNAL.selected(), later=recorded_after(as_of)
        )
        with self._transaction(tenant_id) as connection, connection.cursor("later") as entries:
            connection.execute("SET LOCAL cursor_tuple_fraction = 1")
            entries.itersize = _ENTRIES_AT_ONCE
            asked = {"tenant": tenant_id, "ids": ids, "as_of": as_of, "last": last}
            entries.execute(query, asked)
            return movements_of(map(JOURNAL.row_of, entries))

    def _as_it_was(
        self, tenant_id: str, chosen: Sequence[Obligation], as_of: AsOf | None
    ) -> Sequence[Obligation]:
        """Return the obligations that there were by then, by the terms that held."""
        if as_of is None:
            return chosen
        rows = self._rows(
            tenant_id,
            _TERMS,
            {"ids": [o.obligation_id for o in chosen], "as_of": as_of},
            columns=TERMS.selected(),
            recorded=recorded_by(as_of),
        )
        held = {terms.obligation_id: terms for terms in map(TERMS.row_of, rows)}
        return [as_it_was(o, held[o.obligation_id]) for o in chosen if o.obligation_id in held]

    def grant_schedules(
        self, tenant_id: str, grant_ids: Sequence[str]
    ) -> dict[str, list[ScheduleRow]]:
        """Return the schedules of grants, by grant."""
        rows = self._rows(
            tenant_id,
            "SELECT {columns} FROM {obligations}"
            " WHERE tenant = %(tenant)s AND obligation_id = ANY(%(ids)s::uuid[])",
            {"ids": list(grant_ids)},
            columns=OBLIGATIONS.selected(),
        )
        chosen = [OBLIGATIONS.row_of(row) for row in rows]
        months = self._months_of(tenant_id, chosen, None)
        return {
            o.obligation_id: list(schedule_of(o, months.get(o.obligation_id, ()))) for o in chosen
        }

    def liability_ahead(self, tenant_id: str, on: date, as_of: AsOf | None = None) -> list[Ahead]:
        """Return by currency what is owed on a day and when it is expected to be revenue."""
        liabilities = self._location.query(_LIABILITIES)
        if as_of is not None:
            liabilities = self._location.query(
                _LIABILITIES_AS_OF, liabilities=liabilities, later=recorded_after(as_of)
            )
        rows = self._rows(
            tenant_id,
            _OWED,
            {"as_of": as_of},
            columns=OBLIGATIONS.selected(),
            liabilities=liabilities,
        )
        owed = {row[1]: int(row[-1]) for row in rows}
        sums: dict[str, list[int]] = {}
        chosen = [OBLIGATIONS.row_of(row[:-1]) for row in rows]
        for o in self._as_it_was(tenant_id, chosen, as_of):
            liability = owed[o.obligation_id]
            soon = within_a_year(o, liability, on)
            total = sums.setdefault(o.currency, [0, 0])
            total[0] += soon
            total[1] += liability - soon
        return [Ahead(currency, *bands) for currency, bands in sorted(sums.items())]

    def waterfall(self, tenant_id: str, until: str) -> list[WaterfallRow]:
        """Return what became, month by month, of what was sold in each month."""
        rows: list[WaterfallRow] = []
        remaining: dict[tuple[str, str], int] = {}
        for cohort, period, currency, *texts in self._rows(tenant_id, _WATERFALL, {"until": until}):
            paid, recognized, breakage, refunded, escheated, transferred = map(int, texts)
            left = recognized + breakage + refunded + escheated + transferred
            key = (currency, cohort)
            remaining[key] = remaining.get(key, 0) + paid - left
            rows.append(
                WaterfallRow(
                    cohort, period, currency, paid, recognized, breakage, refunded, escheated,
                    transferred, remaining[key],
                )
            )  # fmt: skip
        return rows

    def revenue_by(self, tenant_id: str, by: str, months: tuple[str, str]) -> list[EarnedRow]:
        """Return revenue by PRODUCT, METER, CUSTOMER or TYPE (the fact that earned it)."""
        rows = self._rows(
            tenant_id,
            _EARNED,
            {"first": months[0], "last": months[1], "revenue": _REVENUE},
            key=_KEYS[by],
        )
        return [
            EarnedRow(key, period, currency, *map(int, figures))
            for key, period, currency, *figures in rows
        ]


def _before(
    moved: Iterable[Movements], later: Mapping[tuple[str, str, str], Movements]
) -> list[Movements]:
    """Return the months that had begun to move before what came later."""
    by_then = [
        each if (since := later.get((each.tenant, each.obligation_id, each.period))) is None
        else each.before(since)
        for each in moved
    ]  # fmt: skip
    return [each for each in by_then if each.entries]


def _place_of(after: str | None) -> tuple[str, str] | None:
    if after is None:
        return None
    high, middle, low, month = place("schedule", 4, after)
    number = (high * _PART + middle) * _PART + low
    if number >= 2**128:
        number = 2**128 - 1
    return str(UUID(int=number)), f"{month // 100:04d}-{month % 100:02d}"


def _cursor_of(row: ScheduleRow) -> str:
    number = UUID(row.obligation_id).int
    month = int(row.period.replace("-", ""))
    return cursor("schedule", number // _PART**2, number // _PART % _PART, number % _PART, month)
