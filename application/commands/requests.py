"""Every command, as what the client said. Amounts and quantities are exact decimals as
text, times are aware; a customer is named by id or as "ext:" and the tenant's own id.

`check()` raises InvalidInput for what the request alone shows, naming the field as the
client knows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from application.commands import checks, spend_requests
from application.commands.accounting_requests import AccountingCommand
from application.commands.catalog_requests import CatalogCommand
from application.commands.cost_requests import SetCostTable
from application.commands.invoice_requests import InvoiceCommand
from application.commands.stop_requests import TellStop
from application.commands.subscription_requests import SubscriptionCommand
from application.commands.top_up_requests import TopUpCommand
from domain.grants.events import GrantPayment, GrantSource, Recognition
from domain.money.decimals import canonical
from domain.refusals import InvalidInput
from domain.wallet.events import WalletMode

AdjustmentReason = Literal[
    "EXTERNAL_TOPUP", "GIFT", "SERVICE_CREDIT", "CORRECTION", "FORFEITURE", "FEE"
]
LONGEST_TTL_SECONDS = 366 * 86_400
MOST_VERSIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Money:
    """An exact decimal of a currency."""

    amount: str
    currency: str

    def check(self, field: str) -> None:
        checks.not_negative(self.amount, f"{field}.amount")
        checks.asset_key(self.currency, f"{field}.currency")


@dataclass(frozen=True, slots=True)
class DefineAsset:
    key: str
    name: str
    kind: Literal["CURRENCY", "CUSTOM"] = "CUSTOM"
    scale: int | None = None

    def check(self) -> None:
        checks.asset_key(self.key, "key")
        checks.name(self.name, "name")
        checks.definable(self.key, self.kind)
        if self.scale is not None:
            checks.scale(self.scale, "scale")


@dataclass(frozen=True, slots=True)
class SetExchangeRate:
    asset: str
    currency: str
    unit_price: str
    effective_at: datetime | None = None

    def check(self) -> None:
        checks.asset_key(self.asset, "asset")
        checks.currency(self.currency, "currency")
        checks.positive(self.unit_price, "unitPrice")


@dataclass(frozen=True, slots=True)
class CreateCustomer:
    external_id: str
    name: str | None = None
    email: str | None = None
    timezone: str = "UTC"
    metadata: Any = None
    mode: WalletMode = "CONTROL"

    def check(self) -> None:
        checks.identifier(self.external_id, "externalId")
        checks.optional_name(self.name, "name")
        checks.optional_name(self.email, "email")
        checks.zone(self.timezone, "timezone")
        checks.properties(self.metadata, "metadata")


@dataclass(frozen=True, slots=True)
class UpdateCustomer:
    """timezone: None leaves it. private: of name, email and metadata what is said, None
    takes it away.
    """

    customer: str
    timezone: str | None
    private: dict[str, Any]

    def check(self) -> None:
        checks.identifier(self.customer, "id")
        if self.timezone is not None:
            checks.zone(self.timezone, "timezone")
        checks.optional_name(self.private.get("name"), "name")
        checks.optional_name(self.private.get("email"), "email")
        checks.properties(self.private.get("metadata"), "metadata")


@dataclass(frozen=True, slots=True)
class SetWalletMode:
    customer: str
    mode: WalletMode

    def check(self) -> None:
        checks.customer(self.customer)


@dataclass(frozen=True, slots=True)
class SetOverageLimit:
    """limit: None is no limit."""

    customer: str
    asset: str
    limit: str | None

    def check(self) -> None:
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")
        if self.limit is not None:
            checks.not_negative(self.limit, "limit")


@dataclass(frozen=True, slots=True)
class FreezeWallet:
    customer: str
    reason: str

    def check(self) -> None:
        checks.customer(self.customer)
        checks.free_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class UnfreezeWallet:
    customer: str

    def check(self) -> None:
        checks.customer(self.customer)


@dataclass(frozen=True, slots=True)
class IssueGrant:
    idempotency_key: str
    customer: str
    asset: str
    amount: str
    source: GrantSource = "PAID"
    paid: Money | None = None
    priority: int = 50
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    meters: tuple[str, ...] | None = None
    recognition: Recognition | None = None
    reference: str | None = None
    bundle_id: str | None = None
    metadata: Any = None
    payment: GrantPayment = "RECEIVED"
    tax: str = "0"
    fee: str = "0"
    stand_alone_price: Money | None = None

    def check(self) -> None:
        checks.identifier(self.idempotency_key, "idempotencyKey")
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")
        checks.positive(self.amount, "amount")
        checks.priority(self.priority, "priority")
        checks.optional_identifier(self.reference, "reference")
        checks.optional_identifier(self.bundle_id, "bundleId")
        checks.properties(self.metadata, "metadata")
        if self.meters is not None:
            checks.meters(self.meters, "meters")
        if self.source == "PAID" and self.paid is None:
            raise InvalidInput(field="paid", reason="a PAID grant says what was paid for it")
        if self.source != "PAID" and self.paid is not None:
            raise InvalidInput(field="paid", reason=f"a {self.source} grant has no payment")
        if self.paid is not None:
            self.paid.check("paid")
        if self.effective_at and self.expires_at and self.expires_at <= self.effective_at:
            raise InvalidInput(field="expiresAt", reason="must be after effectiveAt")
        if self.source == "PAID" and self.recognition == "RATABLE" and self.expires_at is None:
            raise InvalidInput(field="expiresAt", reason="a RATABLE grant ends some day")
        self._check_money()

    def _check_money(self) -> None:
        checks.not_negative(self.tax, "tax")
        checks.not_negative(self.fee, "fee")
        for field, amount in (("tax", self.tax), ("fee", self.fee)):
            if self.source != "PAID" and canonical(amount) != "0":
                raise InvalidInput(field=field, reason=f"a {self.source} grant has no payment")
        if self.source != "PAID" and self.payment != "RECEIVED":
            raise InvalidInput(field="payment", reason=f"a {self.source} grant has no payment")
        if self.payment != "RECEIVED" and canonical(self.fee) != "0":
            raise InvalidInput(field="fee", reason="is known when the payment is recorded")
        if self.stand_alone_price is not None:
            checks.positive(self.stand_alone_price.amount, "standAlonePrice.amount")
            checks.currency(self.stand_alone_price.currency, "standAlonePrice.currency")


@dataclass(frozen=True, slots=True)
class RecordGrantPayment:
    grant_id: str
    reference: str
    fee: str = "0"

    def check(self) -> None:
        checks.identifier(self.grant_id, "grantId")
        checks.identifier(self.reference, "reference")
        checks.not_negative(self.fee, "fee")


@dataclass(frozen=True, slots=True)
class VoidGrant:
    grant_id: str
    reason: str
    keep_claim: bool = False

    def check(self) -> None:
        checks.identifier(self.grant_id, "id")
        checks.free_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class RefundGrant:
    grant_id: str
    reason: str
    credits: str | None = None
    money: Money | None = None
    idempotency_key: str | None = None

    def check(self) -> None:
        checks.identifier(self.grant_id, "id")
        checks.free_text(self.reason, "reason")
        checks.optional_identifier(self.idempotency_key, "idempotencyKey")
        if self.credits is not None:
            checks.positive(self.credits, "credits")
        if self.money is not None:
            self.money.check("money")
            if self.credits is None:
                checks.positive(self.money.amount, "money.amount")


@dataclass(frozen=True, slots=True)
class ExtendGrant:
    grant_id: str
    expires_at: datetime | None
    reason: str

    def check(self) -> None:
        checks.identifier(self.grant_id, "id")
        checks.free_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class AdjustWallet:
    idempotency_key: str
    customer: str
    asset: str
    amount: str
    reason: AdjustmentReason
    paid: Money | None = None
    reference: str | None = None
    expires_at: datetime | None = None
    note: str | None = None

    def check(self) -> None:
        checks.identifier(self.idempotency_key, "idempotencyKey")
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")
        checks.signed_for(self.reason, self.amount, "amount")
        checks.optional_identifier(self.reference, "reference")
        if self.note is not None:
            checks.free_text(self.note, "note")
        if self.reason == "EXTERNAL_TOPUP" and self.paid is None:
            raise InvalidInput(field="paid", reason="EXTERNAL_TOPUP says what was paid for it")
        if self.reason != "EXTERNAL_TOPUP" and self.paid is not None:
            raise InvalidInput(field="paid", reason=f"{self.reason} has no payment")
        if self.paid is not None:
            self.paid.check("paid")
        if self.expires_at is not None and self.amount.startswith("-"):
            raise InvalidInput(field="expiresAt", reason="only what is credited can expire")


@dataclass(slots=True)
class RecordUsage:
    """`dry`: only decide, record nothing (`checkUsage`). Not frozen, which would be slower to
    make: there is one for each event. Nobody changes it.
    """

    event_id: str
    customer: str
    meter: str
    source: str = "default"
    quantity: str | None = None
    properties: Any = None
    subject: str | None = None
    occurred_at: datetime | None = None
    amount: str | None = None
    asset: str | None = None
    cost: Money | None = None
    delivered: bool = False
    not_after: datetime | None = None
    dry: bool = False

    def check(self) -> None:
        checks.usage(self.event_id, self.source, self.customer, self.meter, self.subject)
        checks.stated_amount(self.amount, self.asset)
        if self.quantity is not None:
            checks.not_negative(self.quantity, "quantity")
        if self.properties is not None:
            checks.properties(self.properties, "properties")
        if self.cost is not None:
            self.cost.check("cost")


@dataclass(frozen=True, slots=True)
class SimulateUsage:
    """Rates events by a version, drafts too, and records nothing. version: None follows the
    product's versions.
    """

    events: tuple[RecordUsage, ...]
    product: str
    version: int | None

    def check(self) -> None:
        checks.identifier(self.product, "productKey")
        if self.version is not None:
            checks.between(self.version, 1, MOST_VERSIONS, "version")


@dataclass(frozen=True, slots=True)
class AuthorizeUsage:
    event_id: str
    customer: str
    meter: str
    source: str = "default"
    amount: str | None = None
    asset: str | None = None
    quantity: str | None = None
    properties: Any = None
    subject: str | None = None
    ttl_seconds: int = 900

    def check(self) -> None:
        checks.usage(self.event_id, self.source, self.customer, self.meter, self.subject)
        checks.stated_amount(self.amount, self.asset)
        if self.amount is not None:
            checks.positive(self.amount, "amount")
        checks.between(self.ttl_seconds, 1, LONGEST_TTL_SECONDS, "ttlSeconds")
        if self.quantity is not None:
            checks.not_negative(self.quantity, "quantity")
        if self.properties is not None:
            checks.properties(self.properties, "properties")


@dataclass(frozen=True, slots=True)
class CaptureUsage:
    hold_id: str
    amount: str | None = None
    quantity: str | None = None
    event_id: str | None = None
    final: bool = True
    delivered: bool = False
    properties: Any = None

    def check(self) -> None:
        checks.identifier(self.hold_id, "holdId")
        if self.amount is not None:
            checks.not_negative(self.amount, "amount")
        if self.quantity is not None:
            checks.not_negative(self.quantity, "quantity")
        checks.optional_identifier(self.event_id, "eventId")
        if not self.final and self.event_id is None:
            raise InvalidInput(field="eventId", reason="a partial capture needs one of its own")
        if self.properties is not None:
            checks.properties(self.properties, "properties")


@dataclass(frozen=True, slots=True)
class ExtendHold:
    hold_id: str
    ttl_seconds: int | None = None
    amount: str | None = None

    def check(self) -> None:
        checks.identifier(self.hold_id, "holdId")
        if self.ttl_seconds is None and self.amount is None:
            raise InvalidInput(field="ttlSeconds", reason="say ttlSeconds, amount, or both")
        if self.ttl_seconds is not None:
            checks.between(self.ttl_seconds, 1, LONGEST_TTL_SECONDS, "ttlSeconds")
        if self.amount is not None:
            checks.positive(self.amount, "amount")


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    hold_id: str

    def check(self) -> None:
        checks.identifier(self.hold_id, "holdId")


@dataclass(frozen=True, slots=True)
class RefundCharge:
    charge_id: str
    reason: str
    idempotency_key: str
    amount: str | None = None
    compensate: bool = False

    def check(self) -> None:
        checks.identifier(self.charge_id, "chargeId")
        checks.free_text(self.reason, "reason")
        checks.identifier(self.idempotency_key, "idempotencyKey")
        if self.amount is not None:
            checks.positive(self.amount, "amount")


@dataclass(frozen=True, slots=True)
class WithdrawCharge:
    """It never happened."""

    charge_id: str
    reason: str

    def check(self) -> None:
        checks.identifier(self.charge_id, "chargeId")
        checks.free_text(self.reason, "reason")


@dataclass(frozen=True, slots=True)
class RerateWallet:
    """Rate the charges of one wallet by a product anew; `dry`: only say what would change.

    occurred_from <= t < occurred_to. meter: a meter's key or an event type; None for all.
    """

    wallet_id: str
    product: str
    version: int
    occurred_from: datetime
    occurred_to: datetime
    reason: str
    meter: str | None = None
    dry: bool = True

    def check(self) -> None:
        checks.identifier(self.product, "productKey")
        checks.between(self.version, 1, 1_000_000, "version")
        checks.optional_identifier(self.meter, "meter")
        checks.free_text(self.reason, "reason")
        if self.occurred_to <= self.occurred_from:
            raise InvalidInput(field="occurredTo", reason="must be after occurredFrom")


@dataclass(frozen=True, slots=True)
class AdvanceClock:
    to: datetime

    def check(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class ConfigureTenant:
    """None leaves a setting as it is. The zone is the books': it stays once they have `begun`."""

    late_window_seconds: int | None = None
    settlement_grace_seconds: int | None = None
    timezone: str | None = None
    begun: bool = False

    def check(self) -> None:
        if self.late_window_seconds is not None:
            checks.between(self.late_window_seconds, 0, 3_660 * 86_400, "lateWindow")
        if self.settlement_grace_seconds is not None:
            checks.between(self.settlement_grace_seconds, 0, 366 * 86_400, "settlementGrace")
        if self.timezone is not None:
            checks.zone(self.timezone, "timezone")


