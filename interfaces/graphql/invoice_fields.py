"""Queries and mutations about invoices and how customers are billed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated

import strawberry
from anyio import to_thread

from application.commands import invoice_requests as requests
from application.commands.invoices import DRAFT_MOVED
from domain.invoicing.events import InvoiceLine as Line
from domain.money.decimals import decimal_of
from domain.refusals import InvalidInput as WrongInput
from domain.refusals import InvalidState as WrongState
from domain.refusals import Overloaded as Busy
from domain.refusals import Refusal
from interfaces.graphql.coercion import made_at_once
from interfaces.graphql.commands import perform, refused, shown, submit
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.errors import bad_input
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import said
from interfaces.graphql.invoices import (
    CreditNote,
    Invoice,
    InvoiceConnection,
    InvoiceKind,
    InvoiceStatus,
    Seller,
    await_unbilled,
    load_draft,
    load_invoice,
    read_draft,
)
from interfaces.graphql.lists import read_page
from interfaces.graphql.lookups import check_identifiers, customer_id_of, wallet_id_of
from interfaces.graphql.nodes import PageInfo, page_size
from interfaces.graphql.problems import InvalidInput, InvalidState, NotFound, Overloaded
from interfaces.graphql.results import UpdateCustomerResult, WalletResult
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.times import optional_instant

MOST_TRIES = 5
RETRY_AFTER_MS = 500

InvoiceResult = Annotated[
    Invoice | InvalidInput | NotFound | InvalidState | Overloaded,
    strawberry.union("InvoiceResult"),
]
CreditNoteResult = Annotated[
    CreditNote | InvalidInput | NotFound | InvalidState | Overloaded,
    strawberry.union("CreditNoteResult"),
]
SellerResult = Annotated[Seller | InvalidInput | Overloaded, strawberry.union("SellerResult")]


@made_at_once
@strawberry.input
class PartyInput:
    name: str
    address: list[str]
    country: str
    tax_id: str | None

    def details(self) -> requests.PartyDetails:
        return requests.PartyDetails(self.name, tuple(self.address), self.country, self.tax_id)


@made_at_once
@strawberry.input(description="`line`: counted from 1. `amount`: of it, as the line reads.")
class InvoiceLineRef:
    line: int
    amount: ExactDecimal


@strawberry.type
class InvoiceQueries:
    @field("What is unbilled of a customer in a currency, as the invoice that it would make.")
    async def draft_invoice(
        self, info: Info, *, customer_id: strawberry.ID, currency: str
    ) -> Invoice | None:
        context = info.context
        requests.document_currency(currency, "currency")
        found = customer_id_of(context, customer_id, "customerId")
        if await context.loaders.customers.load(found) is None:
            return None
        draft = await load_draft(context, found, currency)
        if draft is None:
            raise Busy(retry_after_ms=RETRY_AFTER_MS)
        return draft

    @field("By `id` or by `number`.")
    async def invoice(
        self,
        info: Info,
        *,
        id: strawberry.ID | None = strawberry.UNSET,
        number: str | None = strawberry.UNSET,
    ) -> Invoice | None:
        context, by_id, by_number = info.context, said(id), said(number)
        if (by_id is None) == (by_number is None):
            raise bad_input("invoice: give id or number")
        if by_id is not None:
            return await load_invoice(context, by_id.lower())
        assert by_number is not None
        check_identifiers(number=by_number)
        await context.wait_for_lists(None)
        tenant_id = context.caller.tenant_id
        found = await to_thread.run_sync(
            context.runtime.read_models.invoice_numbered, tenant_id, by_number
        )
        return None if found is None else await load_invoice(context, found)

    @field("Issued ones, newest first.")
    async def invoices(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID | None = strawberry.UNSET,
        status: InvoiceStatus | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> InvoiceConnection:
        context, size = info.context, page_size(first)
        reference, wanted, place = said(customer_id), said(status), said(after)
        customer = None if reference is None else customer_id_of(context, reference, "customerId")
        await context.wait_for_lists(None)
        models, tenant_id = context.runtime.read_models, context.caller.tenant_id
        state = None if wanted is None else wanted.value
        page = await read_page(lambda: models.invoice_page(tenant_id, customer, state, size, place))
        found = [await load_invoice(context, each) for each in page.nodes]
        return InvoiceConnection(
            nodes=[each for each in found if each is not None],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )


@strawberry.type
class InvoiceMutations:
    @answering(
        InvoiceResult,
        "ARREARS: what is unbilled. RECEIPT: of the payment of `grantId`. STATEMENT: of what the "
        "balances did from `from` until just before `to`.",
    )
    async def issue_invoice(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        currency: str,
        kind: InvoiceKind = InvoiceKind.ARREARS,
        grant_id: strawberry.ID | None = strawberry.UNSET,
        from_: Annotated[InstantText | None, strawberry.argument(name="from")] = strawberry.UNSET,
        to: InstantText | None = strawberry.UNSET,
    ) -> object:
        try:
            if kind is InvoiceKind.ARREARS:
                return await _issue(info.context, customer_id, currency)
            if kind is InvoiceKind.RECEIPT:
                grant = said(grant_id)
                if grant is None:
                    raise WrongInput(field="grantId", reason="a receipt is of a grant: say which")
                receipt = requests.IssueReceipt(customer_id, currency, grant)
                return await perform(info, lambda: receipt)
            start, end = optional_instant(said(from_), "from"), optional_instant(said(to), "to")
            return await _issue_statement(info, customer_id, currency, start, end)
        except Refusal as refusal:
            return refused(info, refusal)

    @answering(
        InvoiceResult, "A reference that was taken before, with its amount, answers as it did."
    )
    async def record_payment(
        self, info: Info, *, invoice_id: strawberry.ID, amount: ExactDecimal, reference: str
    ) -> object:
        return await perform(info, lambda: requests.RecordPayment(invoice_id, amount, reference))

    @answering(InvoiceResult, "Only an unpaid one; its number stays, what it billed is unbilled.")
    async def void_invoice(self, info: Info, *, id: strawberry.ID, reason: str) -> object:
        return await perform(info, lambda: requests.VoidInvoice(id, reason))

    @answering(CreditNoteResult, "What it credits is not billed again.")
    async def issue_credit_note(
        self,
        info: Info,
        *,
        invoice_id: strawberry.ID,
        lines: list[InvoiceLineRef],
        reason: str,
        idempotency_key: str,
    ) -> object:
        credited = tuple(requests.CreditedLine(each.line, each.amount) for each in lines)
        return await perform(
            info, lambda: requests.IssueCreditNote(invoice_id, credited, reason, idempotency_key)
        )

    @answering(InvoiceResult, "What is due becomes a credit loss; the overage stays owed.")
    async def mark_uncollectible(
        self, info: Info, *, invoice_id: strawberry.ID, reason: str
    ) -> object:
        return await perform(info, lambda: requests.MarkUncollectible(invoice_id, reason))

    @answering(SellerResult, "Who sells, on documents issued from now on.")
    async def set_seller(self, info: Info, *, party: PartyInput) -> object:
        return await perform(info, lambda: requests.SetSeller(party.details()))

    @answering(UpdateCustomerResult, "Who buys, on documents issued from now on.")
    async def set_billing_details(
        self, info: Info, *, customer_id: strawberry.ID, party: PartyInput
    ) -> object:
        return await perform(info, lambda: requests.SetBillingDetails(customer_id, party.details()))

    @answering(WalletResult, "Invoices are due so many days after their issue; 30 unless set.")
    async def set_payment_terms(
        self, info: Info, *, customer_id: strawberry.ID, days: int
    ) -> object:
        return await perform(info, lambda: requests.SetPaymentTerms(customer_id, days))

    @answering(WalletResult, "`rate`: a share, 0.2 for 20 %; `inclusive`: lines show it within.")
    async def set_tax_rate(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        name: str,
        rate: ExactDecimal,
        inclusive: bool,
    ) -> object:
        return await perform(info, lambda: requests.SetTaxRate(customer_id, name, rate, inclusive))


async def issue_all(context: RequestContext, customer_id: str) -> None:
    """Freeze what is unbilled of a customer, in each currency in which something is."""
    if not await await_unbilled(context):
        return
    tenant_id = context.caller.tenant_id
    currencies = await to_thread.run_sync(
        context.runtime.read_models.unbilled_currencies,
        tenant_id,
        wallet_id_of(context, customer_id),
    )
    for currency in currencies:
        with suppress(Refusal):  # no amount above zero, or without a price: it stays a draft
            await _issue(context, customer_id, currency)


async def _issue(context: RequestContext, customer: str, currency: str) -> object:
    """Freeze what is unbilled now; again, when it moved between the reading and the freezing."""
    requests.document_currency(currency, "currency")
    customer_id = customer_id_of(context, customer, "customerId")
    tries = 0
    while True:
        draft = await read_draft(context, customer_id, currency)
        if draft is None:
            raise Busy(retry_after_ms=RETRY_AFTER_MS)
        outcome = await submit(context, requests.IssueInvoice(customer, currency, draft))
        tries += 1
        refusal = outcome.refusal
        moved = isinstance(refusal, WrongState) and refusal.state == DRAFT_MOVED
        if moved and tries < MOST_TRIES:
            continue
        if refusal is not None:
            raise refusal
        assert outcome.answer is not None
        return await shown(context, outcome.answer)


async def _issue_statement(
    info: Info, customer: str, currency: str, start: datetime | None, end: datetime | None
) -> object:
    context = info.context
    if start is None:
        raise WrongInput(field="from", reason="a statement is of a span: say where it begins")
    if end is None:
        raise WrongInput(field="to", reason="a statement is of a span: say where it ends")
    if start >= end:
        raise WrongInput(field="to", reason="must be after from")
    if end > await context.loaders.now():
        raise WrongInput(field="to", reason="must not be in the future")
    requests.document_currency(currency, "currency")
    lines = await _statement_lines(context, customer, start, end)
    command = requests.IssueStatement(customer, currency, start, end, lines)
    return await perform(info, lambda: command)


async def _statement_lines(
    context: RequestContext, customer: str, start: datetime, end: datetime
) -> tuple[Line, ...]:
    """Return a line for each kind of movement of each account; none of them claims money."""
    customer_id = customer_id_of(context, customer, "customerId")
    await context.wait_for_lists(customer_id)
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    wallet_id = wallet_id_of(context, customer_id)
    moved = await to_thread.run_sync(models.account_movements, tenant_id, wallet_id, start, end)
    lines: list[Line] = []
    for each in moved:
        scale = await context.loaders.scale(each.asset)
        quantity = decimal_of(each.units, scale)
        lines.append(
            Line(each.description, quantity, None, 0, 0, 0, 0, each.units, None, None, None,
                 each.asset, None)
        )  # fmt: skip
    return tuple(lines)
