"""Every event of a subscription's stream, in the order of its life.

Invoices and journal fold these, never the wallet's. Units: smallest units of `asset`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from domain.aggregate import Event
from domain.calendar.cycles import CyclePeriod
from domain.catalog.price import Price
from domain.grants.events import Recognition
from domain.subscriptions.enrolment import FeeCollection, IncludedOnChange, Pending

if TYPE_CHECKING:
    from domain.subscriptions.subscription import Subscription

COMMITMENT_KEY = "minimum-commitment"
FEE_SOURCE = "counterfoil:subscription"
"""Of the charges by which a wallet pays fees."""

FeeKind = Literal["FLAT", "SEAT", "COMMITMENT"]


@dataclass(frozen=True, slots=True)
class FeeLine:
    """A fee for starts_at <= t < ends_at, by the second of the whole period. charge_id: how
    the wallet paid it; None: it is to be billed by invoice.
    """

    fee_id: str
    key: str
    kind: FeeKind
    asset: str
    units: int
    seats: int
    starts_at: datetime
    ends_at: datetime
    in_advance: bool
    charge_id: str | None


@dataclass(frozen=True, slots=True)
class FeeCredit:
    """What is given back of a fee, of its time from starts_at on."""

    fee_id: str
    key: str
    asset: str
    units: int
    starts_at: datetime
    ends_at: datetime
    charge_id: str | None


@dataclass(frozen=True, slots=True)
class GrantLine:
    """Included credits that a cycle gave. rolled_from: the grant whose rest they are."""

    grant_id: str
    asset: str
    units: int
    starts_at: datetime
    ends_at: datetime
    recognition: Recognition
    rolled_from: str | None


@dataclass(frozen=True, slots=True)
class CycleBounds:
    """whole_from: where the cycle would have begun, had the start not cut it short."""

    number: int
    whole_from: datetime
    starts_at: datetime
    ends_at: datetime


class SubscriptionEvent(Event):
    """Base of the events of a subscription. Those with fees name wallet and customer."""

    def apply(self, aggregate: Subscription) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class SubscriptionCreated(SubscriptionEvent):
    """content: what the client said, for comparing a repeated command. cycle: the first."""

    TOPIC: ClassVar[str] = "subscription.created"
    customer_id: str
    wallet_id: str
    product_key: str
    pinned: int | None
    quantity: int
    collection: FeeCollection
    overrides: tuple[Price, ...]
    discount: str | None
    starts_at: datetime
    anchor: datetime
    trial_ends_at: datetime | None
    cycle: CycleBounds
    content: dict[str, Any]

    def apply(self, aggregate: Subscription) -> None:
        aggregate.begin_with(self)


@dataclass(frozen=True)
class CycleStarted(SubscriptionEvent):
    """A cycle began, with its fees in advance and its credits. commitment_units: what it is
    to cost at least, of `commitment_currency`. running: the fees in advance that run now.
    """

    TOPIC: ClassVar[str] = "subscription.cycle_started"
    wallet_id: str
    customer_id: str
    cycle: CycleBounds
    anchor: datetime
    timezone: str
    tzdata_version: str
    product_key: str
    version: int
    pinned: int | None
    quantity: int
    trial: bool
    fees: tuple[FeeLine, ...]
    grants: tuple[GrantLine, ...]
    commitment_currency: str | None
    commitment_units: int
    running: tuple[str, ...]
    due_at: datetime

    def apply(self, aggregate: Subscription) -> None:
        aggregate.start_cycle(self)


@dataclass(frozen=True)
class PeriodStarted(SubscriptionEvent):
    """Within a cycle, a shorter period of fees or credits began. running: as of CycleStarted."""

    TOPIC: ClassVar[str] = "subscription.period_started"
    wallet_id: str
    customer_id: str
    period: CyclePeriod
    product_key: str
    version: int
    fees: tuple[FeeLine, ...]
    grants: tuple[GrantLine, ...]
    running: tuple[str, ...]
    due_at: datetime

    def apply(self, aggregate: Subscription) -> None:
        pass


@dataclass(frozen=True)
class FeesAccrued(SubscriptionEvent):
    """Fees in arrears for what has ended, and what a commitment was short of."""

    TOPIC: ClassVar[str] = "subscription.fees_accrued"
    wallet_id: str
    customer_id: str
    product_key: str
    version: int
    fees: tuple[FeeLine, ...]
    due_at: datetime

    def apply(self, aggregate: Subscription) -> None:
        pass


@dataclass(frozen=True)
class PlanChanged(SubscriptionEvent):
    """Another product, version or quantity from now on, by the second of the whole cycle.

    credits: of fees charged before; fees: in arrears until now, and in advance from now;
    revoked: (grant id, units) of unused included credits. cycle: which runs from now on.
    ended: fees in advance that end now, before their time; running: as of CycleStarted.
    """

    TOPIC: ClassVar[str] = "subscription.plan_changed"
    wallet_id: str
    customer_id: str
    product_key: str
    version: int
    pinned: int | None
    quantity: int
    includes: IncludedOnChange
    cycle: CycleBounds
    anchor: datetime
    credits: tuple[FeeCredit, ...]
    fees: tuple[FeeLine, ...]
    grants: tuple[GrantLine, ...]
    revoked: tuple[tuple[str, int], ...]
    commitment_currency: str | None
    commitment_units: int
    ended: tuple[str, ...]
    running: tuple[str, ...]

    def apply(self, aggregate: Subscription) -> None:
        aggregate.change(self)


@dataclass(frozen=True)
class ChangeScheduled(SubscriptionEvent):
    """A change takes effect at the cycle's end, `at`; None: what was pending does not."""

    TOPIC: ClassVar[str] = "subscription.change_scheduled"
    pending: Pending | None
    at: datetime

    def apply(self, aggregate: Subscription) -> None:
        aggregate.pending = self if self.pending is not None else None


