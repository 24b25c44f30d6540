"""What a payment still owes: the state of one grant's money, and the one rule of recognition.

Every posting is `target(state after) - posted so far`. The target is a function of what is
burned and lapsed, of the consideration and the policy, and rounds on the cumulative figure
only; so parts sum to the whole in any order, with reversals and changed estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from domain.money.rounding import divide_half_even
from domain.revenue import as_expired, escheat, on_usage, proportional, ratable, remote
from domain.revenue.journal import Line, units_per_minor
from domain.revenue.policies import Policy
from domain.revenue.shares import share_of

Claim = Literal["NONE", "RECEIVED", "DUE", "CANCELLABLE"]


class Released(NamedTuple):
    """Minor units that have left the liability to date: earned, breakage, to the state."""

    earned: int
    breakage: int
    escheated: int

    @property
    def total(self) -> int:
        return self.earned + self.breakage + self.escheated


NOTHING = Released(0, 0, 0)


@dataclass(slots=True)
class Obligation:
    """The consideration of a grant (or of a plan's fee), and how much of it was released.

    paid_units, tax_units, consideration: units of `currency`; consideration is without tax,
    and with what a purchase shared. granted, revoked, burned, lapsed, remote_units: units of
    `asset` (at `scale`); remote_units: what was left when its use became remote, -1 before.
    earned, breakage, escheated: minor units posted so far. claim: how the money stands;
    booked: whether the liability was recognised. ended_days: of a ratable one, to date.
    fee_ids: of the fees that included credits share. weighed_at: the share of a bonus expected to
    stay unused when it joined its purchase, an exact decimal.
    """

    tenant: str
    obligation_id: str
    grant_id: str | None
    wallet_id: str
    customer_id: str
    asset: str
    scale: int
    source: str
    product: str | None
    bundle_id: str | None
    ratable: bool
    currency: str
    stand_alone: str | None
    paid_units: int
    tax_units: int
    consideration: int
    claim: Claim
    booked: bool
    granted: int
    revoked: int
    burned: int
    lapsed: int
    remote_units: int
    earned: int
    breakage: int
    escheated: int
    money_back: int
    ended: bool
    claim_ended: bool
    first_day: date
    starts_on: date
    ends_on: date | None
    ended_days: int
    last_service: str | None
    fee_ids: list[str]
    weighed_at: str | None = None

    @property
    def live(self) -> int:
        """Units that were not revoked."""
        return self.granted - self.revoked

    @property
    def minor(self) -> int:
        return units_per_minor(self.currency)

    @property
    def posted(self) -> Released:
        return Released(self.earned, self.breakage, self.escheated)

    @property
    def remaining_units(self) -> int:
        return self.live - self.burned - self.lapsed

    @property
    def whole(self) -> int:
        """Minor units of what was not revoked: all that is ever released."""
        if not self.booked:
            return 0
        return divide_half_even(self.consideration * self.live, self.granted * self.minor)

    @property
    def liability(self) -> int:
        return self.whole - self.earned - self.breakage - self.escheated


def target(o: Obligation, policy: Policy) -> Released:
    """Return what of an obligation should have been released by now."""
    if not o.booked:
        return NOTHING
    minor, consideration = units_per_minor(o.currency), o.consideration
    if o.ratable:
        days = ratable.days_of(o.starts_on, o.ends_on) if o.ends_on is not None else 1
        return Released(
            ratable.earned_to_date(consideration, o.granted, o.live, o.ended_days, days, minor),
            0,
            0,
        )
    earned = on_usage.earned_to_date(consideration, o.granted, o.burned, minor)
    if not o.lapsed and policy.breakage_method == "AS_EXPIRED" and o.remote_units < 0:
        return Released(earned, 0, 0)
    share = share_of(policy.escheat_share)
    unused = o.lapsed if o.remote_units < 0 else o.remote_units
    escheated = escheat.escheated_to_date(consideration, o.granted, unused, share, minor)
    if o.remote_units >= 0:
        released = remote.released_to_date(consideration, o.granted, o.live, minor)
    elif policy.breakage_method == "PROPORTIONAL":
        released = proportional.released_to_date(
            consideration, o.granted, o.live, o.burned, o.lapsed,
            share_of(policy.breakage_estimate), share, minor,
        )  # fmt: skip
    else:
        released = as_expired.released_to_date(consideration, o.granted, o.burned, o.lapsed, minor)
    return Released(earned, released - earned - escheated, escheated)


def recognise(o: Obligation, policy: Policy) -> list[Line]:
    """Post what the target is ahead of what was posted; return the lines of the entry."""
    after = target(o, policy)
    earned = after.earned - o.earned
    breakage = after.breakage - o.breakage
    escheated = after.escheated - o.escheated
    o.earned, o.breakage, o.escheated = after
    lines: list[Line] = []
    if released := earned + breakage + escheated:
        lines.append(("contract_liability", released))
    if earned:
        lines.append(("revenue_ratable" if o.ratable else "revenue_usage", -earned))
    if breakage:
        lines.append(("revenue_breakage", -breakage))
    if escheated:
        lines.append(("unclaimed_property", -escheated))
    return lines


def withdraw(o: Obligation, policy: Policy, units: int) -> tuple[int, int]:
    """Take `units` of credits off an obligation that money is given back for.

    Returns the carrying amount that leaves the liability, and the breakage posted so far,
    which what is paid beyond it takes back first. Of n credits refunded, with P' =
    P (g - n) / g: (P - posted) - (P' - target').
    """
    before, breakage = o.liability, o.breakage
    o.revoked += units
    o.earned, o.breakage, o.escheated = target(o, policy)
    return before - o.liability, breakage
