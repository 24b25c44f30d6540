"""What is asked about invoices, from the read models."""

from __future__ import annotations

from psycopg.sql import SQL

from domain.invoicing.draft import Draft, DraftCycle, DraftLine
from domain.invoicing.events import BilledOverage
from domain.invoicing.unbilled import FEE, UNPRICED, UnbilledLine
from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of
from projections.pages import Page, cursor, place
from projections.tenant_rows import TenantRows

_NEWEST = 2**63 - 1


class InvoiceQueries(TenantRows):
    """Part of `ReadModels`."""

    def draft(self, tenant_id: str, wallet_id: str, customer_id: str, currency: str) -> Draft:
        """Return what of a customer is unbilled in a currency, and what has no price."""
        asked = {"wallet": wallet_id, "currencies": [currency, UNPRICED]}
        where = "tenant = %(tenant)s AND wallet_id = %(wallet)s AND currency = ANY(%(currencies)s)"
        rows = self._rows(
            tenant_id,
            # One statement, so that all of it is of one position.
            "SELECT 0, coalesce((SELECT version FROM {billing_versions} WHERE tenant = %(tenant)s"
            " AND customer_id = %(customer)s), 0), NULL::jsonb, NULL, NULL"
            " UNION ALL SELECT 1, position, to_jsonb(l), exact::text, units::text"
            " FROM {unbilled_lines} l WHERE {where} AND (exact <> 0 OR charges <> 0 OR units <> 0)"
            " UNION ALL SELECT 2, 0, to_jsonb(c), exact::text, billed::text"
            " FROM {unbilled_cycles} c WHERE {where}"
            " UNION ALL SELECT 3, 0, to_jsonb(r), NULL, NULL"
            " FROM {unbilled_ranges} r WHERE {where}",
            {**asked, "customer": customer_id},
            where=SQL(where),
        )
        version = 0
        lines: list[tuple[int, UnbilledLine]] = []
        cycles: dict[str, DraftCycle] = {}
        overage: list[BilledOverage] = []
        for part, number, row, first, second in rows:
            if part == 0:
                version = int(number)
            elif part == 1:
                line = UnbilledLine(**{**row, "exact": int(first), "units": int(second)})
                lines.append((int(number), line))
            elif part == 2 and row["currency"] == currency:
                key = row["cycle"]
                cycles[key] = DraftCycle(key, key, int(first), int(second))
            elif part == 3 and row["currency"] == currency and row["ranges"]:
                ranges = tuple((int(start), int(end)) for start, end in row["ranges"])
                overage.append(BilledOverage(row["asset"], ranges))
        ordered = [line for _, line in sorted(lines, key=lambda each: each[0])]
        priced = [each for each in ordered if each.currency == currency and each.exact]
        unpriced = [each for each in ordered if each.currency == UNPRICED and each.units]
        of_lines = {each.cycle for each in priced}
        return Draft(
            currency,
            version,
            tuple(map(_draft_line, priced)),
            tuple(cycles[key] for key in sorted(of_lines)),
            tuple(sorted(overage, key=lambda each: each.asset)),
            tuple(map(_draft_line, unpriced)),
        )

    def unbilled_currencies(self, tenant_id: str, wallet_id: str) -> list[str]:
        """Return the currencies in which something of a wallet is unbilled."""
        rows = self._rows(
            tenant_id,
            "SELECT DISTINCT currency FROM {unbilled_lines} WHERE tenant = %(tenant)s"
            " AND wallet_id = %(wallet)s AND currency <> '' AND exact <> 0 ORDER BY currency",
            {"wallet": wallet_id},
        )
        return [str(currency) for (currency,) in rows]

    def invoice_page(
        self,
        tenant_id: str,
        customer_id: str | None,
        status: str | None,
        first: int,
        after: str | None = None,
    ) -> Page[str]:
        """Return ids of invoices, newest first. Raises BadCursor."""
        before = _NEWEST if after is None else place("invoices", 1, after)[0]
        where = "tenant = %(tenant)s AND position < %(before)s"
        if customer_id is not None:
            where += " AND customer_id = %(customer)s"
        if status is not None:
            where += " AND status = %(status)s"
        rows = self._rows(
            tenant_id,
            "SELECT invoice_id::text, position FROM {invoices} WHERE {where}"
            " ORDER BY position DESC LIMIT %(limit)s",
            {"before": before, "customer": customer_id, "status": status, "limit": first + 1},
            where=SQL(where),
        )
        shown = rows[:first]
        end = cursor("invoices", int(shown[-1][1])) if shown else None
        return Page([str(row[0]) for row in shown], end, len(rows) > first)

    def invoice_numbered(self, tenant_id: str, number: str) -> str | None:
        """Return the id of the invoice that has this number."""
        rows = self._rows(
            tenant_id,
            "SELECT invoice_id::text FROM {invoices}"
            " WHERE tenant = %(tenant)s AND number = %(number)s",
            {"number": number},
        )
        return str(rows[0][0]) if rows else None


def _draft_line(line: UnbilledLine) -> DraftLine:
    custom = line.asset not in EXPONENTS
    description = f"Usage of {line.meter}"
    if line.meter.startswith(FEE):
        description = f"Fee {line.meter.removeprefix(FEE)}"
    elif line.fees:
        description = f"Fee {line.meter}"
    return DraftLine(
        line.cycle,
        description,
        decimal_of(line.units, line.scale) if custom else None,
        line.unit_price if custom and line.currency else None,
        line.exact,
        line.charges,
        line.units,
        line.meter,
        line.asset,
        fees=tuple(line.fees),
    )
