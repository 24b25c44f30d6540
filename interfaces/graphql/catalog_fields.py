"""Queries and mutations about meters, products and their prices."""

from __future__ import annotations

from typing import Annotated

import strawberry

from application.commands import catalog_requests as requests
from domain.catalog.catalog import Catalog
from interfaces.graphql.catalog import Meter, Product, meter_of, product_of
from interfaces.graphql.catalog_inputs import MeterInput, ProductVersionInput
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import said
from interfaces.graphql.lookups import check_identifiers
from interfaces.graphql.problems import (
    IdempotencyConflict,
    InvalidInput,
    InvalidState,
    NotFound,
    Overloaded,
)
from interfaces.graphql.scalars import InstantText
from interfaces.graphql.times import optional_instant

MeterResult = Annotated[
    Meter | InvalidInput | IdempotencyConflict | Overloaded, strawberry.union("MeterResult")
]
ProductResult = Annotated[
    Product | InvalidInput | NotFound | InvalidState | Overloaded, strawberry.union("ProductResult")
]


@strawberry.type
class CatalogQueries:
    @field("By their keys.")
    async def meters(self, info: Info) -> list[Meter]:
        catalog = await info.context.loaders.catalog()
        tenant_id = info.context.caller.tenant_id
        return [meter_of(tenant_id, meter) for _, meter in sorted(catalog.meters.items())]

    @strawberry.field
    async def product(self, info: Info, *, key: str) -> Product | None:
        check_identifiers(key=key)
        catalog = await info.context.loaders.catalog()
        return (await _products(info, catalog, [key]))[0] if key in catalog.products else None

    @field("By their keys.")
    async def products(self, info: Info) -> list[Product]:
        catalog = await info.context.loaders.catalog()
        return await _products(info, catalog, sorted(catalog.products))


async def _products(info: Info, catalog: Catalog, keys: list[str]) -> list[Product]:
    now = await info.context.loaders.now()
    tenant_id = info.context.caller.tenant_id
    return [product_of(tenant_id, catalog.listed(key, now)) for key in keys]


@strawberry.type
class CatalogMutations:
    @answering(MeterResult, "Once defined, a meter stays as it is.")
    async def define_meter(self, info: Info, *, input: MeterInput) -> object:
        return await perform(info, input.command)

    @answering(
        ProductResult,
        "A draft prices nothing until it is published. The newest draft said again is answered "
        "as it was.",
    )
    async def draft_product_version(self, info: Info, *, input: ProductVersionInput) -> object:
        return await perform(info, input.command)

    @answering(
        ProductResult,
        "From `effectiveAt` on, by default the draft's, else now; only a first version may hold "
        "from a time that has passed.",
    )
    async def publish_product_version(
        self,
        info: Info,
        *,
        product_key: str,
        number: int,
        effective_at: InstantText | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info,
            lambda: requests.PublishProductVersion(
                product_key, number, optional_instant(said(effective_at), "effectiveAt")
            ),
        )

    @answering(
        ProductResult,
        "Prices usage of meters that no subscription of the customer prices; null: none does, "
        "and the product that did is answered.",
    )
    async def set_default_product(
        self, info: Info, *, product_key: str | None = strawberry.UNSET
    ) -> object:
        return await perform(info, lambda: requests.SetDefaultProduct(said(product_key)))