@dataclass(frozen=True)
class OverridesSet(SubscriptionEvent):
    """For usage that occurs, and fees that begin, from now on."""

    TOPIC: ClassVar[str] = "subscription.overrides_set"
    overrides: tuple[Price, ...]
    discount: str | None

    def apply(self, aggregate: Subscription) -> None:
        aggregate.overrides = self.overrides
        aggregate.discount = self.discount


@dataclass(frozen=True)
class SubscriptionPaused(SubscriptionEvent):
    TOPIC: ClassVar[str] = "subscription.paused"

    def apply(self, aggregate: Subscription) -> None:
        aggregate.status = "PAUSED"


@dataclass(frozen=True)
class SubscriptionResumed(SubscriptionEvent):
    """A new cycle begins with it, told by its own event."""

    TOPIC: ClassVar[str] = "subscription.resumed"

    def apply(self, aggregate: Subscription) -> None:
        aggregate.status = "ACTIVE"


@dataclass(frozen=True)
class CancellationScheduled(SubscriptionEvent):
    TOPIC: ClassVar[str] = "subscription.cancellation_scheduled"
    at: datetime

    def apply(self, aggregate: Subscription) -> None:
        aggregate.cancel_at = self.at
        aggregate.pending = None


@dataclass(frozen=True)
class SubscriptionCanceled(SubscriptionEvent):
    """It ended at once. As of PlanChanged; what is unbilled is to be issued."""

    TOPIC: ClassVar[str] = "subscription.canceled"
    wallet_id: str
    customer_id: str
    credits: tuple[FeeCredit, ...]
    fees: tuple[FeeLine, ...]
    revoked: tuple[tuple[str, int], ...]
    ended: tuple[str, ...]

    def apply(self, aggregate: Subscription) -> None:
        aggregate.end("CANCELED", self.timestamp)


@dataclass(frozen=True)
class SubscriptionEnded(SubscriptionEvent):
    """Its cancellation took effect at the cycle's end."""

    TOPIC: ClassVar[str] = "subscription.ended"
    due_at: datetime

    def apply(self, aggregate: Subscription) -> None:
        aggregate.end("ENDED", self.due_at)


FeeEvent = CycleStarted | PeriodStarted | FeesAccrued | PlanChanged | SubscriptionCanceled
FEE_EVENTS = (CycleStarted, PeriodStarted, FeesAccrued, PlanChanged, SubscriptionCanceled)


def credits_of(event: FeeEvent) -> tuple[FeeCredit, ...]:
    """Return what an event gives back of fees."""
    return event.credits if isinstance(event, PlanChanged | SubscriptionCanceled) else ()
