"""Lists and series, answered from read models: waited for, and saying how far behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import TypeVar

from anyio import to_thread

from domain.refusals import InvalidInput
from interfaces.graphql.charges import UsageChargeConnection, UsageChargeEdge, load_charges
from interfaces.graphql.context import RequestContext
from interfaces.graphql.cursors import edge_cursor, place_after
from interfaces.graphql.customers import CustomerConnection, CustomerEdge, load_customers
from interfaces.graphql.inputs import ChargeFilter
from interfaces.graphql.lookups import (
    check_identifiers,
    customer_id_of,
    required_customer,
    required_scale,
)
from interfaces.graphql.nodes import PageInfo
from interfaces.graphql.scalars import ExactDecimal, Long, exact
from interfaces.graphql.statement import (
    BalancePoint,
    Bucket,
    StatementConnection,
    UsageGroup,
    UsagePoint,
    line_of,
)
from interfaces.graphql.times import instant_of, optional_instant
from projections import queries
from projections.pages import BadCursor, Page
from projections.series import TooManyPoints

T = TypeVar("T")

EARLIEST_YEAR, LATEST_YEAR = 1900, 2999
_EXACT = Context(prec=200)


# Pages


async def customers(context: RequestContext, size: int, after: str | None) -> CustomerConnection:
    place = await place_after(context, "customers", after)
    await context.wait_for_lists(None)
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    page = await read_page(lambda: models.customer_page(tenant_id, size, place))
    nodes = await load_customers(context, page.nodes)
    return CustomerConnection(
        nodes=nodes,
        edges=[CustomerEdge(cursor=edge_cursor(node.id), node=node) for node in nodes],
        page_info=_page_info(page),
    )


async def charges(
    context: RequestContext, filter: ChargeFilter | None, size: int, after: str | None
) -> UsageChargeConnection:
    wanted = _wanted(context, filter)
    place = await place_after(context, "charges", after)
    await context.wait_for_lists(wanted.customer_id)
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    page = await read_page(lambda: models.charge_page(tenant_id, wanted, size, place))
    nodes = await load_charges(context, page.nodes)
    return UsageChargeConnection(
        nodes=nodes,
        edges=[UsageChargeEdge(cursor=edge_cursor(node.id), node=node) for node in nodes],
        page_info=_page_info(page),
    )


async def statement(
    context: RequestContext, reference: str, asset: str, size: int, after: str | None
) -> StatementConnection:
    customer = await required_customer(context, reference)
    scale = await required_scale(context, asset)
    await context.wait_for_lists(customer.id)
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    page = await read_page(
        lambda: models.statement_page(tenant_id, customer.wallet_id, asset, size, after)
    )
    return StatementConnection(
        nodes=[line_of(line, scale) for line in page.nodes], page_info=_page_info(page)
    )


def _page_info(page: Page[T]) -> PageInfo:
    return PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor)


def _wanted(context: RequestContext, filter: ChargeFilter | None) -> queries.ChargeFilter:
    """Return the filter as the read models have it. Raises InvalidInput."""
    if filter is None:
        return queries.ChargeFilter()
    check_identifiers(meter=filter.meter, subject=filter.subject)
    by_customer = filter.customer_id
    return queries.ChargeFilter(
        customer_id=(
            None
            if by_customer is None
            else customer_id_of(context, by_customer, "filter.customerId")
        ),
        meter=filter.meter,
        subject=filter.subject,
        occurred_from=optional_instant(filter.occurred_from, "filter.occurredFrom"),
        occurred_to=optional_instant(filter.occurred_to, "filter.occurredTo"),
        status=None if filter.status is None else filter.status.value,
    )


async def read_page(query: Callable[[], T]) -> T:
    try:
        return await to_thread.run_sync(query)
    except BadCursor:
        raise InvalidInput(field="after", reason="no cursor of this list") from None
    except TooManyPoints as excess:
        raise InvalidInput(field="bucket", reason=str(excess)) from None


# Series


@dataclass(frozen=True, slots=True)
class Span:
    """Buckets of [since, until)."""

    since: datetime
    until: datetime
    bucket: Bucket


def span_of(since: str, until: str, bucket: Bucket) -> Span:
    """Raises InvalidInput: no times, not in order, out of all reason."""
    span = Span(instant_of(since, "from"), instant_of(until, "to"), bucket)
    for field, at in (("from", span.since), ("to", span.until)):
        if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
            raise InvalidInput(field=field, reason=f"years {EARLIEST_YEAR} to {LATEST_YEAR} only")
    if span.until <= span.since:
        raise InvalidInput(field="to", reason="must be after from")
    return span


async def balance_series(
    context: RequestContext, reference: str, asset: str, span: Span
) -> list[BalancePoint]:
    customer = await required_customer(context, reference)
    scale = await required_scale(context, asset)
    await context.wait_for_lists(customer.id)
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    points = await read_page(
        lambda: models.balance_series(
            tenant_id,
            customer.wallet_id,
            asset,
            span.since,
            span.until,
            span.bucket.value,
        )
    )
    return [
        BalancePoint(
            at=point.at,
            available=exact(point.available, scale),
            held=exact(point.held, scale),
            overage=exact(point.overage, scale),
        )
        for point in points
    ]


async def usage_series(
    context: RequestContext,
    filter: ChargeFilter | None,
    span: Span,
    by: UsageGroup | None,
    property: str | None,
) -> list[UsagePoint]:
    wanted = _wanted(context, filter)
    check_identifiers(property=property)
    if (by is UsageGroup.PROPERTY) != (property is not None):
        raise InvalidInput(field="property", reason="goes together with by: PROPERTY")
    group = UsageGroup.METER if by is None else by
    await context.wait_for_lists(wanted.customer_id)
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    points = await read_page(
        lambda: models.usage_series(
            tenant_id,
            wanted,
            span.since,
            span.until,
            span.bucket.value,
            group.value,
            property,
        )
    )
    if by is None:
        points = ungrouped(points)
    return [
        UsagePoint(
            at=point.at,
            group=point.group,
            charges=Long(point.charges),
            quantity=ExactDecimal(point.quantity),
            amount=exact(point.amount, await context.loaders.scale(point.asset)),
            asset=point.asset,
        )
        for point in points
    ]


def ungrouped(points: Iterable[queries.UsagePoint]) -> list[queries.UsagePoint]:
    """Return the points of all groups together, one for each time and asset, in order."""
    sums: dict[tuple[datetime, str], queries.UsagePoint] = {}
    for point in points:
        key = (point.at, point.asset)
        before = sums.get(key)
        sums[key] = queries.UsagePoint(
            point.at,
            None,
            point.charges + (before.charges if before else 0),
            _sum(point.quantity, before.quantity if before else "0"),
            point.amount + (before.amount if before else 0),
            point.asset,
        )
    return list(sums.values())


def _sum(one: str, other: str) -> str:
    # Decimals from our own tables; the precision holds any sum of them exactly.
    total = format(_EXACT.add(Decimal(one), Decimal(other)), "f")
    return total.rstrip("0").rstrip(".") if "." in total else total
