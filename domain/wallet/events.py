"""Every event of a wallet's stream, in the order of a wallet's life.

Balances fold these and nothing else. Units: smallest units of `asset`. Parts are
(grant id, units) pairs in burn-down order; a range is [from, to) of all overage ever
incurred on the account. `budgets`: by how much what each has spent changed; `rated`: what
moved of running totals, None where no price was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from domain.aggregate import Event
from domain.grants.terms import GrantTerms, ReopenedGrant
from domain.wallet.budgets import BudgetCount
from domain.wallet.totals import TotalsMoved

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet

WalletMode = Literal["SHADOW", "HYBRID", "CONTROL"]
RevocationCause = Literal[
    "VOID", "REFUND", "TRANSFER", "ROLLOVER", "DISPUTE", "PLAN_CHANGE", "COMPENSATED", "HOLD_RETURN"
]
GrantEnd = Literal["VOIDED", "REFUNDED"]
Part = tuple[str, int]
Range = tuple[int, int]


class WalletEvent(Event):
    """Base of the events of a wallet."""

    def apply(self, aggregate: Wallet) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class WalletOpened(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.opened"
    customer_id: str
    mode: WalletMode
    timezone: str

    def apply(self, aggregate: Wallet) -> None:
        aggregate.open(self.customer_id, self.mode, self.timezone)


@dataclass(frozen=True)
class TimezoneSet(WalletEvent):
    """The customer's zone; cycles that run keep the bounds they have: months do, too."""

    TOPIC: ClassVar[str] = "wallet.timezone_set"
    timezone: str

    def apply(self, aggregate: Wallet) -> None:
        aggregate.timezone = self.timezone
        aggregate.months = aggregate.months.moved(self.timezone, self.timestamp)


@dataclass(frozen=True)
class AccountOpened(WalletEvent):
    """`scale`: decimal places of the asset's smallest unit."""

    TOPIC: ClassVar[str] = "wallet.account_opened"
    asset: str
    scale: int

    def apply(self, aggregate: Wallet) -> None:
        aggregate.open_account(self.asset, self.scale)


@dataclass(frozen=True)
class GrantCredited(WalletEvent):
    """`effective` is false for a grant whose time has not come."""

    TOPIC: ClassVar[str] = "wallet.grant_credited"
    asset: str
    terms: GrantTerms
    effective: bool

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].credit(self.terms, self.effective)


@dataclass(frozen=True)
class GrantBecameEffective(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.grant_became_effective"
    asset: str
    grant_id: str
    due_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].make_effective(self.grant_id)


@dataclass(frozen=True)
class GrantExtended(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.grant_extended"
    asset: str
    grant_id: str
    expires_at: datetime | None
    lapses_at: datetime | None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].extend(self.grant_id, self.expires_at, self.lapses_at)


@dataclass(frozen=True)
class GrantExpiring(WalletEvent):
    """It is told that a grant is about to expire; `units` are left of it, held ones too."""

    TOPIC: ClassVar[str] = "wallet.grant_expiring"
    asset: str
    grant_id: str
    units: int
    expires_at: datetime
    due_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].tell_expiry(self.grant_id)


@dataclass(frozen=True)
class GrantLapsed(WalletEvent):
    """What is neither burned nor held of an expired grant leaves the balance."""

    TOPIC: ClassVar[str] = "wallet.grant_lapsed"
    asset: str
    grant_id: str
    units: int
    due_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].lapse(self.grant_id, self.units)


@dataclass(frozen=True)
class GrantRevoked(WalletEvent):
    """`ends`: the status that the grant has from now on, if this ends it."""

    TOPIC: ClassVar[str] = "wallet.grant_revoked"
    asset: str
    grant_id: str
    units: int
    cause: RevocationCause
    ends: GrantEnd | None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].revoke(self.grant_id, self.units, self.ends)


@dataclass(frozen=True)
class UsageDebited(WalletEvent):
    """Consecutive charges decided at one time by one commit; their split stands on each."""

    TOPIC: ClassVar[str] = "wallet.usage_debited"
    asset: str
    units: int
    burned: tuple[Part, ...]
    overage: Range | None
    charge_ids: tuple[str, ...]
    budgets: tuple[BudgetCount, ...] = ()
    rated: TotalsMoved | None = None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].debit(self.burned, self.overage)
        aggregate.count(self.budgets, self.rated)


@dataclass(frozen=True)
class UsageObserved(WalletEvent):
    """Charges of a wallet in SHADOW: recorded, no balance moves."""

    TOPIC: ClassVar[str] = "wallet.usage_observed"
    asset: str
    units: int
    charge_ids: tuple[str, ...]
    budgets: tuple[BudgetCount, ...] = ()
    rated: TotalsMoved | None = None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.count(self.budgets, self.rated)


@dataclass(frozen=True)
class HoldPlaced(WalletEvent):
    """`pinned` of grants, `uncovered_units` of no grant; a shadow hold counts nowhere."""

    TOPIC: ClassVar[str] = "wallet.hold_placed"
    asset: str
    hold_id: str
    charge_id: str
    meter: str
    units: int
    pinned: tuple[Part, ...]
    uncovered_units: int
    shadow: bool
    expires_at: datetime
    subject: str | None = None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.place_hold(self)


@dataclass(frozen=True)
class HoldExtended(WalletEvent):
    """What is added to the hold, and until when it lives."""

    TOPIC: ClassVar[str] = "wallet.hold_extended"
    asset: str
    hold_id: str
    added_units: int
    pinned: tuple[Part, ...]
    uncovered_units: int
    expires_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        aggregate.extend_open_hold(self)


