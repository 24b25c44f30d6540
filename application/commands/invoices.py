"""How invoices are issued, paid, voided, credited and given up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from application.commands.answers import CreditNoteAnswer, InvoiceAnswer
from application.commands.invoice_requests import (
    IssueCreditNote,
    IssueInvoice,
    IssueReceipt,
    IssueStatement,
    MarkUncollectible,
    RecordPayment,
    VoidInvoice,
    minor_units,
)
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.customers.customer import Customer
from domain.grants.grant import CreditGrant
from domain.grants.payment import GrantPaymentRecord
from domain.identity import derived_id
from domain.invoicing.billing import (
    BillingAccount,
    BillingOpened,
    CreditKept,
    CreditUsed,
    DocumentBilled,
    DocumentVoided,
    billing_id,
    private_party,
)
from domain.invoicing.credit_note import CreditNote, credit_note_id
from domain.invoicing.draft import Draft, bill_of
from domain.invoicing.events import (
    BilledCycle,
    BilledOverage,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceKind,
    InvoiceLine,
)
from domain.invoicing.invoice import Invoice
from domain.invoicing.numbers import NumberTaken, Series, number_text, series_id
from domain.invoicing.parties import Party
from domain.invoicing.receipt import receipt_of
from domain.invoicing.seller import Seller, seller_id
from domain.invoicing.tax import TaxRate
from domain.refusals import InvalidInput, InvalidState, NotFound
from domain.wallet import overage
from domain.wallet.wallet import Wallet

DRAFT_MOVED = "DRAFT_MOVED"
NOTHING_TO_BILL = "NOTHING_TO_BILL"

_SERIES: dict[InvoiceKind, Series] = {"ARREARS": "INV", "RECEIPT": "RCT", "STATEMENT": "STM"}


def issue_invoice(work: Work, command: IssueInvoice) -> InvoiceAnswer:
    """Freeze a draft as an invoice in arrears.

    Raises, first match wins: NotFound, InvalidState (what is unbilled has moved since the
    draft was read, overage without a rate, nothing to bill).
    """
    wallet = work.wallet(command.customer)
    account = work.stream(BillingAccount, billing_id(work.tenant_id, wallet.customer_id))
    draft = command.draft
    _still(draft, wallet, account)
    if draft.unpriced:
        raise InvalidState(
            state="UNPRICED",
            reason=f"{draft.unpriced[0].description} has no exchange rate: set it before such "
            "usage; what was used without one can be refunded or repaid by a grant",
        )
    tax = _tax(account)
    bill = bill_of(draft, tax)
    if not draft.lines or bill.total_minor <= 0:
        raise nothing_to_bill(wallet.customer_id)

    # Nothing may fail from here on.
    at = wallet.time(work.now)
    account = billing_account(work, wallet.customer_id)
    invoice_id = derived_id("invoice", account.id, str(account.version + 1))
    taken = tuple(account.credit_for(draft.currency, bill.total_minor))
    invoice = _issue(
        work,
        wallet,
        account,
        invoice_id,
        "ARREARS",
        draft.currency,
        at,
        lines=bill.lines,
        subtotal_minor=bill.subtotal_minor,
        tax=tax,
        tax_minor=bill.tax_minor,
        credit_taken=taken,
        overage_billed=draft.overage,
        cycles=bill.cycles,
        due_at=at + timedelta(days=account.terms_days),
    )
    for other_id, minor in taken:
        account.record(
            CreditUsed(
                account.id, account.version + 1, at, other_id, invoice_id, draft.currency, minor
            )
        )
        work.required(Invoice, other_id, "invoice").move_credit(invoice_id, minor, at)
    for each in draft.overage:
        if each.ranges:
            wallet.invoice_overage(each.asset, invoice_id, each.ranges, at)
    _no_longer_owed(wallet, invoice, invoice.paid_by_credit(), at)
    return InvoiceAnswer(invoice)


def issue_receipt(work: Work, command: IssueReceipt) -> InvoiceAnswer:
    """Acknowledge the payment of a grant, once.

    Raises, first match wins: NotFound, InvalidInput (another currency), InvalidState (nothing
    was paid for it, not received yet, a receipt stands).
    """
    wallet = work.wallet(command.customer)
    grant = work.required(CreditGrant, command.grant_id, "grant")
    if grant.issued.customer_id != wallet.customer_id:
        raise NotFound(what="grant", key=command.grant_id)
    asset = work.asset(grant.issued.asset)
    payment_id = identity.grant_payment_id(work.tenant_id, grant.id)
    received = work.stream(GrantPaymentRecord, payment_id) is not None
    receipt = receipt_of(grant, asset, command.currency, received=received)
    invoice_id = derived_id("receipt", grant.id)
    if work.stream(Invoice, invoice_id) is not None:
        raise nothing_to_bill(wallet.customer_id)
    account = billing_account(work, wallet.customer_id)
    at = wallet.time(work.now)
    invoice = _issue(
        work,
        wallet,
        account,
        invoice_id,
        "RECEIPT",
        command.currency,
        at,
        lines=(receipt.line,),
        subtotal_minor=receipt.net_minor,
        tax_minor=receipt.tax_minor,
        paid_minor=receipt.net_minor + receipt.tax_minor,
        grant_id=grant.id,
    )
    return InvoiceAnswer(invoice)


def issue_statement(work: Work, command: IssueStatement) -> InvoiceAnswer:
    """Tell what a prepaid balance did. Raises NotFound."""
    wallet = work.wallet(command.customer)
    account = billing_account(work, wallet.customer_id)
    at = wallet.time(work.now)
    invoice = _issue(
        work,
        wallet,
        account,
        derived_id("invoice", account.id, str(account.version + 1)),
        "STATEMENT",
        command.currency,
        at,
        lines=command.lines,
        period=(command.start, command.end),
    )
    return InvoiceAnswer(invoice)


def record_payment(work: Work, command: RecordPayment) -> InvoiceAnswer:
    """Take a payment; a reference that was taken before answers as it did.

    Raises, first match wins: NotFound, InvalidInput (finer than the currency, the reference
    with another amount), InvalidState, InvalidInput (above what is due).
    """
    invoice, wallet = _open(work, command.invoice_id)
    minor = minor_units(command.amount, invoice.issued.currency, "amount")
    before = invoice.payments.get(command.reference)
    if before is not None:
        if before != minor:
            raise InvalidInput(
                field="reference",
                reason=f"{command.reference!r} paid {invoice.amount(before)} of this invoice "
                "already: use the reference of the other payment",
            )
        return InvoiceAnswer(invoice, replayed=True)
    at = _time(work, wallet, invoice)
    settled = invoice.pay(minor, command.reference, at)
    _no_longer_owed(wallet, invoice, settled, at)
    return InvoiceAnswer(invoice)


def void_invoice(work: Work, command: VoidInvoice) -> InvoiceAnswer:
    """Take an unpaid invoice back: its number stays, what it billed is unbilled again.

    Raises NotFound, InvalidState.
    """
    invoice, wallet = _open(work, command.invoice_id)
    at = _time(work, wallet, invoice)
    issued = invoice.issued
    invoice.void(command.reason, at)
    account = billing_account(work, wallet.customer_id)
    account.record(
        DocumentVoided(
            account.id, account.version + 1, at, invoice.id, issued.currency, _items(issued.lines)
        )
    )
    for each in issued.overage:
        wallet.uninvoice_overage(each.asset, invoice.id, each.ranges, at)
    return InvoiceAnswer(invoice)


def mark_uncollectible(work: Work, command: MarkUncollectible) -> InvoiceAnswer:
    """Give up what is still due. The overage stays owed. Raises NotFound, InvalidState."""
    invoice, wallet = _open(work, command.invoice_id)
    invoice.give_up(command.reason, _time(work, wallet, invoice))
    return InvoiceAnswer(invoice)


def issue_credit_note(work: Work, command: IssueCreditNote) -> CreditNoteAnswer:
    """Reduce an invoice line by line.

    Raises, first match wins: NotFound, InvalidInput (finer than the currency, the key with
    other content, no such line), InvalidState, InvalidInput (above what is left of a line).
    """
    invoice, wallet = _open(work, command.invoice_id)
    issued = invoice.issued
    lines = [
        (each.line, minor_units(each.amount, issued.currency, f"lines[{place}].amount"))
        for place, each in enumerate(command.lines)
    ]
    note_id = credit_note_id(work.tenant_id, command.idempotency_key)
    content = {"invoiceId": invoice.id, "lines": [list(each) for each in lines]}
    before = work.stream(CreditNote, note_id)
    if before is not None:
        private = before.issued.private
        if before.issued.content != content or private.get("reason") != command.reason:
            raise InvalidInput(
                field="idempotencyKey",
                reason=f"{command.idempotency_key!r} made {before.issued.number} with other "
                "content: use a new key",
            )
        return CreditNoteAnswer(before, replayed=True)
    parts = invoice.check_credit(lines)

    # Nothing may fail from here on.
    at = _time(work, wallet, invoice)
    kept_before = max(-invoice.due_minor, 0)
    settled, given_back = invoice.credit(note_id, parts, at)
    number = _take_number(work, "CRN", note_id, at)
    noted = CreditNoteIssued(
        note_id,
        1,
        at,
        number,
        invoice.id,
        issued.number,
        issued.customer_id,
        issued.currency,
        tuple((line, issued.lines[line - 1], minor) for line, minor in lines),
        sum(each.net_minor for each in parts),
        issued.tax,
        sum(each.tax_minor for each in parts),
        issued.seller,
        content,
        {"reason": command.reason, "party": issued.private.get("party")},
    )
    note = create(CreditNote, noted, work.log)
    kept = max(-invoice.due_minor, 0) - kept_before
    if kept > 0:
        account = billing_account(work, wallet.customer_id)
        account.record(
            CreditKept(account.id, account.version + 1, at, invoice.id, issued.currency, kept)
        )
    _no_longer_owed(wallet, invoice, settled, at)
    for each in given_back:
        wallet.credit_overage(each.asset, invoice.id, each.ranges, at)
    return CreditNoteAnswer(note)


def billing_account(work: Work, customer_id: str) -> BillingAccount:
    """Return a customer's billing account; opened in the log, if there is none."""
    stream_id = billing_id(work.tenant_id, customer_id)
    account = work.stream(BillingAccount, stream_id)
    if account is None:
        opened = BillingOpened(stream_id, 1, work.now, customer_id)
        account = create(BillingAccount, opened, work.log)
    return account


