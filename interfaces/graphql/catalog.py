"""Meters, products, their versions and prices, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from domain import identity
from domain.catalog import price as catalog_price
from domain.catalog import product as catalog_product
from domain.catalog.catalog import ListedProduct
from domain.metering import meter as ledger_meter
from interfaces.graphql.assets import Money, money_of
from interfaces.graphql.context import RequestContext
from interfaces.graphql.grants import Recognition
from interfaces.graphql.nodes import Node
from interfaces.graphql.scalars import ExactDecimal, exact, optional_exact


@strawberry.enum(description="How the events of a cycle make its quantity.")
class Aggregation(Enum):
    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    UNIQUE = "UNIQUE"
    LATEST = "LATEST"


@strawberry.enum
class PriceModel(Enum):
    UNIT = "UNIT"
    PACKAGE = "PACKAGE"
    GRADUATED = "GRADUATED"
    VOLUME = "VOLUME"
    PERCENTAGE = "PERCENTAGE"
    FLAT = "FLAT"
    SEAT = "SEAT"


@strawberry.enum
class VersionStatus(Enum):
    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"


@strawberry.enum
class CyclePeriod(Enum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


@strawberry.type(description="Which usage events count, and what is counted of them.")
class Meter(Node):
    key: str
    event_type: str
    aggregation: Aggregation
    property: str | None = strawberry.field(description="Null: the event's `quantity`.")
    less: list[str] = strawberry.field(description="Properties taken off `property`.")
    filters: JSON | None
    unpriced_asset: str | None = strawberry.field(
        description="In which usage that no price matches is a charge of zero."
    )


@strawberry.type
class Tier:
    up_to: ExactDecimal | None = strawberry.field(description="Inclusive; null: all the rest.")
    unit_price: ExactDecimal
    flat_fee: ExactDecimal


@strawberry.type
class DimensionRow:
    match: JSON
    unit_price: ExactDecimal


@strawberry.type(description="How the quantity of a meter, or a period, becomes an amount.")
class Price(Node):
    key: str
    meter: str | None
    model: PriceModel
    asset: str
    unit_price: ExactDecimal | None
    package_size: ExactDecimal | None
    tiers: list[Tier]
    per: ExactDecimal = strawberry.field(description="Unit prices are for so many units.")
    rate: ExactDecimal | None = strawberry.field(description="A fraction of the amount.")
    fixed_fee: ExactDecimal | None
    minimum: ExactDecimal | None
    maximum: ExactDecimal | None
    free: ExactDecimal | None
    cap: ExactDecimal | None
    dimensions: list[str]
    rows: list[DimensionRow]
    in_advance: bool
    period: CyclePeriod | None


@strawberry.type(description="Credits that a subscription gets each period.")
class IncludedGrant:
    asset: str
    amount: ExactDecimal
    rollover: bool
    rollover_limit: ExactDecimal | None
    recognition: Recognition
    priority: int
    period: CyclePeriod | None
    rollover_times: int | None
    per_seat: bool


@strawberry.type(description="Immutable once it is published.")
class ProductVersion:
    number: int
    status: VersionStatus
    effective_at: datetime | None
    prices: list[Price]
    includes: list[IncludedGrant]
    period: CyclePeriod
    trial_days: int
    minimum_commitment: Money | None


@strawberry.type
class Product(Node):
    key: str
    name: str
    is_default: bool = strawberry.field(
        description="Whether it prices usage that no subscription of the customer prices."
    )
    versions: list[ProductVersion]
    current: ProductVersion | None = strawberry.field(description="What holds now.")


def meter_of(tenant_id: str, meter: ledger_meter.Meter) -> Meter:
    return Meter(
        id=strawberry.ID(identity.meter_id(tenant_id, meter.key)),
        key=meter.key,
        event_type=meter.event_type,
        aggregation=Aggregation(meter.aggregation),
        property=meter.property,
        less=list(meter.less),
        filters=JSON(_filters(meter.filters)) if meter.filters else None,
        unpriced_asset=meter.unpriced_asset,
    )


def product_of(tenant_id: str, product: ListedProduct) -> Product:
    versions = [_version(tenant_id, product.key, each) for each in product.versions]
    current = product.current
    return Product(
        id=strawberry.ID(identity.product_id(tenant_id, product.key)),
        key=product.key,
        name=product.name,
        is_default=product.is_default,
        versions=versions,
        current=None if current is None else versions[current.number - 1],
    )


async def load_catalog_node(context: RequestContext, node_id: str) -> Node | None:
    """Return the meter, product or price of this id: they have no stream of their own."""
    catalog = await context.loaders.catalog()
    tenant_id = context.caller.tenant_id
    for meter in catalog.meters.values():
        if identity.meter_id(tenant_id, meter.key) == node_id:
            return meter_of(tenant_id, meter)
    for key, product in catalog.products.items():
        if identity.product_id(tenant_id, key) == node_id:
            return product_of(tenant_id, catalog.listed(key, await context.loaders.now()))
        for version in product.versions.values():
            for price in version.prices:
                if identity.price_id(tenant_id, key, version.number, price.key) == node_id:
                    return price_of(node_id, price)
    return None


def price_of(price_id: str, price: catalog_price.Price) -> Price:
    return Price(
        id=strawberry.ID(price_id),
        key=price.key,
        meter=price.meter,
        model=PriceModel(price.model),
        asset=price.asset,
        unit_price=_decimal(price.unit_price),
        package_size=_decimal(price.package_size),
        tiers=[
            Tier(
                up_to=_decimal(tier.up_to),
                unit_price=ExactDecimal(tier.unit_price),
                flat_fee=ExactDecimal(tier.flat_fee),
            )
            for tier in price.tiers
        ],
        per=ExactDecimal(price.per),
        rate=_decimal(price.rate),
        fixed_fee=_decimal(price.fixed_fee),
        minimum=_decimal(price.minimum),
        maximum=_decimal(price.maximum),
        free=_decimal(price.free),
        cap=_decimal(price.cap),
        dimensions=list(price.dimensions),
        rows=[
            DimensionRow(match=JSON(dict(row.match)), unit_price=ExactDecimal(row.unit_price))
            for row in price.rows
        ],
        in_advance=price.in_advance,
        period=None if price.period is None else CyclePeriod(price.period),
    )


def _version(
    tenant_id: str, product: str, version: catalog_product.ProductVersion
) -> ProductVersion:
    terms = version.terms
    return ProductVersion(
        number=version.number,
        status=VersionStatus(version.status),
        effective_at=version.effective_at,
        prices=[
            price_of(identity.price_id(tenant_id, product, version.number, price.key), price)
            for price in terms.prices
        ],
        includes=[_included(each) for each in terms.includes],
        period=CyclePeriod(terms.period),
        trial_days=terms.trial_days,
        minimum_commitment=money_of(terms.minimum_commitment),
    )


def _included(included: catalog_product.IncludedGrant) -> IncludedGrant:
    return IncludedGrant(
        asset=included.asset,
        amount=exact(included.amount_units, included.scale),
        rollover=included.rollover,
        rollover_limit=optional_exact(included.rollover_limit_units, included.scale),
        recognition=Recognition(included.recognized),
        priority=included.priority,
        period=None if included.period is None else CyclePeriod(included.period),
        rollover_times=included.rollover_times,
        per_seat=included.per_seat,
    )


def _filters(filters: Sequence[ledger_meter.PropertyFilter]) -> dict[str, object]:
    """Return filters as they are said: a value, or a list of several."""
    return {
        each.property: each.values[0] if len(each.values) == 1 else list(each.values)
        for each in filters
    }


def _decimal(text: str | None) -> ExactDecimal | None:
    return None if text is None else ExactDecimal(text)
