"""Schedules, what lies ahead, what is unbilled, and revenue by what earned it."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum

import strawberry
from anyio import to_thread

from domain.money.currencies import EXPONENTS
from domain.refusals import InvalidInput
from domain.revenue.chart import BY_KEY
from domain.revenue.months import local_day
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.inputs import said
from interfaces.graphql.journal import finance_models, money
from interfaces.graphql.lookups import check_identifiers, customer_id_of
from interfaces.graphql.nodes import PageInfo, page_size
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.schedule_rows import RevenueScheduleRow, schedule_row_of
from interfaces.graphql.times import optional_instant
from interfaces.months import check_month, check_months
from projections.pages import BadCursor


@strawberry.type(description="By obligation and month.")
class RevenueScheduleConnection:
    nodes: list[RevenueScheduleRow]
    page_info: PageInfo


@strawberry.type(
    description="Revenue that contracts will bring (ASC 606-10-50-13). Credits that may be used "
    "at any time are within 12 months, ratable ones by their days."
)
class Rpo:
    currency: str
    total: ExactDecimal
    within_12_months: ExactDecimal = strawberry.field(name="within12Months")
    beyond_12_months: ExactDecimal = strawberry.field(name="beyond12Months")
    deferred: ExactDecimal
    unbilled: ExactDecimal
    excluded_refundable: ExactDecimal


@strawberry.type(description="Opening + recognized - invoiced - repaid - creditLoss = closing.")
class UnbilledRollforward:
    period: str
    currency: str
    opening: ExactDecimal
    recognized: ExactDecimal
    invoiced: ExactDecimal
    repaid: ExactDecimal
    credit_loss: ExactDecimal
    closing: ExactDecimal


@strawberry.enum(description="TYPE: the fact that earned it, as in the finance guide.")
class RevenueBy(Enum):
    PRODUCT = "PRODUCT"
    METER = "METER"
    CUSTOMER = "CUSTOMER"
    TYPE = "TYPE"


@strawberry.type(description="`key` is empty where there is none. Concessions reduce revenue.")
class RevenueRow:
    key: str
    period: str
    currency: str
    usage: ExactDecimal
    ratable: ExactDecimal
    breakage: ExactDecimal
    concessions: ExactDecimal


@strawberry.type
class ScheduleQueries:
    @field("What each obligation was paid and what became of it; of `month`, all with a balance.")
    async def revenue_schedule(
        self,
        info: Info,
        *,
        month: str | None = strawberry.UNSET,
        customer_id: strawberry.ID | None = strawberry.UNSET,
        grant_id: strawberry.ID | None = strawberry.UNSET,
        as_of: InstantText | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> RevenueScheduleConnection:
        context, size, place = info.context, page_size(first), said(after)
        only, customer, grant = said(month), said(customer_id), said(grant_id)
        if only is not None:
            check_month(only, "month")
        check_identifiers(grantId=grant)
        found = None if customer is None else customer_id_of(context, customer, "customerId")
        at = optional_instant(said(as_of), "asOf")
        models, tenant_id = await finance_models(context)
        try:
            page = await to_thread.run_sync(
                lambda: models.schedule_page(
                    tenant_id,
                    size,
                    place,
                    month=only,
                    customer_id=found,
                    grant_id=None if grant is None else grant.lower(),
                    as_of=at,
                )
            )
        except BadCursor:
            raise InvalidInput(field="after", reason="no cursor of this list") from None
        return RevenueScheduleConnection(
            nodes=[schedule_row_of(row) for row in page.nodes],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )

    @field("By currency, when it is expected to be recognised.")
    async def remaining_performance_obligation(
        self, info: Info, *, as_of: InstantText | None = strawberry.UNSET
    ) -> list[Rpo]:
        context = info.context
        at = optional_instant(said(as_of), "asOf")
        models, tenant_id = await finance_models(context)
        on = await _local_day(context, at)
        ahead = await to_thread.run_sync(models.liability_ahead, tenant_id, on, at)
        return [
            Rpo(
                currency=each.currency,
                total=money(each.within_a_year + each.beyond, each.currency),
                within_12_months=money(each.within_a_year, each.currency),
                beyond_12_months=money(each.beyond, each.currency),
                deferred=money(each.within_a_year + each.beyond, each.currency),
                unbilled=money(0, each.currency),
                excluded_refundable=money(0, each.currency),
            )
            for each in ahead
        ]

    @field("How what is recognised and not invoiced yet moved, month by month.")
    async def unbilled_rollforward(
        self,
        info: Info,
        *,
        from_month: str,
        to_month: str,
        currency: str,
        account: str = "unbilled_receivable",
    ) -> list[UnbilledRollforward]:
        check_months(from_month, to_month)
        if currency not in EXPONENTS:
            raise InvalidInput(field="currency", reason="no currency of ISO 4217")
        known = BY_KEY.get(account)
        if known is None or known.type != "ASSET":
            raise InvalidInput(field="account", reason="unbilled_receivable or contract_asset")
        models, tenant_id = await finance_models(info.context)
        rows = await to_thread.run_sync(
            models.unbilled_months, tenant_id, (from_month, to_month), currency, account
        )
        return [
            UnbilledRollforward(
                period=row.period,
                currency=currency,
                opening=money(row.opening, currency),
                recognized=money(row.recognized, currency),
                invoiced=money(row.invoiced, currency),
                repaid=money(row.repaid, currency),
                credit_loss=money(row.credit_loss, currency),
                closing=money(row.closing, currency),
            )
            for row in rows
        ]

    @field("Revenue of each month by what earned it.")
    async def revenue_by(
        self, info: Info, *, by: RevenueBy, from_month: str, to_month: str
    ) -> list[RevenueRow]:
        check_months(from_month, to_month)
        models, tenant_id = await finance_models(info.context)
        rows = await to_thread.run_sync(
            models.revenue_by, tenant_id, by.value, (from_month, to_month)
        )
        return [
            RevenueRow(
                key=row.key,
                period=row.period,
                currency=row.currency,
                usage=money(row.usage, row.currency),
                ratable=money(row.ratable, row.currency),
                breakage=money(row.breakage, row.currency),
                concessions=money(row.concessions, row.currency),
            )
            for row in rows
        ]


async def _local_day(context: RequestContext, at: datetime | None) -> date:
    """Return the tenant's day of a time, or of now."""
    tenant = await to_thread.run_sync(context.runtime.reader.tenant, context.caller.tenant_id)
    return local_day(at or await context.loaders.now(), tenant.timezone)
