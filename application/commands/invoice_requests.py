"""Commands of invoices, as what the client said. See `requests`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from application.commands import checks
from domain.invoicing.draft import Draft
from domain.invoicing.events import InvoiceLine
from domain.money.currencies import EXPONENTS
from domain.money.decimals import canonical, units_of
from domain.refusals import InvalidInput

LONGEST_TERMS_DAYS = 3_660
MOST_ADDRESS_LINES, MOST_CREDIT_LINES = 10, 1_000
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PartyDetails:
    name: str
    address: tuple[str, ...]
    country: str
    tax_id: str | None = None

    def check(self, field: str) -> None:
        checks.name(self.name, f"{field}.name")
        if len(self.address) > MOST_ADDRESS_LINES:
            raise InvalidInput(
                field=f"{field}.address", reason=f"at most {MOST_ADDRESS_LINES} lines"
            )
        for place, line in enumerate(self.address):
            checks.name(line, f"{field}.address[{place}]")
        if not _COUNTRY.fullmatch(self.country):
            raise InvalidInput(
                field=f"{field}.country", reason="two capital letters of ISO 3166-1, such as DE"
            )
        checks.optional_identifier(self.tax_id, f"{field}.taxId")


@dataclass(frozen=True, slots=True)
class SetSeller:
    party: PartyDetails

    def check(self) -> None:
        self.party.check("party")


@dataclass(frozen=True, slots=True)
class SetBillingDetails:
    customer: str
    party: PartyDetails

    def check(self) -> None:
        checks.customer(self.customer)
        self.party.check("party")


@dataclass(frozen=True, slots=True)
class SetPaymentTerms:
    customer: str
    days: int

    def check(self) -> None:
        checks.customer(self.customer)
        checks.between(self.days, 0, LONGEST_TERMS_DAYS, "days")


@dataclass(frozen=True, slots=True)
class SetTaxRate:
    """rate: a decimal share, 0.2 for 20 %; 0 for none."""

    customer: str
    name: str
    rate: str
    inclusive: bool

    def check(self) -> None:
        checks.customer(self.customer)
        checks.name(self.name, "name")
        checks.not_negative(self.rate, "rate")
        if not canonical(self.rate).startswith("0"):
            raise InvalidInput(field="rate", reason="a share below 1: 0.2 is 20 %")


@dataclass(frozen=True, slots=True)
class IssueInvoice:
    """Freeze a draft. It was read from what is unbilled, and is refused if that has moved."""

    customer: str
    currency: str
    draft: Draft

    def check(self) -> None:
        checks.customer(self.customer)
        document_currency(self.currency, "currency")


@dataclass(frozen=True, slots=True)
class IssueReceipt:
    """Acknowledge what was paid for a grant."""

    customer: str
    currency: str
    grant_id: str

    def check(self) -> None:
        checks.customer(self.customer)
        document_currency(self.currency, "currency")
        checks.identifier(self.grant_id, "grantId")


@dataclass(frozen=True, slots=True)
class IssueStatement:
    """Tell what a prepaid balance did from `start` until `end`; nothing is due."""

    customer: str
    currency: str
    start: datetime
    end: datetime
    lines: tuple[InvoiceLine, ...]

    def check(self) -> None:
        checks.customer(self.customer)
        document_currency(self.currency, "currency")


@dataclass(frozen=True, slots=True)
class RecordPayment:
    invoice_id: str
    amount: str
    reference: str

    def check(self) -> None:
        checks.identifier(self.invoice_id, "invoiceId")
        checks.positive(self.amount, "amount")
        checks.identifier(self.reference, "reference")


@dataclass(frozen=True, slots=True)
class VoidInvoice:
    invoice_id: str
    reason: str

    def check(self) -> None:
        checks.identifier(self.invoice_id, "id")
        checks.free_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class MarkUncollectible:
    invoice_id: str
    reason: str

    def check(self) -> None:
        checks.identifier(self.invoice_id, "invoiceId")
        checks.free_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """`amount` of a line, counted from 1: net where the invoice shows its tax below."""

    line: int
    amount: str


@dataclass(frozen=True, slots=True)
class IssueCreditNote:
    invoice_id: str
    lines: tuple[CreditedLine, ...]
    reason: str
    idempotency_key: str

    def check(self) -> None:
        checks.identifier(self.invoice_id, "invoiceId")
        checks.free_text(self.reason, "reason")
        checks.identifier(self.idempotency_key, "idempotencyKey")
        if not self.lines:
            raise InvalidInput(field="lines", reason="name a line of the invoice")
        if len(self.lines) > MOST_CREDIT_LINES:
            raise InvalidInput(field="lines", reason=f"at most {MOST_CREDIT_LINES}")
        named: set[int] = set()
        for place, each in enumerate(self.lines):
            checks.positive(each.amount, f"lines[{place}].amount")
            if each.line in named:
                raise InvalidInput(field=f"lines[{place}].line", reason="the line is named twice")
            named.add(each.line)


def document_currency(key: str, field: str) -> None:
    if key not in EXPONENTS:
        raise InvalidInput(field=field, reason="a currency of ISO 4217, such as USD")


def minor_units(amount: str, currency: str, field: str) -> int:
    """Return an amount in minor units. Raises InvalidInput: finer than the currency."""
    exponent = EXPONENTS[currency]
    places = canonical(amount).partition(".")[2]
    if len(places) > exponent:
        raise InvalidInput(field=field, reason=f"{currency} has {exponent} decimal places")
    return units_of(amount, exponent)


InvoiceCommand = (
    SetSeller
    | SetBillingDetails
    | SetPaymentTerms
    | SetTaxRate
    | IssueInvoice
    | IssueReceipt
    | IssueStatement
    | RecordPayment
    | VoidInvoice
    | MarkUncollectible
    | IssueCreditNote
)
