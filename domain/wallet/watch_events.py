"""Events of a wallet's stream about its alerts and its auto top-up.

Units of `asset`; money in units of its currency (scale 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from domain.grants.events import Paid
from domain.wallet.events import WalletEvent
from domain.wallet.watches import TopUpOutcome, TopUpTerms

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet


@dataclass(frozen=True)
class AlertSet(WalletEvent):
    """below_units: None for none. What was told of another threshold is forgotten."""

    TOPIC: ClassVar[str] = "wallet.alert_set"
    asset: str
    below_units: int | None

    def apply(self, aggregate: Wallet) -> None:
        watch = aggregate.watch_of(self.asset)
        watch.alert_units, watch.alerted = self.below_units, False


@dataclass(frozen=True)
class AutoTopUpSet(WalletEvent):
    """terms: None is off. Either way what had suspended it is forgotten; a request that is
    open stays, and so does what was asked for this day and month.
    """

    TOPIC: ClassVar[str] = "wallet.auto_top_up_set"
    asset: str
    terms: TopUpTerms | None

    def apply(self, aggregate: Wallet) -> None:
        watch = aggregate.watch_of(self.asset)
        watch.terms = self.terms
        watch.declines, watch.suspended, watch.runaway = 0, False, False


@dataclass(frozen=True)
class AutoTopUpResumed(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.auto_top_up_resumed"
    asset: str

    def apply(self, aggregate: Wallet) -> None:
        watch = aggregate.watch_of(self.asset)
        watch.declines, watch.suspended = 0, False


@dataclass(frozen=True)
class TopUpRequested(WalletEvent):
    """The balance is below the threshold: `units` are to be bought.

    price: what to charge, None if nothing says. available_units: what was there. day_count,
    month: with this one, of the local day and month that end then.
    """

    TOPIC: ClassVar[str] = "wallet.top_up_requested"
    asset: str
    request_id: str
    units: int
    price: Paid | None
    available_units: int
    wait_ends_at: datetime
    day_count: int
    day_ends_at: datetime
    month: Paid | None
    month_ends_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        watch = aggregate.watch_of(self.asset)
        watch.request_id, watch.request_version = self.request_id, 1
        watch.request_status = "REQUESTED"
        aggregate.wait_until(watch, self.wait_ends_at)
        watch.day_count, watch.day_ends_at = self.day_count, self.day_ends_at
        watch.month, watch.month_ends_at = self.month, self.month_ends_at


@dataclass(frozen=True)
class TopUpWaitEnded(WalletEvent):
    """An hour has passed since the request. timed_out: it had no outcome."""

    TOPIC: ClassVar[str] = "wallet.top_up_wait_ended"
    asset: str
    request_id: str
    timed_out: bool
    due_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        watch = aggregate.watch_of(self.asset)
        aggregate.wait_until(watch, None)
        if self.timed_out:
            watch.request_status = "TIMED_OUT"
            watch.request_version += 1


@dataclass(frozen=True)
class TopUpReported(WalletEvent):
    """declines: in a row, with this one; suspends: it is one too many. month: the money of
    the running month, once this is known.
    """

    TOPIC: ClassVar[str] = "wallet.top_up_reported"
    asset: str
    request_id: str
    outcome: TopUpOutcome
    declines: int
    suspends: bool
    month: Paid | None

    def apply(self, aggregate: Wallet) -> None:
        watch = aggregate.watch_of(self.asset)
        watch.declines, watch.month = self.declines, self.month
        watch.suspended = watch.suspended or self.suspends
        if watch.request_id == self.request_id:
            watch.request_version += 1
            if watch.request_status != "TIMED_OUT" or self.outcome != "ACTION_REQUIRED":
                watch.request_status = self.outcome
            if self.outcome == "SETTLED":
                aggregate.wait_until(watch, None)
