"""Invoices, drafts and credit notes."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread

from application.commands.answers import CreditNoteAnswer, InvoiceAnswer, SellerAnswer
from domain import identity
from domain.invoicing import credit_note as notes
from domain.invoicing import events
from domain.invoicing import invoice as invoices
from domain.invoicing.billing import BillingAccount, billing_id
from domain.invoicing.draft import Draft, bill_of
from domain.invoicing.parties import Party
from domain.invoicing.tax import TaxRate
from domain.money.currencies import EXPONENTS
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.nodes import Node, PageInfo
from interfaces.graphql.scalars import ExactDecimal, Long, exact

LONGEST_WAIT_SECONDS = 8.0
UNBILLED = ("unbilled",)


@strawberry.enum
class InvoiceKind(Enum):
    RECEIPT = "RECEIPT"
    ARREARS = "ARREARS"
    STATEMENT = "STATEMENT"


@strawberry.enum
class InvoiceStatus(Enum):
    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    VOIDED = "VOIDED"
    UNCOLLECTIBLE = "UNCOLLECTIBLE"


@strawberry.type(description="Net where the tax stands below the lines, else with it.")
class InvoiceLine:
    description: str
    quantity: ExactDecimal | None
    unit_price: ExactDecimal | None
    amount: ExactDecimal
    service_period: str | None
    tax_rate: ExactDecimal | None
    charge_count: Long


@strawberry.type(description="The reduction of an invoice.")
class CreditNote(Node):
    number: str
    total: ExactDecimal
    lines: list[InvoiceLine]
    reason: str

    @field("A signed link that opens the document for an hour; the key opens it too.")
    def pdf_url(self, info: Info) -> str:
        return _signed(info, f"/v1/credit-notes/{self.id}.pdf")


@strawberry.type(description="A claim, a receipt or a statement; a draft until it is issued.")
class Invoice(Node):
    number: str | None
    kind: InvoiceKind
    status: InvoiceStatus
    customer_id: strawberry.ID
    currency: str
    lines: list[InvoiceLine]
    subtotal: ExactDecimal
    tax: ExactDecimal
    total: ExactDecimal
    amount_due: ExactDecimal = strawberry.field(
        description="Below zero: the customer's credit, taken off the next invoice."
    )
    issued_at: datetime | None
    due_at: datetime | None
    credit_note_ids: strawberry.Private[list[str]]

    @field("A signed link that opens the document for an hour; the key opens it too.")
    def pdf_url(self, info: Info) -> str | None:
        if self.number is None:
            return None
        return _signed(info, f"/v1/invoices/{self.id}.pdf")

    @field("In the order of their issue.")
    async def credit_notes(self, info: Info) -> list[CreditNote]:
        found = await info.context.loaders.credit_notes.load_many(self.credit_note_ids)
        return [credit_note_of(each) for each in found if each is not None]


@strawberry.type
class InvoiceConnection:
    nodes: list[Invoice]
    page_info: PageInfo


@strawberry.type(description="Who sells, as documents show it.")
class Seller:
    name: str
    address: list[str]
    country: str
    tax_id: str | None


def _signed(info: Info, path: str) -> str:
    runtime, tenant_id = info.context.runtime, info.context.caller.tenant_id
    return runtime.links.signed(path, tenant_id, {}, runtime.clock.now())


def seller_of(party: Party) -> Seller:
    return Seller(
        name=party.name, address=list(party.address), country=party.country, tax_id=party.tax_id
    )


def document_of(
    answer: InvoiceAnswer | CreditNoteAnswer | SellerAnswer,
) -> Invoice | CreditNote | Seller:
    """Return what a command about documents answered."""
    if isinstance(answer, InvoiceAnswer):
        return invoice_of(answer.invoice)
    if isinstance(answer, CreditNoteAnswer):
        return credit_note_of(answer.credit_note)
    return seller_of(answer.party)


def invoice_of(invoice: invoices.Invoice) -> Invoice:
    issued = invoice.issued
    places = EXPONENTS[issued.currency]
    return Invoice(
        id=strawberry.ID(invoice.id),
        number=issued.number,
        kind=InvoiceKind(issued.kind),
        status=InvoiceStatus(invoice.shown_status),
        customer_id=strawberry.ID(issued.customer_id),
        currency=issued.currency,
        lines=[line_of(line, issued.currency, issued.tax) for line in issued.lines],
        subtotal=exact(issued.subtotal_minor, places),
        tax=exact(issued.tax_minor, places),
        total=exact(issued.total_minor, places),
        amount_due=exact(invoice.due_minor, places),
        issued_at=issued.timestamp,
        due_at=issued.due_at,
        credit_note_ids=invoice.credit_note_ids,
    )


def credit_note_of(note: notes.CreditNote) -> CreditNote:
    issued = note.issued
    return CreditNote(
        id=strawberry.ID(note.id),
        number=issued.number,
        total=exact(note.total_minor, EXPONENTS[issued.currency]),
        lines=[
            line_of(line, issued.currency, issued.tax, credited_minor=minor)
            for _, line, minor in issued.lines
        ],
        reason=issued.private.get("reason", ""),
    )


def line_of(
    line: events.InvoiceLine,
    currency: str,
    tax: TaxRate | None,
    *,
    credited_minor: int | None = None,
) -> InvoiceLine:
    """Return a line; of a credit note, `credited_minor` of it."""
    whole = credited_minor is None
    amount_minor = line.amount_minor if credited_minor is None else credited_minor
    return InvoiceLine(
        description=line.description,
        quantity=ExactDecimal(line.quantity) if line.quantity is not None and whole else None,
        unit_price=ExactDecimal(line.unit_price) if line.unit_price is not None and whole else None,
        amount=exact(amount_minor, EXPONENTS[currency]),
        service_period=line.service_period,
        tax_rate=ExactDecimal(tax.rate) if tax is not None else None,
        charge_count=Long(line.charge_count if whole else 0),
    )


def draft_of(draft: Draft, customer_id: str, account: BillingAccount | None) -> Invoice:
    """Return a draft as the document that it would make; what has no price is shown at zero."""
    tax = account.tax if account is not None and account.tax and account.tax.units else None
    bill = bill_of(draft, tax)
    credit = account.credits.get(draft.currency, {}) if account is not None else {}
    places = EXPONENTS.get(draft.currency, 2)
    unpriced = [
        InvoiceLine(
            description=f"{each.description}: no exchange rate",
            quantity=ExactDecimal(each.quantity) if each.quantity is not None else None,
            unit_price=None,
            amount=exact(0, places),
            service_period=each.cycle,
            tax_rate=None,
            charge_count=Long(each.charge_count),
        )
        for each in draft.unpriced
    ]
    return Invoice(
        id=strawberry.ID(identity.derived_id("draft", customer_id, draft.currency)),
        number=None,
        kind=InvoiceKind.ARREARS,
        status=InvoiceStatus.DRAFT,
        customer_id=strawberry.ID(customer_id),
        currency=draft.currency,
        lines=[line_of(line, draft.currency, tax) for line in bill.lines] + unpriced,
        subtotal=exact(bill.subtotal_minor, places),
        tax=exact(bill.tax_minor, places),
        total=exact(bill.total_minor, places),
        amount_due=exact(bill.total_minor - sum(credit.values()), places),
        issued_at=None,
        due_at=None,
        credit_note_ids=[],
    )


async def await_unbilled(context: RequestContext) -> bool:
    """Wait until the read model says what is unbilled at the log's end; False if it does not."""
    newest = max(await context.loaders.newest_position(), context.min_position)
    return await to_thread.run_sync(
        context.runtime.engine.wait_for, newest, LONGEST_WAIT_SECONDS, UNBILLED
    )


