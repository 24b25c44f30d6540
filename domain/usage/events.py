"""Every event of a charge's stream: a usage event, rated and settled, or authorised first.

Units of `asset`. allocations: (grant id, units) in burn order; overage: a range of all
overage ever incurred on the account. `private`: properties that nothing names, reasons.
`budgets`: the ids of those that the charge was counted against. `lines`: how the amount came
about; none where the client stated it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from domain.aggregate import Event
from domain.costs.table import VendorCost
from domain.grants.events import Paid
from domain.identity import ADJUSTMENT_METER
from domain.rating.rate import RatedLine
from domain.wallet.events import Part, Range
from domain.wallet.payers import PaidFor

if TYPE_CHECKING:
    from domain.usage.charge import HoldPointer, UsageCharge

ReleaseCause = Literal["RELEASED", "LAPSED", "CAPTURED"]


@dataclass
class Reported:
    """A usage event as the client reported it. quantity: a canonical decimal.

    `occurred_stated`: whether the client said when; cost: what it cost the tenant, as the
    client said; vendor_cost: as a cost table did. Never changed, though neither frozen nor slotted:
    each charge makes one, and encodes it.
    """

    event_id: str
    source: str
    meter: str
    quantity: str | None
    subject: str | None
    occurred_at: datetime
    occurred_stated: bool
    cost: Paid | None
    delivered: bool
    vendor_cost: VendorCost | None = None

    @property
    def paid_to_vendor(self) -> Paid | None:
        """Return what it cost the tenant, whoever said so."""
        if self.cost is not None or self.vendor_cost is None:
            return self.cost
        return Paid(self.vendor_cost.units, self.vendor_cost.currency)


class ChargeEvent(Event):
    """Base of the events of a charge."""

    def apply(self, aggregate: UsageCharge) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class ChargeSettled(ChargeEvent):
    """`hold_id`: the hold that it captures a part of, if it does. adjustment: the reason for
    which a back office took it; None for usage.
    """

    TOPIC: ClassVar[str] = "charge.settled"
    status: ClassVar[Literal["SETTLED"]] = "SETTLED"
    customer_id: str
    wallet_id: str
    reported: Reported
    asset: str
    amount_units: int
    allocations: tuple[Part, ...]
    overage: Range | None
    would_refuse: bool
    balance_after_units: int
    hold_id: str | None
    private: dict[str, Any]
    budgets: tuple[str, ...] = ()
    lines: tuple[RatedLine, ...] = ()
    adjustment: str | None = None

    @property
    def plain(self) -> bool:
        """Whether it is usage that grants paid alone and at once: it moved the balance by its
        amount, and nothing else.
        """
        at_once = self.overage is None and self.hold_id is None
        return at_once and self.reported.meter != ADJUSTMENT_METER

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.settle(self)


@dataclass(frozen=True)
class ChargeObserved(ChargeEvent):
    """Recorded in SHADOW: no allocation, no overage, no balance moved."""

    TOPIC: ClassVar[str] = "charge.observed"
    status: ClassVar[Literal["OBSERVED"]] = "OBSERVED"
    customer_id: str
    wallet_id: str
    reported: Reported
    asset: str
    amount_units: int
    would_refuse: bool
    balance_after_units: int
    hold_id: str | None
    private: dict[str, Any]
    lines: tuple[RatedLine, ...] = ()

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.settle(self)


@dataclass(frozen=True)
class ChargeCredited(ChargeEvent):
    """A charge below zero: its cycle costs less than was taken, and `units` go back.

    overage_units: of it `forgiven` is no longer owed, `invoiced` stays on its invoice and goes
    back as `made_good`, a COMPENSATION grant. from_allocations: (grant id, units) of who paid,
    the newest first, of which `compensated` (grant id, units, COMPENSATION grant id) were of
    dead grants.
    """

    TOPIC: ClassVar[str] = "charge.credited"
    status: ClassVar[Literal["SETTLED"]] = "SETTLED"
    customer_id: str
    wallet_id: str
    reported: Reported
    asset: str
    units: int
    overage_units: int
    forgiven: tuple[Range, ...]
    from_allocations: tuple[Part, ...]
    compensated: tuple[tuple[str, int, str], ...]
    balance_after_units: int
    hold_id: str | None
    private: dict[str, Any]
    budgets: tuple[str, ...]
    lines: tuple[RatedLine, ...]
    invoiced: tuple[Range, ...] = ()
    made_good: str | None = None

    @property
    def amount_units(self) -> int:
        return -self.units

    @property
    def returned(self) -> tuple[Part, ...]:
        return self.from_allocations

    @property
    def meter(self) -> str:
        return self.reported.meter

    @property
    def compensations(self) -> list[str]:
        """Return the COMPENSATION grants that it made."""
        new = [new_id for _, _, new_id in self.compensated]
        return new if self.made_good is None else [*new, self.made_good]

    @property
    def occurred_at(self) -> datetime:
        return self.reported.occurred_at

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.credit(self)


ChargeBegun = ChargeSettled | ChargeObserved | ChargeCredited


@dataclass(frozen=True)
class ChargeAuthorized(ChargeEvent):
    """An estimate is held for a usage event whose cost is not known yet.

    stated: whether the client said the amount; else it was rated, and is again when captured.
    """

    TOPIC: ClassVar[str] = "charge.authorized"
    customer_id: str
    wallet_id: str
    hold_id: str
    reported: Reported
    asset: str
    units: int
    pinned: tuple[Part, ...]
    shadow: bool
    ttl_seconds: int
    expires_at: datetime
    balance_after_units: int
    private: dict[str, Any]
    stated: bool = True

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.authorize(self)


@dataclass(frozen=True)
class AuthorizationExtended(ChargeEvent):
    """`units`: the new total of the hold."""

    TOPIC: ClassVar[str] = "charge.authorization_extended"
    units: int
    pinned: tuple[Part, ...]
    expires_at: datetime
    balance_after_units: int

    def apply(self, aggregate: UsageCharge) -> None:
        hold = aggregate.authorization
        assert hold is not None
        hold.held_units += self.units - hold.units
        hold.units = self.units
        hold.add(self.pinned)
        hold.expires_at = self.expires_at
        hold.balance_after_units = self.balance_after_units


@dataclass(frozen=True)
class AuthorizationDrawn(ChargeEvent):
    """A part of the hold became another charge; `held_units` are still held."""

    TOPIC: ClassVar[str] = "charge.authorization_drawn"
    charge_id: str
    captured_units: int
    held_units: int
    burned_pinned: tuple[Part, ...]

    def apply(self, aggregate: UsageCharge) -> None:
        hold = aggregate.authorization
        assert hold is not None
        hold.captured_units += self.captured_units
        hold.held_units = self.held_units
        hold.take(self.burned_pinned)


@dataclass(frozen=True)
class ChargeCaptured(ChargeEvent):
    """The hold settled at its true cost as its own event's charge.

    `held_units`: what was held then; `stated`: whether the client said the amount. `late`:
    the hold had lapsed. `observed`: in SHADOW, no balance moved.
    """

    TOPIC: ClassVar[str] = "charge.captured"
    customer_id: str
    wallet_id: str
    reported: Reported
    asset: str
    amount_units: int
    held_units: int
    allocations: tuple[Part, ...]
    overage: Range | None
    would_refuse: bool
    balance_after_units: int
    late: bool
    observed: bool
    private: dict[str, Any]
    budgets: tuple[str, ...] = ()
    lines: tuple[RatedLine, ...] = ()

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.capture(self)


@dataclass(frozen=True)
class AuthorizationReleased(ChargeEvent):
    """The hold ended without a charge of its own event."""

    TOPIC: ClassVar[str] = "charge.authorization_released"
    cause: ReleaseCause
    due_at: datetime | None

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.status = "RELEASED"
        hold = aggregate.authorization
        assert hold is not None
        hold.status = self.cause
        hold.pinned = {}


@dataclass(frozen=True)
class ChargeRefunded(ChargeEvent):
    """`overage_units` are taken off its overage: `forgiven` were still owed, the rest a grant
    had repaid. returned: (grant id, units) of its allocations and of grants that had repaid;
    compensated: (grant id, units, COMPENSATION grant id). paid: by price.
    """

    TOPIC: ClassVar[str] = "charge.refunded"
    customer_id: str
    wallet_id: str
    asset: str
    meter: str
    occurred_at: datetime
    units: int
    overage_units: int
    forgiven: tuple[Range, ...]
    from_allocations: tuple[Part, ...]
    returned: tuple[Part, ...]
    compensated: tuple[tuple[str, int, str], ...]
    paid: tuple[PaidFor, ...]
    private: dict[str, Any]

    @property
    def compensations(self) -> list[str]:
        """Return the COMPENSATION grants that it made."""
        return [new_id for _, _, new_id in self.compensated]

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.give_back(self)


@dataclass(frozen=True)
class ChargeCorrected(ChargeEvent):
    """Base of what makes a settled charge come to something else. Its amount stays the fact.

    units: what goes back; below zero: what is taken. Going back as in a refund: of overage
    `overage_units`, of which `forgiven` were still owed, and `invoiced` stay on their invoice
    and go back as `made_good`, a COMPENSATION grant; from_allocations: of grants that paid,
    also for other charges of the cycle. Taken: `allocations`, `overage`. paid: how what was
    paid for each price changes. lines: how the charge comes about now.
    """

    customer_id: str
    wallet_id: str
    reported: Reported
    asset: str
    units: int
    overage_units: int
    forgiven: tuple[Range, ...]
    from_allocations: tuple[Part, ...]
    returned: tuple[Part, ...]
    compensated: tuple[tuple[str, int, str], ...]
    allocations: tuple[Part, ...]
    overage: Range | None
    paid: tuple[PaidFor, ...]
    lines: tuple[RatedLine, ...]
    private: dict[str, Any]
    invoiced: tuple[Range, ...] = ()
    made_good: str | None = None

    @property
    def compensations(self) -> list[str]:
        """Return the COMPENSATION grants that it made."""
        new = [new_id for _, _, new_id in self.compensated]
        return new if self.made_good is None else [*new, self.made_good]

    @property
    def meter(self) -> str:
        return self.reported.meter

    @property
    def occurred_at(self) -> datetime:
        return self.reported.occurred_at


@dataclass(frozen=True)
class ChargeWithdrawn(ChargeCorrected):
    """It never happened: what the rest of its cycle then costs less goes back. lines: what it
    took more or less than that.
    """

    TOPIC: ClassVar[str] = "charge.withdrawn"

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.correct(self)
        aggregate.status = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Concession:
    """Of what a product charges for an event, `units` of `of_units` were given back."""

    product: str
    units: int
    of_units: int


@dataclass(frozen=True)
class ChargeRerated(ChargeCorrected):
    """It was rated anew, with its cycle. conceded: the share that stays given back."""

    TOPIC: ClassVar[str] = "charge.rerated"
    conceded: Concession | None = None

    def apply(self, aggregate: UsageCharge) -> None:
        aggregate.correct(self)


@dataclass(frozen=True)
class HoldOpened(Event):
    """The one event of a hold's own stream: where the hold is kept."""

    TOPIC: ClassVar[str] = "hold.opened"
    charge_id: str
    wallet_id: str
    customer_id: str

    def apply(self, aggregate: HoldPointer) -> None:
        aggregate.charge_id = self.charge_id
        aggregate.wallet_id = self.wallet_id
        aggregate.customer_id = self.customer_id
