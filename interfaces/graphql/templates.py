"""List prices of language models, for a person to publish."""

from __future__ import annotations

import strawberry
from anyio import to_thread

from interfaces.catalogue import templates
from interfaces.graphql.context import Info
from interfaces.graphql.fields import field
from interfaces.graphql.inputs import said
from interfaces.graphql.lookups import check_identifiers
from interfaces.graphql.scalars import ExactDecimal


@strawberry.type(description="A list price; nothing is priced by it until somebody publishes it.")
class PriceTemplate:
    key: str
    vendor: str
    model: str
    meter: str
    currency: str
    per: ExactDecimal
    unit_price: ExactDecimal
    as_of: str
    note: str | None = strawberry.field(
        description="What the count includes, and where this is from."
    )


@strawberry.type
class TemplateQueries:
    @field("List prices of today's models, those of one vendor or of all.")
    async def price_templates(
        self, info: Info, *, vendor: str | None = strawberry.UNSET
    ) -> list[PriceTemplate]:
        of_vendor = said(vendor)
        check_identifiers(vendor=of_vendor)
        today = (await info.context.loaders.now()).date()
        found = await to_thread.run_sync(templates.templates, today, of_vendor)
        return [
            PriceTemplate(
                key=row.key,
                vendor=row.vendor,
                model=row.model,
                meter=row.meter,
                currency=row.currency,
                per=ExactDecimal(row.per),
                unit_price=ExactDecimal(row.unit_price),
                as_of=row.as_of,
                note=row.note,
            )
            for row in found
        ]