@dataclass(frozen=True, slots=True)
class RunDueWork:
    """Write what has fallen due in one wallet.

    until: a time ahead of a test clock, to which each event is written at its due time.
    pausing: no further than the next request for a top-up.
    """

    wallet_id: str
    until: datetime | None = None
    pausing: bool = False

    def check(self) -> None:
        pass


Command = (
    DefineAsset
    | AccountingCommand
    | SetExchangeRate
    | CreateCustomer
    | UpdateCustomer
    | SetWalletMode
    | SetOverageLimit
    | FreezeWallet
    | UnfreezeWallet
    | IssueGrant
    | RecordGrantPayment
    | VoidGrant
    | RefundGrant
    | ExtendGrant
    | AdjustWallet
    | RecordUsage
    | SimulateUsage
    | AuthorizeUsage
    | CaptureUsage
    | ExtendHold
    | ReleaseHold
    | RefundCharge
    | WithdrawCharge
    | RerateWallet
    | AdvanceClock
    | ConfigureTenant
    | RunDueWork
    | TellStop
    | InvoiceCommand
    | CatalogCommand
    | SetCostTable
    | spend_requests.SetBudget
    | spend_requests.RemoveBudget
    | spend_requests.SetBudgetTemplate
    | spend_requests.RemoveBudgetTemplate
    | spend_requests.SetEventMaximum
    | SubscriptionCommand
    | TopUpCommand
)
