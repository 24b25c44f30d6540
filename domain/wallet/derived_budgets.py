"""Budgets that a template makes of the subjects it names.

A wallet may have any number of them, so none stands in its state: what each has spent is a
stream of its own, whose last event says all. It is written in the INSERT of the charge that
it counts, by whoever holds the wallet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.identity import derived_id
from domain.wallet.budgets import Budget
from domain.wallet.subjects import matches, prefixes
from domain.wallet.windows import BudgetPeriod


@dataclass(frozen=True, slots=True)
class BudgetTemplate:
    """`pattern` names subjects; each gets a budget of these terms at its first sight."""

    template_id: str
    pattern: str
    asset: str
    limit_units: int
    period: BudgetPeriod


@dataclass(frozen=True)
class BudgetCounted(Event):
    """What a derived budget has spent in its window so far, whole."""

    TOPIC: ClassVar[str] = "budget.counted"
    wallet_id: str
    customer_id: str
    template_id: str
    subject: str
    asset: str
    starts_at: datetime
    resets_at: datetime | None
    spent_units: int

    def apply(self, aggregate: BudgetPointer) -> None:
        aggregate.wallet_id = self.wallet_id


@dataclass(frozen=True)
class BudgetOpened(Event):
    """The one event of a set budget's own stream: in which wallet it is kept."""

    TOPIC: ClassVar[str] = "budget.opened"
    wallet_id: str
    customer_id: str

    def apply(self, aggregate: BudgetPointer) -> None:
        aggregate.wallet_id = self.wallet_id


class BudgetPointer(Aggregate):
    """A budget's own stream: it says whose budget it is."""

    TOPIC = "budget"
    wallet_id: str


@dataclass(slots=True)
class DerivedBudget(Budget):
    """version: of its stream; 0 before anything was spent. counted_at: since it was last
    stated there, None if nothing was counted since.
    """

    template_id: str = ""
    version: int = 0
    counted_at: datetime | None = None


def derived_subjects(
    templates: tuple[BudgetTemplate, ...], subject: str | None
) -> list[tuple[BudgetTemplate, str]]:
    """Return the budgets that templates make for an event of `subject`: of each of its
    prefixes that a pattern names, the outermost first.
    """
    return [
        (template, prefix)
        for prefix in prefixes(subject)[1:]
        for template in templates
        if matches(template.pattern, prefix)
    ]


def derived_budget_id(wallet_id: str, template_id: str, subject: str) -> str:
    return derived_id("budget", wallet_id, template_id, subject)
