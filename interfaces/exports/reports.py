"""Reports as sheets, each a function of its source; the journal is a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from domain.money.currencies import CURRENCY_SCALE
from domain.money.decimals import decimal_of
from domain.revenue.facts import BY_KEY
from domain.revenue.months import months_from
from interfaces.exports.entries import fixed
from interfaces.exports.finance_reports import FINANCE_SHEETS
from interfaces.exports.request import Report
from interfaces.exports.sheets import FINEST_PLACES, Cell, Column, Sheet
from interfaces.exports.source import Source

Rows = Iterator[tuple[Cell, ...]]


def trial_balance(source: Source) -> Sheet:
    """A row an account with entries by the month's end; debits above zero, since inception."""

    def rows() -> Rows:
        for month in months_from(*source.months):
            found = source.models.trial_balance(source.tenant_id, month, source.position)
            for each in found:
                figures = (each.opening, each.debit, each.credit, each.closing)
                yield (
                    month,
                    each.account,
                    source.names.code(each.account),
                    source.names.title(each.account),
                    each.currency,
                    *(fixed(figure, each.currency) for figure in figures),
                )

    texts = ("period", "account", "account_code", "account_name", "currency")
    return Sheet(_columns(texts, ("opening", "debit", "credit", "closing")), rows())


def rollforward(source: Source) -> Sheet:
    """A row a month and currency: what moved the contract liability, by cause."""

    def rows() -> Rows:
        asked = (source.tenant_id, source.months[1], source.position)
        for currency in source.queries.liability_currencies(*asked):
            for row in source.models.liability_months(
                source.tenant_id, source.months, currency, source.position
            ):
                figures = (
                    row.opening, row.billings, row.reversals, row.recognized,
                    row.recognized_from_opening, row.breakage, row.refunds, 0,
                    row.unclaimed_property, row.repayments, 0, row.transfers, 0, row.other,
                    row.closing,
                )  # fmt: skip
                yield (row.period, currency, *(fixed(figure, currency) for figure in figures))

    decimals = (
        "opening", "billings", "reversals", "recognized", "recognized_from_opening", "breakage",
        "refunds", "chargebacks", "unclaimed_property", "repayments", "deposits", "transfers",
        "fx", "other", "closing",
    )  # fmt: skip
    return Sheet(_columns(("period", "currency"), decimals), rows())


def revenue(source: Source) -> Sheet:
    """A row a month, currency, product, meter and customer."""
    accounts = ("revenue_usage", "revenue_ratable", "revenue_breakage", "revenue_concessions")

    def rows() -> Rows:
        lines = source.queries.earned(source.tenant_id, source.months, source.position)
        for key, group in groupby(
            lines, key=lambda x: (x.period, x.currency, x.product, x.meter, x.customer)
        ):
            gained = {line.account: line.amount for line in group}
            yield (*key, *(fixed(gained.get(account, 0), key[1]) for account in accounts))

    texts = ("period", "currency", "product", "meter", "customer")
    return Sheet(_columns(texts, ("usage", "ratable", "breakage", "concessions")), rows())


def late_entries(source: Source) -> Sheet:
    """A row an entry of these months' service that is dated in a later one."""

    def rows() -> Rows:
        for entry, customer in source.queries.late_entries(
            source.tenant_id, source.months, source.position
        ):
            amount = sum(amount for amount in entry.amounts if amount > 0)
            yield (
                entry.service_period, entry.period, entry.date, str(entry.number),
                BY_KEY[entry.fact].title, customer, entry.charge_id, entry.grant_id,
                entry.invoice_id, entry.currency, fixed(amount, entry.currency), entry.position,
            )  # fmt: skip

    columns = (
        Column("service_period"), Column("period"), Column("date", "date"), Column("number"),
        Column("description"), Column("customer"), Column("charge_id"), Column("grant_id"),
        Column("invoice_id"), Column("currency"), Column("amount", "decimal"),
        Column("position", "integer"),
    )  # fmt: skip
    return Sheet(columns, rows())


def charges(source: Source) -> Sheet:
    """A row a charge that occurred in these months, as it stood; holds are none yet."""

    def rows() -> Rows:
        for row, customer in source.documents.charges(
            source.tenant_id, source.span(), source.position
        ):
            scale = source.scale(row.asset)
            cost = None if row.cost is None else decimal_of(row.cost, CURRENCY_SCALE)
            yield (
                row.charge_id, row.event_id, row.source, customer, row.customer_id, row.meter,
                row.subject, row.occurred_at, row.recorded_at, row.status, row.quantity, row.asset,
                decimal_of(row.amount, scale), decimal_of(row.refunded, scale),
                decimal_of(row.overage, scale), cost, row.cost_currency, row.position,
            )  # fmt: skip

    columns = (
        Column("charge_id"), Column("event_id"), Column("source"), Column("customer"),
        Column("customer_id"), Column("meter"), Column("subject"), Column("occurred_at", "time"),
        Column("recorded_at", "time"), Column("status"), Column("quantity"), Column("asset"),
        Column("amount", "decimal", FINEST_PLACES), Column("refunded", "decimal", FINEST_PLACES),
        Column("overage", "decimal", FINEST_PLACES), Column("cost", "decimal", FINEST_PLACES),
        Column("cost_currency"), Column("position", "integer"),
    )  # fmt: skip
    return Sheet(columns, rows())


def invoices(source: Source) -> Sheet:
    """A row a document issued in these months, as it stood."""

    def rows() -> Rows:
        for row, customer in source.documents.invoices(
            source.tenant_id, source.span(), source.position
        ):
            figures = (row.subtotal, row.tax, row.total, row.settled, row.due)
            yield (
                row.number, row.kind, row.status, customer, row.customer_id, row.invoice_id,
                row.issued_at, row.due_at, row.currency,
                *(fixed(figure, row.currency) for figure in figures), row.position,
            )  # fmt: skip

    columns = (
        Column("number"), Column("kind"), Column("status"), Column("customer"),
        Column("customer_id"), Column("invoice_id"), Column("issued_at", "time"),
        Column("due_at", "time"), Column("currency"), Column("subtotal", "decimal"),
        Column("tax", "decimal"), Column("total", "decimal"), Column("settled", "decimal"),
        Column("amount_due", "decimal"), Column("position", "integer"),
    )  # fmt: skip
    return Sheet(columns, rows())


SHEETS: dict[Report, Callable[[Source], Sheet]] = {
    "TRIAL_BALANCE": trial_balance,
    "ROLLFORWARD": rollforward,
    "REVENUE": revenue,
    "LATE_ENTRIES": late_entries,
    "CHARGES": charges,
    "INVOICES": invoices,
    **FINANCE_SHEETS,
}


def _columns(texts: tuple[str, ...], decimals: tuple[str, ...]) -> tuple[Column, ...]:
    return (
        *(Column(name) for name in texts),
        *(Column(name, "decimal") for name in decimals),
    )
