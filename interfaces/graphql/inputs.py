"""Inputs, and the commands that they say.

Every `command` raises InvalidInput, naming the field as the client knows it. An explicit
null where there is a default means the default.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.scalars import JSON

from application.commands import requests
from domain.wallet import events as wallet_events
from interfaces.graphql.assets import AssetKind
from interfaces.graphql.charges import ChargeStatus
from interfaces.graphql.coercion import made_at_once
from interfaces.graphql.grants import GrantPayment, GrantSource, Recognition
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.times import optional_instant
from interfaces.graphql.wallets import WalletMode

T = TypeVar("T")

ZERO = ExactDecimal("0")


@strawberry.enum(
    description=(
        "Above zero it is a grant: EXTERNAL_TOPUP is PAID, GIFT PROMOTIONAL, SERVICE_CREDIT "
        "COMPENSATION, CORRECTION ADJUSTMENT. Below zero it burns: CORRECTION, FORFEITURE, FEE."
    )
)
class AdjustmentReason(Enum):
    EXTERNAL_TOPUP = "EXTERNAL_TOPUP"
    GIFT = "GIFT"
    SERVICE_CREDIT = "SERVICE_CREDIT"
    CORRECTION = "CORRECTION"
    FORFEITURE = "FORFEITURE"
    FEE = "FEE"


@strawberry.enum(description="What a capture does where funds are short.")
class Shortfall(Enum):
    REFUSE = "REFUSE"
    OVERAGE = "OVERAGE"


@made_at_once
@strawberry.input
class AssetInput:
    key: str
    name: str
    kind: AssetKind = AssetKind.CUSTOM
    scale: int | None

    def command(self) -> requests.DefineAsset:
        return requests.DefineAsset(
            key=self.key,
            name=self.name,
            kind=self.kind.value,
            scale=self.scale,
        )


@made_at_once
@strawberry.input
class MoneyInput:
    amount: ExactDecimal
    currency: str


@made_at_once
@strawberry.input
class CustomerInput:
    external_id: str
    name: str | None
    email: str | None
    timezone: str | None = "UTC"
    metadata: JSON | None
    mode: WalletMode | None = WalletMode.CONTROL

    def command(self) -> requests.CreateCustomer:
        return requests.CreateCustomer(
            external_id=self.external_id,
            name=self.name,
            email=self.email,
            timezone=default(self.timezone, "UTC"),
            metadata=self.metadata,
            mode=mode_of(default(self.mode, WalletMode.CONTROL)),
        )


@made_at_once
@strawberry.input
class GrantInput:
    idempotency_key: str
    customer_id: strawberry.ID
    asset: str
    amount: ExactDecimal
    source: GrantSource = GrantSource.PAID
    paid: MoneyInput | None = strawberry.field(
        description="Required for PAID; refused for sources without money."
    )
    priority: int | None = 50
    effective_at: InstantText | None
    expires_at: InstantText | None
    meters: list[str] | None
    recognition: Recognition | None
    reference: str | None = strawberry.field(
        description="The payment's id at its provider; unique among PAID grants."
    )
    bundle_id: str | None = strawberry.field(
        description="Names the purchase that a free grant came with."
    )
    metadata: JSON | None
    payment: GrantPayment | None = strawberry.field(
        default=GrantPayment.RECEIVED, description="How the money of a PAID grant stands."
    )
    tax: ExactDecimal | None = strawberry.field(
        default=ExactDecimal("0"), description="A part of `paid`; never cost basis."
    )
    fee: ExactDecimal | None = strawberry.field(
        default=ExactDecimal("0"), description="A part of `paid`, kept by the processor."
    )
    stand_alone_price: MoneyInput | None = strawberry.field(
        description="What one unit costs alone, where a purchase shares its price."
    )

    def command(self) -> requests.IssueGrant:
        return requests.IssueGrant(
            idempotency_key=self.idempotency_key,
            customer=self.customer_id,
            asset=self.asset,
            amount=self.amount,
            source=self.source.value,
            paid=money(self.paid),
            priority=default(self.priority, 50),
            effective_at=optional_instant(self.effective_at, "effectiveAt"),
            expires_at=optional_instant(self.expires_at, "expiresAt"),
            meters=None if self.meters is None else tuple(self.meters),
            recognition=None if self.recognition is None else self.recognition.value,
            reference=self.reference,
            bundle_id=self.bundle_id,
            metadata=self.metadata,
            payment=default(self.payment, GrantPayment.RECEIVED).value,
            tax=default(self.tax, ZERO),
            fee=default(self.fee, ZERO),
            stand_alone_price=money(self.stand_alone_price),
        )


@made_at_once
@strawberry.input
class AdjustmentInput:
    idempotency_key: str
    customer_id: strawberry.ID
    asset: str
    amount: ExactDecimal
    reason: AdjustmentReason
    paid: MoneyInput | None
    reference: str | None
    expires_at: InstantText | None
    note: str | None

    def command(self) -> requests.AdjustWallet:
        return requests.AdjustWallet(
            idempotency_key=self.idempotency_key,
            customer=self.customer_id,
            asset=self.asset,
            amount=self.amount,
            reason=self.reason.value,
            paid=money(self.paid),
            reference=self.reference,
            expires_at=optional_instant(self.expires_at, "expiresAt"),
            note=self.note,
        )


@made_at_once
@strawberry.input(
    description="A usage event. Without a price for its meter it says `amount` and `asset`."
)
class UsageEventInput:
    event_id: str
    source: str | None = "default"
    customer_id: strawberry.ID
    meter: str
    quantity: ExactDecimal | None
    properties: JSON | None
    subject: str | None
    occurred_at: InstantText | None
    amount: ExactDecimal | None
    asset: str | None
    cost: MoneyInput | None
    delivered: bool | None = strawberry.field(
        default=False,
        description="The work is already done: it is recorded whatever the balance.",
    )
    not_after: InstantText | None = strawberry.field(
        description="Past this time it is refused: INVALID_STATE."
    )

    def command(self, *, dry: bool = False) -> requests.RecordUsage:
        return requests.RecordUsage(
            event_id=self.event_id,
            customer=self.customer_id,
            meter=self.meter,
            source=default(self.source, "default"),
            quantity=self.quantity,
            properties=self.properties,
            subject=self.subject,
            occurred_at=optional_instant(self.occurred_at, "occurredAt"),
            amount=self.amount,
            asset=self.asset,
            cost=money(self.cost),
            delivered=bool(self.delivered),
            not_after=optional_instant(self.not_after, "notAfter"),
            dry=dry,
        )


@made_at_once
@strawberry.input
class AuthorizeInput:
    event_id: str
    source: str | None = "default"
    customer_id: strawberry.ID
    meter: str
    amount: ExactDecimal | None
    asset: str | None
    quantity: ExactDecimal | None
    properties: JSON | None
    subject: str | None
    ttl_seconds: int | None = 900

    def command(self) -> requests.AuthorizeUsage:
        return requests.AuthorizeUsage(
            event_id=self.event_id,
            customer=self.customer_id,
            meter=self.meter,
            source=default(self.source, "default"),
            amount=self.amount,
            asset=self.asset,
            quantity=self.quantity,
            properties=self.properties,
            subject=self.subject,
            ttl_seconds=default(self.ttl_seconds, 900),
        )


@made_at_once
@strawberry.input
class ChargeFilter:
    customer_id: strawberry.ID | None
    meter: str | None
    subject: str | None
    occurred_from: InstantText | None
    occurred_to: InstantText | None
    status: ChargeStatus | None


def default(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value


def said(value: T | None) -> T | None:
    """Return the value of an argument; None if it was left out."""
    return None if value is strawberry.UNSET else value


def money(value: MoneyInput | None) -> requests.Money | None:
    return None if value is None else requests.Money(value.amount, value.currency)


def mode_of(mode: WalletMode) -> wallet_events.WalletMode:
    return mode.value
