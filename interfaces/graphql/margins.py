"""Margins and tasks: what usage earned, and what it cost at vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Annotated, TypeVar

import strawberry
from anyio import to_thread

from domain.money.currencies import CURRENCY_SCALE
from domain.refusals import InvalidInput
from interfaces.graphql.assets import Money
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.inputs import said
from interfaces.graphql.lookups import check_identifiers, required_customer
from interfaces.graphql.nodes import PageInfo, page_size
from interfaces.graphql.scalars import ExactDecimal, InstantText, Long, exact
from interfaces.graphql.times import instant_of
from projections import margin_queries
from projections.pages import BadCursor

T = TypeVar("T")

MODELS = ("margins",)


@strawberry.enum
class MarginBy(Enum):
    CUSTOMER = "CUSTOMER"
    PRODUCT = "PRODUCT"
    METER = "METER"
    SUBJECT = "SUBJECT"
    VENDOR = "VENDOR"
    DAY = "DAY"


@strawberry.type(description="One row a key and currency; `key` is empty where charges say none.")
class MarginRow:
    key: str
    charges: Long
    revenue: ExactDecimal
    cost: ExactDecimal
    margin: ExactDecimal
    currency: str


@strawberry.type
class MarginConnection:
    nodes: list[MarginRow]
    page_info: PageInfo


@strawberry.type
class AssetAmount:
    asset: str
    amount: ExactDecimal


@strawberry.type(description="All charges of one subject of a customer.")
class TaskSummary:
    customer_id: strawberry.ID
    subject: str
    charges: Long
    amounts: list[AssetAmount] = strawberry.field(description="Net of what was given back.")
    revenue: list[Money]
    cost: list[Money]
    vendors: list[MarginRow]
    started_at: datetime
    last_at: datetime


@strawberry.type(description="The last begun first.")
class TaskConnection:
    nodes: list[TaskSummary]
    page_info: PageInfo


@strawberry.type(description="What a meter counted and no price matched.")
class UnpricedUsage:
    meter: str
    charges: Long
    first_at: datetime
    last_at: datetime


@strawberry.type
class MarginQueries:
    @field("Usage that occurred in [from, to) and was recorded as a charge of zero, by meter.")
    async def unpriced_usage(
        self,
        info: Info,
        *,
        from_: Annotated[InstantText, strawberry.argument(name="from")],
        to: InstantText,
    ) -> list[UnpricedUsage]:
        context = info.context
        since, until = instant_of(from_, "from"), instant_of(to, "to")
        if until <= since:
            raise InvalidInput(field="to", reason="must be after from")
        await context.wait_for_lists(None, MODELS)
        margins, tenant_id = context.runtime.margins, context.caller.tenant_id
        found = await _read(lambda: margins.unpriced(tenant_id, since, until))
        return [
            UnpricedUsage(
                meter=each.meter,
                charges=Long(each.charges),
                first_at=each.first_at,
                last_at=each.last_at,
            )
            for each in found
        ]

    @field("What usage that occurred in [from, to) earned and cost. Days are of UTC.")
    async def margins(
        self,
        info: Info,
        *,
        by: MarginBy,
        from_: Annotated[InstantText, strawberry.argument(name="from")],
        to: InstantText,
        customer_id: strawberry.ID | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> MarginConnection:
        context, size, reference = info.context, page_size(first), said(customer_id)
        since, until = instant_of(from_, "from"), instant_of(to, "to")
        if until <= since:
            raise InvalidInput(field="to", reason="must be after from")
        customer = None
        if reference is not None:
            customer = (await required_customer(context, reference)).id
        await context.wait_for_lists(customer, MODELS)
        margins, tenant_id = context.runtime.margins, context.caller.tenant_id
        page = await _read(
            lambda: margins.margins(tenant_id, by.value, since, until, customer, size, said(after))
        )
        return MarginConnection(
            nodes=[_row(margin) for margin in page.nodes],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )

    @field("A customer's tasks, the last begun first.")
    async def tasks(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> TaskConnection:
        context, size = info.context, page_size(first)
        customer = (await required_customer(context, customer_id)).id
        await context.wait_for_lists(customer, MODELS)
        margins, tenant_id = context.runtime.margins, context.caller.tenant_id
        page = await _read(lambda: margins.tasks(tenant_id, customer, size, said(after)))
        return TaskConnection(
            nodes=[await _task(context, customer, task) for task in page.nodes],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )

    @strawberry.field
    async def task(
        self, info: Info, *, customer_id: strawberry.ID, subject: str
    ) -> TaskSummary | None:
        context = info.context
        check_identifiers(subject=subject)
        customer = (await required_customer(context, customer_id)).id
        await context.wait_for_lists(customer, MODELS)
        margins, tenant_id = context.runtime.margins, context.caller.tenant_id
        task = await _read(lambda: margins.task(tenant_id, customer, subject))
        return None if task is None else await _task(context, customer, task)


async def _task(
    context: RequestContext, customer_id: str, task: margin_queries.Task
) -> TaskSummary:
    return TaskSummary(
        customer_id=strawberry.ID(customer_id),
        subject=task.subject,
        charges=Long(task.charges),
        amounts=[
            AssetAmount(asset=asset, amount=exact(units, await context.loaders.scale(asset)))
            for asset, units in task.amounts.items()
        ],
        revenue=_sums((each.currency, each.revenue) for each in task.vendors),
        cost=_sums((each.currency, each.cost) for each in task.vendors),
        vendors=[_row(each) for each in task.vendors],
        started_at=task.started_at,
        last_at=task.last_at,
    )


def _row(margin: margin_queries.Margin) -> MarginRow:
    return MarginRow(
        key=margin.key,
        charges=Long(margin.charges),
        revenue=exact(margin.revenue, CURRENCY_SCALE),
        cost=exact(margin.cost, CURRENCY_SCALE),
        margin=exact(margin.revenue - margin.cost, CURRENCY_SCALE),
        currency=margin.currency,
    )


def _sums(parts: Iterable[tuple[str, int]]) -> list[Money]:
    sums: dict[str, int] = {}
    for currency, units in parts:
        sums[currency] = sums.get(currency, 0) + units
    return [
        Money(amount=exact(units, CURRENCY_SCALE), currency=currency)
        for currency, units in sorted(sums.items())
    ]


async def _read(query: Callable[[], T]) -> T:
    try:
        return await to_thread.run_sync(query)
    except BadCursor:
        raise InvalidInput(field="after", reason="no cursor of this list") from None
