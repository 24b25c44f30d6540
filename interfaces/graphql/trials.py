"""Trying a version before deciding: on given events, and on what was recorded."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import strawberry
from anyio import to_thread

from application.commands.answers import SimulationAnswer
from application.commands.requests import SimulateUsage
from domain.money.currencies import CURRENCY_SCALE
from domain.rating.trial import Trial
from domain.refusals import InvalidInput, Refusal
from interfaces.graphql.assets import Money
from interfaces.graphql.commands import shown, submit
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.errors import bad_input
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import UsageEventInput, said
from interfaces.graphql.lookups import check_identifiers
from interfaces.graphql.nodes import PageInfo, known_id, page_size
from interfaces.graphql.problems import problem_of
from interfaces.graphql.results import RecordUsageResult
from interfaces.graphql.scalars import ExactDecimal, InstantText, Long, exact
from interfaces.graphql.times import instant_of
from interfaces.price_comparison import ComparedPrice, Place

MOST_EVENTS = 1_000
MODELS = ("charges", "customers", "margins", "subscriptions")


@strawberry.type(description="What one customer's usage was charged, and would have been.")
class PriceComparison:
    customer_id: strawberry.ID
    asset: str
    charged: ExactDecimal = strawberry.field(description="Net of what was given back.")
    would_charge: ExactDecimal
    revenue: list[Money] = strawberry.field(description="What the usage earned.")
    cost: list[Money] = strawberry.field(description="What it cost at vendors.")
    charges: Long = strawberry.field(description="How many were compared.")
    unpriceable: Long = strawberry.field(
        description="How many of them the version cannot price: a property is missing, or a row."
    )


@strawberry.type(description="By customers' ids.")
class PriceComparisonConnection:
    nodes: list[PriceComparison]
    page_info: PageInfo


@strawberry.type
class TrialQueries:
    @answering(
        list[RecordUsageResult],
        "What events would be charged by a version, drafts too, one after the other, from the "
        "customers' totals as they are. Records nothing. Whatever the balance: `wouldRefuse` "
        "says whether it would be refused.",
    )
    async def simulate_usage(
        self,
        info: Info,
        *,
        events: list[UsageEventInput],
        product_key: str,
        version: int | None = strawberry.UNSET,
    ) -> object:
        context = info.context
        if len(events) > MOST_EVENTS:
            raise bad_input(f"events: at most {MOST_EVENTS}")
        commands = tuple(event.command() for event in events)
        outcome = await submit(context, SimulateUsage(commands, product_key, said(version)))
        if outcome.refusal is not None:
            return [problem_of(outcome.refusal) for _ in events]
        answer = outcome.answer
        assert isinstance(answer, SimulationAnswer)
        return [
            problem_of(each) if isinstance(each, Refusal) else await shown(context, each)
            for each in answer.results
        ]

    @field(
        "What usage that occurred in [occurredFrom, occurredTo) was charged, and what a version, "
        "drafts too, would have charged for it; cycles' totals start at zero."
    )
    async def compare_pricing(
        self,
        info: Info,
        *,
        product_key: str,
        version: int,
        occurred_from: InstantText,
        occurred_to: InstantText,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> PriceComparisonConnection:
        context, size, cursor = info.context, page_size(first), said(after)
        check_identifiers(productKey=product_key)
        since = instant_of(occurred_from, "occurredFrom")
        until = instant_of(occurred_to, "occurredTo")
        if until <= since:
            raise InvalidInput(field="occurredTo", reason="must be after occurredFrom")
        await context.wait_for_lists(None, MODELS)
        comparisons, tenant_id = context.runtime.comparisons, context.caller.tenant_id
        place = None if cursor is None else _place(cursor)
        page = await to_thread.run_sync(
            lambda: comparisons.compare(
                tenant_id, Trial(product_key, version), since, until, size, after=place
            )
        )
        return PriceComparisonConnection(
            nodes=[await _node(context, row) for row in page.rows],
            page_info=PageInfo(
                has_next_page=page.has_next,
                end_cursor=_cursor(page.rows[-1].place) if page.rows else None,
            ),
        )


async def _node(context: RequestContext, row: ComparedPrice) -> PriceComparison:
    scale = await context.loaders.scale(row.asset)
    return PriceComparison(
        customer_id=strawberry.ID(row.customer_id),
        asset=row.asset,
        charged=exact(row.charged_units, scale),
        would_charge=exact(row.would_charge_units, scale),
        revenue=[_money(each.currency, each.revenue) for each in row.money],
        cost=[_money(each.currency, each.cost) for each in row.money],
        charges=Long(row.charges),
        unpriceable=Long(row.unpriceable),
    )


def _money(currency: str, units: int) -> Money:
    return Money(amount=exact(units, CURRENCY_SCALE), currency=currency)


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(cursor: str) -> Place:
    try:
        customer, asset = json.loads(urlsafe_b64decode(cursor))
        if isinstance(customer, str) and isinstance(asset, str) and known_id(customer):
            return customer, asset
    except ValueError:
        pass
    raise bad_input("after: not a cursor of this list")