@dataclass(frozen=True)
class HoldCaptured(WalletEvent):
    """A hold settled, or a part of it, as the charge `charge_id`.

    burned_pinned: of what was held; burned: of what was available beyond; released: what
    the hold no longer needs; uncovered_released of `uncovered_units` likewise.
    captured_units may exceed what was held. `final`: the hold ends.
    """

    TOPIC: ClassVar[str] = "wallet.hold_captured"
    asset: str
    hold_id: str
    charge_id: str
    captured_units: int
    burned_pinned: tuple[Part, ...]
    burned: tuple[Part, ...]
    overage: Range | None
    released: tuple[Part, ...]
    uncovered_released_units: int
    released_units: int
    final: bool
    observed: bool
    budgets: tuple[BudgetCount, ...] = ()
    rated: TotalsMoved | None = None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.settle_hold(self)


@dataclass(frozen=True)
class HoldReleased(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.hold_released"
    asset: str
    hold_id: str
    released: tuple[Part, ...]
    released_units: int

    def apply(self, aggregate: Wallet) -> None:
        aggregate.end_hold(self.hold_id)


@dataclass(frozen=True)
class HoldLapsed(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.hold_lapsed"
    asset: str
    hold_id: str
    released: tuple[Part, ...]
    released_units: int
    due_at: datetime

    def apply(self, aggregate: Wallet) -> None:
        aggregate.end_hold(self.hold_id)


@dataclass(frozen=True, slots=True)
class GrantReturn:
    """Units that go back to a grant. `reopened`: its terms where the wallet had let it go,
    with what it had burned, expired and revoked before, its status and its stream's version.
    """

    grant_id: str
    units: int
    reopened: ReopenedGrant | None


@dataclass(frozen=True)
class ChargeReversed(WalletEvent):
    """A refund: overage no longer owed, and units returned to the grants that paid."""

    TOPIC: ClassVar[str] = "wallet.charge_reversed"
    asset: str
    charge_id: str
    units: int
    forgiven: tuple[Range, ...]
    returned: tuple[GrantReturn, ...]
    budgets: tuple[BudgetCount, ...] = ()
    rated: TotalsMoved | None = None

    def apply(self, aggregate: Wallet) -> None:
        account = aggregate.accounts[self.asset]
        account.reverse(self.forgiven, self.returned, self.timestamp)
        aggregate.count(self.budgets, self.rated)


@dataclass(frozen=True)
class UsageCredited(WalletEvent):
    """A charge below zero: its cycle costs `units` less than was taken. They go back to who
    paid: overage no longer owed, and units returned to grants.
    """

    TOPIC: ClassVar[str] = "wallet.usage_credited"
    asset: str
    charge_id: str
    meter: str
    units: int
    forgiven: tuple[Range, ...]
    returned: tuple[GrantReturn, ...]
    budgets: tuple[BudgetCount, ...] = ()
    rated: TotalsMoved | None = None

    def apply(self, aggregate: Wallet) -> None:
        account = aggregate.accounts[self.asset]
        account.reverse(self.forgiven, self.returned, self.timestamp)
        aggregate.count(self.budgets, self.rated)


@dataclass(frozen=True)
class OverageSettled(WalletEvent):
    """A grant repaid overage: these ranges are no longer owed."""

    TOPIC: ClassVar[str] = "wallet.overage_settled"
    asset: str
    grant_id: str
    units: int
    ranges: tuple[Range, ...]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].repay(self.grant_id, self.units, self.ranges)
        aggregate.totals.repay(self.asset, self.grant_id, self.ranges)


@dataclass(frozen=True)
class OverageInvoiced(WalletEvent):
    """These ranges are on an invoice now: still owed, but no grant repays them."""

    TOPIC: ClassVar[str] = "wallet.overage_invoiced"
    asset: str
    invoice_id: str
    ranges: tuple[Range, ...]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].invoice(self.ranges)


@dataclass(frozen=True)
class OverageUninvoiced(WalletEvent):
    """The invoice was voided: what is still owed of these ranges is unbilled again."""

    TOPIC: ClassVar[str] = "wallet.overage_uninvoiced"
    asset: str
    invoice_id: str
    ranges: tuple[Range, ...]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].uninvoice(self.ranges)


@dataclass(frozen=True)
class OveragePaid(WalletEvent):
    """A payment or a credit note of the invoice: these ranges are no longer owed."""

    TOPIC: ClassVar[str] = "wallet.overage_paid"
    asset: str
    invoice_id: str
    units: int
    ranges: tuple[Range, ...]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].pay_overage(self.ranges)


@dataclass(frozen=True)
class OverageCredited(WalletEvent):
    """A credit note took these ranges off their invoice, so that they do not go back again."""

    TOPIC: ClassVar[str] = "wallet.overage_credited"
    asset: str
    invoice_id: str
    ranges: tuple[Range, ...]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].credit_overage(self.ranges)
        aggregate.totals.credit(self.asset, self.ranges)


@dataclass(frozen=True)
class LimitSet(WalletEvent):
    """How far overage may go in CONTROL; None: without limit."""

    TOPIC: ClassVar[str] = "wallet.limit_set"
    asset: str
    limit_units: int | None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.accounts[self.asset].limit_units = self.limit_units


@dataclass(frozen=True)
class ModeChanged(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.mode_changed"
    mode: WalletMode

    def apply(self, aggregate: Wallet) -> None:
        aggregate.mode = self.mode


@dataclass(frozen=True)
class WalletFrozen(WalletEvent):
    """`private`: the reason, free text."""

    TOPIC: ClassVar[str] = "wallet.frozen"
    private: dict[str, str]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.frozen = True


@dataclass(frozen=True)
class WalletUnfrozen(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.unfrozen"

    def apply(self, aggregate: Wallet) -> None:
        aggregate.frozen = False
