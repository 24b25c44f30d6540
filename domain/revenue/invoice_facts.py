"""The entries of invoices: what was unbilled becomes a claim; the claim is paid, reduced, lost.

Each is dated when it was recorded. An invoice bills exactly what was posted as unbilled, so
its issue leaves nothing there; receipts and statements claim nothing and have no entry.
"""

from __future__ import annotations

from domain.invoicing.events import (
    InvoiceCredited,
    InvoiceGivenUp,
    InvoiceIssued,
    InvoicePaid,
    InvoiceVoided,
)
from domain.revenue.books import Books, Place
from domain.revenue.journal import Line, merged

InvoiceFact = InvoiceIssued | InvoicePaid | InvoiceCredited | InvoiceVoided | InvoiceGivenUp


def issue(books: Books, place: Place, event: InvoiceIssued) -> None:
    """Claim what was unbilled, and its tax."""
    if event.kind == "ARREARS":
        _post(books, place, event, "invoice", _claim(event.subtotal_minor, event.tax_minor))


def void(books: Books, place: Place, event: InvoiceVoided) -> None:
    """Take the claim back: it is unbilled again."""
    lines = _claim(-event.subtotal_minor, -event.tax_minor)
    _post(books, place, event, "invoice_void", lines)


def pay(books: Books, place: Place, event: InvoicePaid) -> None:
    """Money for the claim; for one that was given up, the loss comes back."""
    lines: list[Line] = [("cash", event.minor)]
    lines.append(("credit_loss" if event.recovered else "receivable", -event.minor))
    _post(books, place, event, "invoice_recovery" if event.recovered else "invoice_payment", lines)


def credit(books: Books, place: Place, event: InvoiceCredited) -> None:
    """Overage is earned when it is invoiced: a credit note concedes revenue."""
    lines: list[Line] = [
        ("revenue_concessions", event.net_minor),
        ("tax_payable", event.tax_minor),
        ("receivable", -event.net_minor - event.tax_minor),
    ]
    _post(books, place, event, "credit_note", lines)


def give_up(books: Books, place: Place, event: InvoiceGivenUp) -> None:
    lines: list[Line] = [("credit_loss", event.minor), ("receivable", -event.minor)]
    _post(books, place, event, "uncollectible", lines)


def _claim(net_minor: int, tax_minor: int) -> list[Line]:
    return [
        ("receivable", net_minor + tax_minor),
        ("unbilled_receivable", -net_minor),
        ("tax_payable", -tax_minor),
    ]


def _post(books: Books, place: Place, event: InvoiceFact, fact: str, lines: list[Line]) -> None:
    books.post(
        place, event, fact, books.tenant(place.tenant).local_day(event.timestamp),
        event.currency, merged(lines), customer_id=event.customer_id,
        invoice_id=event.originator_id,
    )  # fmt: skip
