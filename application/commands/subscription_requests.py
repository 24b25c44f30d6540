"""The commands on subscriptions, as what the client said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from application.commands import checks
from application.commands.catalog_requests import PriceSaid
from domain.refusals import InvalidInput
from domain.subscriptions.enrolment import FeeCollection, IncludedOnChange

MOST_SEATS = 1_000_000
MOST_OVERRIDES = 200


@dataclass(frozen=True, slots=True)
class Subscribe:
    """version: None follows the product's. overrides: prices agreed with this customer."""

    idempotency_key: str
    customer: str
    product_key: str
    version: int | None = None
    quantity: int = 1
    starts_at: datetime | None = None
    anchor: datetime | None = None
    collection: FeeCollection = "WALLET"
    overrides: tuple[PriceSaid, ...] = ()
    discount: str | None = None

    def check(self) -> None:
        checks.identifier(self.idempotency_key, "idempotencyKey")
        checks.customer(self.customer)
        checks.identifier(self.product_key, "productKey")
        _quantity(self.quantity)
        _terms(self.overrides, self.discount)


@dataclass(frozen=True, slots=True)
class ChangeSubscription:
    """quantity: None leaves it; at_cycle_end: else now."""

    subscription_id: str
    product_key: str
    version: int | None = None
    quantity: int | None = None
    at_cycle_end: bool = False
    includes: IncludedOnChange = "REPLACE"

    def check(self) -> None:
        checks.identifier(self.subscription_id, "id")
        checks.identifier(self.product_key, "productKey")
        if self.quantity is not None:
            _quantity(self.quantity)


@dataclass(frozen=True, slots=True)
class SetOverrides:
    """All of them, for what occurs from now on."""

    subscription_id: str
    overrides: tuple[PriceSaid, ...]
    discount: str | None = None

    def check(self) -> None:
        checks.identifier(self.subscription_id, "subscriptionId")
        _terms(self.overrides, self.discount)


@dataclass(frozen=True, slots=True)
class PauseSubscription:
    subscription_id: str

    def check(self) -> None:
        checks.identifier(self.subscription_id, "id")


@dataclass(frozen=True, slots=True)
class ResumeSubscription:
    subscription_id: str

    def check(self) -> None:
        checks.identifier(self.subscription_id, "id")


@dataclass(frozen=True, slots=True)
class CancelSubscription:
    subscription_id: str
    at_cycle_end: bool = True

    def check(self) -> None:
        checks.identifier(self.subscription_id, "id")


def _quantity(quantity: int) -> None:
    if not 1 <= quantity <= MOST_SEATS:
        raise InvalidInput(field="quantity", reason=f"seats are 1 to {MOST_SEATS}")


def _terms(overrides: tuple[PriceSaid, ...], discount: str | None) -> None:
    if len(overrides) > MOST_OVERRIDES:
        raise InvalidInput(field="overrides", reason=f"at most {MOST_OVERRIDES}")
    for place, price in enumerate(overrides):
        price.check(f"overrides[{place}]")
    if discount is not None:
        checks.not_negative(discount, "discount")
        if Fraction(discount) > 1:
            raise InvalidInput(field="discount", reason="a fraction: 0.2 takes 20 % off")


SubscriptionCommand = (
    Subscribe
    | ChangeSubscription
    | SetOverrides
    | PauseSubscription
    | ResumeSubscription
    | CancelSubscription
)
