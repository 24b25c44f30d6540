"""Budgets and their templates."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread

from application.budgets import BudgetFigures, budgets_shown
from domain.wallet import derived_budgets as ledger_budgets
from domain.wallet import wallet as ledger_wallet
from interfaces.graphql.context import RequestContext
from interfaces.graphql.nodes import Node
from interfaces.graphql.scalars import ExactDecimal, exact


@strawberry.enum
class BudgetPeriod(Enum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    CYCLE = "CYCLE"
    TOTAL = "TOTAL"


@strawberry.type(description="What a subject, and all below it, may spend in a window.")
class Budget(Node):
    customer_id: strawberry.ID
    subject: str = strawberry.field(description="Empty: the whole wallet.")
    asset: str
    limit: ExactDecimal
    period: BudgetPeriod
    timezone: str
    week_start: int = strawberry.field(description="ISO weekday; 1 is Monday.")
    spent: ExactDecimal = strawberry.field(description="In the running window.")
    held: ExactDecimal
    resets_at: datetime | None = strawberry.field(description="Null for TOTAL.")


@strawberry.type(description="Gives each subject that the pattern names a budget.")
class BudgetTemplate:
    pattern: str
    asset: str
    limit: ExactDecimal
    period: BudgetPeriod


def budget_of(figures: BudgetFigures, scale: int) -> Budget:
    return Budget(
        id=strawberry.ID(figures.budget_id),
        customer_id=strawberry.ID(figures.customer_id),
        subject=figures.subject,
        asset=figures.asset,
        limit=exact(figures.limit_units, scale),
        period=BudgetPeriod(figures.period),
        timezone=figures.timezone,
        week_start=figures.week_start,
        spent=exact(figures.spent_units, scale),
        held=exact(figures.held_units, scale),
        resets_at=figures.resets_at,
    )


def template_of(template: ledger_budgets.BudgetTemplate, scale: int) -> BudgetTemplate:
    return BudgetTemplate(
        pattern=template.pattern,
        asset=template.asset,
        limit=exact(template.limit_units, scale),
        period=BudgetPeriod(template.period),
    )


async def load_budgets(
    context: RequestContext, wallet: ledger_wallet.Wallet, at: datetime, *, past: bool
) -> list[Budget]:
    """Return a wallet's budgets; of the past, those that were set."""
    reader, tenant_id = context.runtime.reader, context.caller.tenant_id
    templates: tuple[ledger_budgets.BudgetTemplate, ...] = ()
    counted: dict[str, ledger_budgets.BudgetCounted] = {}
    if not past:
        tenant = await to_thread.run_sync(reader.tenant, tenant_id)
        templates = tenant.budget_templates
    if templates:
        await context.wait_for_lists(wallet.customer_id)
        read_models = context.runtime.read_models
        counted = await to_thread.run_sync(read_models.derived_budgets, tenant_id, wallet.id)
    shown = budgets_shown(wallet, templates, counted, at)
    return [budget_of(each, await context.loaders.scale(each.asset)) for each in shown]


async def load_budget(context: RequestContext, budget_id: str) -> Budget | None:
    """Return a budget by its id, set or derived."""
    pointer = await context.loaders.budgets.load(budget_id)
    wallet = await context.loaders.wallets.load(pointer.wallet_id) if pointer else None
    if wallet is None:
        return None
    at = await context.loaders.now()
    budgets = await load_budgets(context, wallet, at, past=False)
    return next((budget for budget in budgets if budget.id == budget_id), None)


async def load_templates(context: RequestContext) -> list[BudgetTemplate]:
    reader = context.runtime.reader
    tenant = await to_thread.run_sync(reader.tenant, context.caller.tenant_id)
    ordered = sorted(
        tenant.budget_templates, key=lambda each: (each.pattern, each.asset, each.period)
    )
    return [template_of(each, await context.loaders.scale(each.asset)) for each in ordered]
