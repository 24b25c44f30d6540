"""The journal as a sheet: a row a line, what is of the entry repeated on each."""

from __future__ import annotations

from collections.abc import Iterator

from interfaces.exports.accounts import AccountNames
from interfaces.exports.entries import ExportEntry, fixed
from interfaces.exports.sheets import FINEST_PLACES, Cell, Column, Sheet

RATE_PLACES = FINEST_PLACES

COLUMNS = (
    Column("number"),
    Column("date", "date"),
    Column("period"),
    Column("service_period"),
    Column("kind"),
    Column("description"),
    Column("account"),
    Column("account_code"),
    Column("account_name"),
    Column("currency"),
    Column("debit", "decimal"),
    Column("credit", "decimal"),
    Column("exchange_rate", "decimal", RATE_PLACES),
    Column("functional_currency"),
    Column("functional_debit", "decimal"),
    Column("functional_credit", "decimal"),
    Column("customer"),
    Column("customer_id"),
    Column("grant_id"),
    Column("charge_id"),
    Column("invoice_id"),
    Column("meter"),
    Column("product"),
    Column("reverses"),
    Column("position", "integer"),
    Column("recorded_at", "time"),
    Column("actor"),
)


def journal_sheet(entries: Iterator[ExportEntry], names: AccountNames) -> Sheet:
    return Sheet(COLUMNS, _rows(entries, names))


def _rows(entries: Iterator[ExportEntry], names: AccountNames) -> Iterator[tuple[Cell, ...]]:
    for entry in entries:
        currency, functional = entry.currency, entry.functional_currency
        for line in entry.lines:
            yield (
                entry.number,
                entry.date,
                entry.period,
                entry.service_period,
                entry.kind,
                entry.title,
                line.account,
                names.code(line.account),
                names.title(line.account),
                currency,
                fixed(max(line.minor, 0), currency),
                fixed(max(-line.minor, 0), currency),
                entry.exchange_rate,
                functional,
                fixed(max(line.functional_minor, 0), functional),
                fixed(max(-line.functional_minor, 0), functional),
                entry.customer,
                entry.customer_id,
                entry.grant_id,
                entry.charge_id,
                entry.invoice_id,
                entry.meter,
                entry.product,
                entry.reverses,
                entry.position,
                entry.recorded_at,
                entry.actor,
            )
