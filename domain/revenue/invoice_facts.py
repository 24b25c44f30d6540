"""The entries of invoices: what was unbilled becomes a claim; the claim is paid, reduced, lost.

Each is dated when it was recorded. An invoice bills exactly what was posted as unbilled, so
its issue leaves nothing there; receipts and statements claim nothing and have no entry.

Worked example: a fee of $31.00 for January, invoiced; on the 11th, when 10.00 are earned, a
credit note of 15.50. The fee is 15.50: 5.00 of it are earned, so that of the 15.50 given back
5.00 are conceded revenue and 10.50 leave the liability, of which 10.50 remain.
"""

from __future__ import annotations

from domain.invoicing.events import (
    CreditedPart,
    InvoiceCredited,
    InvoiceGivenUp,
    InvoiceIssued,
    InvoicePaid,
    InvoiceVoided,
)
from domain.money.rounding import divide_half_even, part_of
from domain.revenue.books import Books, Place, policy_for
from domain.revenue.journal import Line, merged
from domain.revenue.obligation import Obligation, target

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
    """Overage is earned when it is invoiced: a credit note concedes revenue. A fee costs less:
    what of that was earned is conceded, what was not leaves the liability.
    """
    conceded, tax = event.net_minor, event.tax_minor
    for part in event.lines:
        upto = 0
        for o, net in _shares(books, place, part):
            of_tax = part_of(part.tax_minor, upto, upto + net, part.net_minor)
            upto += net
            conceded -= net
            tax -= of_tax
            carrying = _cheapen(books, place, event, o, net)
            _post(books, place, event, "credit_note", _credited(carrying, net, of_tax), o)
    _post(books, place, event, "credit_note", _credited(0, conceded, tax))


def _credited(carrying: int, net_minor: int, tax_minor: int) -> list[Line]:
    return [
        ("revenue_concessions", net_minor - carrying),
        ("contract_liability", carrying),
        ("tax_payable", tax_minor),
        ("receivable", -net_minor - tax_minor),
    ]


def _shares(books: Books, place: Place, part: CreditedPart) -> list[tuple[Obligation, int]]:
    """Return what of a credited line falls on the fees that it is of, and on the credits that
    came with them, by what each is worth: at most that.
    """
    worth = [(o, o.whole) for o in books.of_fees(place.tenant, part.fees) if o.whole > 0]
    whole = sum(each for _, each in worth)
    credited = min(part.net_minor, whole)
    shares: list[tuple[Obligation, int]] = []
    upto = 0
    for o, each in worth:
        shares.append((o, part_of(credited, upto, upto + each, whole)))
        upto += each
    return [(o, net) for o, net in shares if net > 0]


def _cheapen(books: Books, place: Place, event: InvoiceCredited, o: Obligation, minor: int) -> int:
    """Lower what an obligation was sold for; return what of that was not earned yet."""
    before = o.liability
    # Of what was not revoked; `consideration` is of all that was granted.
    o.consideration -= divide_half_even(minor * o.minor * o.granted, o.live)
    books.retell(o)
    o.earned, o.breakage, o.escheated = target(
        o, policy_for(books.tenant(place.tenant), o, event.timestamp)
    )
    return before - o.liability


def give_up(books: Books, place: Place, event: InvoiceGivenUp) -> None:
    lines: list[Line] = [("credit_loss", event.minor), ("receivable", -event.minor)]
    _post(books, place, event, "uncollectible", lines)


def _claim(net_minor: int, tax_minor: int) -> list[Line]:
    return [
        ("receivable", net_minor + tax_minor),
        ("unbilled_receivable", -net_minor),
        ("tax_payable", -tax_minor),
    ]


def _post(
    books: Books,
    place: Place,
    event: InvoiceFact,
    fact: str,
    lines: list[Line],
    o: Obligation | None = None,
) -> None:
    books.post(
        place, event, fact, books.tenant(place.tenant).local_day(event.timestamp),
        event.currency, merged(lines), customer_id=event.customer_id, obligation=o,
        invoice_id=event.originator_id,
    )  # fmt: skip
