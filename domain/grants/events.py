"""Every event of a grant's stream, in the order of a grant's life.

Invoices, journal and margins fold these, never the wallet's. Units of the grant's asset;
`figures` are what it had burned, expired and revoked once the event was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from domain.aggregate import Event

if TYPE_CHECKING:
    from domain.grants.grant import CreditGrant

GrantSource = Literal["PAID", "PROMOTIONAL", "INCLUDED", "COMMITMENT", "ADJUSTMENT", "COMPENSATION"]
Recognition = Literal["ON_USAGE", "RATABLE", "NONE"]
GrantPayment = Literal["RECEIVED", "DUE", "CANCELLABLE"]


@dataclass(frozen=True, slots=True)
class Paid:
    """Units of the currency (scale 9)."""

    units: int
    currency: str


@dataclass(frozen=True, slots=True)
class Payment:
    """How the money of a PAID grant stands: received; due, a claim without conditions; or on
    an invoice that may still be cancelled. tax and fee: parts of what was paid, in its units.
    """

    state: GrantPayment
    tax_units: int
    fee_units: int


@dataclass(frozen=True, slots=True)
class StandAlonePrice:
    """What one whole unit of the asset costs when it is sold alone. price: exact decimal."""

    price: str
    currency: str


@dataclass(frozen=True, slots=True)
class CostBasis:
    """`paid` bought `for_units` of the grant's asset."""

    paid: Paid
    for_units: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a grant comes from. kind: ISSUED by the command; ADJUSTMENT, for `reason`;
    REFUND of `units` of `charge_id` that `grant_id` had paid; OVERAGE, `units` of it that
    `charge_id` gives back and an invoice has billed; INCLUDED with `product_key` in
    the subscription's `cycle`; ROLLOVER of `units` that were left of `grant_id`; TOP_UP,
    whose request is `reason`.
    """

    kind: Literal["ISSUED", "ADJUSTMENT", "REFUND", "OVERAGE", "INCLUDED", "ROLLOVER", "TOP_UP"]
    reason: str | None = None
    charge_id: str | None = None
    grant_id: str | None = None
    units: int | None = None
    subscription_id: str | None = None
    product_key: str | None = None
    cycle: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    burned_units: int
    expired_units: int
    revoked_units: int


class GrantEvent(Event):
    """Base of the events of a grant."""

    def apply(self, aggregate: CreditGrant) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class GrantIssued(GrantEvent):
    """`effective_stated`, `stand_alone_stated`: whether the client said it; `private`:
    metadata and notes. `lapses_at`: expires_at and the settlement grace. `stand_alone`: of
    the grants of a purchase and of service credits, what shares and values them.
    """

    TOPIC: ClassVar[str] = "grant.issued"
    wallet_id: str
    customer_id: str
    origin: Origin
    asset: str
    amount_units: int
    source: GrantSource
    paid: Paid | None
    payment: Payment | None
    cost_basis: CostBasis | None
    stand_alone: StandAlonePrice | None
    stand_alone_stated: bool
    reference: str | None
    bundle_id: str | None
    priority: int
    effective_at: datetime
    effective_stated: bool
    expires_at: datetime | None
    lapses_at: datetime | None
    meters: tuple[str, ...] | None
    recognition: Recognition
    private: dict[str, Any]

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.issued = self
        aggregate.expires_at = self.expires_at
        aggregate.lapses_at = self.lapses_at
        aggregate.status = "PENDING" if self.effective_at > self.timestamp else "ACTIVE"
        aggregate.figures = Figures(0, 0, 0)
        aggregate.money_back_units = 0
        aggregate.credits_back_units = 0


@dataclass(frozen=True)
class GrantRepaidOverage(GrantEvent):
    """`units` of it repaid these ranges of its account's overage: they count as burned."""

    TOPIC: ClassVar[str] = "grant.repaid_overage"
    wallet_id: str
    asset: str
    units: int
    ranges: tuple[tuple[int, int], ...]

    def apply(self, aggregate: CreditGrant) -> None:
        pass