def nothing_to_bill(customer_id: str) -> InvalidState:
    return InvalidState(
        state=NOTHING_TO_BILL, reason=f"nothing of customer {customer_id} is to bill"
    )


def _still(draft: Draft, wallet: Wallet, account: BillingAccount | None) -> None:
    """Raises InvalidState: what is unbilled is no longer what the draft says."""
    stands = draft.billing_version == (account.version if account is not None else 0)
    for each in draft.overage:
        owed = wallet.accounts[each.asset].unbilled() if each.asset in wallet.accounts else []
        stands = stands and overage.covers(owed, each.ranges)
    if not stands:
        raise InvalidState(
            state=DRAFT_MOVED,
            reason="what is unbilled has changed meanwhile: issue again",
            passes_later=True,
        )


def _tax(account: BillingAccount | None) -> TaxRate | None:
    tax = account.tax if account is not None else None
    return tax if tax is not None and tax.units else None


def _open(work: Work, invoice_id: str) -> tuple[Invoice, Wallet]:
    invoice = work.required(Invoice, invoice_id, "invoice")
    return invoice, work.wallet_by_id(invoice.issued.wallet_id)


def _time(work: Work, wallet: Wallet, invoice: Invoice) -> datetime:
    return max(wallet.time(work.now), invoice.recorded_at)


