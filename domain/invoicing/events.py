"""Every event of an invoice's stream and of a credit note's, in the order of their lives.

Money is in minor units of `currency` (ISO 4217) unless it says exact (units of 10^-30).
Ranges are of all overage ever incurred on the account of `asset`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from domain.aggregate import Event
from domain.invoicing.parties import Party
from domain.invoicing.tax import TaxRate
from domain.wallet.events import Range

if TYPE_CHECKING:
    from domain.invoicing.credit_note import CreditNote
    from domain.invoicing.invoice import Invoice

InvoiceKind = Literal["RECEIPT", "ARREARS", "STATEMENT"]
InvoiceStatus = Literal["ISSUED", "PARTIALLY_PAID", "PAID", "VOIDED", "UNCOLLECTIBLE"]


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line of a document. `amount_minor`: as it reads, `net_minor`: without tax.

    quantity of `asset`, unit_price: canonical decimals, where one of each tells the line;
    units: the same in its smallest units, where it bills usage. exact: what it bills, before
    rounding. cycle, meter or `item`: what it bills. fees: of subscriptions, that it is of.
    """

    description: str
    quantity: str | None
    unit_price: str | None
    amount_minor: int
    net_minor: int
    exact: int
    charge_count: int
    units: int
    service_period: str | None
    cycle: str | None
    meter: str | None
    asset: str | None
    item: str | None
    fees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreditedPart:
    """What a credit note takes off a line: `minor` as the line reads, and of it net and tax.

    fees: those that the line is of.
    """

    line: int
    minor: int
    net_minor: int
    tax_minor: int
    fees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BilledOverage:
    """The overage of one account that an invoice claims."""

    asset: str
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class BilledCycle:
    """What an invoice bills of one cycle, without tax. period: its month, "2026-01"."""

    cycle: str
    period: str
    net_minor: int


class InvoiceEvent(Event):
    """Base of the events of an invoice."""

    def apply(self, aggregate: Invoice) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class InvoiceIssued(InvoiceEvent):
    """A draft, frozen: both parties as they were, lines, tax, total, and when it is due.

    credits: (invoice id, minor) of earlier documents taken off it. paid_minor: what a receipt
    acknowledges. grant_id: of a receipt. `private`: the customer as a party.
    """

    TOPIC: ClassVar[str] = "invoice.issued"
    kind: InvoiceKind
    number: str
    customer_id: str
    wallet_id: str
    currency: str
    lines: tuple[InvoiceLine, ...]
    subtotal_minor: int
    tax: TaxRate | None
    tax_minor: int
    total_minor: int
    paid_minor: int
    credits: tuple[tuple[str, int], ...]
    overage: tuple[BilledOverage, ...]
    cycles: tuple[BilledCycle, ...]
    grant_id: str | None
    period_from: datetime | None
    period_to: datetime | None
    due_at: datetime | None
    seller: Party | None
    private: dict[str, Any]

    def apply(self, aggregate: Invoice) -> None:
        aggregate.issue(self)


@dataclass(frozen=True)
class InvoicePaid(InvoiceEvent):
    """A payment, whole or in part. `reference`: the payment's own; `recovered`: after the
    invoice was given up as uncollectible.
    """

    TOPIC: ClassVar[str] = "invoice.paid"
    customer_id: str
    currency: str
    reference: str
    minor: int
    recovered: bool

    def apply(self, aggregate: Invoice) -> None:
        aggregate.take_payment(self.reference, self.minor)


@dataclass(frozen=True)
class InvoiceCredited(InvoiceEvent):
    """A credit note: what it takes off each line; net_minor + tax_minor off what is due."""

    TOPIC: ClassVar[str] = "invoice.credited"
    customer_id: str
    currency: str
    credit_note_id: str
    lines: tuple[CreditedPart, ...]
    net_minor: int
    tax_minor: int

    def apply(self, aggregate: Invoice) -> None:
        aggregate.take_credit(self)


@dataclass(frozen=True)
class InvoiceCreditMoved(InvoiceEvent):
    """What this invoice was in credit was taken off another one."""

    TOPIC: ClassVar[str] = "invoice.credit_moved"
    to_invoice_id: str
    minor: int

    def apply(self, aggregate: Invoice) -> None:
        aggregate.credit_moved_minor += self.minor


@dataclass(frozen=True)
class InvoiceVoided(InvoiceEvent):
    """What it billed is unbilled again; the amounts are those of its issue."""

    TOPIC: ClassVar[str] = "invoice.voided"
    customer_id: str
    wallet_id: str
    currency: str
    subtotal_minor: int
    tax_minor: int
    lines: tuple[InvoiceLine, ...]
    overage: tuple[BilledOverage, ...]
    cycles: tuple[BilledCycle, ...]
    private: dict[str, Any]

    def apply(self, aggregate: Invoice) -> None:
        aggregate.status = "VOIDED"


@dataclass(frozen=True)
class InvoiceGivenUp(InvoiceEvent):
    """`minor`: what was still due. The claim stands, and a payment may still come."""

    TOPIC: ClassVar[str] = "invoice.given_up"
    customer_id: str
    currency: str
    minor: int
    private: dict[str, Any]

    def apply(self, aggregate: Invoice) -> None:
        aggregate.given_up = True


@dataclass(frozen=True)
class CreditNoteIssued(Event):
    """The one event of a credit note's stream. lines: (number, the invoice's, minor taken off it).

    `content`: what the client said. `private`: the reason, and the customer as a party.
    """

    TOPIC: ClassVar[str] = "credit_note.issued"
    number: str
    invoice_id: str
    invoice_number: str
    customer_id: str
    currency: str
    lines: tuple[tuple[int, InvoiceLine, int], ...]
    net_minor: int
    tax: TaxRate | None
    tax_minor: int
    seller: Party | None
    content: dict[str, Any]
    private: dict[str, Any]

    def apply(self, aggregate: CreditNote) -> None:
        aggregate.issued = self
