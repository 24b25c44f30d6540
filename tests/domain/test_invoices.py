"""Invoices on paper: drafts, numbers, taxes, payments, credit notes, voids."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from application.commands.requests import Money, RefundCharge, SetOverageLimit
from domain import identity
from domain.invoicing.billing import BillingAccount, billing_id
from domain.invoicing.credit_note import CreditNote
from domain.invoicing.draft import Bill, Draft, DraftCycle, DraftLine, bill_of
from domain.invoicing.events import BilledOverage
from domain.invoicing.invoice import Invoice
from domain.invoicing.numbers import NumberTaken, number_of, number_text
from domain.invoicing.tax import TaxRate
from domain.money.asset import currency
from domain.money.currencies import EXPONENTS
from domain.money.exact import exact_money, exact_value
from domain.refusals import InsufficientFunds, InvalidInput, InvalidState, NotFound, Refusal
from domain.wallet import overage
from tests.books import Books

JANUARY = "month:2026-01"
ACME = "ext:acme"
VAT = TaxRate("VAT", "0.2", inclusive=False)


def money(amount: str, of: str = "USD") -> int:
    asset = currency(of)
    assert asset is not None
    return exact_money(asset.units(amount, "amount"))


def draft_of(
    amounts: str, *, of: str = "USD", billed_minor: int = 0, cycle: str = JANUARY
) -> Draft:
    """Return the draft of meters and their exact amounts, "a 10.005, b 10.005"."""
    named = [each.split() for each in amounts.split(",")]
    lines = tuple(
        DraftLine(JANUARY, meter, None, None, money(amount, of), 1, 0, meter, "USD")
        for meter, amount in named
    )
    exact = sum(line.exact for line in lines)
    cycles = (DraftCycle(JANUARY, "2026-01", exact, billed_minor),)
    return Draft(of, 0, lines, cycles, ())


def amounts(bill: Bill) -> list[int]:
    return [line.amount_minor for line in bill.lines]


@pytest.fixture
def books() -> Books:
    books = Books()
    books.customer()
    return books


def spend(books: Books, event_id: str, amount: str, meter: str = "tokens") -> None:
    """Let acme go into overage; its limit is as far as a test needs."""
    books.do(SetOverageLimit(ACME, "CREDIT", "10000000"))
    books.charge(event_id, amount, meter=meter)


def unbilled(books: Books, price: str = "0.01") -> Draft:
    """Return what acme has not been billed: its CREDIT overage, at a price, in January."""
    ranges = tuple(books.account().unbilled())
    exact = exact_value(overage.length(ranges), 6, price)
    units = overage.length(ranges)
    line = DraftLine(JANUARY, "tokens", None, price, exact, 1, units, "tokens", "CREDIT")
    account = billing(books)
    version = account.version if account is not None else 0
    cycle = DraftCycle(JANUARY, "2026-01", exact, 0)
    return Draft("USD", version, (line,), (cycle,), (BilledOverage("CREDIT", ranges),))


def billing(books: Books) -> BillingAccount | None:
    customer = identity.customer_id(books.tenant_id, "acme")
    return BillingAccount.fold(books.log.stream(billing_id(books.tenant_id, customer)))


def issue(books: Books, draft: Draft | None = None) -> Invoice:
    draft = draft or unbilled(books)
    invoice: Invoice = books.do(IssueInvoice(ACME, draft.currency, draft)).invoice
    return invoice


def pay(books: Books, invoice: Invoice, amount: str, reference: str = "wire-1") -> Invoice:
    paid: Invoice = books.do(RecordPayment(invoice.id, amount, reference)).invoice
    return paid


def credit(
    books: Books, invoice: Invoice, amount: str, key: str = "cn-1", line: int = 1
) -> CreditNote:
    lines = (CreditedLine(line, amount),)
    note: CreditNote = books.do(IssueCreditNote(invoice.id, lines, "too slow", key)).credit_note
    return note


def state(books: Books, invoice: Invoice) -> tuple[str, int]:
    """Return status and amount due, folded from the log."""
    folded = Invoice.fold(books.log.stream(invoice.id))
    assert folded is not None
    return folded.shown_status, folded.due_minor


def refused(books: Books, command: Any) -> Refusal:
    """Return how a command is refused; nothing may be recorded."""
    before = len(books.log.rows)
    with pytest.raises(Refusal) as caught:
        books.do(command)
    assert len(books.log.rows) == before
    return caught.value


# Amounts


def test_v11_lines_sum() -> None:
    bill = bill_of(draft_of("a 33.333333333, b 33.333333333, c 33.333333333"), None)
    assert (amounts(bill), bill.total_minor) == ([3334, 3333, 3333], 100_00)


def test_v24_two_meters_with_half_cents() -> None:
    bill = bill_of(draft_of("a 10.005, b 10.005"), None)
    assert (amounts(bill), bill.total_minor) == ([1001, 1000], 20_01)


@pytest.mark.parametrize(
    "amount, of, minor", [("1935.483870968", "JPY", 1935), ("3.666666667", "KWD", 3667)]
)
def test_v28_currencies_on_paper(amount: str, of: str, minor: int) -> None:
    bill = bill_of(draft_of(f"a {amount}", of=of), None)
    assert amounts(bill) == [minor]


def test_what_rounding_moved_is_carried_to_the_next_document() -> None:
    # given 0.004 was billed as 0.00
    first = bill_of(draft_of("a 0.004"), None)
    assert first.total_minor == 0
    # when as much comes again in the same cycle
    line = DraftLine(JANUARY, "a", None, None, money("0.004"), 1, 0, "a", "USD")
    again = Draft("USD", 2, (line,), (DraftCycle(JANUARY, "2026-01", money("0.008"), 0),), ())
    # then the cycle is right to the cent
    assert bill_of(again, None).total_minor == 1


def test_a_line_below_zero_lowers_its_cycle() -> None:
    bill = bill_of(draft_of("a 10.00, b -2.505"), None)
    assert (amounts(bill), bill.total_minor) == ([1000, -250], 7_50)


@pytest.mark.parametrize(
    "inclusive, lines, subtotal, tax, total",
    [(False, [1000, 500], 1500, 300, 1800), (True, [1200, 600], 1500, 300, 1800)],
)
def test_tax_below_the_lines_or_within_them(
    inclusive: bool, lines: list[int], subtotal: int, tax: int, total: int
) -> None:
    bill = bill_of(draft_of("a 10, b 5"), TaxRate("VAT", "0.2", inclusive))
    assert (amounts(bill), bill.subtotal_minor, bill.tax_minor) == (lines, subtotal, tax)
    assert bill.total_minor == total


@given(
    st.lists(st.integers(-(10**36), 10**36), min_size=1, max_size=9),
    st.sampled_from(["USD", "JPY", "KWD"]),
    st.sampled_from([None, VAT, TaxRate("VAT", "0.0725", inclusive=True)]),
    st.integers(-(10**6), 10**6),
)
def test_lines_always_sum(
    exact: list[int], of: str, tax: TaxRate | None, billed_minor: int
) -> None:
    # given
    lines = tuple(
        DraftLine(JANUARY, str(place), None, None, each, 1) for place, each in enumerate(exact)
    )
    cycle = DraftCycle(JANUARY, "2026-01", sum(exact), billed_minor)
    # when
    bill = bill_of(Draft(of, 0, lines, (cycle,), ()), tax)
    # then
    assert bill.subtotal_minor == cycle.net_minor(of) == sum(line.net_minor for line in bill.lines)
    inclusive = tax is not None and tax.inclusive
    shown = bill.total_minor if inclusive and bill.subtotal_minor else bill.subtotal_minor
    if not inclusive or bill.subtotal_minor:
        assert sum(amounts(bill)) == shown
    place = 10 ** (30 - EXPONENTS[of])
    if not billed_minor:
        moved = [abs(line.net_minor * place - line.exact) for line in bill.lines]
        assert max(moved) < 2 * place


# Numbers


def test_numbers_are_gapless_and_say_their_series(books: Books) -> None:
    spend(books, "e1", "100")
    first = issue(books)
    spend(books, "e2", "100")
    second = issue(books)
    assert [first.issued.number, second.issued.number] == ["INV-000001", "INV-000002"]
    assert credit(books, second, "0.50").issued.number == "CRN-000001"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("INV-000001", ("INV", 1)),
        ("INV-1234567", ("INV", 1_234_567)),
        ("INV-1", None),
        ("INV-0000012", None),
        ("INV", None),
        ("INV-00000١", None),
    ],
)
def test_a_number_reads_back(text: str, expected: tuple[str, int] | None) -> None:
    assert number_of(text) == expected
    if expected:
        assert number_text(*expected) == text


def test_a_refused_invoice_takes_no_number(books: Books) -> None:
    spend(books, "e1", "100")
    draft = unbilled(books)
    issue(books, draft)
    assert refused(books, IssueInvoice(ACME, "USD", draft)).code == "INVALID_STATE"
    spend(books, "e2", "100")
    assert issue(books).issued.number == "INV-000002"


def test_two_issuers_in_one_batch_make_one_invoice(books: Books) -> None:
    spend(books, "e1", "100")
    draft = unbilled(books)
    first, second = books.do_together(
        [IssueInvoice(ACME, "USD", draft), IssueInvoice(ACME, "USD", draft)]
    )
    assert not isinstance(first, Refusal)
    assert isinstance(second, InvalidState)
    assert second.state == "DRAFT_MOVED"
    assert second.retryable
    taken = [event for event in books.log.all() if isinstance(event, NumberTaken)]
    assert len(taken) == 1


# An invoice's life


def test_v23_payment_credit_note_uncollectible(books: Books) -> None:
    # given overage of 15.00 and 20 % tax
    spend(books, "e1", "1500")
    books.do(SetTaxRate(ACME, "VAT", "0.20", inclusive=False))
    invoice = issue(books)
    issued = invoice.issued
    assert (issued.subtotal_minor, issued.tax_minor, issued.total_minor) == (1500, 300, 1800)
    # when
    pay(books, invoice, "8.00")
    assert state(books, invoice) == ("PARTIALLY_PAID", 10_00)
    note = credit(books, invoice, "5.00")
    # then
    assert (note.issued.net_minor, note.issued.tax_minor, note.total_minor) == (500, 100, 600)
    assert state(books, invoice) == ("PARTIALLY_PAID", 4_00)
    books.do(MarkUncollectible(invoice.id, "bankrupt"))
    assert state(books, invoice) == ("UNCOLLECTIBLE", 4_00)


def test_v23_a_credit_note_never_exceeds_its_line(books: Books) -> None:
    spend(books, "e1", "1500")
    books.do(SetTaxRate(ACME, "VAT", "0.20", inclusive=False))
    invoice = issue(books)

    def above(amount: str) -> Refusal:
        lines = (CreditedLine(1, amount),)
        return refused(books, IssueCreditNote(invoice.id, lines, "oops", f"key {amount}"))

    refusal = above("15.01")
    assert isinstance(refusal, InvalidInput)
    assert (refusal.field, "15 USD of line 1 is left" in str(refusal)) == ("lines[0].amount", True)
    credit(books, invoice, "5.00")
    assert isinstance(above("10.01"), InvalidInput)
    assert credit(books, invoice, "10.00", "cn-2").issued.tax_minor == 200
    assert state(books, invoice) == ("PAID", 0)


def test_credit_notes_of_all_of_it_sum_to_its_tax(books: Books) -> None:
    spend(books, "e1", "1000")
    books.do(SetTaxRate(ACME, "VAT", "0.07", inclusive=True))
    invoice = issue(books)
    assert (invoice.issued.subtotal_minor, invoice.issued.tax_minor) == (1000, 70)
    parts = ("3.57", "3.56", "3.57")
    notes = [credit(books, invoice, part, f"cn-{place}") for place, part in enumerate(parts)]
    assert sum(note.issued.net_minor for note in notes) == 1000
    assert sum(note.issued.tax_minor for note in notes) == 70
    assert state(books, invoice) == ("PAID", 0)


def test_credit_beyond_what_is_due_is_taken_off_the_next_invoice(books: Books) -> None:
    # given a paid invoice of 15.00, credited 5.00
    spend(books, "e1", "1500")
    first = issue(books)
    pay(books, first, "15.00")
    credit(books, first, "5.00")
    assert state(books, first) == ("PAID", -5_00)
    # when the next is of 8.00
    spend(books, "e2", "800")
    second = issue(books)
    # then
    assert state(books, second) == ("PARTIALLY_PAID", 3_00)
    assert state(books, first) == ("PAID", 0)
    # and the part of its overage that was paid so is no longer owed
    assert books.overage() == "300"
    refusal = refused(books, VoidInvoice(second.id, "wrong period"))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "PARTIALLY_PAID"
    assert pay(books, second, "3.00").shown_status == "PAID"
    assert books.overage() == "0"


def test_credit_pays_an_invoice_whole(books: Books) -> None:
    # given 5.00 in the customer's favour
    spend(books, "e1", "1500")
    first = issue(books)
    pay(books, first, "15.00")
    credit(books, first, "5.00")
    # when the next is of 3.00
    spend(books, "e2", "300")
    second = issue(books)
    # then nothing is due or owed, and 2.00 are left
    assert (state(books, second), state(books, first)) == (("PAID", 0), ("PAID", -2_00))
    assert books.overage() == "0"


def test_a_payment_is_taken_once_by_its_reference(books: Books) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    pay(books, invoice, "8.00")
    pay(books, invoice, "8.00")
    assert state(books, invoice) == ("PARTIALLY_PAID", 7_00)
    refusal = refused(books, RecordPayment(invoice.id, "7.00", "wire-1"))
    assert isinstance(refusal, InvalidInput)
    assert refusal.field == "reference"
    assert pay(books, invoice, "7.00", "wire-2").shown_status == "PAID"


@pytest.mark.parametrize(
    "amount, field", [("15.01", "amount"), ("15.001", "amount"), ("0", "amount"), ("-1", "amount")]
)
def test_a_bad_payment_moves_nothing(books: Books, amount: str, field: str) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    refusal = refused(books, RecordPayment(invoice.id, amount, "wire-1"))
    assert isinstance(refusal, InvalidInput)
    assert refusal.field == field


def test_what_was_given_up_may_still_be_paid(books: Books) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    books.do(MarkUncollectible(invoice.id, "gone"))
    assert books.overage() == "1500"
    assert pay(books, invoice, "15.00").shown_status == "PAID"
    assert books.overage() == "0"


@pytest.mark.parametrize("what", ["pay", "credit", "void", "give up"])
def test_nothing_moves_a_voided_invoice(books: Books, what: str) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    books.do(VoidInvoice(invoice.id, "a mistake"))
    command = {
        "pay": RecordPayment(invoice.id, "1", "r"),
        "credit": IssueCreditNote(invoice.id, (CreditedLine(1, "1"),), "r", "k"),
        "void": VoidInvoice(invoice.id, "again"),
        "give up": MarkUncollectible(invoice.id, "gone"),
    }[what]
    refusal = refused(books, command)
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "VOIDED"


def test_only_an_unpaid_invoice_is_voided(books: Books) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    pay(books, invoice, "1.00")
    refusal = refused(books, VoidInvoice(invoice.id, "late"))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "PARTIALLY_PAID"


@pytest.mark.parametrize(
    "lines, field",
    [
        ((), "lines"),
        ((CreditedLine(2, "1"),), "lines[0].line"),
        ((CreditedLine(1, "1"), CreditedLine(1, "1")), "lines[1].line"),
        ((CreditedLine(1, "0"),), "lines[0].amount"),
        ((CreditedLine(1, "0.001"),), "lines[0].amount"),
    ],
)
def test_a_bad_credit_note_moves_nothing(
    books: Books, lines: tuple[CreditedLine, ...], field: str
) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    refusal = refused(books, IssueCreditNote(invoice.id, lines, "r", "k"))
    assert isinstance(refusal, InvalidInput)
    assert refusal.field == field


def test_a_credit_note_is_made_once_by_its_key(books: Books) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    note = credit(books, invoice, "5.00")
    assert credit(books, invoice, "5").id == note.id
    assert state(books, invoice) == ("ISSUED", 10_00)
    lines = (CreditedLine(1, "6"),)
    refusal = refused(books, IssueCreditNote(invoice.id, lines, "too slow", "cn-1"))
    assert isinstance(refusal, InvalidInput)
    assert refusal.field == "idempotencyKey"


# What is owed


def test_v27_a_void_makes_it_unbilled_again_a_credit_note_does_not(books: Books) -> None:
    spend(books, "e1", "1500")
    invoice = issue(books)
    assert (books.overage(), books.account().invoiced_units()) == ("1500", 1500 * 10**6)
    assert unbilled(books).lines[0].exact == 0
    books.do(VoidInvoice(invoice.id, "a mistake"))
    assert (books.overage(), unbilled(books).lines[0].exact) == ("1500", money("15"))
    # when it is billed again and credited
    again = issue(books)
    credit(books, again, "15.00")
    # then it is neither owed nor unbilled
    assert (books.overage(), unbilled(books).lines[0].exact) == ("0", 0)
    assert state(books, again) == ("PAID", 0)


def test_v27_control_counts_it_until_it_is_paid(books: Books) -> None:
    # given CONTROL with limit 15
    books.do(SetOverageLimit(ACME, "CREDIT", "15"))
    books.charge("e1", "15")
    invoice = issue(books, unbilled(books, "1"))
    # then the invoice changes nothing, a part of it a part
    with pytest.raises(InsufficientFunds):
        books.charge("e2", "1")
    pay(books, invoice, "0.99", "part")
    with pytest.raises(InsufficientFunds):
        books.charge("e2", "1")
    pay(books, invoice, "14.01", "rest")
    books.charge("e2", "1")
    assert (books.overage(), books.available()) == ("1", "-1")


def test_parts_of_a_payment_pay_the_oldest_units(books: Books) -> None:
    spend(books, "e1", "1000")
    spend(books, "e2", "500")
    invoice = issue(books)
    pay(books, invoice, "5.00", "a")
    assert (books.overage(), books.account().owed) == ("1000", [(500 * 10**6, 1500 * 10**6)])
    pay(books, invoice, "10.00", "b")
    assert (books.overage(), books.account().invoiced) == ("0", [])


def test_a_grant_repays_what_is_on_no_invoice(books: Books) -> None:
    spend(books, "e1", "100")
    invoice = issue(books)
    spend(books, "e2", "50")
    books.grant("g1", "500")
    assert (books.overage(), books.available()) == ("100", "350")
    pay(books, invoice, "1.00")
    assert (books.overage(), books.available()) == ("0", "450")


def test_overage_on_an_invoice_is_corrected_there(books: Books) -> None:
    spend(books, "e1", "100")
    charge = books.charge("e2", "50")
    invoice = issue(books)
    refusal = refused(books, RefundCharge(charge.id, "wrong", "r1"))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "INVOICED"
    pay(books, invoice, "1.50")
    refusal = refused(books, RefundCharge(charge.id, "wrong", "r1"))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "INVOICED"


# Parties, terms, receipts


def test_an_invoice_shows_the_parties_as_they_were(books: Books) -> None:
    # given
    seller = PartyDetails("Lumen GmbH", ("Hauptstr. 1", "10115 Berlin"), "DE", "DE123456789")
    buyer = PartyDetails("Acme Ltd", ("1 High St",), "GB", None)
    books.do(SetSeller(seller))
    books.do(SetBillingDetails(ACME, buyer))
    books.do(SetPaymentTerms(ACME, 14))
    spend(books, "e1", "100")
    # when
    invoice = issue(books)
    books.do(SetSeller(PartyDetails("Lumen SE", (), "DE", None)))
    # then
    folded = Invoice.fold(books.log.stream(invoice.id))
    assert folded is not None
    issued = folded.issued
    assert issued.seller is not None
    assert issued.seller.name == "Lumen GmbH"
    assert issued.private["party"]["name"] == "Acme Ltd"
    assert issued.due_at is not None
    assert (issued.due_at - issued.timestamp).days == 14


def test_a_receipt_acknowledges_a_payment_once(books: Books) -> None:
    grant = books.grant("g1", "1000", paid=Money("50", "USD"))
    receipt: Invoice = books.do(IssueReceipt(ACME, "USD", grant)).invoice
    assert (receipt.issued.number, receipt.issued.total_minor) == ("RCT-000001", 50_00)
    assert state(books, receipt) == ("PAID", 0)
    assert receipt.issued.lines[0].quantity == "1000"
    refusal = refused(books, IssueReceipt(ACME, "USD", grant))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "NOTHING_TO_BILL"
    gift = books.grant("g2", "5", source="PROMOTIONAL")
    assert isinstance(refused(books, IssueReceipt(ACME, "USD", gift)), InvalidState)
    books.customer("other")
    assert isinstance(refused(books, IssueReceipt("ext:other", "USD", grant)), NotFound)
    assert isinstance(refused(books, IssueReceipt(ACME, "EUR", grant)), InvalidInput)


@pytest.mark.parametrize("rate, field", [("1", "rate"), ("20", "rate"), ("-0.1", "rate")])
def test_a_tax_rate_is_a_share(books: Books, rate: str, field: str) -> None:
    refusal = refused(books, SetTaxRate(ACME, "VAT", rate, inclusive=False))
    assert isinstance(refusal, InvalidInput)
    assert refusal.field == field


def test_nothing_to_bill(books: Books) -> None:
    refusal = refused(books, IssueInvoice(ACME, "USD", Draft("USD", 0, (), (), ())))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "NOTHING_TO_BILL"
    assert refused(books, IssueInvoice(ACME, "GOLD", Draft("USD", 0, (), (), ()))).code == (
        "INVALID_INPUT"
    )


def test_overage_without_a_rate_stops_the_invoice(books: Books) -> None:
    line = DraftLine(JANUARY, "tokens", None, None, 0, 1, 0, "tokens", "CREDIT")
    draft = Draft("USD", 0, (), (), (), (line,))
    refusal = refused(books, IssueInvoice(ACME, "USD", draft))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "UNPRICED"
