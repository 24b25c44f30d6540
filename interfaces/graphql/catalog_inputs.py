"""What is said of meters, prices and product versions, as commands."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry
from strawberry.scalars import JSON

from application.commands import catalog_requests as requests
from domain.calendar import cycles
from domain.catalog import price as catalog_price
from domain.metering import meter as ledger_meter
from interfaces.graphql.catalog import Aggregation, CyclePeriod, PriceModel
from interfaces.graphql.coercion import made_at_once
from interfaces.graphql.grants import Recognition
from interfaces.graphql.inputs import ZERO, MoneyInput, default
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.times import optional_instant

ONE = ExactDecimal("1")


@made_at_once
@strawberry.input
class MeterInput:
    key: str
    event_type: str | None = strawberry.field(description="The meter's key unless said.")
    aggregation: Aggregation = Aggregation.SUM
    property: str | None
    less: list[str] | None = strawberry.field(
        description="Properties taken off `property`: cached tokens inside a prompt."
    )
    filters: JSON | None = strawberry.field(
        description="Each property with the value that it equals, or a list of those."
    )
    unpriced_asset: str | None

    def command(self) -> requests.DefineMeter:
        return requests.DefineMeter(
            key=self.key,
            event_type=self.event_type,
            aggregation=ledger_meter.Aggregation(self.aggregation.value),
            property=self.property,
            less=tuple(self.less or ()),
            filters=self.filters,
            unpriced_asset=self.unpriced_asset,
        )


@made_at_once
@strawberry.input(description="The last tier has no `upTo`.")
class TierInput:
    up_to: ExactDecimal | None
    unit_price: ExactDecimal
    flat_fee: ExactDecimal | None = ZERO


@made_at_once
@strawberry.input
class DimensionRowInput:
    match: JSON = strawberry.field(description='{"model": "opus", "direction": "*"}')
    unit_price: ExactDecimal


@made_at_once
@strawberry.input
class PriceInput:
    key: str
    meter: str | None
    model: PriceModel
    asset: str
    unit_price: ExactDecimal | None
    package_size: ExactDecimal | None
    tiers: list[TierInput] | None
    per: ExactDecimal | None = strawberry.field(
        default=ONE,
        description='Unit prices are for so many units: "1000000" for prices a million.',
    )
    rate: ExactDecimal | None
    fixed_fee: ExactDecimal | None
    minimum: ExactDecimal | None
    maximum: ExactDecimal | None
    free: ExactDecimal | None
    cap: ExactDecimal | None
    dimensions: list[str] | None
    rows: list[DimensionRowInput] | None
    in_advance: bool | None = True
    period: CyclePeriod | None

    def said(self) -> requests.PriceSaid:
        return requests.PriceSaid(
            key=self.key,
            model=catalog_price.PriceModel(self.model.value),
            asset=self.asset,
            meter=self.meter,
            unit_price=self.unit_price,
            package_size=self.package_size,
            tiers=tuple(
                requests.TierSaid(tier.unit_price, tier.up_to, default(tier.flat_fee, ZERO))
                for tier in self.tiers or ()
            ),
            per=default(self.per, ONE),
            rate=self.rate,
            fixed_fee=self.fixed_fee,
            minimum=self.minimum,
            maximum=self.maximum,
            free=self.free,
            cap=self.cap,
            dimensions=tuple(self.dimensions or ()),
            rows=tuple(requests.RowSaid(row.match, row.unit_price) for row in self.rows or ()),
            in_advance=default(self.in_advance, otherwise=True),
            period=period_of(self.period),
        )


@made_at_once
@strawberry.input
class IncludedGrantInput:
    asset: str
    amount: ExactDecimal
    rollover: bool | None = False
    rollover_limit: ExactDecimal | None
    recognition: Recognition | None = strawberry.field(description="RATABLE unless it rolls over.")
    priority: int | None = 20
    period: CyclePeriod | None = strawberry.field(description="The plan's unless said.")
    rollover_times: int | None
    per_seat: bool | None = True

    def said(self) -> requests.IncludedGrantSaid:
        return requests.IncludedGrantSaid(
            asset=self.asset,
            amount=self.amount,
            rollover=bool(self.rollover),
            rollover_limit=self.rollover_limit,
            recognition=None if self.recognition is None else self.recognition.value,
            priority=default(self.priority, 20),
            period=period_of(self.period),
            rollover_times=self.rollover_times,
            per_seat=default(self.per_seat, otherwise=True),
        )


@made_at_once
@strawberry.input
class ProductVersionInput:
    product_key: str
    name: str | None
    effective_at: InstantText | None
    prices: list[PriceInput]
    includes: list[IncludedGrantInput] | None
    period: CyclePeriod | None = CyclePeriod.MONTH
    trial_days: int | None = 0
    minimum_commitment: MoneyInput | None

    def command(self) -> requests.DraftProductVersion:
        committed = self.minimum_commitment
        return requests.DraftProductVersion(
            product=self.product_key,
            prices=said_prices(self.prices),
            name=self.name,
            effective_at=optional_instant(self.effective_at, "effectiveAt"),
            includes=tuple(each.said() for each in self.includes or ()),
            period=cycles.CyclePeriod(default(self.period, CyclePeriod.MONTH).value),
            trial_days=default(self.trial_days, 0),
            minimum_commitment=None
            if committed is None
            else requests.CommitmentSaid(committed.amount, committed.currency),
        )


def said_prices(prices: Sequence[PriceInput] | None) -> tuple[requests.PriceSaid, ...]:
    return tuple(price.said() for price in prices or ())


def period_of(period: CyclePeriod | None) -> cycles.CyclePeriod | None:
    return None if period is None else cycles.CyclePeriod(period.value)
