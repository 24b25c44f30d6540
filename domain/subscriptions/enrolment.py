"""What a wallet knows of a customer's subscription: enough to begin its next cycle.

Values only: a change is a new value, stated whole by `wallet.subscription_moved`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from domain.calendar.cycles import Cycle, CyclePeriod, cycle_at
from domain.calendar.zones import zone_named
from domain.money.rounding import divide_half_even
from domain.rating.cost import NO_DISCOUNT
from domain.rating.pricing import PricingTerms
from domain.subscriptions.plan import Included, Plan, PlanTerms

_MICROSECOND = timedelta(microseconds=1)

SubscriptionStatus = Literal["SCHEDULED", "TRIALING", "ACTIVE", "PAUSED", "CANCELED", "ENDED"]
FeeCollection = Literal["WALLET", "INVOICE"]
IncludedOnChange = Literal["REPLACE", "CARRY", "PRORATE"]


@dataclass(frozen=True, slots=True)
class Tiling:
    """Cycles with a boundary at `anchor`, from `starts_at` on. joined: a change of zone at
    `starts_at` moved the boundaries by hours, so the first cycle is that much longer or
    shorter; else one that `starts_at` cuts short is a part of a whole.
    """

    starts_at: datetime
    anchor: datetime
    period: CyclePeriod
    zone: str
    joined: bool

    def window(self, instant: datetime, period: CyclePeriod | None = None) -> Window:
        """Return the window that `instant` lies in, of the cycles or of another period."""
        period = period or self.period
        zone = zone_named(self.zone)
        cycle = cycle_at(self.anchor, period, zone, instant)
        if cycle.starts_at >= self.starts_at:
            if self.joined and self._stub(cycle_at(self.anchor, period, zone, self.starts_at)):
                before = cycle_at(self.anchor, period, zone, self.starts_at)
                if cycle.starts_at == before.ends_at:
                    return Window(period, self.starts_at, self.starts_at, cycle.ends_at)
            return Window(period, cycle.starts_at, cycle.starts_at, cycle.ends_at)
        if not self.joined:
            return Window(period, cycle.starts_at, self.starts_at, cycle.ends_at)
        ends_at = cycle.ends_at
        if self._stub(cycle):
            ends_at = cycle_at(self.anchor, period, zone, ends_at).ends_at
        return Window(period, self.starts_at, self.starts_at, ends_at)

    def _stub(self, cycle: Cycle) -> bool:
        return cycle.ends_at - self.starts_at < self.starts_at - cycle.starts_at


@dataclass(frozen=True, slots=True)
class Span:
    """How usage that occurs from `starts_at` on is priced, and in which cycles it counts;
    paused: it is not.
    """

    starts_at: datetime
    terms: PlanTerms
    tiling: Tiling
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """One period of what recurs. Whole from `whole_from`, of which it has the part from
    `starts_at`: a first one may be cut short.
    """

    period: CyclePeriod
    whole_from: datetime
    starts_at: datetime
    ends_at: datetime

    @property
    def length(self) -> int:
        return length_between(self.starts_at, self.ends_at)

    @property
    def whole_length(self) -> int:
        return length_between(self.whole_from, self.ends_at)


@dataclass(frozen=True, slots=True)
class FeePart:
    """A fee of `units` for `starts_at` to `ends_at`: charged as `charge_id` or, by invoice,
    told on the subscription's event; in arrears, still to be. fee_id: of one that was collected.
    """

    key: str
    asset: str
    scale: int
    per_seat: bool
    seats: int
    units: int
    starts_at: datetime
    ends_at: datetime
    in_advance: bool
    charge_id: str | None
    fee_id: str | None = None

    def used_units(self, at: datetime) -> int:
        """Return the part up to `at`, by the second, rounded half-even."""
        return divide_half_even(
            self.units * length_between(self.starts_at, at),
            length_between(self.starts_at, self.ends_at),
        )

    def left(self, at: datetime) -> FeePart:
        """Return what of it is for the time from `at` on."""
        return replace(self, units=self.units - self.used_units(at), starts_at=at)


@dataclass(frozen=True, slots=True)
class GivenGrant:
    """Credits given with a plan, as long as their window lasts. rolls_left: how often they
    may roll over; None: without limit. rolled_from: the grant whose rest they are.
    """

    grant_id: str
    product_key: str
    included: Included
    units: int
    ends_at: datetime
    rolls_left: int | None
    rolled_from: str | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A change of plan that takes effect at the cycle's end."""

    terms: PlanTerms
    quantity: int
    includes: IncludedOnChange


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A subscription as its wallet knows it.

    stream_version: of the subscription's own stream. version: of the product, whose fees
    and credits the running cycle has: `plan`. cycle: its number, 0 for a trial. windows: of
    every period in the plan, the cycle itself first. spans: oldest first, the last of today.
    commitment_units: what the cycle is to cost at least, in the plan's currency. fees_charged:
    (asset, units) of the cycle's fees, less what was given back of them. created_at: a cycle
    that was over by then gives no credits.
    """

    subscription_id: str
    stream_version: int
    status: SubscriptionStatus
    terms: PlanTerms
    plan: Plan
    quantity: int
    collection: FeeCollection
    starts_at: datetime
    trial_ends_at: datetime | None
    cycle: int
    windows: tuple[Window, ...]
    fees: tuple[FeePart, ...]
    grants: tuple[GivenGrant, ...]
    spans: tuple[Span, ...]
    cancel_at: datetime | None
    pending: Pending | None
    created_at: datetime
    ended_at: datetime | None
    fees_charged: tuple[tuple[str, int], ...] = ()
    commitment_units: int = 0

    def fees_charged_units(self, asset: str) -> int:
        return dict(self.fees_charged).get(asset, 0)

    def with_fee(self, asset: str, units: int) -> Enrolment:
        """Return it with a fee more; below zero: with so much given back."""
        charged = dict(self.fees_charged)
        charged[asset] = charged.get(asset, 0) + units
        return replace(self, fees_charged=tuple(sorted(charged.items())))

    @property
    def running(self) -> bool:
        return self.status in ("TRIALING", "ACTIVE")

    def rolls(self, grant_id: str, at: datetime) -> bool:
        """Whether what is left of a grant that ends then rolls over into a next period."""
        given = next((each for each in self.grants if each.grant_id == grant_id), None)
        if given is None or not given.included.rollover or not self.running:
            return False
        if given.rolls_left == 0 or given.product_key != self.terms.product_key:
            return False
        if not any(
            window.period == given.included.period and window.ends_at == at
            for window in self.windows
        ):
            return False
        if self.windows[0].ends_at > at:
            return True
        pending = self.pending
        stays = pending is None or pending.terms.product_key == self.terms.product_key
        return self.cancel_at is None and stays

    @property
    def due_at(self) -> datetime | None:
        """When time changes something next."""
        if self.status == "SCHEDULED":
            return self.starts_at
        if not self.running:
            return None
        return min(window.ends_at for window in self.windows)

    @property
    def cycle_window(self) -> Window:
        """The running cycle; the first before it has begun, the last once it is over."""
        if self.windows:
            return self.windows[0]
        if self.trial_ends_at is not None:
            period = self.tiling.period
            return Window(period, self.starts_at, self.starts_at, self.trial_ends_at)
        return self.tiling.window(self.starts_at)

    def window(self, period: CyclePeriod) -> Window:
        return next(window for window in self.windows if window.period == period)

    @property
    def tiling(self) -> Tiling:
        """The cycles of today; the last there were while it is paused."""
        return self.spans[-1].tiling

    def span_of(self, instant: datetime) -> Span | None:
        """Return how usage that occurred then is priced, if this subscription does."""
        if self.ended_at is not None and instant >= self.ended_at:
            return None
        for span in reversed(self.spans):
            if instant >= span.starts_at:
                return span if not span.paused else None
        return None

    def pricing_at(self, occurred_at: datetime) -> PricingTerms | None:
        """Return by what it prices usage of that time; None while it prices none."""
        span, cycle = self.span_of(occurred_at), self.cycle_of(occurred_at)
        if span is None or cycle is None:
            return None
        terms = span.terms
        return PricingTerms(
            terms.product_key,
            terms.pinned,
            Cycle(self.cycle, cycle.starts_at, cycle.ends_at),
            terms.overrides,
            terms.discount or NO_DISCOUNT,
        )

    def cycle_of(self, instant: datetime) -> Window | None:
        """Return the cycle in which usage that occurred then counts; None where the
        subscription does not price it.
        """
        span = self.span_of(instant)
        if span is None:
            return None
        if self.trial_ends_at is not None and instant < self.trial_ends_at:
            period = span.tiling.period
            return Window(period, self.starts_at, self.starts_at, self.trial_ends_at)
        if self.windows and self.windows[0].starts_at <= instant < self.windows[0].ends_at:
            return self.windows[0]
        return span.tiling.window(instant)


def length_between(start: datetime, end: datetime) -> int:
    """Return a length of time in microseconds: by the second, and exact between seconds."""
    return (end - start) // _MICROSECOND
