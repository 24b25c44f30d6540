"""Queries and mutations about how far a wallet may be spent."""

from __future__ import annotations

from typing import Annotated

import strawberry

from application.commands import spend_requests as requests
from domain.refusals import InvalidInput as WrongInput
from interfaces.graphql.budgets import (
    Budget,
    BudgetPeriod,
    BudgetTemplate,
    load_templates,
)
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import default, said
from interfaces.graphql.problems import InvalidInput, NotFound, Overloaded
from interfaces.graphql.results import WalletResult
from interfaces.graphql.scalars import ExactDecimal

BudgetResult = Annotated[
    Budget | InvalidInput | NotFound | Overloaded, strawberry.union("BudgetResult")
]
BudgetTemplateResult = Annotated[
    BudgetTemplate | InvalidInput | NotFound | Overloaded, strawberry.union("BudgetTemplateResult")
]


@strawberry.type
class SpendQueries:
    @field("Those of the tenant, by their patterns.")
    async def budget_templates(self, info: Info) -> list[BudgetTemplate]:
        return await load_templates(info.context)


@strawberry.type
class SpendMutations:
    @answering(
        BudgetResult,
        "A limit on a subject and all below it; on the whole wallet if `subject` is empty. Set "
        "again for the same subject, asset and period, it changes its limit. `timezone`: the "
        "customer's unless said; `weekStart`: an ISO weekday.",
    )
    async def set_budget(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        subject: str,
        asset: str,
        limit: ExactDecimal,
        period: BudgetPeriod,
        timezone: str | None = strawberry.UNSET,
        week_start: int | None = 1,
    ) -> object:
        return await perform(
            info,
            lambda: requests.SetBudget(
                customer_id,
                subject,
                asset,
                limit,
                period.value,
                said(timezone),
                default(week_start, otherwise=1),
            ),
        )

    @answering(BudgetResult, "Answers the budget as it was.")
    async def remove_budget(self, info: Info, *, id: strawberry.ID) -> object:
        return await perform(info, lambda: requests.RemoveBudget(id))

    @answering(
        BudgetTemplateResult,
        "A budget for each subject that the pattern names, of every customer; `*` is any "
        "characters but `/`.",
    )
    async def set_budget_template(
        self, info: Info, *, pattern: str, asset: str, limit: ExactDecimal, period: BudgetPeriod
    ) -> object:
        return await perform(
            info, lambda: requests.SetBudgetTemplate(pattern, asset, limit, period.value)
        )

    @answering(BudgetTemplateResult, "Its budgets end with it.")
    async def remove_budget_template(
        self, info: Info, *, pattern: str, asset: str, period: BudgetPeriod
    ) -> object:
        return await perform(
            info, lambda: requests.RemoveBudgetTemplate(pattern, asset, period.value)
        )

    @answering(
        WalletResult, "The most that one event may take. `maximum` must be said; null: no limit."
    )
    async def set_event_maximum(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        asset: str,
        maximum: ExactDecimal | None = strawberry.UNSET,
    ) -> object:
        def command() -> requests.SetEventMaximum:
            if maximum is strawberry.UNSET:
                raise WrongInput(field="maximum", reason="must be said; null means no limit")
            return requests.SetEventMaximum(customer_id, asset, maximum)

        return await perform(info, command)
