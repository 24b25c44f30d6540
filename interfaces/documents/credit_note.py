"""What a credit note shows on paper: its data, of the moment of its issue, for the template."""

from __future__ import annotations

from typing import Any

from domain.invoicing.billing import party_of
from domain.invoicing.credit_note import CreditNote
from domain.invoicing.events import CreditNoteIssued
from interfaces.documents.invoice import TEMPLATE
from interfaces.documents.parts import (
    column_of,
    date_of,
    day_of,
    money_of,
    net_and_tax,
    shown_party,
)
from interfaces.documents.pdf import Typesetter


def credit_note_pdf(typesetter: Typesetter, note: CreditNote) -> bytes:
    """Return the credit note as PDF; the same bytes for ever."""
    return typesetter.pdf(TEMPLATE, document(note.issued), note.issued.timestamp)


def document(issued: CreditNoteIssued) -> dict[str, Any]:
    """Return the data of the template."""
    reason = issued.private.get("reason")
    notes = [f"Reason: {reason}"] if reason else []
    return {
        "title": f"Credit note {issued.number}",
        "date": date_of(issued.timestamp),
        "heading": "Credit note",
        "number": issued.number,
        "labels": {"seller": "From", "customer": "Credit to"},
        "seller": shown_party(issued.seller),
        "customer": shown_party(party_of(issued.private.get("party") or {})),
        "facts": [
            ["Number", issued.number],
            ["Issued", day_of(issued.timestamp)],
            ["Of invoice", issued.invoice_number],
            ["Currency", issued.currency],
        ],
        "void": None,
        "columns": [
            column_of("Description", grows=True),
            column_of("Line"),
            column_of("Period"),
            column_of("Credited", number=True),
        ],
        "rows": [
            [line.description, str(number), line.service_period or "", money_of(minor, currency)]
            for currency in (issued.currency,)
            for number, line, minor in issued.lines
        ],
        "totals": _totals(issued),
        "notes": [*notes, f"It lowers what is due on {issued.invoice_number}."],
        "footer": issued.seller.name if issued.seller is not None else "",
    }


def _totals(issued: CreditNoteIssued) -> list[list[Any]]:
    currency = issued.currency
    rows: list[list[Any]] = []
    if issued.tax_minor or issued.tax is not None:
        rows += net_and_tax(issued.net_minor, issued.tax, issued.tax_minor, currency)
    total = issued.net_minor + issued.tax_minor
    rows.append(["Credit", f"{money_of(total, currency)} {currency}", True])
    return rows
