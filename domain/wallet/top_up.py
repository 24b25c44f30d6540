"""A request to charge for credits, from the balance that caused it to its payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.grants.events import Paid
from domain.wallet.watches import TopUpOutcome, TopUpStatus


@dataclass(frozen=True)
class TopUpOpened(Event):
    """units: of `asset`. price: what to charge, None if nothing says; unit_price: the exchange
    rate that gave it, if one did. valid_days: how long the credits live. It waits for a report
    until `times_out_at`.
    """

    TOPIC: ClassVar[str] = "top_up.requested"
    wallet_id: str
    customer_id: str
    asset: str
    units: int
    price: Paid | None
    unit_price: str | None
    valid_days: int | None
    times_out_at: datetime

    def apply(self, aggregate: TopUp) -> None:
        aggregate.opened = self
        aggregate.status = "REQUESTED"
        aggregate.outcome = None
        aggregate.paid = None
        aggregate.reference = None
        aggregate.grant_id = None


@dataclass(frozen=True)
class TopUpTimedOut(Event):
    """Nobody said in time what became of it. A success that comes later still credits."""

    TOPIC: ClassVar[str] = "top_up.timed_out"
    due_at: datetime

    def apply(self, aggregate: TopUp) -> None:
        aggregate.status = "TIMED_OUT"


@dataclass(frozen=True)
class TopUpTold(Event):
    """What was reported of it. A settled one has what was paid, and its grant.
    `private`: the reason.
    """

    TOPIC: ClassVar[str] = "top_up.reported"
    customer_id: str
    asset: str
    units: int
    outcome: TopUpOutcome
    paid: Paid | None
    reference: str | None
    grant_id: str | None
    private: dict[str, str]

    def apply(self, aggregate: TopUp) -> None:
        aggregate.outcome = self.outcome
        if aggregate.status != "TIMED_OUT" or self.outcome != "ACTION_REQUIRED":
            aggregate.status = self.outcome
        aggregate.paid = self.paid
        aggregate.reference = self.reference
        aggregate.grant_id = self.grant_id


class TopUp(Aggregate):
    """outcome: what was reported last; None before that."""

    TOPIC = "top_up"
    opened: TopUpOpened
    status: TopUpStatus
    outcome: TopUpOutcome | None
    paid: Paid | None
    reference: str | None
    grant_id: str | None

    @property
    def requested_at(self) -> datetime:
        return self.opened.timestamp