@dataclass(frozen=True)
class GrantActivated(GrantEvent):
    """Its time has come: it can pay from `due_at`."""

    TOPIC: ClassVar[str] = "grant.activated"
    due_at: datetime

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.status = "ACTIVE"


@dataclass(frozen=True)
class GrantExhausted(GrantEvent):
    TOPIC: ClassVar[str] = "grant.exhausted"
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.status = "EXHAUSTED"
        aggregate.figures = self.figures


@dataclass(frozen=True)
class GrantReopened(GrantEvent):
    """A refund gave `units` back to a grant that its wallet had let go."""

    TOPIC: ClassVar[str] = "grant.reopened"
    charge_id: str
    units: int
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        if aggregate.status == "EXHAUSTED":
            aggregate.status = "ACTIVE"
        aggregate.figures = self.figures


@dataclass(frozen=True)
class GrantExpired(GrantEvent):
    """`units` lapsed. While a hold pins `pinned_units` the grant stays ACTIVE; what the
    hold gives back lapses by another event, the last one pinning nothing.
    """

    TOPIC: ClassVar[str] = "grant.expired"
    units: int
    pinned_units: int
    due_at: datetime
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.figures = self.figures
        aggregate.lapsed = True
        if not self.pinned_units:
            aggregate.status = "EXPIRED" if self.figures.expired_units else "EXHAUSTED"


@dataclass(frozen=True)
class GrantTermsExtended(GrantEvent):
    """`private`: the reason."""

    TOPIC: ClassVar[str] = "grant.terms_extended"
    expires_at: datetime | None
    lapses_at: datetime | None
    private: dict[str, Any]

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.expires_at = self.expires_at
        aggregate.lapses_at = self.lapses_at


@dataclass(frozen=True)
class GrantVoided(GrantEvent):
    """It was never paid for, or was a mistake. `keep_claim`: the money is still owed."""

    TOPIC: ClassVar[str] = "grant.voided"
    units: int
    keep_claim: bool
    figures: Figures
    private: dict[str, Any]

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.status = "VOIDED"
        aggregate.claim_kept = self.keep_claim
        aggregate.figures = self.figures


@dataclass(frozen=True)
class GrantRefunded(GrantEvent):
    """Money went back: `money_units` of the currency paid for `units` of credits; `ends`:
    nothing refundable is left.
    """

    TOPIC: ClassVar[str] = "grant.refunded"
    units: int
    money_units: int
    currency: str
    ends: bool
    figures: Figures
    private: dict[str, Any]

    def apply(self, aggregate: CreditGrant) -> None:
        if self.ends:
            aggregate.status = "REFUNDED"
        aggregate.figures = self.figures
        aggregate.money_back_units += self.money_units
        aggregate.credits_back_units += self.units


@dataclass(frozen=True)
class GrantReturnRevoked(GrantEvent):
    """A hold gave `units` back to a voided or refunded grant: they are revoked."""

    TOPIC: ClassVar[str] = "grant.return_revoked"
    units: int
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.figures = self.figures


@dataclass(frozen=True)
class GrantCompensated(GrantEvent):
    """A refund's units went to a COMPENSATION grant, since this one could not take them."""

    TOPIC: ClassVar[str] = "grant.compensated"
    units: int
    by_grant_id: str
    charge_id: str
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.figures = self.figures


@dataclass(frozen=True)
class GrantPlanRevoked(GrantEvent):
    """The plan that included it changed or ended: unused `units` are revoked. `ends`: what a
    hold still gives back is revoked as well.
    """

    TOPIC: ClassVar[str] = "grant.plan_revoked"
    units: int
    ends: bool
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.figures = self.figures
        if self.ends:
            aggregate.status = "VOIDED"
        elif not aggregate.left_units:
            aggregate.status = "EXHAUSTED"


@dataclass(frozen=True)
class GrantRolledOver(GrantEvent):
    """What was left at its end went on in another grant."""

    TOPIC: ClassVar[str] = "grant.rolled_over"
    units: int
    into_grant_id: str
    figures: Figures

    def apply(self, aggregate: CreditGrant) -> None:
        aggregate.figures = self.figures
