"""A usage charge: a usage event, settled against grants; or an authorisation on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domain.aggregate import Aggregate
from domain.rating.rate import RatedLine
from domain.refusals import InvalidState
from domain.usage.events import (
    ChargeAuthorized,
    ChargeCaptured,
    ChargeCorrected,
    ChargeCredited,
    ChargeObserved,
    ChargeRefunded,
    ChargeSettled,
    Reported,
)
from domain.wallet.burndown import merged
from domain.wallet.events import Part, Range

ChargeStatus = Literal[
    "SETTLED",
    "OBSERVED",
    "AUTHORIZED",
    "RELEASED",
    "PARTIALLY_REFUNDED",
    "REFUNDED",
    "WITHDRAWN",
]
REFUNDABLE = ("SETTLED", "PARTIALLY_REFUNDED")
HoldStatus = Literal["OPEN", "CAPTURED", "RELEASED", "LAPSED"]


@dataclass(slots=True)
class Authorization:
    """The hold of a charge's event, as its own stream tells it. Units of the asset.

    units: all that was ever asked to be held; held_units: what still is, or was when the
    hold ended.
    """

    hold_id: str
    units: int
    held_units: int
    captured_units: int
    status: HoldStatus
    shadow: bool
    ttl_seconds: int
    expires_at: datetime
    balance_after_units: int
    pinned: dict[str, int] = field(default_factory=dict)

    def add(self, pinned: tuple[Part, ...]) -> None:
        for grant_id, units in pinned:
            self.pinned[grant_id] = self.pinned.get(grant_id, 0) + units

    def take(self, parts: tuple[Part, ...]) -> None:
        for grant_id, units in parts:
            self.pinned[grant_id] -= units
            if not self.pinned[grant_id]:
                del self.pinned[grant_id]


class UsageCharge(Aggregate):
    """Units of `asset`, below zero of a charge that credits. lines: how the amount came about,
    none if it was stated; current_lines: since it was last rated anew. corrected_units: what
    withdrawing and re-rating gave back in all. given: how it was given back, and re-rating
    took more. observed: nobody paid; who has paid in the end `domain/usage/payments.py` tells.
    """

    TOPIC = "charge"
    customer_id: str
    wallet_id: str
    reported: Reported
    asset: str
    status: ChargeStatus
    amount_units: int
    refunded_units: int
    allocations: tuple[Part, ...]
    overage: Range | None
    would_refuse: bool
    balance_after_units: int
    hold_id: str | None
    authorized: ChargeAuthorized | None
    captured: ChargeCaptured | None
    authorization: Authorization | None
    settled_at: datetime
    private: dict[str, Any]
    budgets: tuple[str, ...]
    lines: tuple[RatedLine, ...]
    current_lines: tuple[RatedLine, ...]
    corrected_units: int
    given: tuple[ChargeRefunded | ChargeCorrected, ...]
    credited: bool
    observed: bool
    _forgiven_units: int

    # Folding

    def settle(self, event: ChargeSettled | ChargeObserved) -> None:
        self._open(event)
        self.status = event.status
        self.observed = event.status == "OBSERVED"
        self.amount_units = event.amount_units
        if isinstance(event, ChargeSettled):
            if event.adjustment is not None:
                self.private = {**event.private, "properties": {"reason": event.adjustment}}
            self.allocations = event.allocations
            self.overage = event.overage
            self.budgets = event.budgets
        self.would_refuse = event.would_refuse
        self.hold_id = event.hold_id
        self.lines = self.current_lines = event.lines

    def credit(self, event: ChargeCredited) -> None:
        """A charge below zero; after an authorisation it is the capture of the hold."""
        hold = self.authorization if event.originator_version > 1 else None
        authorized = self.authorized if hold is not None else None
        self._open(event)
        if hold is not None:
            hold.status = "CAPTURED"
            hold.pinned = {}
            self.authorization, self.authorized = hold, authorized
            self.credited = True
        self.status = event.status
        self.amount_units = -event.units
        self.allocations = tuple((grant, -units) for grant, units in event.from_allocations)
        self._forgiven_units = event.overage_units
        self.hold_id = event.hold_id
        self.budgets = event.budgets
        self.lines = self.current_lines = event.lines

    def authorize(self, event: ChargeAuthorized) -> None:
        self._open(event)
        self.status = "AUTHORIZED"
        self.authorized = event
        self.hold_id = event.hold_id
        self.authorization = Authorization(
            hold_id=event.hold_id,
            units=event.units,
            held_units=event.units,
            captured_units=0,
            status="OPEN",
            shadow=event.shadow,
            ttl_seconds=event.ttl_seconds,
            expires_at=event.expires_at,
            balance_after_units=event.balance_after_units,
            pinned=dict(event.pinned),
        )

    def capture(self, event: ChargeCaptured) -> None:
        hold = self.authorization
        assert hold is not None
        hold.captured_units += event.amount_units
        if not event.late:
            hold.status = "CAPTURED"
            hold.pinned = {}
        self.captured = event
        self.reported = event.reported
        self.status = "OBSERVED" if event.observed else "SETTLED"
        self.observed = event.observed
        self.amount_units = event.amount_units
        self.allocations = event.allocations
        self.overage = event.overage
        self.would_refuse = event.would_refuse
        self.balance_after_units = event.balance_after_units
        self.settled_at = event.timestamp
        self.private = event.private
        self.budgets = event.budgets
        self.lines = self.current_lines = event.lines

    def give_back(self, event: ChargeRefunded) -> None:
        self.refunded_units += event.units
        self.given += (event,)
        self.status = (
            "REFUNDED" if self.refunded_units == self.amount_units else "PARTIALLY_REFUNDED"
        )

    def correct(self, event: ChargeCorrected) -> None:
        self.corrected_units += event.units
        self.given += (event,)
        self.current_lines = event.lines

    def _open(
        self, event: ChargeSettled | ChargeObserved | ChargeAuthorized | ChargeCredited
    ) -> None:
        self.customer_id = event.customer_id
        self.wallet_id = event.wallet_id
        self.reported = event.reported
        self.asset = event.asset
        self.amount_units = 0
        self.refunded_units = 0
        self.allocations = ()
        self.overage = None
        self.would_refuse = False
        self.balance_after_units = event.balance_after_units
        self.authorized = None
        self.captured = None
        self.authorization = None
        self.settled_at = event.timestamp
        self.private = event.private
        self.budgets = ()
        self.lines = self.current_lines = ()
        self.corrected_units = 0
        self.given = ()
        self.credited = False
        self.observed = False
        self._forgiven_units = 0

    # Deciding

    @property
    def was_captured(self) -> bool:
        """Whether the hold of this charge's own event was settled as this charge."""
        return self.captured is not None or self.credited

    @property
    def overage_units(self) -> int:
        """Below zero: what of overage a charge that credits has forgiven."""
        return (self.overage[1] - self.overage[0] if self.overage else 0) - self._forgiven_units

    @property
    def net_units(self) -> int:
        """Return the amount less all that was given back."""
        return self.amount_units - self.refunded_units - self.corrected_units

    @property
    def refunded_parts(self) -> dict[str, int]:
        """Return what refunds gave back to the grants that paid."""
        refunds = [each for each in self.given if isinstance(each, ChargeRefunded)]
        return dict(merged(*(each.from_allocations for each in refunds)))

    def refundable_units(self, amount_units: int | None, paid_units: int) -> int:
        """Return the units to refund (default: all that remain). paid_units: what of it is
        still paid.

        Raises InvalidState (no settled charge, or one below zero), BeyondRefundable (zero or
        above what remains).
        """
        if self.status not in REFUNDABLE:
            raise InvalidState(
                state=self.status, reason=f"charge {self.id} is {self.status}: nothing to refund"
            )
        if self.amount_units < 0:
            raise InvalidState(
                state=self.status, reason=f"charge {self.id} has given back: nothing to refund"
            )
        remaining_units = min(self.net_units, paid_units)
        units = remaining_units if amount_units is None else amount_units
        if not 0 < units <= remaining_units:
            raise BeyondRefundable(remaining_units)
        return units


class BeyondRefundable(Exception):
    """More was asked back than `remaining_units`."""

    def __init__(self, remaining_units: int) -> None:
        super().__init__(remaining_units)
        self.remaining_units = remaining_units


class HoldPointer(Aggregate):
    """A hold's own stream: it says whose hold it is."""

    TOPIC = "hold"
    charge_id: str
    wallet_id: str
    customer_id: str
