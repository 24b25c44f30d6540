"""Invoices through the running server: on the screen, on paper, and in the books."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from tests.scenarios.accountant import balances as all_balances
from tests.scenarios.accountant import usd
from tests.scenarios.conftest import START
from tests.scenarios.server import Client
from tests.scenarios.test_journal import posted

pytestmark = pytest.mark.storage

INVOICE = """
  __typename
  ... on Invoice {
    id number kind status currency subtotal tax total amountDue issuedAt dueAt pdfUrl
    lines { description quantity unitPrice amount servicePeriod taxRate chargeCount }
    creditNotes { number total reason lines { amount } }
  }
  ... on Problem { code message retryable }
  ... on InvalidInput { field } ... on InvalidState { state } ... on NotFound { what key }
"""
DOCUMENT = """
  id number status currency total amountDue
  lines { description quantity unitPrice amount servicePeriod taxRate chargeCount }
  creditNotes { number total reason lines { amount } }
"""
ISSUE = (
    """mutation ($c: ID!, $currency: String!, $kind: InvoiceKind!, $grant: ID,
      $from: DateTime, $to: DateTime) {
    answer: issueInvoice(customerId: $c, currency: $currency, kind: $kind, grantId: $grant,
      from: $from, to: $to) {"""
    + INVOICE
    + "} }"
)
DRAFT = (
    """query ($c: ID!, $currency: String!) {
    answer: draftInvoice(customerId: $c, currency: $currency) {"""
    + DOCUMENT
    + "} }"
)
READ = (
    "query ($id: ID, $number: String) { answer: invoice(id: $id, number: $number) {"
    + DOCUMENT
    + "} }"
)
PAY = (
    """mutation ($id: ID!, $amount: Decimal!, $reference: String!) {
    answer: recordPayment(invoiceId: $id, amount: $amount, reference: $reference) {"""
    + INVOICE
    + "} }"
)
VOID = 'mutation ($id: ID!) { answer: voidInvoice(id: $id, reason: "test") {' + INVOICE + "} }"
GIVE_UP = (
    'mutation ($id: ID!) { answer: markUncollectible(invoiceId: $id, reason: "test") {'
    + INVOICE
    + "} }"
)
CREDIT = """mutation ($id: ID!, $lines: [InvoiceLineRef!]!, $key: String!) {
  answer: issueCreditNote(invoiceId: $id, lines: $lines, reason: "slow", idempotencyKey: $key) {
    __typename ... on CreditNote { id number total reason lines { amount } }
    ... on Problem { code message } ... on InvalidInput { field } } }"""
TAX = """mutation ($c: ID!, $rate: Decimal!, $inclusive: Boolean!) {
  answer: setTaxRate(customerId: $c, name: "VAT", rate: $rate, inclusive: $inclusive) {
    __typename ... on Problem { message } } }"""


def balances(client: Client) -> dict[str, str]:
    """Return what accounts stand at, those at zero left out."""
    return {key: amount for key, amount in all_balances(client, "2026-02").items() if amount != "0"}


class Office:
    """Bills acme, in HYBRID unless said, at 0.01 USD a credit."""

    def __init__(self, client: Client, mode: str = "HYBRID") -> None:
        self.client = client
        client.ask(
            """mutation ($mode: WalletMode!) {
              setWalletMode(customerId: "ext:acme", mode: $mode) { __typename }
              setExchangeRate(asset: "CREDIT", currency: "USD", unitPrice: "0.01",
                effectiveAt: "2025-01-01T00:00:00Z") { __typename } }""",
            mode=mode,
        )

    def issue(self, currency: str = "USD", kind: str = "ARREARS", **more: Any) -> dict[str, Any]:
        return self.client.answer(ISSUE, c="ext:acme", currency=currency, kind=kind, **more)

    def draft(self, currency: str = "USD") -> dict[str, Any]:
        return self.client.answer(DRAFT, c="ext:acme", currency=currency)

    def read(self, invoice: dict[str, Any]) -> dict[str, Any]:
        return self.client.answer(READ, id=invoice["id"])

    def pay(self, invoice: dict[str, Any], amount: str, reference: str = "w1") -> dict[str, Any]:
        return self.client.answer(PAY, id=invoice["id"], amount=amount, reference=reference)

    def void(self, invoice: dict[str, Any]) -> dict[str, Any]:
        return self.client.answer(VOID, id=invoice["id"])

    def give_up(self, invoice: dict[str, Any]) -> dict[str, Any]:
        return self.client.answer(GIVE_UP, id=invoice["id"])

    def credit(
        self, invoice: dict[str, Any], amount: str, key: str = "n1", line: int = 1
    ) -> dict[str, Any]:
        lines = [{"line": line, "amount": amount}]
        return self.client.answer(CREDIT, id=invoice["id"], lines=lines, key=key)

    def tax(self, rate: str, *, inclusive: bool = False) -> None:
        answer = self.client.answer(TAX, c="ext:acme", rate=rate, inclusive=inclusive)
        assert answer["__typename"] == "Wallet", answer


@pytest.fixture
def office(client: Client) -> Office:
    return Office(client)


def amounts(invoice: dict[str, Any]) -> list[str]:
    return [line["amount"] for line in invoice["lines"]]


def test_v10_overage_is_invoiced_and_paid(client: Client, office: Office) -> None:
    # given
    client.grant("g1", "1000")
    client.charge("e1", "2500")
    assert balances(client) == {
        "cash": "10", "unbilled_receivable": "15", "revenue_usage": "-25",
    }  # fmt: skip
    # when
    draft = office.draft()
    assert (draft["status"], draft["number"], draft["total"]) == ("DRAFT", None, "15")
    invoice = office.issue()
    # then
    assert (invoice["number"], invoice["status"], invoice["amountDue"]) == (
        "INV-000001", "ISSUED", "15",
    )  # fmt: skip
    assert invoice["lines"] == [
        {
            "description": "Usage of tokens", "quantity": "1500", "unitPrice": "0.01",
            "amount": "15", "servicePeriod": "2026-01", "taxRate": None, "chargeCount": 1,
        }
    ]  # fmt: skip
    assert balances(client) == {"cash": "10", "receivable": "15", "revenue_usage": "-25"}
    account = client.ask(
        '{ wallet(customerId: "ext:acme") { account(asset: "CREDIT")'
        " { overage overageInvoiced available } } }"
    )["wallet"]["account"]
    assert account == {"overage": "1500", "overageInvoiced": "1500", "available": "-1500"}
    # when
    paid = office.pay(invoice, "15.00")
    # then
    assert (paid["status"], paid["amountDue"]) == ("PAID", "0")
    assert balances(client) == {"cash": "25", "revenue_usage": "-25"}
    assert client.account()["overage"] == "0"


def test_v23_credit_note_and_uncollectible(client: Client, office: Office) -> None:
    # given
    office.tax("0.20")
    client.charge("e1", "1500")
    invoice = office.issue()
    assert (invoice["subtotal"], invoice["tax"], invoice["total"]) == ("15", "3", "18")
    # when
    office.pay(invoice, "8.00")
    note = office.credit(invoice, "5.00")
    assert (note["number"], note["total"], note["lines"]) == ("CRN-000001", "6", [{"amount": "5"}])
    above = office.credit(invoice, "15.01", "n2")
    assert (above["code"], above["field"]) == ("INVALID_INPUT", "lines[0].amount")
    given_up = office.give_up(invoice)
    # then
    assert (given_up["status"], given_up["amountDue"]) == ("UNCOLLECTIBLE", "4")
    assert posted(client) == [
        {"unbilled_receivable": "15", "revenue_usage": "-15"},
        {"receivable": "18", "unbilled_receivable": "-15", "tax_payable": "-3"},
        {"cash": "8", "receivable": "-8"},
        {"revenue_concessions": "5", "tax_payable": "1", "receivable": "-6"},
        {"credit_loss": "4", "receivable": "-4"},
    ]
    assert office.read(invoice)["creditNotes"][0]["reason"] == "slow"


def test_v24_journal_and_invoice_agree(client: Client, office: Office) -> None:
    client.charge("a", "10.005", meter="A", asset="USD")
    client.charge("b", "10.005", meter="B", asset="USD")
    invoice = office.issue()
    assert (amounts(invoice), invoice["total"]) == (["10.01", "10"], "20.01")
    assert posted(client) == [
        {"unbilled_receivable": "10", "revenue_usage": "-10"},
        {"unbilled_receivable": "10.01", "revenue_usage": "-10.01"},
        {"receivable": "20.01", "unbilled_receivable": "-20.01"},
    ]


def test_v27_a_void_is_unbilled_again_a_credit_note_is_not(client: Client, office: Office) -> None:
    client.charge("e1", "1500")
    invoice = office.issue()
    assert office.draft()["total"] == "0"
    voided = office.void(invoice)
    assert (voided["status"], voided["amountDue"], voided["number"]) == (
        "VOIDED", "0", "INV-000001",
    )  # fmt: skip
    draft = office.draft()
    assert (draft["total"], draft["lines"][0]["quantity"]) == ("15", "1500")
    assert balances(client) == {"unbilled_receivable": "15", "revenue_usage": "-15"}
    again = office.issue()
    assert again["number"] == "INV-000002"
    office.credit(again, "15.00")
    assert (office.draft()["lines"], office.read(again)["amountDue"]) == ([], "0")
    refused = office.issue()
    assert (refused["code"], refused["state"]) == ("INVALID_STATE", "NOTHING_TO_BILL")


def test_v27_exposure_until_it_is_paid(client: Client) -> None:
    office = Office(client, "CONTROL")
    client.ask(
        'mutation { setOverageLimit(customerId: "ext:acme", asset: "CREDIT", limit: "15")'
        " { __typename } }"
    )
    assert client.charge("e1", "15")["overage"] == "15"
    invoice = office.issue()
    assert client.charge("e2", "1")["code"] == "INSUFFICIENT_FUNDS"
    office.pay(invoice, invoice["amountDue"])
    assert client.charge("e2", "1")["overage"] == "1"


def test_v27_two_issuers_at_once_make_one_invoice(client: Client, office: Office) -> None:
    client.charge("e1", "1500")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: office.issue(), range(8)))
    issued = [each for each in answers if each["__typename"] == "Invoice"]
    assert [each["number"] for each in issued] == ["INV-000001"]
    assert {each["state"] for each in answers if each not in issued} == {"NOTHING_TO_BILL"}
    assert balances(client) == {"receivable": "15", "revenue_usage": "-15"}


def test_numbers_are_gapless_under_concurrency(client: Client) -> None:
    # given
    office = Office(client)
    names = [f"c{number}" for number in range(12)]
    for name in names:
        client.customer(name, "HYBRID")
        client.charge(f"e-{name}", "100", customerId=f"ext:{name}")

    def issue(name: str) -> dict[str, Any]:
        return client.answer(ISSUE, c=f"ext:{name}", currency="USD", kind="ARREARS")

    # when
    with ThreadPoolExecutor(6) as pool:
        numbers = [each["number"] for each in pool.map(issue, names)]
    # then
    assert sorted(numbers) == [f"INV-{number:06d}" for number in range(1, 13)]
    assert office.draft()["lines"] == []


def test_spending_goes_on_while_it_is_billed(client: Client, office: Office) -> None:
    # when charges and invoices come at once
    def charge(number: int) -> None:
        assert client.charge(f"e{number}", "1.5")["status"] == "SETTLED"
        if number % 10 == 0:
            office.issue()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(charge, range(60)))
    office.issue()
    # then each charge is on one invoice, and nothing is left unbilled
    nodes = client.ask("{ invoices(first: 100) { nodes { total lines { amount chargeCount } } } }")[
        "invoices"
    ]["nodes"]
    assert sum(line["chargeCount"] for node in nodes for line in node["lines"]) == 60
    assert sum(Decimal(node["total"]) for node in nodes) == Decimal("0.90")
    assert balances(client) == {"receivable": "0.9", "revenue_usage": "-0.9"}


def test_a_late_charge_goes_on_the_next_invoice_with_its_period(
    client: Client, office: Office
) -> None:
    client.charge("e1", "100")
    office.issue()
    client.advance("2026-02-02T10:00:00Z")
    client.charge("late", "50", occurredAt="2026-01-31T10:00:00Z")
    client.charge("e2", "30")
    lines = office.issue()["lines"]
    assert [(line["servicePeriod"], line["amount"]) for line in lines] == [
        ("2026-01", "0.5"),
        ("2026-02", "0.3"),
    ]


def test_v28_yen_and_dinars(client: Client, office: Office) -> None:
    client.charge("jpy", "1935.483870968", asset="JPY")
    client.charge("kwd", "3.666666667", asset="KWD")
    assert office.issue("JPY")["total"] == "1935"
    assert office.issue("KWD")["total"] == "3.667"


def test_overage_without_a_rate_is_shown_and_stops_the_invoice(client: Client) -> None:
    client.ask(
        """mutation { setWalletMode(customerId: "ext:acme", mode: HYBRID) { __typename } }"""
    )
    client.charge("e1", "100")
    draft = client.answer(DRAFT, c="ext:acme", currency="USD")
    assert [(line["quantity"], line["unitPrice"], line["amount"]) for line in draft["lines"]] == [
        ("100", None, "0")
    ]
    refused = client.answer(ISSUE, c="ext:acme", currency="USD", kind="ARREARS")
    assert (refused["code"], refused["state"]) == ("INVALID_STATE", "UNPRICED")
    client.grant("g1", "100")
    assert client.answer(DRAFT, c="ext:acme", currency="USD")["lines"] == []


def test_a_grant_repays_what_is_unbilled_and_it_leaves_the_draft(
    client: Client, office: Office
) -> None:
    client.charge("a", "1000", meter="A")
    client.charge("b", "500", meter="B")
    client.grant("g1", "1200", paid=usd("10.80"))
    assert [(each["quantity"], each["amount"]) for each in office.draft()["lines"]] == [
        ("300", "3")
    ]
    assert office.issue()["total"] == "3"
    assert balances(client)["receivable"] == "3"
    assert "unbilled_receivable" not in balances(client)


def test_a_credit_line_is_billed_in_arrears(client: Client, office: Office) -> None:
    client.grant("g1", "100", source="COMMITMENT", asset="USD")
    client.charge("e1", "12.50", asset="USD")
    invoice = office.issue()
    assert amounts(invoice) == ["12.5"]
    assert balances(client) == {"receivable": "12.5", "revenue_usage": "-12.5"}


@pytest.mark.parametrize("inclusive, line, total", [(False, "15", "18"), (True, "18", "18")])
def test_inclusive_tax_is_in_the_lines(
    client: Client, office: Office, inclusive: bool, line: str, total: str
) -> None:
    office.tax("0.2", inclusive=inclusive)
    client.charge("e1", "1500")
    invoice = office.issue()
    assert (amounts(invoice), invoice["subtotal"], invoice["total"]) == ([line], "15", total)
    office.credit(invoice, line)
    assert office.read(invoice)["amountDue"] == "0"
    assert balances(client) == {"revenue_usage": "-15", "revenue_concessions": "15"}


def test_a_receipt_and_a_statement(client: Client, office: Office) -> None:
    # given
    grant = client.grant("g1", "1000", paid=usd("120"), tax="20")
    client.charge("e1", "300")
    client.advance("2026-01-20T00:00:00Z")
    # when
    receipt = office.issue(kind="RECEIPT", grant=grant["id"])
    statement = office.issue(
        kind="STATEMENT", **{"from": "2026-01-01T00:00:00Z", "to": "2026-01-20T00:00:00Z"}
    )
    # then
    assert (receipt["number"], receipt["status"], receipt["amountDue"]) == (
        "RCT-000001", "PAID", "0",
    )  # fmt: skip
    assert (receipt["subtotal"], receipt["tax"], receipt["total"]) == ("100", "20", "120")
    assert (statement["kind"], statement["total"], statement["amountDue"]) == (
        "STATEMENT", "0", "0",
    )  # fmt: skip
    assert [(line["description"], line["quantity"]) for line in statement["lines"]] == [
        ("Opening balance", "0"),
        ("Paid grant", "1000"),
        ("Usage of tokens", "-300"),
        ("Closing balance", "700"),
    ]
    again = office.issue(kind="RECEIPT", grant=grant["id"])
    assert (again["code"], again["state"]) == ("INVALID_STATE", "NOTHING_TO_BILL")
    refused = office.pay(receipt, "1")
    assert (refused["code"], refused["state"]) == ("INVALID_STATE", "RECEIPT")


def test_invoices_are_found_by_id_number_node_and_list(client: Client, office: Office) -> None:
    client.charge("e1", "100")
    first = office.issue()
    client.charge("e2", "200")
    second = office.issue()
    office.pay(first, "1")
    assert client.answer(READ, number="INV-000001")["id"] == first["id"]
    node = client.ask("query ($id: ID!) { node(id: $id) { __typename id } }", id=second["id"])
    assert node["node"] == {"__typename": "Invoice", "id": second["id"]}
    note = office.credit(second, "0.50")
    node = client.ask("query ($id: ID!) { node(id: $id) { __typename id } }", id=note["id"])
    assert node["node"] == {"__typename": "CreditNote", "id": note["id"]}
    listed = """query ($status: InvoiceStatus, $after: String) {
      invoices(customerId: "ext:acme", status: $status, first: 1, after: $after) {
        nodes { number status } pageInfo { hasNextPage endCursor } } }"""
    page = client.ask(listed)["invoices"]
    assert page["nodes"] == [{"number": "INV-000002", "status": "ISSUED"}]
    rest = client.ask(listed, after=page["pageInfo"]["endCursor"])["invoices"]
    assert (rest["nodes"], rest["pageInfo"]["hasNextPage"]) == (
        [{"number": "INV-000001", "status": "PAID"}],
        False,
    )
    assert client.ask(listed, status="PAID")["invoices"]["nodes"] == rest["nodes"]
    assert client.ask(listed, status="DRAFT")["invoices"]["nodes"] == []


def test_the_document_opens_by_its_link_or_the_key(client: Client, office: Office) -> None:
    # given
    client.ask(
        """mutation ($seller: PartyInput!, $buyer: PartyInput!) {
          setSeller(party: $seller) { ... on Seller { name } }
          setBillingDetails(customerId: "ext:acme", party: $buyer) { __typename }
          setPaymentTerms(customerId: "ext:acme", days: 14) { __typename } }""",
        seller={"name": "Lumen GmbH", "address": ["Hauptstr. 1"], "country": "DE"},
        buyer={"name": "Łódź 日本 Ltd", "address": [], "country": "PL", "taxId": "PL123"},
    )
    office.tax("0.2")
    client.charge("e1", "1500")
    invoice = office.issue()
    url = invoice["pdfUrl"]
    # when
    by_link = httpx.get(client.url + url)
    by_key = client.http.get(url.partition("?")[0])
    # then
    assert by_link.status_code == by_key.status_code == 200
    assert by_link.headers["content-type"] == "application/pdf"
    assert by_link.content == by_key.content
    text = PdfReader(io.BytesIO(by_link.content)).pages[0].extract_text()
    for shown in (
        "Lumen GmbH", "Łódź [U+65E5][U+672C] Ltd", "Tax ID PL123", "INV-000001", "2026-01-24",
        "Usage of tokens", "1,500 CREDIT", "15.00", "VAT 20 %", "3.00", "18.00 USD",
        "Characters that our fonts do not have",
    ):  # fmt: skip
        assert shown in text
    # and nothing else opens it
    path, _, asked = url.partition("?")
    assert httpx.get(client.url + path).status_code == 401
    assert httpx.get(f"{client.url}{path}?{asked}0").status_code == 403
    moved = asked.replace("expires=", "expires=9")
    assert httpx.get(f"{client.url}{path}?{moved}").status_code == 403
    other = path.replace(invoice["id"], "0" * 8 + invoice["id"][8:])
    assert httpx.get(f"{client.url}{other}?{asked}").status_code == 403
    assert client.http.get(other).status_code == 404


def test_a_credit_note_on_paper(client: Client, office: Office) -> None:
    # given
    office.tax("0.2", inclusive=True)
    client.charge("e1", "1500")
    invoice = office.issue()
    office.credit(invoice, "6")
    read = """query ($id: ID) { invoice(id: $id) { creditNotes { id number pdfUrl } } }"""
    (note,) = client.ask(read, id=invoice["id"])["invoice"]["creditNotes"]
    # when
    by_link = httpx.get(client.url + note["pdfUrl"])
    # then
    assert (by_link.status_code, by_link.headers["content-type"]) == (200, "application/pdf")
    assert client.http.get(note["pdfUrl"].partition("?")[0]).content == by_link.content
    text = PdfReader(io.BytesIO(by_link.content)).pages[0].extract_text()
    for shown in (
        "Credit note", "CRN-000001", "INV-000001", "Usage of tokens", "6.00", "Without tax",
        "5.00", "VAT 20 %, included", "1.00", "6.00 USD", "Reason: slow",
    ):  # fmt: skip
        assert shown in text
    # and a link is of one document
    _, _, asked = note["pdfUrl"].partition("?")
    assert httpx.get(f"{client.url}/v1/invoices/{invoice['id']}.pdf?{asked}").status_code == 403
    assert client.http.get(f"/v1/credit-notes/{invoice['id']}.pdf").status_code == 404


def test_a_void_document_asks_for_nothing(client: Client, office: Office) -> None:
    client.charge("e1", "1500")
    invoice = office.issue()
    office.void(invoice)
    body = client.http.get(invoice["pdfUrl"].partition("?")[0]).content
    text = PdfReader(io.BytesIO(body)).pages[0].extract_text()
    assert "INV-000001 is void" in text
    assert "Please pay" not in text


def test_the_document_stays_as_it_was_at_issue(client: Client, office: Office) -> None:
    # given
    party = """mutation ($seller: PartyInput!, $buyer: PartyInput!) {
      setSeller(party: $seller) { __typename }
      setBillingDetails(customerId: "ext:acme", party: $buyer) { __typename } }"""
    client.ask(
        party,
        seller={"name": "Lumen GmbH", "address": [], "country": "DE"},
        buyer={"name": "Acme", "address": ["First Street"], "country": "US"},
    )
    client.charge("e1", "1500")
    invoice = office.issue()
    before = httpx.get(client.url + invoice["pdfUrl"]).content
    # when both parties move, the tax changes, and it is paid in part
    client.ask(
        party,
        seller={"name": "Lumen SE", "address": [], "country": "FR"},
        buyer={"name": "Acme Holding", "address": ["Second Street"], "country": "US"},
    )
    office.tax("0.1")
    office.pay(invoice, "1")
    # then
    assert httpx.get(client.url + office.pay(invoice, "2", "w2")["pdfUrl"]).content == before
    text = PdfReader(io.BytesIO(before)).pages[0].extract_text()
    assert "Lumen GmbH" in text
    assert "First Street" in text
    # and a later document shows them as they are
    client.charge("e2", "100")
    later = httpx.get(client.url + office.issue()["pdfUrl"]).content
    text = PdfReader(io.BytesIO(later)).pages[0].extract_text()
    for shown in ("Lumen SE", "Second Street", "VAT 10 %"):
        assert shown in text


def test_credit_of_a_paid_invoice_is_taken_off_the_next(client: Client, office: Office) -> None:
    # given 18.00 paid, of which 6.00 are credited
    office.tax("0.2")
    client.charge("e1", "1500")
    first = office.issue()
    office.pay(first, "18")
    office.credit(first, "5")
    assert office.read(first)["amountDue"] == "-6"
    client.charge("e2", "800")
    assert office.draft()["amountDue"] == "3.6"
    # when
    second = office.issue()
    # then 6.00 of its 9.60 are paid, and that part of its overage is no longer owed
    assert (second["total"], second["amountDue"], second["status"]) == (
        "9.6", "3.6", "PARTIALLY_PAID",
    )  # fmt: skip
    assert office.read(first)["amountDue"] == "0"
    assert client.account()["overage"] == "300"
    refused = office.void(second)
    assert (refused["code"], refused["state"]) == ("INVALID_STATE", "PARTIALLY_PAID")
    assert office.pay(second, "3.6")["status"] == "PAID"
    assert client.account()["overage"] == "0"
    assert balances(client) == {
        "cash": "21.6", "tax_payable": "-3.6", "revenue_usage": "-23", "revenue_concessions": "5",
    }  # fmt: skip


def test_when_an_invoice_is_due(client: Client, office: Office) -> None:
    client.charge("e1", "100")
    due = office.issue()["dueAt"]
    assert due == (START + timedelta(days=30)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "kind, currency, more, field",
    [
        ("ARREARS", "CREDIT", {}, "currency"),
        ("ARREARS", "usd", {}, "currency"),
        ("RECEIPT", "USD", {}, "grantId"),
        ("STATEMENT", "USD", {"to": "2026-01-02T00:00:00Z"}, "from"),
        ("STATEMENT", "USD", {"from": "2026-01-02T00:00:00Z"}, "to"),
        (
            "STATEMENT", "USD",
            {"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "to",
        ),
        (
            "STATEMENT", "USD",
            {"from": "2026-01-02T00:00:00Z", "to": "2027-01-02T00:00:00Z"}, "to",
        ),
    ],
)  # fmt: skip
def test_a_bad_request_for_an_invoice(
    office: Office, kind: str, currency: str, more: dict[str, str], field: str
) -> None:
    refused = office.issue(currency, kind, **more)
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)


def test_bad_payments_and_unknown_invoices(client: Client, office: Office) -> None:
    client.charge("e1", "1500")
    invoice = office.issue()
    for amount in ("15.01", "0", "-1", "1.001", "1e3"):
        refused = office.pay(invoice, amount)
        assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "amount"), amount
    missing = {"id": "0" * 8 + invoice["id"][8:]}
    assert office.pay(missing, "1")["code"] == "NOT_FOUND"
    unknown = client.answer(ISSUE, c="ext:nobody", currency="USD", kind="ARREARS")
    assert (unknown["code"], unknown["what"]) == ("NOT_FOUND", "customer")
    assert office.read(invoice)["amountDue"] == "15"
