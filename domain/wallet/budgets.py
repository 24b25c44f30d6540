"""Budgets: how much a subject may spend in a window, checked with the balance.

A budget on a prefix of whole segments holds for all below it; the empty subject is the
whole wallet. What is held counts, whoever held it before the budget was set. Units of the
budget's asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.wallet.subjects import prefixes
from domain.wallet.windows import BudgetPeriod

MARKS = (50, 80, 100)
"""Percent of a budget at which it is told."""
BudgetCount = tuple[str, int]
"""A budget's id and the units by which what was spent changed."""


@dataclass(slots=True)
class Budget:
    """starts_at, resets_at: the window that `spent_units` were spent in; resets_at is None
    for TOTAL. timezone: None for the customer's; week_start: an ISO weekday.
    """

    budget_id: str
    subject: str
    asset: str
    limit_units: int
    period: BudgetPeriod
    timezone: str | None
    week_start: int
    starts_at: datetime
    resets_at: datetime | None
    spent_units: int = 0

    def over(self, at: datetime) -> bool:
        """Whether the window is over, so that nothing is spent yet."""
        return self.resets_at is not None and at >= self.resets_at

    def spent_at(self, at: datetime) -> int:
        return 0 if self.over(at) else self.spent_units

    def mark_of(self, used_units: int) -> int:
        """Return the highest of MARKS that is reached; 0 for none, and for a limit of 0."""
        reached = 0
        if used_units * 2 >= self.limit_units > 0:
            hundredfold = used_units * 100
            for mark in MARKS:
                if hundredfold >= self.limit_units * mark:
                    reached = mark
        return reached

    def count(self, units: int) -> int:
        """Add to what was spent, never below nothing; return by how much it changed."""
        change = max(units, -self.spent_units)
        self.spent_units += change
        return change


@dataclass(frozen=True, slots=True)
class BudgetsState:
    """Budgets as a snapshot keeps them. maxima: (asset, units) of one event."""

    budgets: tuple[Budget, ...] = ()
    maxima: tuple[tuple[str, int], ...] = ()


NO_BUDGETS = BudgetsState()


@dataclass(slots=True)
class Budgets:
    """A wallet's budgets by id and by what they are on. `held`: of open holds, by asset and
    every prefix of their subjects.
    """

    by_id: dict[str, Budget] = field(default_factory=dict)
    maxima: dict[str, int] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    _on: dict[tuple[str, str], list[Budget]] = field(default_factory=dict)

    # Asking

    def matching(self, asset: str, subject: str | None) -> list[Budget]:
        """Return the budgets that a charge of `subject` counts against, the outermost first."""
        found: list[Budget] = []
        if self._on:
            for prefix in prefixes(subject):
                found += self._on.get((asset, prefix), ())
        return found

    def held_units(self, budget: Budget) -> int:
        return self.held.get((budget.asset, budget.subject), 0)

    def used_units(self, budget: Budget, at: datetime) -> int:
        """Return what was spent in the window of `at`, and what is held."""
        return budget.spent_at(at) + self.held_units(budget)

    def like(self, subject: str, asset: str, period: BudgetPeriod) -> Budget | None:
        """Return the budget that setting these again would change."""
        on = self._on.get((asset, subject), ())
        return next((budget for budget in on if budget.period == period), None)

    def used(self, budgets: Iterable[Budget], at: datetime) -> list[int]:
        """Return `used_units` of each."""
        if self.held:
            return [self.used_units(budget, at) for budget in budgets]
        # Not by methods: each charge asks twice, of each of its budgets.
        return [
            budget.spent_units if budget.resets_at is None or at < budget.resets_at else 0
            for budget in budgets
        ]

    def lowered(
        self, counted: Sequence[str], recorded_at: datetime, units: int, at: datetime
    ) -> tuple[BudgetCount, ...]:
        """Return what giving back `units` of a charge changes.

        counted: the budgets that it was counted against at `recorded_at`. A window that is
        over, or began after the charge, is left alone.
        """
        counts: list[BudgetCount] = []
        for budget_id in counted:
            budget = self.by_id.get(budget_id)
            if budget is not None and not budget.over(at) and recorded_at >= budget.starts_at:
                change = min(units, budget.spent_units)
                if change:
                    counts.append((budget_id, -change))
        return tuple(counts)

    # Folding

    def set(self, budget: Budget) -> None:
        self.remove(budget.budget_id)
        self.by_id[budget.budget_id] = budget
        self._on.setdefault((budget.asset, budget.subject), []).append(budget)

    def remove(self, budget_id: str) -> None:
        budget = self.by_id.pop(budget_id, None)
        if budget is not None:
            on = self._on[budget.asset, budget.subject]
            on[:] = [each for each in on if each.budget_id != budget_id]
            if not on:
                del self._on[budget.asset, budget.subject]

    def set_maximum(self, asset: str, units: int | None) -> None:
        if units is None:
            self.maxima.pop(asset, None)
        else:
            self.maxima[asset] = units

    def open_window(self, budget_id: str, starts_at: datetime, resets_at: datetime | None) -> None:
        budget = self.by_id[budget_id]
        budget.starts_at, budget.resets_at, budget.spent_units = starts_at, resets_at, 0

    def count(self, counts: Iterable[BudgetCount]) -> None:
        for budget_id, units in counts:
            self.by_id[budget_id].spent_units += units

    def hold(self, asset: str, subject: str | None, units: int) -> None:
        """Fold what a hold sets aside, or gives back if negative."""
        for prefix in prefixes(subject):
            key = (asset, prefix)
            held = self.held.get(key, 0) + units
            if held:
                self.held[key] = held
            else:
                self.held.pop(key, None)

    # Snapshots

    def state(self) -> BudgetsState:
        budgets = tuple(replace(budget) for budget in self.by_id.values())
        return BudgetsState(budgets, tuple(self.maxima.items()))

    @classmethod
    def restored(cls, state: BudgetsState) -> Budgets:
        budgets = cls()
        for budget in state.budgets:
            budgets.set(replace(budget))
        budgets.maxima.update(state.maxima)
        return budgets
