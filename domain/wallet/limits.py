"""What one decision is checked and counted against: the event maximum, then budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from domain.money.asset import Asset
from domain.refusals import SpendLimitReached
from domain.wallet.budgets import MARKS, Budget, BudgetCount
from domain.wallet.derived_budgets import DerivedBudget
from domain.wallet.spend_events import BudgetWindowOpened, ThresholdCrossed

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet

EVENT_MAXIMUM = "event-maximum"


class Limits:
    """The limits of one asset on one subject; the budgets the outermost first, set ones
    before derived ones.
    """

    __slots__ = ("_at", "_used", "_wallet", "budgets", "derived", "maximum_units")

    def __init__(
        self,
        wallet: Wallet,
        asset: str,
        subject: str | None,
        derived: Sequence[DerivedBudget],
        at: datetime,
    ) -> None:
        self._wallet = wallet
        self._at = at
        self.maximum_units = wallet.budgets.maxima.get(asset)
        self.budgets: list[Budget] = wallet.budgets.matching(asset, subject)
        self.derived = [budget for budget in derived if budget.asset == asset] if derived else []
        self.budgets += self.derived
        self._used = wallet.budgets.used(self.budgets, at)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple([budget.budget_id for budget in self.budgets])

    def reached(self, asset: Asset, event_units: int, added_units: int) -> SpendLimitReached | None:
        """Return the first limit that does not allow it.

        event_units: what one event takes in all; added_units: what of it is not held yet.
        """
        if added_units <= 0:
            return None
        maximum_units = self.maximum_units
        if maximum_units is not None and event_units > maximum_units:
            return SpendLimitReached(
                limit=EVENT_MAXIMUM,
                asset=asset.key,
                scale=asset.scale,
                allowed_units=maximum_units,
                spent_units=0,
                resets_at=None,
            )
        for budget, used_units in zip(self.budgets, self._used, strict=True):
            left_units = budget.limit_units - used_units
            if added_units > left_units:
                return SpendLimitReached(
                    limit=budget.budget_id,
                    asset=asset.key,
                    scale=asset.scale,
                    allowed_units=max(left_units, 0),
                    spent_units=budget.spent_at(self._at),
                    resets_at=self._wallet.window_of(budget, self._at)[1],
                )
        return None

    def changes(self, units: int) -> tuple[BudgetCount, ...]:
        """Return how an amount changes what set budgets have spent; their windows are opened
        first. Derived ones are counted at once: they state themselves.
        """
        if not units:
            return ()
        at, wallet = self._at, self._wallet
        counts: list[BudgetCount] = []
        for budget in self.budgets:
            opened = wallet.window_of(budget, at) if budget.over(at) else None
            if self.derived and isinstance(budget, DerivedBudget):
                if opened is not None:
                    budget.starts_at, budget.resets_at, budget.spent_units = *opened, 0
                budget.count(units)
                budget.counted_at = at
                wallet.counted[budget.budget_id] = budget
                continue
            if opened is not None:
                wallet.record(
                    BudgetWindowOpened(
                        wallet.id, wallet.next_version(), at, budget.budget_id, *opened
                    )
                )
            change = units if units > 0 else max(units, -budget.spent_units)
            counts.append((budget.budget_id, change))
        return tuple(counts)

    def tell_crossed(self) -> None:
        """State the marks that were crossed since these limits were looked up."""
        wallet, at = self._wallet, self._at
        used = wallet.budgets.used(self.budgets, at)
        for budget, was, now in zip(self.budgets, self._used, used, strict=True):
            if max(was, now) * 100 >= budget.limit_units * MARKS[0]:
                tell_crossed(wallet, budget, budget.mark_of(was), budget.mark_of(now), at)


def tell_crossed(wallet: Wallet, budget: Budget, was: int, now: int, at: datetime) -> None:
    """State each mark between two; on the way up the lowest first, down the highest first."""
    if was == now:
        return
    crossed = [mark for mark in MARKS if min(was, now) < mark <= max(was, now)]
    for mark in crossed if now > was else reversed(crossed):
        wallet.record(
            ThresholdCrossed(
                wallet.id,
                wallet.next_version(),
                at,
                "BUDGET_EXHAUSTED" if mark == 100 else "BUDGET_THRESHOLD",
                "UP" if now > was else "DOWN",
                budget.asset,
                mark,
                wallet.budgets.used_units(budget, at),
                budget.budget_id,
                budget.subject,
            )
        )


def changed(limits: Limits | None, units: int) -> tuple[tuple[BudgetCount, ...], tuple[str, ...]]:
    """Return how budgets change, and the ids of all that are counted against."""
    if limits is None or not units:
        return (), ()
    return limits.changes(units), limits.ids
