"""What a unit of usage costs the tenant at its vendor, as the API shows it."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from domain.costs.tables import CostVersion
from interfaces.graphql.scalars import ExactDecimal


@strawberry.type
class CostRow:
    match: JSON
    property: str | None = strawberry.field(description="What is counted; null: the quantity.")
    unit_cost: ExactDecimal


@strawberry.type(description="As it was last set.")
class CostTable:
    key: str
    event_type: str
    vendor: str | None
    currency: str
    per: ExactDecimal
    effective_at: datetime
    version: int = strawberry.field(description="Counts up each time the table is set.")
    dimensions: list[str]
    rows: list[CostRow]


def cost_table_of(version: CostVersion) -> CostTable:
    terms = version.terms
    return CostTable(
        key=version.table,
        event_type=terms.event_type,
        vendor=terms.vendor,
        currency=terms.currency,
        per=ExactDecimal(terms.per),
        effective_at=version.effective_at,
        version=version.number,
        dimensions=list(terms.dimensions),
        rows=[
            CostRow(
                match=JSON(dict(row.match)),
                property=row.property,
                unit_cost=ExactDecimal(row.unit_cost),
            )
            for row in terms.rows
        ],
    )
