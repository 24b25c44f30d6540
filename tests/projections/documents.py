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
from application.commands.requests import IssueGrant, SetExchangeRate
from domain.invoicing.invoice import Invoice
from projections.tables import Location
from projections.unbilled import UnbilledModel
from tests.projections.shop import Shop


def tell_documents(shop: Shop) -> None:
    """A customer that pays what it used: five documents of its overage, and a receipt."""
    customer = shop.customer("HYBRID")
    shop.do(SetExchangeRate("CREDIT", "USD", "0.01"))
    shop.do(SetSeller(PartyDetails("Lumen GmbH", ("Hauptstr. 1", "10115 Berlin"), "DE", "DE1")))
    shop.do(SetBillingDetails(customer, PartyDetails("Acme Ltd", ("1 High St",), "GB")))
    shop.do(SetPaymentTerms(customer, 14), SetTaxRate(customer, "VAT", "0.2", inclusive=False))
    first = _invoice(shop, customer, 1500)
    shop.do(RecordPayment(first.id, "8.00", "wire-1"))
    shop.do(IssueCreditNote(first.id, (CreditedLine(1, "5.00"),), "slow", shop.key("note")))
    shop.do(MarkUncollectible(first.id, "bankrupt"))
    shop.do(RecordPayment(first.id, "4.00", "wire-2"))
    second = _invoice(shop, customer, 100)
    shop.do(VoidInvoice(second.id, "a mistake"))
    again = _invoice(shop, customer, 100)
    shop.do(RecordPayment(again.id, "2.40", "wire-3"))
    shop.do(IssueCreditNote(again.id, (CreditedLine(1, "1.00"),), "goodwill", shop.key("note")))
    _invoice(shop, customer, 100)  # its credit pays this one
    shop.do(IssueGrant(shop.key("grant"), customer, "USD", "20", "COMMITMENT"))
    shop.charge(customer, "3", asset="USD")
    grant = shop.grant(customer, "50", "PAID")
    shop.do(IssueReceipt(customer, "USD", grant))


def _invoice(shop: Shop, customer: str, used: int) -> Invoice:
    """Use so many credits, and invoice what is unbilled."""
    shop.charge(customer, str(used))
    return invoiced(shop, customer)


def invoiced(shop: Shop, customer: str) -> Invoice:
    """Invoice what is unbilled."""
    shop.engine(UnbilledModel(Location("ledger_00"))).catch_up()
    draft = shop.queries.draft(shop.tenant, shop.wallet(customer), customer, "USD")
    invoice: Invoice = shop.do(IssueInvoice(customer, "USD", draft)).invoice
    return invoice
