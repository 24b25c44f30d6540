"""What an invoice shows on paper: its data, of the moment of its issue, for the template."""

from __future__ import annotations

from typing import Any

from domain.invoicing.billing import party_of
from domain.invoicing.events import InvoiceIssued, InvoiceKind, InvoiceLine
from domain.invoicing.invoice import Invoice
from interfaces.documents.parts import (
    column_of,
    date_of,
    day_of,
    money_of,
    net_and_tax,
    shown_party,
)
from interfaces.documents.pdf import Typesetter

TEMPLATE = "invoice.typ"

_HEADINGS: dict[InvoiceKind, str] = {
    "ARREARS": "Invoice",
    "RECEIPT": "Receipt",
    "STATEMENT": "Statement",
}


def invoice_pdf(typesetter: Typesetter, invoice: Invoice) -> bytes:
    """Return the invoice as PDF; as long as it is not voided, the same bytes for ever."""
    return typesetter.pdf(TEMPLATE, document(invoice), invoice.issued.timestamp)


def document(invoice: Invoice) -> dict[str, Any]:
    """Return the data of the template."""
    issued = invoice.issued
    heading = _HEADINGS[issued.kind]
    return {
        "title": f"{heading} {issued.number}",
        "date": date_of(issued.timestamp),
        "heading": heading,
        "number": issued.number,
        "labels": {"seller": "From", "customer": "To" if issued.kind == "STATEMENT" else "Bill to"},
        "seller": shown_party(issued.seller),
        "customer": shown_party(party_of(issued.private.get("party") or {})),
        "facts": _facts(issued),
        "void": f"{issued.number} is void: nothing is due on it."
        if invoice.status == "VOIDED"
        else None,
        **_table(issued),
        "totals": [] if issued.kind == "STATEMENT" else _totals(issued),
        "notes": [] if invoice.status == "VOIDED" else _notes(issued),
        "footer": issued.seller.name if issued.seller is not None else "",
    }


def _facts(issued: InvoiceIssued) -> list[list[str]]:
    facts = [["Number", issued.number], ["Issued", day_of(issued.timestamp)]]
    if issued.due_at is not None:
        facts.append(["Due", day_of(issued.due_at)])
    if issued.period_from is not None and issued.period_to is not None:
        facts += [["From", day_of(issued.period_from)], ["Until", day_of(issued.period_to)]]
    periods = sorted({line.service_period for line in issued.lines if line.service_period})
    if periods:
        span = periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"
        facts.append(["Period", span])
    facts.append(["Currency", issued.currency])
    return facts


def _table(issued: InvoiceIssued) -> dict[str, Any]:
    """Return columns and rows; a column that no line has anything for is left out."""
    statement = issued.kind == "STATEMENT"
    columns: list[tuple[dict[str, Any], list[str]]] = [
        (column_of("Description", grows=True), [line.description for line in issued.lines]),
        (column_of("Period"), [line.service_period or "" for line in issued.lines]),
        (column_of("Quantity", number=True), [_quantity(line) for line in issued.lines]),
        (column_of("Unit price", number=True), [line.unit_price or "" for line in issued.lines]),
    ]
    if not statement:
        amounts = [money_of(line.amount_minor, issued.currency) for line in issued.lines]
        columns.append((column_of("Amount", number=True), amounts))
    kept = [each for each in columns if each[0]["grows"] or any(each[1])]
    return {
        "columns": [column for column, _ in kept],
        "rows": [list(row) for row in zip(*(cells for _, cells in kept), strict=True)],
    }


def _quantity(line: InvoiceLine) -> str:
    if line.quantity is None:
        return ""
    return f"{_grouped(line.quantity)} {line.asset}" if line.asset else _grouped(line.quantity)


def _totals(issued: InvoiceIssued) -> list[list[Any]]:
    """Return [words, amount, whether it stands out]; the last is what is to be paid."""
    currency = issued.currency
    rows: list[list[Any]] = []
    if issued.tax_minor or issued.tax is not None:
        rows += net_and_tax(issued.subtotal_minor, issued.tax, issued.tax_minor, currency)
    rows.append(["Total", f"{money_of(issued.total_minor, currency)} {currency}", True])
    paid = issued.paid_minor + sum(minor for _, minor in issued.credits)
    if paid:
        words = "Paid" if issued.kind == "RECEIPT" else "Credit of earlier documents"
        due = issued.total_minor - paid
        rows.append([words, money_of(-paid, currency), False])
        rows.append(["Amount due", f"{money_of(due, currency)} {currency}", True])
    return rows


def _notes(issued: InvoiceIssued) -> list[str]:
    if issued.kind == "STATEMENT":
        return ["This statement is for information: no amount is due."]
    if issued.kind == "RECEIPT":
        return ["Paid, with thanks."]
    if issued.due_at is None:
        return []
    return [f"Please pay by {day_of(issued.due_at)}, naming {issued.number}."]


def _grouped(decimal: str) -> str:
    whole, point, places = decimal.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{places}"
