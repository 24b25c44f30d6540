"""How budgets, their templates and event maxima are set."""

from __future__ import annotations

from application.budgets import figures_of
from application.commands.answers import BudgetAnswer, BudgetTemplateAnswer, WalletAnswer
from application.commands.spend_requests import (
    RemoveBudget,
    RemoveBudgetTemplate,
    SetBudget,
    SetBudgetTemplate,
    SetEventMaximum,
)
from application.work import Work
from domain.aggregate import create
from domain.refusals import InvalidInput, NotFound
from domain.tenancy.tenant import Tenant
from domain.wallet import spend_control
from domain.wallet.derived_budgets import BudgetCounted, BudgetOpened, BudgetPointer


def set_budget(work: Work, command: SetBudget) -> BudgetAnswer:
    """Set what a subject may spend in a window; again, change it. Raises NotFound."""
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    units = asset.units(command.limit, "limit")
    at = wallet.time(work.now)
    is_new = wallet.budgets.like(command.subject, asset.key, command.period) is None
    budget = spend_control.set_budget(
        wallet,
        command.subject,
        asset,
        units,
        command.period,
        command.timezone,
        command.week_start,
        at,
    )
    if is_new:
        opened = BudgetOpened(budget.budget_id, 1, at, wallet.id, wallet.customer_id)
        create(BudgetPointer, opened, work.log)
    return BudgetAnswer(figures_of(wallet, budget, at), asset.scale)


def remove_budget(work: Work, command: RemoveBudget) -> BudgetAnswer:
    """Take a budget away; answer it as it was. Raises NotFound, InvalidInput (derived)."""
    missing = NotFound(what="budget", key=command.budget_id)
    budget_id = command.budget_id.lower()
    pointer = work.stream(BudgetPointer, budget_id)
    if pointer is None:
        raise missing
    wallet = work.wallet_by_id(pointer.wallet_id)
    budget = wallet.budgets.by_id.get(budget_id)
    if budget is None:
        if isinstance(work.known(budget_id)[0], BudgetCounted):
            raise InvalidInput(field="id", reason="made by a template: remove the template")
        raise missing
    at = wallet.time(work.now)
    answer = BudgetAnswer(figures_of(wallet, budget, at), work.asset(budget.asset).scale)
    spend_control.remove_budget(wallet, budget_id, at)
    return answer


def set_budget_template(work: Work, command: SetBudgetTemplate) -> BudgetTemplateAnswer:
    """Give each subject that the pattern names a budget; again, change it. Raises NotFound."""
    asset = work.asset(command.asset)
    units = asset.units(command.limit, "limit")
    tenant = work.required(Tenant, work.tenant_id, "tenant")
    at = max(work.now, tenant.recorded_at)
    template = tenant.set_budget_template(command.pattern, asset.key, units, command.period, at)
    work.overtake_tenant(tenant)
    return BudgetTemplateAnswer(template, asset.scale)


def remove_budget_template(work: Work, command: RemoveBudgetTemplate) -> BudgetTemplateAnswer:
    """Take a template away, and the budgets it made. Raises NotFound."""
    asset = work.asset(command.asset)
    tenant = work.required(Tenant, work.tenant_id, "tenant")
    template = tenant.budget_template(command.pattern, asset.key, command.period)
    if template is None:
        raise NotFound(what="budget template", key=command.pattern)
    tenant.remove_budget_template(template, max(work.now, tenant.recorded_at))
    work.overtake_tenant(tenant)
    return BudgetTemplateAnswer(template, asset.scale)


def set_event_maximum(work: Work, command: SetEventMaximum) -> WalletAnswer:
    """Set the most that one event may take. Raises NotFound."""
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    units = asset.units(command.maximum, "maximum") if command.maximum is not None else None
    spend_control.set_event_maximum(wallet, asset, units, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)
