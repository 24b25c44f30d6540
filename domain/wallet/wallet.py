"""The wallet: the one consistency boundary for spending, and the one lock.

Each command checks everything, refusals first, then states its events. Whoever changes a
grant or a charge also appends to its wallet, in the same commit.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain.aggregate import Aggregate, Event
from domain.catalog.catalog import Catalog
from domain.grants.events import (
    Figures,
    GrantActivated,
    GrantExhausted,
    GrantExpired,
    GrantRepaidOverage,
    GrantReturnRevoked,
    GrantRolledOver,
)
from domain.identity import derived_id
from domain.money.asset import Asset
from domain.rating.months import Months
from domain.rating.pricing import PricingSubscription
from domain.rating.rate import RatedLine
from domain.refusals import InsufficientFunds, InvalidState
from domain.subscriptions.allotments import Allotment
from domain.subscriptions.enrolment import Enrolment
from domain.subscriptions.rolling import turn_at
from domain.usage.events import AuthorizationReleased
from domain.wallet import overage
from domain.wallet.account import (
    GRANT_EXPIRES,
    GRANT_EXPIRES_SOON,
    HOLD_LAPSES,
    SUBSCRIPTION_TURNS,
    TOP_UP_WAIT_ENDS,
    Account,
    AccountState,
    DueKey,
)
from domain.wallet.budgets import NO_BUDGETS, Budget, BudgetCount, Budgets, BudgetsState
from domain.wallet.burndown import OpenGrant, burn_down, burn_pinned, merged
from domain.wallet.derived_budgets import BudgetCounted, DerivedBudget
from domain.wallet.events import (
    AccountOpened,
    ChargeReversed,
    GrantBecameEffective,
    GrantCredited,
    GrantEnd,
    GrantExpiring,
    GrantExtended,
    GrantLapsed,
    GrantReturn,
    GrantRevoked,
    GrantTerms,
    HoldCaptured,
    HoldExtended,
    HoldLapsed,
    HoldPlaced,
    HoldReleased,
    LimitSet,
    ModeChanged,
    OverageInvoiced,
    OveragePaid,
    OverageSettled,
    OverageUninvoiced,
    Part,
    Range,
    RevocationCause,
    TimezoneSet,
    UsageDebited,
    UsageObserved,
    WalletFrozen,
    WalletMode,
    WalletUnfrozen,
)
from domain.wallet.holds import OpenHold
from domain.wallet.limits import Limits, tell_crossed
from domain.wallet.modes import beyond_limit
from domain.wallet.payers import payers_told, share_out
from domain.wallet.spend_events import (
    BudgetRemoved,
    BudgetSet,
    Direction,
    EventMaximumSet,
    ThresholdCrossed,
    ThresholdKind,
)
from domain.wallet.totals import (
    NO_TOTALS,
    MovedTotals,
    RatedMove,
    Totals,
    TotalsMoved,
    TotalsState,
)
from domain.wallet.watch_events import AlertSet, AutoTopUpResumed, AutoTopUpSet
from domain.wallet.watches import Quoting, TopUpTerms, Watch, no_quotes
from domain.wallet.watching import end_wait, look_at
from domain.wallet.windows import BudgetPeriod, Window, window_of

MOST_ENDED = 20  # subscriptions that are over, which late usage may still belong to


@dataclass(slots=True)
class Settlement:
    """What a charge took. Units of its asset."""

    allocations: tuple[Part, ...]
    overage: Range | None
    would_refuse: bool
    observed: bool
    balance_after_units: int
    burned_pinned: tuple[Part, ...] = ()
    held_units: int = 0
    budgets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WalletState:
    """A wallet as a snapshot keeps it."""

    customer_id: str
    mode: WalletMode
    frozen: bool
    accounts: tuple[AccountState, ...]
    holds: tuple[OpenHold, ...]
    timezone: str
    months: Months
    budgets: BudgetsState = NO_BUDGETS
    enrolments: tuple[Enrolment, ...] = ()
    allotments: tuple[Allotment, ...] = ()
    watches: tuple[Watch, ...] = ()
    totals: TotalsState = NO_TOTALS
    unpriced: tuple[str, ...] = ()


class _Tally:
    """Consecutive charges of one account at one time, on the way to one event."""

    __slots__ = (
        "asset",
        "at",
        "budgets",
        "burned",
        "charge_ids",
        "moved",
        "observed",
        "overage",
        "units",
    )

    def __init__(self, asset: str, observed: bool, at: datetime) -> None:
        self.asset = asset
        self.observed = observed
        self.at = at
        self.units = 0
        self.burned: dict[str, int] = {}
        self.overage: Range | None = None
        self.charge_ids: list[str] = []
        self.budgets: dict[str, int] = {}
        self.moved: MovedTotals | None = None


class Wallet(Aggregate):
    """Accounts, grants' remaining, holds. `due`: what time will change, soonest first."""

    TOPIC = "wallet"
    customer_id: str
    mode: WalletMode
    timezone: str
    months: Months
    frozen: bool
    accounts: dict[str, Account]
    holds: dict[str, OpenHold]
    unpriced: set[str]
    budgets: Budgets
    counted: dict[str, DerivedBudget]
    enrolments: dict[str, Enrolment]
    allotments: tuple[Allotment, ...]
    watches: dict[str, Watch]
    totals: Totals
    due: list[DueKey]
    _tally: _Tally | None
    _postponed: dict[tuple[str, str | None], None] | None

    # Folding

    def open(self, customer_id: str, mode: WalletMode, timezone: str) -> None:
        self.customer_id = customer_id
        self.mode = mode
        self.timezone = timezone
        self.months = Months(timezone)
        self.frozen = False
        self.accounts = {}
        self.holds = {}
        self.unpriced = set()
        self.budgets = Budgets()
        self.counted = {}
        self.enrolments = {}
        self.allotments = ()
        self.watches = {}
        self.totals = Totals()
        self.due = []
        self._tally = None
        self._postponed = None

    def open_account(self, asset: str, scale: int) -> None:
        self.accounts[asset] = Account(asset, scale, self.due)

    def place_hold(self, event: HoldPlaced) -> None:
        hold = OpenHold(
            event.hold_id,
            event.charge_id,
            event.asset,
            event.meter,
            event.units,
            event.uncovered_units,
            event.shadow,
            event.expires_at,
            1,
            dict(event.pinned),
            event.subject,
        )
        self.admit_hold(hold)
        if not hold.shadow:
            self.accounts[event.asset].pin(event.pinned, event.units, event.uncovered_units)
            self.budgets.hold(event.asset, event.subject, event.units)

    def extend_open_hold(self, event: HoldExtended) -> None:
        hold = self.holds[event.hold_id]
        del self.due[bisect_left(self.due, hold.due_key())]
        hold.held_units += event.added_units
        hold.uncovered_units += event.uncovered_units
        hold.expires_at = event.expires_at
        hold.charge_version += 1
        hold.add(event.pinned)
        self.admit_hold(hold)
        if not hold.shadow:
            account = self.accounts[event.asset]
            account.pin(event.pinned, event.added_units, event.uncovered_units)
            self.budgets.hold(event.asset, hold.subject, event.added_units)

    def settle_hold(self, event: HoldCaptured) -> None:
        hold = self.holds[event.hold_id]
        account = self.accounts[event.asset]
        hold.take(event.burned_pinned)
        hold.take(event.released)
        hold.uncovered_units -= event.uncovered_released_units
        burned_pinned_units = sum(units for _, units in event.burned_pinned)
        ended_units = event.released_units + burned_pinned_units
        hold.held_units -= ended_units
        hold.charge_version += 1
        if not hold.shadow:
            account.unpin(event.released, event.released_units, event.uncovered_released_units)
            self.budgets.hold(event.asset, hold.subject, -ended_units)
        account.debit_pinned(event.burned_pinned)
        account.debit(event.burned, event.overage)
        self.count(event.budgets, event.rated)
        if event.final:
            self.dismiss_hold(hold)

    def end_hold(self, hold_id: str) -> None:
        hold = self.holds[hold_id]
        if not hold.shadow:
            account = self.accounts[hold.asset]
            account.unpin(hold.pinned.items(), hold.held_units, hold.uncovered_units)
            self.budgets.hold(hold.asset, hold.subject, -hold.held_units)
        self.dismiss_hold(hold)

    def admit_hold(self, hold: OpenHold) -> None:
        self.holds[hold.hold_id] = hold
        insort(self.due, hold.due_key())

    def dismiss_hold(self, hold: OpenHold) -> None:
        del self.holds[hold.hold_id]
        del self.due[bisect_left(self.due, hold.due_key())]

    def enrol(self, enrolment: Enrolment, allotments: tuple[Allotment, ...]) -> None:
        before = self.enrolments.get(enrolment.subscription_id)
        if before is not None and before.due_at is not None:
            del self.due[bisect_left(self.due, _turn_key(before, before.due_at))]
        self.enrolments[enrolment.subscription_id] = enrolment
        if enrolment.due_at is not None:
            insort(self.due, _turn_key(enrolment, enrolment.due_at))
        self.allotments = allotments
        ended = [each for each in self.enrolments.values() if each.ended_at is not None]
        for each in ended[:-MOST_ENDED]:
            del self.enrolments[each.subscription_id]

    def watch_of(self, asset: str) -> Watch:
        return self.watches.setdefault(asset, Watch(asset))

    def wait_until(self, watch: Watch, until: datetime | None) -> None:
        if watch.wait_ends_at is not None:
            del self.due[bisect_left(self.due, _wait_key(watch, watch.wait_ends_at))]
        watch.wait_ends_at = until
        if until is not None:
            insort(self.due, _wait_key(watch, until))

    def count(self, budgets: tuple[BudgetCount, ...], moved: TotalsMoved | None) -> None:
        """Fold what a charge changes beside the balance."""
        self.budgets.count(budgets)
        if moved is not None:
            self.totals.move(moved)

    # Time

    def time(self, now: datetime) -> datetime:
        """Return the time of a decision: never before the stream's last event."""
        return max(now, self.recorded_at)

    def fall_due(
        self,
        until: datetime,
        recorded_at: datetime | None = None,
        catalog: Catalog | None = None,
        quoting: Quoting = no_quotes,
        *,
        pausing: bool = False,
    ) -> None:
        """Write what fell due by `until`, in order of its time; what is told and asked for
        only after all of an instant.

        recorded_at: when it is written; None: each at its due time (a test clock). catalog:
        of what subscriptions follow; None: they stay with the version they have. pausing: go no
        further once a top-up was asked for.
        """
        due = self.due
        while due and due[0][0] <= until:
            instant = due[0][0]
            self._postponed = {}
            while due and due[0][0] <= instant:
                due_at = due[0][0]
                at = self.time(due_at if recorded_at is None else recorded_at)
                self._do(due[0], at, catalog)
            at = self.time(instant if recorded_at is None else recorded_at)
            self._tell_postponed(at)
            # A top-up is asked for today, so what is past asks for none that is over.
            asks = recorded_at is None or not due or due[0][0] > until
            asked = [
                look_at(self, watch, instant, at, asks=asks, quoting=quoting)
                for watch in self.watches.values()
            ]
            if pausing and any(asked):
                return

    def _do(self, due: DueKey, at: datetime, catalog: Catalog | None) -> None:
        due_at, what, asset, subject_id = due
        if what == HOLD_LAPSES:
            self._lapse_hold(subject_id, due_at, at)
        elif what == GRANT_EXPIRES:
            if any(each.rolls(subject_id, due_at) for each in self.enrolments.values()):
                del self.due[0]  # the turn of its subscription follows at this instant
            else:
                self._expire(asset, subject_id, due_at, at)
        elif what == SUBSCRIPTION_TURNS:
            turn_at(self, self.enrolments[subject_id], due_at, at, catalog)
        elif what == GRANT_EXPIRES_SOON:
            self._tell_expiry(asset, subject_id, due_at, at)
        elif what == TOP_UP_WAIT_ENDS:
            end_wait(self, self.watches[asset], due_at, at)
        else:
            self._make_effective(asset, subject_id, due_at, at)

    def _lapse_hold(self, hold_id: str, due_at: datetime, at: datetime) -> None:
        hold = self.holds[hold_id]
        released = tuple(hold.pinned.items())
        limits = self.limits(hold.asset, hold.subject, (), at)
        self.record(
            HoldLapsed(
                self.id,
                self.next_version(),
                at,
                hold.asset,
                hold_id,
                released,
                hold.held_units,
                due_at,
            )
        )
        self._pending_events.append(
            AuthorizationReleased(hold.charge_id, hold.charge_version + 1, at, "LAPSED", due_at)
        )
        if limits is not None:
            limits.tell_crossed()
        self._settle_dead(hold.asset, released, due_at, at)

    def _expire(self, asset: str, grant_id: str, due_at: datetime, at: datetime) -> None:
        grant = self.accounts[asset].changing(grant_id)
        units = grant.free_units
        self.record(GrantLapsed(self.id, self.next_version(), at, asset, grant_id, units, due_at))
        self._pending_events.append(
            GrantExpired(
                grant_id, grant.stream_version, at, units, grant.held_units, due_at, figures(grant)
            )
        )

    def _tell_expiry(self, asset: str, grant_id: str, due_at: datetime, at: datetime) -> None:
        grant = self.accounts[asset].grants[grant_id]
        expires_at = grant.terms.expires_at
        assert expires_at is not None
        self.record(
            GrantExpiring(
                self.id,
                self.next_version(),
                at,
                asset,
                grant_id,
                grant.remaining_units,
                expires_at,
                due_at,
            )
        )

    def lapse_excess(self, asset: str, grant_id: str, units: int, at: datetime) -> None:
        """Let a part of a grant lapse that ends, where the rest of it rolls over."""
        grant = self.accounts[asset].changing(grant_id)
        due_at = grant.terms.expires_at
        assert due_at is not None
        self.record(GrantLapsed(self.id, self.next_version(), at, asset, grant_id, units, due_at))
        self.also(
            GrantExpired(
                grant_id, grant.stream_version, at, units, grant.held_units, due_at, figures(grant)
            )
        )

    def roll_over(self, asset: str, grant_id: str, units: int, into: str, at: datetime) -> None:
        """Take what rolls over off a grant that has ended; the caller credits it anew."""
        grant = self.accounts[asset].changing(grant_id)
        after = self.revoke(asset, grant_id, units, "ROLLOVER", None, at)
        self.also(GrantRolledOver(grant_id, grant.stream_version, at, units, into, after))

    def _make_effective(self, asset: str, grant_id: str, due_at: datetime, at: datetime) -> None:
        account = self.accounts[asset]
        grant = account.changing(grant_id)
        self.record(GrantBecameEffective(self.id, self.next_version(), at, asset, grant_id, due_at))
        self._pending_events.append(GrantActivated(grant_id, grant.stream_version, at, due_at))
        if grant.terms.source in account.used_up:
            self._tell_source(asset, grant.terms.source, at)
        self._repay_overage(grant, at)

    # Grants

    def credit(self, asset: Asset, terms: GrantTerms, at: datetime) -> None:
        """Take a grant; a PAID one without scope repays overage first."""
        account = self._account(asset, at)
        effective = terms.effective_at <= at
        self.record(
            GrantCredited(self.id, self.next_version(), at, account.asset, terms, effective)
        )
        if effective:
            if terms.source in account.used_up:
                self._tell_source(account.asset, terms.source, at)
            self._repay_overage(account.grants[terms.grant_id], at)

    def revoke(
        self,
        asset: str,
        grant_id: str,
        units: int,
        cause: RevocationCause,
        ends: GrantEnd | None,
        at: datetime,
    ) -> Figures:
        """Take units off a grant; answer its figures then. The caller states the grant's event."""
        grant = self.accounts[asset].changing(grant_id)
        self.record(
            GrantRevoked(self.id, self.next_version(), at, asset, grant_id, units, cause, ends)
        )
        return figures(grant)

    def extend_grant(
        self,
        asset: str,
        grant_id: str,
        expires_at: datetime | None,
        lapses_at: datetime | None,
        at: datetime,
    ) -> None:
        """Move the end of a live grant. The caller states the grant's event."""
        self.record(
            GrantExtended(self.id, self.next_version(), at, asset, grant_id, expires_at, lapses_at)
        )

    def _repay_overage(self, grant: OpenGrant, at: datetime) -> None:
        terms = grant.terms
        account = self.accounts[terms.asset]
        unbilled = account.unbilled()
        units = min(grant.free_units, overage.length(unbilled))
        if terms.source != "PAID" or terms.meters is not None or not units:
            return
        ranges = overage.oldest(unbilled, units)
        version = grant.stream_version + 1
        self.record(
            OverageSettled(
                self.id, self.next_version(), at, terms.asset, terms.grant_id, units, ranges
            )
        )
        self._pending_events.append(
            GrantRepaidOverage(terms.grant_id, version, at, self.id, terms.asset, units, ranges)
        )
        self._tell_exhausted([grant], at)
        self._tell_overage(terms.asset, at)

    # Invoices

    def invoice_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """Put overage that is owed and on no invoice on one."""
        self.record(OverageInvoiced(self.id, self.next_version(), at, asset, invoice_id, ranges))

    def uninvoice_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """Take what is still owed of a voided invoice off it."""
        still = overage.within(self.accounts[asset].invoiced, ranges)
        if still:
            self.record(
                OverageUninvoiced(self.id, self.next_version(), at, asset, invoice_id, still)
            )

    def pay_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """No longer owe what an invoice's payment or credit note covers."""
        paid = overage.within(self.accounts[asset].owed, ranges)
        if paid:
            units = overage.length(paid)
            self.record(
                OveragePaid(self.id, self.next_version(), at, asset, invoice_id, units, paid)
            )
            self._tell_overage(asset, at)

    # Usage

    @property
    def pricing(self) -> Iterable[PricingSubscription]:
        """Return the subscriptions by which usage is priced, the oldest first."""
        return tuple(self.enrolments.values())

    def check_spendable(self, *, delivered: bool) -> None:
        """Raises InvalidState while the wallet is frozen and the work is not done yet."""
        if self.frozen and not delivered:
            raise frozen(self.id)

    def charge(
        self,
        asset: Asset,
        charge_id: str,
        meter: str,
        units: int,
        occurred_at: datetime,
        at: datetime,
        *,
        delivered: bool = False,
        as_control: bool = False,
        subject: str | None = None,
        derived: Sequence[DerivedBudget] = (),
        rated: RatedMove | None = None,
    ) -> Settlement:
        """Settle a charge against grants, in burn-down order.

        delivered: the work is done, so it is recorded whatever the balance. as_control: an
        adjustment, real in every mode. derived: the budgets that templates make of the
        subject. rated: the totals that it moves. units below zero: only in SHADOW, where
        nothing is burned. Raises, first match wins: InvalidState (frozen),
        SpendLimitReached, InsufficientFunds.
        """
        self.check_spendable(delivered=delivered)
        mode = "CONTROL" if as_control else self.mode
        limits = self.limits(asset.key, subject, derived, at) if units else None
        reached = limits.reached(asset, units, units) if limits is not None else None
        if reached is not None and mode == "CONTROL" and not delivered:
            raise reached
        account = self.accounts.get(asset.key)
        payable_units = account.available_for_units(meter, occurred_at, at) if account else 0
        limit_units = account.limit_units if account else 0
        would_refuse = beyond_limit(units, payable_units, limit_units)
        if would_refuse and mode == "CONTROL" and not delivered:
            raise InsufficientFunds(
                asset=asset.key,
                scale=asset.scale,
                required_units=units,
                available_units=payable_units,
            )

        # Nothing may fail from here on.
        would_refuse = would_refuse or reached is not None
        counts, counted = self._counted(limits, units)
        if account is None:
            account = self._account(asset, at)
        if mode == "SHADOW":
            moved = self._observed(rated)
            self._tell(account, charge_id, units, (), None, True, at, counts, moved)
            if limits is not None:
                limits.tell_crossed()
            return Settlement((), None, would_refuse, True, account.available_units(at))
        burned, uncovered_units = burn_down(account.payers(meter), units, occurred_at, at)
        incurred = _incurred(account, uncovered_units)
        grants = [account.changing(grant_id) for grant_id, _ in burned]
        account.debit(burned, incurred)
        moved = self._moved(account, rated, burned, incurred)
        self._tell(account, charge_id, units, burned, incurred, False, at, counts, moved)
        self._tell_exhausted(grants, at)
        if incurred is not None:
            self._tell_overage(asset.key, at)
        if limits is not None:
            limits.tell_crossed()
        return Settlement(
            burned, incurred, would_refuse, False, account.available_units(at), budgets=counted
        )

    def _moved(
        self,
        account: Account,
        rated: RatedMove | None,
        burned: tuple[Part, ...],
        incurred: Range | None,
    ) -> TotalsMoved | None:
        """Return what a charge's event says of totals."""
        if rated is None:
            return None
        paid = rated.told
        if rated.shares:
            payers = self.totals.payers
            if paid:
                payers = payers | payers_told(paid)
            falls = any(share.units < 0 for share in rated.shares)
            owed = account.unbilled() if falls else ()
            paid += share_out(rated.shares, payers, owed, burned, incurred).paid
        return TotalsMoved(rated.totals, paid, rated.closed_before)

    def _observed(self, rated: RatedMove | None) -> TotalsMoved | None:
        return TotalsMoved(rated.totals, (), rated.closed_before) if rated is not None else None

    def reverse(
        self,
        asset: str,
        charge_id: str,
        units: int,
        forgiven: tuple[Range, ...],
        returned: Iterable[GrantReturn],
        at: datetime,
        *,
        budgets: tuple[BudgetCount, ...] = (),
        rated: TotalsMoved | None = None,
    ) -> None:
        """Give back what a refund returns. What may not stay is taken off by the caller.

        budgets: how far what they have spent falls (`Budgets.lowered`). rated: what of
        totals it changes.
        """
        lowered = [self.budgets.by_id[budget_id] for budget_id, _ in budgets]
        before = self.budgets.marks(lowered, at)
        self.record(
            ChargeReversed(
                self.id,
                self.next_version(),
                at,
                asset,
                charge_id,
                units,
                forgiven,
                tuple(returned),
                budgets,
                rated,
            )
        )
        for budget, was, now in zip(lowered, before, self.budgets.marks(lowered, at), strict=True):
            tell_crossed(self, budget, was, now, at)
        self.tell_returned(asset, at)

    def tell_returned(self, asset: str, at: datetime) -> None:
        """Tell what ends where an account gets something back."""
        for source in sorted(self.accounts[asset].used_up):
            self._tell_source(asset, source, at)
        self._tell_overage(asset, at)

    def lapse_return(self, asset: str, grant_id: str, at: datetime) -> None:
        """Let what a refund returned to an expired grant expire at once."""
        self._expire(asset, grant_id, at, at)

    # Holds

    def authorize(
        self,
        asset: Asset,
        hold_id: str,
        charge_id: str,
        meter: str,
        units: int,
        occurred_at: datetime,
        expires_at: datetime,
        at: datetime,
        *,
        subject: str | None = None,
        derived: Sequence[DerivedBudget] = (),
    ) -> tuple[tuple[Part, ...], int]:
        """Set an estimate aside; answer the pinned parts and the balance after.

        Raises, first match wins: InvalidState (frozen), SpendLimitReached,
        InsufficientFunds.
        """
        if self.frozen:
            raise frozen(self.id)
        limits = self._allowing(asset, subject, derived, units, units, at)
        shadow = self.mode == "SHADOW"
        pinned, uncovered_units, account = self._set_aside(
            asset, meter, units, units, occurred_at, at, shadow=shadow
        )
        self.record(
            HoldPlaced(
                self.id,
                self.next_version(),
                at,
                asset.key,
                hold_id,
                charge_id,
                meter,
                units,
                pinned,
                uncovered_units,
                shadow,
                expires_at,
                subject,
            )
        )
        if limits is not None:
            limits.tell_crossed()
        return pinned, account.available_units(at)

    def extend_hold(
        self,
        asset: Asset,
        hold: OpenHold,
        added_units: int,
        occurred_at: datetime,
        expires_at: datetime,
        at: datetime,
        *,
        derived: Sequence[DerivedBudget] = (),
    ) -> tuple[tuple[Part, ...], int]:
        """Enlarge or lengthen a live hold; answer the parts pinned anew, the balance after.

        A hold stays what it was placed as: in SHADOW a real one still sets aside. Raises as
        `authorize`.
        """
        if self.frozen:
            raise frozen(self.id)
        pinned: tuple[Part, ...] = ()
        uncovered_units = 0
        account = self.accounts[asset.key]
        limits: Limits | None = None
        if not hold.shadow:
            limits = self._allowing(
                asset, hold.subject, derived, hold.held_units + added_units, added_units, at
            )
            pinned, uncovered_units, account = self._set_aside(
                asset,
                hold.meter,
                added_units,
                hold.held_units + added_units,
                occurred_at,
                at,
                shadow=False,
            )
        self.record(
            HoldExtended(
                self.id,
                self.next_version(),
                at,
                asset.key,
                hold.hold_id,
                added_units,
                pinned,
                uncovered_units,
                expires_at,
            )
        )
        if limits is not None:
            limits.tell_crossed()
        return pinned, account.available_units(at)

    def capture(
        self,
        asset: Asset,
        hold: OpenHold,
        charge_id: str,
        units: int,
        at: datetime,
        *,
        final: bool,
        delivered: bool,
        derived: Sequence[DerivedBudget] = (),
        rated: RatedMove | None = None,
    ) -> Settlement:
        """Settle a live hold, or a part of it, at its true cost. rated: the totals it moves.

        What the capture takes beyond the hold comes from what is available, then from
        overage where that is allowed or the work `delivered`. Raises, first match wins:
        InvalidState (frozen), SpendLimitReached, InsufficientFunds, all for what is above
        the hold; the hold stands.
        """
        account = self.accounts[asset.key]
        observed = self.mode == "SHADOW"
        set_aside_units = 0 if hold.shadow else hold.held_units
        uncovered_units = 0 if hold.shadow else hold.uncovered_units
        beyond_units = account.available_for_units(hold.meter, at, at)
        payable_units = set_aside_units + beyond_units
        above = units > set_aside_units
        if units > hold.held_units and self.frozen and not delivered:
            raise frozen(self.id)
        limits = self.limits(asset.key, hold.subject, derived, at)
        reached = None
        if limits is not None and above:
            reached = limits.reached(asset, units, units - set_aside_units)
        if reached is not None and self.mode == "CONTROL" and not delivered:
            raise reached
        would_refuse = (above or uncovered_units > 0) and beyond_limit(
            units, payable_units, account.limit_units
        )
        if would_refuse and above and self.mode == "CONTROL" and not delivered:
            raise InsufficientFunds(
                asset=asset.key,
                scale=asset.scale,
                required_units=units,
                available_units=payable_units,
            )

        # Nothing may fail from here on.
        would_refuse = would_refuse or reached is not None
        counts, counted = self._changed(limits, units)
        burned_pinned: tuple[Part, ...] = ()
        burned: tuple[Part, ...] = ()
        incurred: Range | None = None
        if not observed:
            pinners = [account.grants[grant_id] for grant_id in hold.pinned]
            burned_pinned, rest_units = burn_pinned(pinners, hold.pinned, units)
            burned, rest_units = burn_down(account.payers(hold.meter), rest_units, at, at)
            incurred = _incurred(account, rest_units)
        kept = dict(hold.pinned)
        for grant_id, part in burned_pinned:
            kept[grant_id] -= part
        burned_pinned_units = sum(part for _, part in burned_pinned)
        taken_units = 0 if observed else min(units, hold.held_units)
        uncovered_released_units = min(uncovered_units, taken_units - burned_pinned_units)
        released: tuple[Part, ...] = ()
        released_units = taken_units - burned_pinned_units
        if final:
            released = tuple((grant_id, part) for grant_id, part in kept.items() if part)
            released_units = hold.held_units - burned_pinned_units
            uncovered_released_units = uncovered_units
        paid_by = merged(burned_pinned, burned)
        moved = (
            self._observed(rated) if observed else self._moved(account, rated, paid_by, incurred)
        )
        touched = [account.changing(g) for g, _ in merged(paid_by, released)]
        self.record(
            HoldCaptured(
                self.id,
                self.next_version(),
                at,
                asset.key,
                hold.hold_id,
                charge_id,
                units,
                burned_pinned,
                burned,
                incurred,
                released,
                uncovered_released_units,
                released_units,
                final,
                observed,
                counts,
                moved,
            )
        )
        self._tell_exhausted(touched, at)
        if incurred is not None:
            self._tell_overage(asset.key, at)
        self._settle_dead(asset.key, merged(burned_pinned, released), at, at)
        if limits is not None:
            limits.tell_crossed()
        return Settlement(
            paid_by,
            incurred,
            would_refuse,
            observed,
            account.available_units(at),
            burned_pinned,
            hold.held_units,
            counted,
        )

    def release(self, hold: OpenHold, at: datetime) -> None:
        """Give a live hold back."""
        released = tuple(hold.pinned.items())
        limits = self.limits(hold.asset, hold.subject, (), at)
        self.record(
            HoldReleased(
                self.id,
                self.next_version(),
                at,
                hold.asset,
                hold.hold_id,
                released,
                hold.held_units,
            )
        )
        self._pending_events.append(
            AuthorizationReleased(hold.charge_id, hold.charge_version + 1, at, "RELEASED", None)
        )
        if limits is not None:
            limits.tell_crossed()
        self._settle_dead(hold.asset, released, at, at)

    def _set_aside(
        self,
        asset: Asset,
        meter: str,
        units: int,
        required_units: int,
        occurred_at: datetime,
        at: datetime,
        *,
        shadow: bool,
    ) -> tuple[tuple[Part, ...], int, Account]:
        account = self.accounts.get(asset.key)
        payable_units = account.available_for_units(meter, occurred_at, at) if account else 0
        limit_units = account.limit_units if account else 0
        if self.mode == "CONTROL" and beyond_limit(units, payable_units, limit_units):
            raise InsufficientFunds(
                asset=asset.key,
                scale=asset.scale,
                required_units=required_units,
                available_units=payable_units + required_units - units,
            )
        if account is None:
            account = self._account(asset, at)
        if shadow:
            return (), 0, account
        pinned, uncovered_units = burn_down(account.payers(meter), units, occurred_at, at)
        return pinned, uncovered_units, account

    # Limits

    def limits(
        self, asset: str, subject: str | None, derived: Sequence[DerivedBudget], at: datetime
    ) -> Limits | None:
        """Return what limits spending of a subject; None if nothing does."""
        budgets = self.budgets
        if not budgets.by_id and not derived and asset not in budgets.maxima:
            return None
        return Limits(self, asset, subject, derived, at)

    def window_of(self, budget: Budget, at: datetime) -> Window:
        """Return the budget's window at `at`: the one it has, or the next that `at` lies in."""
        if not budget.over(at):
            return budget.starts_at, budget.resets_at
        return self.new_window(budget.period, budget.timezone, budget.week_start, at)

    def new_window(
        self, period: BudgetPeriod, timezone: str | None, week_start: int, at: datetime
    ) -> Window:
        """Return the window that `at` lies in. timezone: None for the customer's."""
        cycle = self._cycle_at(at) if period == "CYCLE" else None
        return window_of(period, timezone or self.timezone, week_start, at, cycle)

    def _cycle_at(self, at: datetime) -> tuple[datetime, datetime] | None:
        """Return the running cycle of the oldest live subscription."""
        for each in self.enrolments.values():
            cycle = each.cycle_window
            if each.running and cycle.starts_at <= at < cycle.ends_at:
                return cycle.starts_at, cycle.ends_at
        return None

    def set_budget(
        self,
        subject: str,
        asset: Asset,
        limit_units: int,
        period: BudgetPeriod,
        timezone: str | None,
        week_start: int,
        at: datetime,
    ) -> Budget:
        """Set a budget, which starts with nothing spent; one that is there keeps its count.
        The same again writes nothing.
        """
        before = self.budgets.like(subject, asset.key, period)
        if before is None:
            budget_id = derived_id("budget", self.id, str(self.next_version()))
            window = self.new_window(period, timezone, week_start, at)
            spent_units = mark = 0
        else:
            terms = (before.limit_units, before.timezone, before.week_start)
            if terms == (limit_units, timezone, week_start):
                return before
            budget_id = before.budget_id
            spent_units = before.spent_at(at)
            mark = before.mark_of(self.budgets.used_units(before, at))
            window = before.starts_at, before.resets_at
            if terms[1:] != (timezone, week_start) or before.over(at):
                window = self.new_window(period, timezone, week_start, at)
        self._account(asset, at)
        self.record(
            BudgetSet(
                self.id,
                self.next_version(),
                at,
                budget_id,
                subject,
                asset.key,
                limit_units,
                period,
                timezone,
                week_start,
                *window,
                spent_units,
            )
        )
        budget = self.budgets.by_id[budget_id]
        if before is not None:
            now = budget.mark_of(self.budgets.used_units(budget, at))
            tell_crossed(self, budget, mark, now, at)
        return budget

    def lower(
        self, derived: Iterable[DerivedBudget], recorded_at: datetime, units: int, at: datetime
    ) -> None:
        """Take what is given back of a charge off derived budgets, in the window where it
        was recorded.
        """
        for budget in derived:
            if budget.over(at) or recorded_at < budget.starts_at or not budget.spent_units:
                continue
            was = budget.mark_of(self.budgets.used_units(budget, at))
            budget.count(-units)
            budget.counted_at = at
            self.counted[budget.budget_id] = budget
            now = budget.mark_of(self.budgets.used_units(budget, at))
            tell_crossed(self, budget, was, now, at)

    def remove_budget(self, budget_id: str, at: datetime) -> None:
        self.record(BudgetRemoved(self.id, self.next_version(), at, budget_id))

    def set_event_maximum(self, asset: Asset, maximum_units: int | None, at: datetime) -> None:
        """Set the most that one event may take; None: no limit. The same again writes nothing."""
        if maximum_units == self.budgets.maxima.get(asset.key):
            return
        self._account(asset, at)
        self.record(EventMaximumSet(self.id, self.next_version(), at, asset.key, maximum_units))

    def _allowing(
        self,
        asset: Asset,
        subject: str | None,
        derived: Sequence[DerivedBudget],
        event_units: int,
        added_units: int,
        at: datetime,
    ) -> Limits | None:
        """Return the limits of what is to be held, which allow it in CONTROL."""
        limits = self.limits(asset.key, subject, derived, at)
        if limits is not None and self.mode == "CONTROL":
            reached = limits.reached(asset, event_units, added_units)
            if reached is not None:
                raise reached
        return limits

    def _changed(
        self, limits: Limits | None, units: int
    ) -> tuple[tuple[BudgetCount, ...], tuple[str, ...]]:
        """Return how budgets change, and the ids of all that are counted against."""
        if limits is None or not units:
            return (), ()
        return limits.changes(units), limits.ids

    def _counted(
        self, limits: Limits | None, units: int
    ) -> tuple[tuple[BudgetCount, ...], tuple[str, ...]]:
        """The same, folded at once: the event comes later."""
        counts, counted = self._changed(limits, units)
        if counts:
            self.budgets.count(counts)
        return counts, counted

    # What is told and asked for

    def set_alert(self, asset: Asset, below_units: int | None, at: datetime) -> None:
        """Tell when the balance is below; None: no more. The same again writes nothing."""
        watch = self.watches.get(asset.key)
        if below_units == (watch.alert_units if watch is not None else None):
            return
        self._account(asset, at)
        self.record(AlertSet(self.id, self.next_version(), at, asset.key, below_units))
        look_at(self, self.watches[asset.key], at, at, asks=False, quoting=no_quotes)

    def set_auto_top_up(self, asset: Asset, terms: TopUpTerms | None, at: datetime) -> None:
        """Buy when the balance is below; None: no more. Asks for nothing yet.

        The same again writes nothing, unless it lifts a suspension.
        """
        watch = self.watches.get(asset.key)
        if watch is None and terms is None:
            return
        if watch is not None and watch.terms == terms and not (watch.declines or watch.suspended):
            return
        self._account(asset, at)
        self.record(AutoTopUpSet(self.id, self.next_version(), at, asset.key, terms))

    def resume_auto_top_up(self, asset: Asset, at: datetime) -> None:
        """Lift a suspension. What is not suspended writes nothing."""
        if self.watches[asset.key].suspended:
            self.record(AutoTopUpResumed(self.id, self.next_version(), at, asset.key))

    def watched_units(self, at: datetime) -> dict[str, int]:
        """Return what is available of each watched asset."""
        accounts = self.accounts
        return {
            asset: accounts[asset].available_units(at) if asset in accounts else 0
            for asset in self.watches
        }

    def look(self, before: dict[str, int], at: datetime, quoting: Quoting) -> None:
        """Tell and ask for what a command has made due. before: `watched_units` then."""
        now = self.watched_units(at)
        for asset, units in before.items():
            look_at(self, self.watches[asset], at, at, asks=now[asset] < units, quoting=quoting)

    def note_crossing(self, event: ThresholdCrossed) -> None:
        up = event.direction == "UP"
        if event.kind == "BALANCE_LOW":
            self.watches[event.asset].alerted = up
        elif event.kind == "RUNAWAY_TOP_UP":
            self.watches[event.asset].runaway = up
        elif event.kind == "FIRST_OVERAGE":
            self.accounts[event.asset].in_overage = up
        elif event.kind == "GRANT_SOURCE_EXHAUSTED":
            assert event.about is not None
            used_up = self.accounts[event.asset].used_up
            (used_up.add if up else used_up.discard)(event.about)
        elif event.kind == "UNPRICED_USAGE":
            assert event.about is not None
            (self.unpriced.add if up else self.unpriced.discard)(event.about)

    # Settings

    def set_limit(self, asset: Asset, limit_units: int | None, at: datetime) -> None:
        """Set how far overage may go; None: without limit. The same again writes nothing."""
        account = self.accounts.get(asset.key)
        if limit_units == (account.limit_units if account else 0):
            return
        self._account(asset, at)
        self.record(LimitSet(self.id, self.next_version(), at, asset.key, limit_units))

    def set_mode(self, mode: WalletMode, at: datetime) -> None:
        if mode != self.mode:
            self.record(ModeChanged(self.id, self.next_version(), at, mode))

    def set_timezone(self, timezone: str, at: datetime) -> None:
        if timezone != self.timezone:
            self.record(TimezoneSet(self.id, self.next_version(), at, timezone))

    def freeze(self, reason: str, at: datetime) -> None:
        if not self.frozen:
            self.record(WalletFrozen(self.id, self.next_version(), at, {"reason": reason}))

    def unfreeze(self, at: datetime) -> None:
        if self.frozen:
            self.record(WalletUnfrozen(self.id, self.next_version(), at))

    # Writing

    def also(self, event: Event) -> None:
        """State an event of another stream that this wallet's lock guards."""
        self._pending_events.append(event)

    @property
    def waiting(self) -> bool:
        """Whether charges wait to be stated as one event."""
        return self._tally is not None or bool(self.counted)

    def next_version(self) -> int:
        """Return the version of the next event, once waiting charges have theirs."""
        if self._tally is not None:
            self._state(self._tally)
        return self.version + 1

    def seal(self) -> None:
        """State the charges that wait as one event, and what derived budgets have spent."""
        if self._tally is not None:
            self._state(self._tally)
        if self.counted:
            self._state_counted()

    def _state(self, tally: _Tally) -> None:
        """State the charges of a tally as one event."""
        self._tally = None
        budgets = tuple(tally.budgets.items())
        rated = tally.moved.stated() if tally.moved is not None else None
        event: Any
        if tally.observed:
            event = UsageObserved(
                self.id,
                self.version + 1,
                tally.at,
                tally.asset,
                tally.units,
                tuple(tally.charge_ids),
                budgets,
                rated,
            )
        else:
            event = UsageDebited(
                self.id,
                self.version + 1,
                tally.at,
                tally.asset,
                tally.units,
                tuple(tally.burned.items()),
                tally.overage,
                tuple(tally.charge_ids),
                budgets,
                rated,
            )
        # Each charge was folded when it was decided.
        self._version += 1
        self._modified_on = tally.at
        self._pending_events.append(event)

    def _tell(
        self,
        account: Account,
        charge_id: str,
        units: int,
        burned: tuple[Part, ...],
        incurred: Range | None,
        observed: bool,
        at: datetime,
        counts: tuple[BudgetCount, ...] = (),
        moved: TotalsMoved | None = None,
    ) -> None:
        tally = self._tally
        if (
            tally is None
            or tally.asset != account.asset
            or tally.observed != observed
            or tally.at != at
        ):
            if tally is not None:
                self._state(tally)
            tally = self._tally = _Tally(account.asset, observed, at)
        tally.units += units
        for grant_id, part in burned:
            tally.burned[grant_id] = tally.burned.get(grant_id, 0) + part
        if incurred is not None:
            start = tally.overage[0] if tally.overage else incurred[0]
            tally.overage = (start, incurred[1])
        tally.charge_ids.append(charge_id)
        for budget_id, change in counts:
            tally.budgets[budget_id] = tally.budgets.get(budget_id, 0) + change
        if moved is not None:
            self.totals.move(moved)
            if tally.moved is None:
                tally.moved = MovedTotals()
            tally.moved.add(moved)

    def _state_counted(self) -> None:
        """State what derived budgets have spent, each once, in streams of their own."""
        for budget in self.counted.values():
            assert budget.counted_at is not None
            budget.version += 1
            self._pending_events.append(
                BudgetCounted(
                    budget.budget_id,
                    budget.version,
                    budget.counted_at,
                    self.id,
                    self.customer_id,
                    budget.template_id,
                    budget.subject,
                    budget.asset,
                    budget.starts_at,
                    budget.resets_at,
                    budget.spent_units,
                )
            )
            budget.counted_at = None
        self.counted = {}

    def _tell_exhausted(self, grants: Iterable[OpenGrant], at: datetime) -> None:
        sources: dict[tuple[str, str], None] = {}
        for grant in grants:
            if not grant.remaining_units and grant.status == "ACTIVE":
                self._pending_events.append(
                    GrantExhausted(grant.terms.grant_id, grant.stream_version, at, figures(grant))
                )
                sources[grant.terms.asset, grant.terms.source] = None
        for asset, source in sources:
            self._tell_source(asset, source, at)

    def _tell_source(self, asset: str, source: str, at: datetime) -> None:
        """Tell when the last usable grant of a source is burned; when there is one again."""
        if self._postponed is not None:
            self._postponed[asset, source] = None
            return
        account = self.accounts[asset]
        left = account.has_left(source)
        if left == (source in account.used_up):
            after = None if left else account.next_source()
            direction: Direction = "DOWN" if left else "UP"
            self._tell_crossing("GRANT_SOURCE_EXHAUSTED", direction, asset, 0, at, source, after)

    def _tell_overage(self, asset: str, at: datetime) -> None:
        """Tell when overage is owed where none was; when none is owed any more."""
        if self._postponed is not None:
            self._postponed[asset, None] = None
            return
        account = self.accounts[asset]
        if account.in_overage != (account.owed_units > 0):
            direction: Direction = "DOWN" if account.in_overage else "UP"
            self._tell_crossing("FIRST_OVERAGE", direction, asset, account.owed_units, at)

    def tell_unpriced(self, asset: str, lines: Iterable[RatedLine], at: datetime) -> None:
        """Tell when usage of a meter meets no price; when it meets one again."""
        for line in lines:
            if (line.price is None) != (line.meter in self.unpriced):
                direction: Direction = "UP" if line.price is None else "DOWN"
                self._tell_crossing("UNPRICED_USAGE", direction, asset, 0, at, line.meter)

    def _tell_postponed(self, at: datetime) -> None:
        postponed, self._postponed = self._postponed, None
        for asset, source in postponed or ():
            if source is None:
                self._tell_overage(asset, at)
            else:
                self._tell_source(asset, source, at)

    def _tell_crossing(
        self,
        kind: ThresholdKind,
        direction: Direction,
        asset: str,
        units: int,
        at: datetime,
        about: str | None = None,
        next_source: str | None = None,
    ) -> None:
        self.record(
            ThresholdCrossed(
                self.id,
                self.next_version(),
                at,
                kind,
                direction,
                asset,
                0,
                units,
                about,
                None,
                next_source,
            )
        )

    def _settle_dead(
        self, asset: str, parts: Iterable[Part], due_at: datetime, at: datetime
    ) -> None:
        """What a hold gave back to a grant that died meanwhile expires or is revoked."""
        account = self.accounts[asset]
        for grant_id, _ in parts:
            grant = account.grants.get(grant_id)
            if grant is None or grant.status == "ACTIVE":
                continue
            if grant.held_units and not grant.free_units:
                continue
            if grant.status == "LAPSED":
                self._expire(asset, grant_id, due_at, at)
                continue
            units = grant.free_units
            after = self.revoke(asset, grant_id, units, "HOLD_RETURN", None, at)
            self._pending_events.append(
                GrantReturnRevoked(grant_id, grant.stream_version, at, units, after)
            )

    def _account(self, asset: Asset, at: datetime) -> Account:
        if asset.key not in self.accounts:
            self.record(AccountOpened(self.id, self.next_version(), at, asset.key, asset.scale))
        return self.accounts[asset.key]

    # Snapshots

    def state(self) -> WalletState:
        return self._state_with(account.state() for account in self.accounts.values())

    def _state_with(self, accounts: Iterable[AccountState]) -> WalletState:
        return WalletState(
            self.customer_id,
            self.mode,
            self.frozen,
            tuple(accounts),
            tuple(self.holds.values()),
            self.timezone,
            self.months,
            self.budgets.state(),
            tuple(self.enrolments.values()),
            self.allotments,
            tuple(replace(watch) for watch in self.watches.values()),
            self.totals.state(),
            tuple(sorted(self.unpriced)),
        )

    @classmethod
    def restored(cls, wallet_id: str, version: int, at: datetime, state: WalletState) -> Wallet:
        """Return the wallet that a snapshot kept."""
        wallet = cls.__new__(cls)
        wallet.__base_init__(wallet_id, version, at)
        wallet.open(state.customer_id, state.mode, state.timezone)
        wallet.months = state.months
        wallet.frozen = state.frozen
        wallet.unpriced = set(state.unpriced)
        wallet.budgets = Budgets.restored(state.budgets)
        wallet.totals = Totals.restored(state.totals)
        for account in state.accounts:
            wallet.accounts[account.asset] = Account.restored(account, wallet.due)
        for hold in state.holds:
            wallet.admit_hold(
                OpenHold(
                    hold.hold_id,
                    hold.charge_id,
                    hold.asset,
                    hold.meter,
                    hold.held_units,
                    hold.uncovered_units,
                    hold.shadow,
                    hold.expires_at,
                    hold.charge_version,
                    dict(hold.pinned),
                    hold.subject,
                )
            )
            if not hold.shadow:
                wallet.budgets.hold(hold.asset, hold.subject, hold.held_units)
        for enrolment in state.enrolments:
            wallet.enrol(enrolment, state.allotments)
        wallet.allotments = state.allotments
        for watch in state.watches:
            kept = wallet.watches[watch.asset] = replace(watch, wait_ends_at=None)
            wallet.wait_until(kept, watch.wait_ends_at)
        return wallet

    def copied(self) -> Wallet:
        """Return a copy to decide upon and throw away."""
        self.seal()
        return self._as_it_is()

    def _as_it_is(self) -> Wallet:
        copied = Wallet.restored(self.id, self.version, self.recorded_at, self._state_with(()))
        copied.due = list(self.due)
        for asset, account in self.accounts.items():
            copied.accounts[asset] = account.shared(copied.due)
        copied.write_to([])
        return copied

    @property
    def pending_events(self) -> list[Any]:
        """What was decided and is not committed, in order; shared by a unit of work."""
        return self._pending_events

    def as_of(self, at: datetime, catalog: Catalog | None = None) -> Wallet:
        """Return the wallet with what falls due by `at`, writing nothing."""
        if not self.due or self.due[0][0] > at:
            return self
        later = self._as_it_is()
        later.fall_due(at, catalog=catalog)
        return later


def _turn_key(enrolment: Enrolment, due_at: datetime) -> DueKey:
    return (due_at, SUBSCRIPTION_TURNS, "", enrolment.subscription_id)


def _wait_key(watch: Watch, until: datetime) -> DueKey:
    return (until, TOP_UP_WAIT_ENDS, watch.asset, "")


def figures(grant: OpenGrant) -> Figures:
    return Figures(grant.burned_units, grant.expired_units, grant.revoked_units)


def frozen(wallet_id: str) -> InvalidState:
    return InvalidState(
        state="FROZEN",
        reason=f"wallet {wallet_id} is frozen: unfreeze it, or report delivered work",
        passes_later=True,
    )


def _incurred(account: Account, units: int) -> Range | None:
    if not units:
        return None
    return (account.incurred_units, account.incurred_units + units)