async def read_draft(context: RequestContext, customer_id: str, currency: str) -> Draft | None:
    """Return what is unbilled at the log's end; None if the read model does not get there."""
    if not await await_unbilled(context):
        return None
    runtime, tenant_id = context.runtime, context.caller.tenant_id
    wallet_id = identity.wallet_id(tenant_id, customer_id)
    return await to_thread.run_sync(
        runtime.read_models.draft, tenant_id, wallet_id, customer_id, currency
    )


async def load_draft(context: RequestContext, customer_id: str, currency: str) -> Invoice | None:
    draft = await read_draft(context, customer_id, currency)
    if draft is None:
        return None
    tenant_id = context.caller.tenant_id
    account_id = billing_id(tenant_id, customer_id)
    found = await to_thread.run_sync(
        context.runtime.reader.billing_accounts, tenant_id, [account_id]
    )
    return draft_of(draft, customer_id, found.get(account_id))


async def load_invoice(context: RequestContext, invoice_id: str) -> Invoice | None:
    invoice = await context.loaders.invoices.load(invoice_id)
    return None if invoice is None else invoice_of(invoice)


async def load_credit_note(context: RequestContext, note_id: str) -> CreditNote | None:
    note = await context.loaders.credit_notes.load(note_id)
    return None if note is None else credit_note_of(note)
