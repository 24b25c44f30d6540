"""What a wallet is: how its events are folded, and how a snapshot keeps it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from domain.aggregate import Aggregate
from domain.calendar.months import Months
from domain.rating.pricing import PricingSubscription
from domain.subscriptions.allotments import Allotment
from domain.subscriptions.enrolment import Enrolment
from domain.wallet.account import (
    SUBSCRIPTION_TURNS,
    TOP_UP_WAIT_ENDS,
    Account,
    AccountState,
    DueKey,
)
from domain.wallet.budgets import NO_BUDGETS, Budget, BudgetCount, Budgets, BudgetsState
from domain.wallet.derived_budgets import DerivedBudget
from domain.wallet.events import HoldCaptured, HoldExtended, HoldPlaced, WalletMode
from domain.wallet.holds import OpenHold
from domain.wallet.spend_events import ThresholdCrossed
from domain.wallet.tally import Tally
from domain.wallet.totals import NO_TOTALS, Totals, TotalsMoved, TotalsState
from domain.wallet.watches import Watch
from domain.wallet.windows import BudgetPeriod, Window, window_of

MOST_ENDED = 20  # subscriptions that are over, which late usage may still belong to


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


class WalletStanding(Aggregate):
    """Accounts, grants' remaining, holds. `due`: what time will change, soonest first."""

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
    _tally: Tally | None
    postponed: dict[tuple[str, str | None], None] | None

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
        self.postponed = None

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

    # Reading

    def time(self, now: datetime) -> datetime:
        """Return the time of a decision: never before the stream's last event."""
        return max(now, self._modified_on)

    @property
    def pricing(self) -> tuple[PricingSubscription, ...]:
        """Return the subscriptions by which usage is priced, the oldest first."""
        return tuple(self.enrolments.values())

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

    def watched_units(self, at: datetime) -> dict[str, int]:
        """Return what is available of each watched asset."""
        accounts = self.accounts
        return {
            asset: accounts[asset].available_units(at) if asset in accounts else 0
            for asset in self.watches
        }

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
    def restored(cls, wallet_id: str, version: int, at: datetime, state: WalletState) -> Self:
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

    def _as_it_is(self) -> Self:
        copied = self.restored(self.id, self.version, self.recorded_at, self._state_with(()))
        copied.due = list(self.due)
        for asset, account in self.accounts.items():
            copied.accounts[asset] = account.shared(copied.due)
        copied.write_to([])
        return copied


def _turn_key(enrolment: Enrolment, due_at: datetime) -> DueKey:
    return (due_at, SUBSCRIPTION_TURNS, "", enrolment.subscription_id)


def _wait_key(watch: Watch, until: datetime) -> DueKey:
    return (until, TOP_UP_WAIT_ENDS, watch.asset, "")
