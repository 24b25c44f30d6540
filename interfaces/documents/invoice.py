"""What an invoice shows on paper: its data, of the moment of its issue, for the template."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.invoicing.billing import party_of
from domain.invoicing.events import InvoiceIssued, InvoiceKind, InvoiceLine
from domain.invoicing.invoice import Invoice
from domain.invoicing.parties import Party
from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of, units_of
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
        "date": _date(issued.timestamp),
        "heading": heading,
        "number": issued.number,
        "labels": {"seller": "From", "customer": "To" if issued.kind == "STATEMENT" else "Bill to"},
        "seller": _party(issued.seller),
        "customer": _party(party_of(issued.private.get("party") or {})),
        "facts": _facts(issued),
        "void": f"{issued.number} is void: nothing is due on it."
        if invoice.status == "VOIDED"
        else None,
        **_table(issued),
        "totals": [] if issued.kind == "STATEMENT" else _totals(issued),
        "notes": _notes(issued),
        "footer": issued.seller.name if issued.seller is not None else "",
    }


def _date(at: datetime) -> dict[str, int]:
    return {
        "year": at.year,
        "month": at.month,
        "day": at.day,
        "hour": at.hour,
        "minute": at.minute,
        "second": at.second,
    }


def _party(party: Party | None) -> dict[str, Any]:
    if party is None:
        return {"name": "", "lines": []}
    lines = [*party.address, party.country]
    if party.tax_id is not None:
        lines.append(f"Tax ID {party.tax_id}")
    return {"name": party.name, "lines": [line for line in lines if line]}


def _facts(issued: InvoiceIssued) -> list[list[str]]:
    facts = [["Number", issued.number], ["Issued", _day(issued.timestamp)]]
    if issued.due_at is not None:
        facts.append(["Due", _day(issued.due_at)])
    if issued.period_from is not None and issued.period_to is not None:
        facts += [["From", _day(issued.period_from)], ["Until", _day(issued.period_to)]]
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
        (_column("Description", grows=True), [line.description for line in issued.lines]),
        (_column("Period"), [line.service_period or "" for line in issued.lines]),
        (_column("Quantity", number=True), [_quantity(line) for line in issued.lines]),
        (_column("Unit price", number=True), [line.unit_price or "" for line in issued.lines]),
    ]
    if not statement:
        amounts = [_money(line.amount_minor, issued.currency) for line in issued.lines]
        columns.append((_column("Amount", number=True), amounts))
    kept = [each for each in columns if each[0]["grows"] or any(each[1])]
    return {
        "columns": [column for column, _ in kept],
        "rows": [list(row) for row in zip(*(cells for _, cells in kept), strict=True)],
    }


def _column(title: str, *, grows: bool = False, number: bool = False) -> dict[str, Any]:
    return {"title": title, "grows": grows, "number": number}


def _quantity(line: InvoiceLine) -> str:
    if line.quantity is None:
        return ""
    return f"{_grouped(line.quantity)} {line.asset}" if line.asset else _grouped(line.quantity)


def _totals(issued: InvoiceIssued) -> list[list[Any]]:
    """Return [words, amount, whether it stands out]; the last is what is to be paid."""
    currency = issued.currency
    rows: list[list[Any]] = []
    tax = issued.tax
    if issued.tax_minor or tax is not None:
        percent = decimal_of(units_of(tax.rate, 18) * 100, 18) if tax is not None else None
        words = f"{tax.name} {percent} %" if tax is not None else "Tax"
        if tax is not None and tax.inclusive:
            words = f"{words}, included"
        rows.append(["Subtotal", _money(issued.subtotal_minor, currency), False])
        rows.append([words, _money(issued.tax_minor, currency), False])
    rows.append(["Total", f"{_money(issued.total_minor, currency)} {currency}", True])
    paid = issued.paid_minor + sum(minor for _, minor in issued.credits)
    if paid:
        words = "Paid" if issued.kind == "RECEIPT" else "Credit of earlier documents"
        due = issued.total_minor - paid
        rows.append([words, _money(-paid, currency), False])
        rows.append(["Amount due", f"{_money(due, currency)} {currency}", True])
    return rows


def _notes(issued: InvoiceIssued) -> list[str]:
    if issued.kind == "STATEMENT":
        return ["This statement is for information: no amount is due."]
    if issued.kind == "RECEIPT":
        return ["Paid, with thanks."]
    if issued.due_at is None:
        return []
    return [f"Please pay by {_day(issued.due_at)}, naming {issued.number}."]


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def _money(minor: int, currency: str) -> str:
    """Return 1234567 cents as "12,345.67"."""
    exponent = EXPONENTS[currency]
    whole, part = divmod(abs(minor), 10**exponent)
    text = f"{whole:,}.{part:0{exponent}d}" if exponent else f"{whole:,}"
    return f"-{text}" if minor < 0 else text


def _grouped(decimal: str) -> str:
    whole, point, places = decimal.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{places}"
