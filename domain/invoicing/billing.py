"""A customer's billing account: how it is billed, and the order of its documents.

Each document that bills or gives back moves its version; a draft names the version that it
was made upon, so that two who issue at once make one invoice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Aggregate, Event
from domain.identity import derived_id
from domain.invoicing.parties import Party
from domain.invoicing.tax import TaxRate

DEFAULT_TERMS_DAYS = 30


def billing_id(tenant: str, customer: str) -> str:
    return derived_id("billing", tenant, customer)


class BillingEvent(Event):
    """Base of the events of a billing account."""

    def apply(self, aggregate: BillingAccount) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class BillingOpened(BillingEvent):
    TOPIC: ClassVar[str] = "billing.opened"
    customer_id: str

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.open(self.customer_id)


@dataclass(frozen=True)
class BillingDetailsSet(BillingEvent):
    """`private`: the party, which may be a person."""

    TOPIC: ClassVar[str] = "billing.details_set"
    private: dict[str, Any]

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.party = party_of(self.private)


@dataclass(frozen=True)
class PaymentTermsSet(BillingEvent):
    TOPIC: ClassVar[str] = "billing.payment_terms_set"
    days: int

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.terms_days = self.days


@dataclass(frozen=True)
class TaxRateSet(BillingEvent):
    TOPIC: ClassVar[str] = "billing.tax_rate_set"
    tax: TaxRate

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.tax = self.tax


@dataclass(frozen=True)
class DocumentBilled(BillingEvent):
    """An invoice billed what was unbilled; `items`: of it what no overage range names."""

    TOPIC: ClassVar[str] = "billing.document_billed"
    invoice_id: str
    currency: str
    items: tuple[str, ...]

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.billed_items.update(self.items)


@dataclass(frozen=True)
class DocumentVoided(BillingEvent):
    """What a voided invoice billed is unbilled again."""

    TOPIC: ClassVar[str] = "billing.document_voided"
    invoice_id: str
    currency: str
    items: tuple[str, ...]

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.billed_items.difference_update(self.items)


@dataclass(frozen=True)
class CreditKept(BillingEvent):
    """More was credited than was still due: the next invoice is that much less."""

    TOPIC: ClassVar[str] = "billing.credit_kept"
    invoice_id: str
    currency: str
    minor: int

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.keep_credit(self.currency, self.invoice_id, self.minor)


@dataclass(frozen=True)
class CreditUsed(BillingEvent):
    """`minor` of what `invoice_id` is in credit was taken off `used_by`."""

    TOPIC: ClassVar[str] = "billing.credit_used"
    invoice_id: str
    used_by: str
    currency: str
    minor: int

    def apply(self, aggregate: BillingAccount) -> None:
        aggregate.keep_credit(self.currency, self.invoice_id, -self.minor)


class BillingAccount(Aggregate):
    """credits: minor units in the customer's favour, by currency and invoice, oldest first."""

    TOPIC = "billing"
    customer_id: str
    party: Party | None
    terms_days: int
    tax: TaxRate | None
    billed_items: set[str]
    credits: dict[str, dict[str, int]]

    def open(self, customer_id: str) -> None:
        self.customer_id = customer_id
        self.party = None
        self.terms_days = DEFAULT_TERMS_DAYS
        self.tax = None
        self.billed_items = set()
        self.credits = {}

    def keep_credit(self, currency: str, invoice_id: str, minor: int) -> None:
        kept = self.credits.setdefault(currency, {})
        kept[invoice_id] = kept.get(invoice_id, 0) + minor
        if not kept[invoice_id]:
            del kept[invoice_id]

    def set_party(self, party: Party, at: datetime) -> None:
        """The same again writes nothing; so do the others."""
        if party != self.party:
            self.record(BillingDetailsSet(self.id, self.version + 1, at, private_party(party)))

    def set_terms(self, days: int, at: datetime) -> None:
        if days != self.terms_days:
            self.record(PaymentTermsSet(self.id, self.version + 1, at, days))

    def set_tax(self, tax: TaxRate, at: datetime) -> None:
        if tax != self.tax:
            self.record(TaxRateSet(self.id, self.version + 1, at, tax))

    def credit_for(self, currency: str, total_minor: int) -> list[tuple[str, int]]:
        """Return what of the customer's credit pays a total, oldest first."""
        taken: list[tuple[str, int]] = []
        for invoice_id, minor in self.credits.get(currency, {}).items():
            part = min(minor, total_minor)
            if part > 0:
                taken.append((invoice_id, part))
                total_minor -= part
        return taken


def private_party(party: Party | None) -> dict[str, Any]:
    """Return a party as the private part of an event keeps it."""
    if party is None:
        return {}
    return {
        "name": party.name,
        "address": list(party.address),
        "country": party.country,
        "taxId": party.tax_id,
    }


def party_of(private: dict[str, Any]) -> Party | None:
    if not private:
        return None
    return Party(
        private["name"], tuple(private["address"]), private["country"], private.get("taxId")
    )
