"""A tenant's accounting: its policies, its names of accounts, its months."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread

from application.commands.answers import AccountMappingsAnswer
from domain.revenue import period as periods
from domain.revenue.accounting import Accounting
from domain.revenue.chart import CHART
from domain.revenue.months import local_day, month_of
from domain.revenue.policies import Policy
from domain.revenue.tenant_books import FIRST_CURRENCY
from interfaces.graphql.assets import Money
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.journal import finance_models, money
from interfaces.graphql.scalars import ExactDecimal, Long, exact


@strawberry.enum(description="When credits that stay unused become revenue.")
class BreakageMethod(Enum):
    AS_EXPIRED = "AS_EXPIRED"
    PROPORTIONAL = "PROPORTIONAL"
    REMOTE = "REMOTE"


@strawberry.enum(description="What a disputed payment that is lost goes to.")
class LossPolicy(Enum):
    CONCESSION = "CONCESSION"
    CREDIT_LOSS = "CREDIT_LOSS"


@strawberry.enum(description="Of free grants that name a bundle.")
class PromotionalPolicy(Enum):
    MATERIAL_RIGHT = "MATERIAL_RIGHT"
    NONE = "NONE"


@strawberry.type(description="The tenant's code and name of an account of the chart.")
class AccountMapping:
    key: str
    code: str
    name: str


@strawberry.type
class AccountMappings:
    accounts: list[AccountMapping]


@strawberry.type(description="`portfolio`: asset:KEY, source:SOURCE or product:key; null: any.")
class AccountingPolicy:
    portfolio: str | None
    promotional: PromotionalPolicy
    breakage_method: BreakageMethod
    breakage_estimate: ExactDecimal
    escheat_share: ExactDecimal
    remote_months: int | None
    refundable_days: int
    loss: LossPolicy
    evidence: str | None
    bundle_election_note: str | None
    effective_from: str
    timezone: str
    functional_currency: str


@strawberry.type
class CloseCheck:
    name: str
    passed: bool
    detail: str


@strawberry.type(description="Entries of a month's service that stand in later months.")
class LateEntries:
    service_period: str
    entries: int
    amount: ExactDecimal = strawberry.field(description="Of revenue.")
    currency: str


@strawberry.type
class AccountingPeriod:
    month: str
    closed: bool
    closed_at: datetime | None
    trial_balance_hash: str | None
    accrual: Money | None
    reopenings: int
    position: Long | None = strawberry.field(description="Of the log, that was checked.")
    checked: strawberry.Private[tuple[periods.Check, ...] | None]

    @field("What came late, in later months.")
    async def late(self, info: Info) -> list[LateEntries]:
        models, tenant_id = await finance_models(info.context)
        rows = await to_thread.run_sync(models.late_entries, tenant_id, self.month)
        return [
            LateEntries(
                service_period=self.month,
                entries=row.entries,
                amount=money(row.amount, row.currency),
                currency=row.currency,
            )
            for row in rows
        ]

    @field("Of a closed month what was checked; of an open one what stands in the way.")
    async def checks(self, info: Info) -> list[CloseCheck]:
        checked = self.checked
        if checked is None:
            closing, tenant_id = info.context.runtime.closing, info.context.caller.tenant_id
            found = await to_thread.run_sync(closing.checklist, tenant_id, self.month)
            checked = tuple(found)
        return [CloseCheck(name=c.name, passed=c.passed, detail=c.detail) for c in checked]


async def load_period(context: RequestContext, month: str) -> AccountingPeriod:
    """Return a month as the write model has it; one that nothing was recorded of is open."""
    reader, tenant_id = context.runtime.reader, context.caller.tenant_id
    context.loaders.used = True
    found = await to_thread.run_sync(reader.periods, tenant_id, [month])
    period = found.get(month)
    closed = period.closed if period is not None else None
    accrual = period.accrual if period is not None else None
    return AccountingPeriod(
        month=month,
        closed=closed is not None,
        closed_at=closed.timestamp if closed is not None else None,
        trial_balance_hash=closed.trial_balance_hash if closed is not None else None,
        accrual=(
            Money(amount=exact(accrual.units, 9), currency=accrual.currency) if accrual else None
        ),
        reopenings=period.reopenings if period is not None else 0,
        position=Long(closed.position) if closed is not None else None,
        checked=closed.checks if closed is not None else None,
    )


def mappings_of(answer: AccountMappingsAnswer) -> AccountMappings:
    return AccountMappings(accounts=accounts_of(answer.mapping))


def accounts_of(mapping: dict[str, tuple[str, str]]) -> list[AccountMapping]:
    """Return every account of the chart, by the tenant's names where it has any."""
    named = {each.key: (each.code, each.name) for each in CHART} | mapping
    return [AccountMapping(key=key, code=code, name=name) for key, (code, name) in named.items()]


async def load_accounting(context: RequestContext) -> Accounting | None:
    context.loaders.used = True
    reader = context.runtime.reader
    return await to_thread.run_sync(reader.accounting, context.caller.tenant_id)


async def load_policies(context: RequestContext, month: str) -> list[AccountingPolicy]:
    """Return what holds in a month: the tenant's default, then each portfolio's own."""
    accounting = await load_accounting(context)
    tenant = await to_thread.run_sync(context.runtime.reader.tenant, context.caller.tenant_id)
    first = month_of(local_day(tenant.created_on, tenant.timezone))
    since: dict[str | None, str] = {None: first}
    for setting in accounting.settings if accounting is not None else ():
        if setting.effective_from <= month:
            since[setting.portfolio] = max(since.get(setting.portfolio, ""), setting.effective_from)
    currency = accounting.functional_currency if accounting is not None else FIRST_CURRENCY
    return [
        _policy_of(
            portfolio,
            accounting.policy(portfolio, month) if accounting is not None else Policy(),
            since[portfolio],
            tenant.timezone,
            currency,
        )
        for portfolio in sorted(since, key=lambda each: each or "")
    ]


def _policy_of(
    portfolio: str | None, policy: Policy, since: str, timezone: str, currency: str
) -> AccountingPolicy:
    return AccountingPolicy(
        portfolio=portfolio,
        promotional=PromotionalPolicy(policy.promotional),
        breakage_method=BreakageMethod(policy.breakage_method),
        breakage_estimate=ExactDecimal(policy.breakage_estimate),
        escheat_share=ExactDecimal(policy.escheat_share),
        remote_months=policy.remote_months,
        refundable_days=policy.refundable_days,
        loss=LossPolicy(policy.loss),
        evidence=policy.evidence,
        bundle_election_note=policy.bundle_election_note,
        effective_from=since,
        timezone=timezone,
        functional_currency=currency,
    )
