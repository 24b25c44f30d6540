"""Budgets as they are shown: with what is spent and held at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.wallet.budgets import Budget
from domain.wallet.derived_budgets import (
    BudgetCounted,
    BudgetTemplate,
    DerivedBudget,
    derived_budget_id,
    derived_subjects,
)
from domain.wallet.wallet import Wallet
from domain.wallet.windows import BudgetPeriod


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """Units of `asset`; resets_at: None for TOTAL."""

    budget_id: str
    customer_id: str
    subject: str
    asset: str
    limit_units: int
    period: BudgetPeriod
    timezone: str
    week_start: int
    spent_units: int
    held_units: int
    resets_at: datetime | None


def figures_of(wallet: Wallet, budget: Budget, at: datetime) -> BudgetFigures:
    return BudgetFigures(
        budget.budget_id,
        wallet.customer_id,
        budget.subject,
        budget.asset,
        budget.limit_units,
        budget.period,
        budget.timezone or wallet.timezone,
        budget.week_start,
        budget.spent_at(at),
        wallet.budgets.held_units(budget),
        wallet.window_of(budget, at)[1],
    )


def derived_budget(
    wallet: Wallet,
    template: BudgetTemplate,
    subject: str,
    counted: BudgetCounted | None,
    at: datetime,
) -> DerivedBudget:
    """Return the budget that a template makes of a subject, as its stream last told it."""
    if counted is not None:
        starts_at, resets_at = counted.starts_at, counted.resets_at
    else:
        starts_at, resets_at = wallet.new_window(template.period, None, 1, at)
    return DerivedBudget(
        derived_budget_id(wallet.id, template.template_id, subject),
        subject,
        template.asset,
        template.limit_units,
        template.period,
        None,
        1,
        starts_at,
        resets_at,
        counted.spent_units if counted is not None else 0,
        template.template_id,
        counted.originator_version if counted is not None else 0,
    )


def budgets_shown(
    wallet: Wallet,
    templates: tuple[BudgetTemplate, ...],
    counted: Mapping[str, BudgetCounted],
    at: datetime,
) -> list[BudgetFigures]:
    """Return set budgets, and derived ones that have spent or hold something.

    counted: the last event of each derived budget of the wallet that has one, by its id.
    """
    derived: dict[str, DerivedBudget] = {}
    of_template = {template.template_id: template for template in templates}
    for event in counted.values():
        template = of_template.get(event.template_id)
        if template is not None:
            budget = derived_budget(wallet, template, event.subject, event, at)
            derived[budget.budget_id] = budget
    for template, subject in _holding(wallet, templates):
        budget_id = derived_budget_id(wallet.id, template.template_id, subject)
        if budget_id not in derived:
            derived[budget_id] = derived_budget(wallet, template, subject, None, at)
    budgets: list[Budget] = [*wallet.budgets.by_id.values(), *derived.values()]
    budgets.sort(key=lambda budget: (budget.subject, budget.asset, budget.period))
    return [figures_of(wallet, budget, at) for budget in budgets]


def _holding(
    wallet: Wallet, templates: tuple[BudgetTemplate, ...]
) -> Iterable[tuple[BudgetTemplate, str]]:
    for asset, subject in wallet.budgets.held:
        for template, prefix in derived_subjects(templates, subject):
            if prefix == subject and template.asset == asset:
                yield template, subject
