"""The part of the story in which overage is invoiced, paid, credited, voided and given up."""

from __future__ import annotations

from application.commands.invoice_requests import (
    CreditedLine,
    IssueCreditNote,
    IssueInvoice,
    IssueReceipt,
    MarkUncollectible,
    PartyDetails,
    RecordPayment,
    SetBillingDetails,
    SetPaymentTerms,
    SetSeller,
    SetTaxRate,
    VoidInvoice,
)
from domain.invoicing.billing import billing_id
from domain.invoicing.draft import Draft, DraftCycle, DraftLine
from domain.invoicing.events import BilledOverage
from domain.invoicing.exact import exact_value
from domain.invoicing.invoice import Invoice
from tests.projections.shop import Shop


def tell_documents(shop: Shop) -> None:
    """A customer that pays what it used: five documents of its overage, and a receipt."""
    customer = shop.customer("HYBRID")
    shop.do(SetSeller(PartyDetails("Lumen GmbH", ("Hauptstr. 1", "10115 Berlin"), "DE", "DE1")))
    shop.do(SetBillingDetails(customer, PartyDetails("Acme Ltd", ("1 High St",), "GB")))
    shop.do(SetPaymentTerms(customer, 14), SetTaxRate(customer, "VAT", "0.2", inclusive=False))
    first = _invoice(shop, customer, 0, 1500)
    shop.do(RecordPayment(first.id, "8.00", "wire-1"))
    shop.do(IssueCreditNote(first.id, (CreditedLine(1, "5.00"),), "slow", shop.key("note")))
    shop.do(MarkUncollectible(first.id, "bankrupt"))
    shop.do(RecordPayment(first.id, "4.00", "wire-2"))
    second = _invoice(shop, customer, 1500, 1600)
    shop.do(VoidInvoice(second.id, "a mistake"))
    again = _invoice(shop, customer, 1500, 1700, used=100)
    shop.do(RecordPayment(again.id, "2.40", "wire-3"))
    shop.do(IssueCreditNote(again.id, (CreditedLine(1, "1.00"),), "goodwill", shop.key("note")))
    last = _invoice(shop, customer, 1700, 1800)
    shop.do(VoidInvoice(last.id, "its credit comes back"))
    grant = shop.grant(customer, "50", "PAID")
    shop.do(IssueReceipt(customer, "USD", grant))


def _invoice(shop: Shop, customer: str, start: int, end: int, used: int | None = None) -> Invoice:
    """Use whole credits at 0.01 and invoice the overage from `start` to `end` of them."""
    shop.charge(customer, str(end - start if used is None else used))
    exact = exact_value((end - start) * 10**6, 6, "0.01")
    answer = shop.do(
        IssueInvoice(
            customer,
            "USD",
            Draft(
                "USD",
                _billing_version(shop, customer),
                (DraftLine("month", "tokens", None, "0.01", exact, 1, "tokens", "CREDIT"),),
                (DraftCycle("month", "2026-01", exact, 0),),
                (BilledOverage("CREDIT", ((start * 10**6, end * 10**6),)),),
            ),
        )
    )
    invoice: Invoice = answer.invoice
    return invoice


def _billing_version(shop: Shop, customer: str) -> int:
    ((version,),) = shop.rows(
        "SELECT count(*) FROM ledger_00.events WHERE originator_id = %s",
        billing_id(shop.tenant, customer),
    )
    return int(version)
