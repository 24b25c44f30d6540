"""Queries and mutations about a tenant's policies, accounts, rates and months."""

from __future__ import annotations

from typing import Annotated

import strawberry
from anyio import to_thread

from application.commands import accounting_requests as requests
from domain.refusals import InvalidInput as WrongInput
from interfaces.graphql.accounting import (
    AccountingPeriod,
    AccountingPolicy,
    AccountMapping,
    AccountMappings,
    BreakageMethod,
    LossPolicy,
    PromotionalPolicy,
    accounts_of,
    load_accounting,
    load_period,
    load_policies,
)
from interfaces.graphql.coercion import made_at_once
from interfaces.graphql.commands import answered, perform, refused
from interfaces.graphql.context import Info
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import MoneyInput, said
from interfaces.graphql.journal import finance_models
from interfaces.graphql.problems import InvalidInput, InvalidState, Overloaded, PeriodClosed
from interfaces.graphql.scalars import ExactDecimal

PeriodResult = Annotated[
    AccountingPeriod | InvalidInput | InvalidState | PeriodClosed | Overloaded,
    strawberry.union("PeriodResult"),
]
AccountMappingResult = Annotated[
    AccountMappings | InvalidInput | Overloaded, strawberry.union("AccountMappingResult")
]


@made_at_once
@strawberry.input(
    description="What is left out stays as it was. `portfolio`: asset:KEY, source:SOURCE or "
    "product:key; without it the tenant's default."
)
class AccountingPolicyInput:
    promotional: PromotionalPolicy | None
    breakage_method: BreakageMethod | None
    breakage_estimate: ExactDecimal | None
    portfolio: str | None
    escheat_share: ExactDecimal | None
    remote_months: int | None
    refundable_days: int | None
    loss: LossPolicy | None
    bundle_election_note: str | None
    evidence: str | None
    effective_from: str
    timezone: str | None
    functional_currency: str | None

    def command(self, *, begun: bool) -> requests.SetAccountingPolicy:
        return requests.SetAccountingPolicy(
            self.effective_from,
            self.portfolio,
            self.promotional.value if self.promotional else None,
            self.breakage_method.value if self.breakage_method else None,
            self.breakage_estimate,
            self.escheat_share,
            self.remote_months,
            self.refundable_days,
            self.loss.value if self.loss else None,
            self.bundle_election_note,
            self.evidence,
            self.timezone,
            self.functional_currency,
            begun,
        )


@strawberry.type
class AccountingQueries:
    @field("The chart of accounts, by the tenant's codes and names.")
    async def accounts(self, info: Info) -> list[AccountMapping]:
        accounting = await load_accounting(info.context)
        return accounts_of(accounting.mapping if accounting is not None else {})

    @field("What holds in a month: the tenant's default first, then each portfolio's.")
    async def accounting_policies(self, info: Info, *, month: str) -> list[AccountingPolicy]:
        requests.month(month, "month")
        return await load_policies(info.context, month)

    @field("An accounting month, open or closed.")
    async def period(self, info: Info, *, month: str) -> AccountingPeriod:
        requests.month(month, "month")
        return await load_period(info.context, month)


@strawberry.type
class AccountingMutations:
    @answering(
        PeriodResult,
        "From `effectiveFrom` on. Method, estimate and escheat share reach all living grants, by "
        "catch-up; answers that month.",
    )
    async def set_accounting_policy(self, info: Info, *, input: AccountingPolicyInput) -> object:
        begun = False
        if input.timezone is not None or input.functional_currency is not None:
            models, tenant_id = await finance_models(info.context)
            begun = await to_thread.run_sync(models.has_entries, tenant_id)
        return await perform(info, lambda: input.command(begun=begun))

    @answering(
        PeriodResult,
        "What one unit of `currency` is worth in the functional currency from `date` on.",
    )
    async def set_fx_rate(
        self, info: Info, *, currency: str, functional: str, rate: ExactDecimal, date: str
    ) -> object:
        return await perform(
            info,
            lambda: requests.SetFxRate(currency, functional, rate, requests.day(date, "date")),
        )

    @answering(AccountMappingResult, "The tenant's own code and name of an account of the chart.")
    async def map_account(self, info: Info, *, key: str, code: str, name: str) -> object:
        return await perform(info, lambda: requests.MapAccount(key, code, name))

    @answering(
        PeriodResult,
        "Close a month: nothing is posted into it any more. `accrual`: late usage of it that is "
        "expected, taken back on the first day of the next. Asked again, it answers as it did.",
    )
    async def close_period(
        self, info: Info, *, month: str, accrual: MoneyInput | None = strawberry.UNSET
    ) -> object:
        context, expected = info.context, said(accrual)
        command = requests.BeginClose(
            month, (expected.amount, expected.currency) if expected is not None else None
        )
        try:
            command.check()
        except WrongInput as refusal:
            return refused(info, refusal)
        closing = context.runtime.closing
        outcome = await to_thread.run_sync(closing.close, context.caller, command)
        context.renew()
        context.reached(outcome.position)
        return await answered(info, outcome)

    @answering(PeriodResult, "Open the last closed month again; it is on record, and why.")
    async def reopen_period(self, info: Info, *, month: str, reason: str) -> object:
        return await perform(info, lambda: requests.ReopenPeriod(month, reason))
