"""The import layouts of three accounting programs, a row a line of an entry.

Sources: NetSuite, "Journal Entry Import"; QuickBooks Online, "Import journal entries from a
CSV file"; Xero, "Import manual journals".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from interfaces.exports.accounts import AccountNames
from interfaces.exports.csv_text import csv_rows, text_cell
from interfaces.exports.entries import ExportEntry, ExportLine, fixed

NETSUITE_COLUMNS = (
    "External ID",
    "Date",
    "Posting Period",
    "Currency",
    "Exchange Rate",
    "Memo",
    "Journal Entry - Line: Account",
    "Journal Entry - Line: Debit",
    "Journal Entry - Line: Credit",
    "Journal Entry - Line: Memo",
)
QUICKBOOKS_COLUMNS = (
    "Journal No.",
    "Journal Date",
    "Account Name",
    "Description",
    "Debits",
    "Credits",
    "Name",
)
XERO_COLUMNS = (
    "*Narration",
    "*Date",
    "Description",
    "*AccountCode",
    "*TaxRate",
    "*Amount",
    "TrackingName1",
    "TrackingOption1",
    "TrackingName2",
    "TrackingOption2",
)
XERO_LINES_A_FILE = 300
XERO_TAX_RATE = "Tax Exempt"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def netsuite(entries: Iterator[ExportEntry], names: AccountNames) -> Iterator[str]:
    """Yield a file for NetSuite; what is of the entry is repeated on each of its lines."""
    yield csv_rows([NETSUITE_COLUMNS])
    for entry in entries:
        yield csv_rows(
            [
                (
                    f"CF-{entry.number}",
                    _american(entry.date),
                    f"{_MONTHS[int(entry.period[5:]) - 1]} {entry.period[:4]}",
                    entry.currency,
                    entry.exchange_rate or "1",
                    text_cell(_memo(entry)),
                    text_cell(names.name(line.account)),
                    *_debit_credit(line, entry.currency),
                    text_cell(_line_memo(entry)),
                )
                for line in entry.lines
            ]
        )


def quickbooks(entries: Iterator[ExportEntry], names: AccountNames) -> Iterator[str]:
    """Yield a file for QuickBooks Online."""
    yield csv_rows([QUICKBOOKS_COLUMNS])
    for entry in entries:
        yield csv_rows(
            [
                (
                    f"CF-{entry.number}",
                    _american(entry.date),
                    text_cell(names.name(line.account)),
                    text_cell(_memo(entry)),
                    *_debit_credit(line, entry.currency),
                    text_cell(entry.customer),
                )
                for line in entry.lines
            ]
        )


def xero_files(entries: Iterator[ExportEntry], names: AccountNames) -> Iterator[str]:
    """Yield whole files for Xero: at most 300 lines each, no journal split over two."""
    header = csv_rows([XERO_COLUMNS])
    parts: list[str] = []
    count = 0
    for entry in entries:
        if parts and count + len(entry.lines) > XERO_LINES_A_FILE:
            yield header + "".join(parts)
            parts, count = [], 0
        parts.append(_xero(entry, names))
        count += len(entry.lines)
    yield header + "".join(parts)


def _xero(entry: ExportEntry, names: AccountNames) -> str:
    product = ("Product", entry.product) if entry.product else ("", "")
    meter = ("Meter", entry.meter) if entry.meter else ("", "")
    return csv_rows(
        [
            (
                text_cell(f"CF-{entry.number} {entry.title}"),
                entry.date.isoformat(),
                text_cell(_line_memo(entry)),
                text_cell(names.code(line.account)),
                XERO_TAX_RATE,
                fixed(line.minor, entry.currency),
                *map(text_cell, product),
                *map(text_cell, meter),
            )
            for line in entry.lines
        ]
    )


def _debit_credit(line: ExportLine, currency: str) -> tuple[str, str]:
    amount = fixed(abs(line.minor), currency)
    return (amount, "") if line.minor > 0 else ("", amount)


def _memo(entry: ExportEntry) -> str:
    late = f", service of {entry.service_period}" if entry.service_period != entry.period else ""
    return f"{entry.title}{late}"


def _line_memo(entry: ExportEntry) -> str:
    source = entry.charge_id or entry.invoice_id or entry.grant_id
    return " ".join(each for each in (entry.meter, source) if each)


def _american(day: date) -> str:
    return day.strftime("%m/%d/%Y")
