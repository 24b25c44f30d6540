"""What customers owe: unbilled and billed, month by month and by age. Minor units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.revenue.months import months_from
from projections.as_of import AsOf, recorded_by
from projections.tenant_rows import TenantRows

AGES = ("not due", "1-30", "31-60", "61-90", "over 90")
_COLUMNS = {
    "invoice": "invoiced",
    "invoice_void": "invoiced",
    "repayment": "repaid",
    "uncollectible": "credit_loss",
}

_MOVED = """
    SELECT period, fact, sum(debit - credit)::text FROM {journal_sums}
    WHERE tenant = %(tenant)s AND account = %(account)s AND currency = %(currency)s
    AND period <= %(until)s GROUP BY period, fact
"""
_OPEN_ITEMS = """
    SELECT owed.customer_id::text, owed.invoice_id::text, owed.grant_id::text, owed.currency,
        owed.since, (i.due_at AT TIME ZONE 'UTC')::date, owed.amount::text
    FROM (
        SELECT customer_id, invoice_id, CASE WHEN invoice_id IS NULL THEN grant_id END AS grant_id,
            currency, min(date) AS since, sum(amount) AS amount
        FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
        WHERE tenant = %(tenant)s AND 'receivable' = ANY(accounts) AND account = 'receivable'
        AND date <= %(on)s AND {recorded} GROUP BY 1, 2, 3, 4 HAVING sum(amount) <> 0
    ) AS owed
    LEFT JOIN {invoices} i ON i.tenant = %(tenant)s AND i.invoice_id = owed.invoice_id
    ORDER BY owed.currency, owed.since, owed.customer_id, owed.invoice_id, owed.grant_id
"""


@dataclass(slots=True)
class UnbilledMonth:
    """opening + recognized - invoiced - repaid - credit_loss = closing."""

    period: str
    opening: int = 0
    recognized: int = 0
    invoiced: int = 0
    repaid: int = 0
    credit_loss: int = 0

    @property
    def closing(self) -> int:
        return self.opening + self.recognized - self.invoiced - self.repaid - self.credit_loss


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A claim that is not settled: of an invoice, or of a grant on account. due: of an
    invoice; a grant is due when it is sold.
    """

    customer_id: str
    invoice_id: str | None
    grant_id: str | None
    currency: str
    since: date
    due: date | None
    amount: int

    def age(self, on: date) -> str:
        """Return by how many days it is past due, as one of AGES."""
        days = (on - (self.due or self.since)).days
        return AGES[min(max((days + 29) // 30, 0), len(AGES) - 1)]


class ReceivableQueries(TenantRows):
    """Part of `ReadModels`."""

    def unbilled_months(
        self, tenant_id: str, months: tuple[str, str], currency: str, account: str
    ) -> list[UnbilledMonth]:
        """Return how an asset account moved in each month, both included."""
        rows = {period: UnbilledMonth(period) for period in months_from(*months)}
        opening = 0
        for period, fact, text in self._rows(
            tenant_id, _MOVED, {"account": account, "currency": currency, "until": months[1]}
        ):
            amount, row = int(text), rows.get(period)
            if row is None:
                opening += amount
                continue
            column = _COLUMNS.get(fact)
            if column is None:
                row.recognized += amount
            else:
                setattr(row, column, getattr(row, column) - amount)
        for row in rows.values():
            row.opening, opening = opening, opening + row.closing
        return list(rows.values())

    def open_items(self, tenant_id: str, on: date, as_of: AsOf | None = None) -> list[OpenItem]:
        """Return the claims that are not settled at the end of a day, the oldest first."""
        rows = self._rows(
            tenant_id, _OPEN_ITEMS, {"on": on, "as_of": as_of}, recorded=recorded_by(as_of)
        )
        return [
            OpenItem(customer, invoice, grant, currency, since, due, int(amount))
            for customer, invoice, grant, currency, since, due, amount in rows
        ]
