"""Queries and mutations about what usage costs the tenant."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from application.commands import cost_requests as requests
from interfaces.graphql.coercion import made_at_once
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.cost_tables import CostTable, cost_table_of
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import default
from interfaces.graphql.problems import InvalidInput, NotFound, Overloaded
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.times import optional_instant

ONE = ExactDecimal("1")

CostTableResult = Annotated[
    CostTable | InvalidInput | NotFound | Overloaded, strawberry.union("CostTableResult")
]


@made_at_once
@strawberry.input(description="`property` is what is counted; the event's quantity unless said.")
class CostRowInput:
    match: JSON
    property: str | None
    unit_cost: ExactDecimal


@made_at_once
@strawberry.input
class CostTableInput:
    key: str
    event_type: str
    vendor: str | None = strawberry.field(
        description="Of events whose property `vendor` says so, or says none."
    )
    currency: str
    per: ExactDecimal | None = ONE
    dimensions: list[str]
    rows: list[CostRowInput]
    effective_at: InstantText | None = strawberry.field(description="Now unless said.")

    def command(self) -> requests.SetCostTable:
        return requests.SetCostTable(
            key=self.key,
            event_type=self.event_type,
            currency=self.currency,
            dimensions=tuple(self.dimensions),
            rows=tuple(
                requests.CostRowSaid(row.match, row.unit_cost, row.property) for row in self.rows
            ),
            vendor=self.vendor,
            per=default(self.per, ONE),
            effective_at=optional_instant(self.effective_at, "effectiveAt"),
        )


@strawberry.type
class CostQueries:
    @field("Each as it was last set.")
    async def cost_tables(self, info: Info) -> list[CostTable]:
        catalog = await info.context.loaders.catalog()
        return [cost_table_of(table.newest) for _, table in sorted(catalog.costs.by_key.items())]


@strawberry.type
class CostMutations:
    @answering(
        CostTableResult,
        "What usage costs from a time on; an event that says its own cost keeps it.",
    )
    async def set_cost_table(self, info: Info, *, input: CostTableInput) -> object:
        return await perform(info, input.command)