def _no_longer_owed(
    wallet: Wallet, invoice: Invoice, settled: Iterable[BilledOverage], at: datetime
) -> None:
    for each in settled:
        wallet.pay_overage(each.asset, invoice.id, each.ranges, at)


def _take_number(work: Work, series: Series, document_id: str, at: datetime) -> str:
    stream_id = series_id(work.tenant_id, series)
    number = work.next_version(stream_id)
    work.log.append(NumberTaken(stream_id, number, at, series, document_id))
    return number_text(series, number)


def _items(lines: Iterable[InvoiceLine]) -> tuple[str, ...]:
    return tuple(line.item for line in lines if line.item is not None)


def _issue(
    work: Work,
    wallet: Wallet,
    account: BillingAccount,
    invoice_id: str,
    kind: InvoiceKind,
    currency: str,
    at: datetime,
    *,
    lines: tuple[InvoiceLine, ...],
    subtotal_minor: int = 0,
    tax: TaxRate | None = None,
    tax_minor: int = 0,
    paid_minor: int = 0,
    credit_taken: tuple[tuple[str, int], ...] = (),
    overage_billed: tuple[BilledOverage, ...] = (),
    cycles: tuple[BilledCycle, ...] = (),
    grant_id: str | None = None,
    period: tuple[datetime, datetime] | None = None,
    due_at: datetime | None = None,
) -> Invoice:
    """State an invoice with its number and both parties as they are now."""
    seller = work.stream(Seller, seller_id(work.tenant_id))
    party = account.party or _by_name(work, wallet.customer_id)
    number = _take_number(work, _SERIES[kind], invoice_id, at)
    issued = InvoiceIssued(
        invoice_id,
        1,
        at,
        kind,
        number,
        wallet.customer_id,
        wallet.id,
        currency,
        lines,
        subtotal_minor,
        tax,
        tax_minor,
        subtotal_minor + tax_minor,
        paid_minor,
        credit_taken,
        overage_billed,
        cycles,
        grant_id,
        period[0] if period else None,
        period[1] if period else None,
        due_at,
        seller.party if seller is not None else None,
        {"party": private_party(party)},
    )
    invoice = create(Invoice, issued, work.log)
    account.record(
        DocumentBilled(account.id, account.version + 1, at, invoice_id, currency, _items(lines))
    )
    return invoice


def _by_name(work: Work, customer_id: str) -> Party:
    """Return a customer whose billing details nobody has set."""
    customer = work.required(Customer, customer_id, "customer")
    return Party(customer.private.get("name") or customer.external_id, (), "", None)
