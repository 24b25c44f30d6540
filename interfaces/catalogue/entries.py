"""What catalogue files say, as commands; and what the ledger keeps, as a file would say it."""

from __future__ import annotations

from typing import Any

from application.commands import catalog_requests as requests
from application.commands.cost_requests import CostRowSaid, SetCostTable
from application.commands.requests import DefineAsset
from domain.calendar.cycles import CyclePeriod
from domain.catalog.price import Price, PriceModel
from domain.catalog.product import IncludedGrant, VersionTerms
from domain.costs.table import CostTerms
from domain.metering.meter import Aggregation
from domain.money.currencies import CURRENCY_SCALE
from domain.money.decimals import decimal_of
from interfaces.catalogue.files import (
    AssetEntry,
    CostRowEntry,
    CostTableEntry,
    IncludedEntry,
    MeterEntry,
    MoneyEntry,
    PriceEntry,
    ProductEntry,
    RowEntry,
    TierEntry,
)


def asset_command(key: str, entry: AssetEntry) -> DefineAsset:
    return DefineAsset(key, entry.name, scale=entry.scale)


def meter_command(key: str, entry: MeterEntry) -> requests.DefineMeter:
    return requests.DefineMeter(
        key=key,
        event_type=entry.event_type,
        aggregation=Aggregation(entry.aggregation),
        property=entry.property,
        less=entry.less,
        filters=entry.filters,
        unpriced_asset=entry.unpriced_asset,
    )


def draft_command(key: str, entry: ProductEntry) -> requests.DraftProductVersion:
    commitment = entry.minimum_commitment
    return requests.DraftProductVersion(
        product=key,
        prices=tuple(_price_said(name, price) for name, price in entry.prices.items()),
        name=entry.name,
        effective_at=entry.effective_at,
        includes=tuple(_included_said(each) for each in entry.includes),
        period=CyclePeriod(entry.period),
        trial_days=entry.trial_days,
        minimum_commitment=None
        if commitment is None
        else requests.CommitmentSaid(commitment.amount, commitment.currency),
    )


def entry_of(terms: VersionTerms) -> ProductEntry:
    """Return the terms of a version as a file would say them."""
    commitment = terms.minimum_commitment
    return ProductEntry(
        prices={price.key: _price_entry(price) for price in terms.prices},
        includes=tuple(_included_entry(each) for each in terms.includes),
        period=terms.period.value,
        trial_days=terms.trial_days,
        minimum_commitment=None
        if commitment is None
        else MoneyEntry(
            amount=decimal_of(commitment.units, CURRENCY_SCALE), currency=commitment.currency
        ),
    )


def cost_command(key: str, entry: CostTableEntry) -> SetCostTable:
    return SetCostTable(
        key=key,
        event_type=entry.event_type,
        currency=entry.currency,
        dimensions=entry.dimensions,
        rows=tuple(CostRowSaid(row.match, row.unit_cost, row.property) for row in entry.rows),
        vendor=entry.vendor,
        per=entry.per,
        effective_at=entry.effective_at,
    )


def cost_entry_of(terms: CostTerms) -> CostTableEntry:
    """Return the terms of a cost table as a file would say them."""
    return CostTableEntry(
        event_type=terms.event_type,
        vendor=terms.vendor,
        currency=terms.currency,
        per=terms.per,
        dimensions=terms.dimensions,
        rows=tuple(
            CostRowEntry(match=dict(row.match), property=row.property, unit_cost=row.unit_cost)
            for row in terms.rows
        ),
    )


def written(entry: ProductEntry | CostTableEntry) -> dict[str, Any]:
    """Return terms as they are written, without what is so by default."""
    return entry.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"name", "effective_at"}
    )


def _price_said(key: str, entry: PriceEntry) -> requests.PriceSaid:
    return requests.PriceSaid(
        key=key,
        model=PriceModel(entry.model),
        asset=entry.asset,
        meter=entry.meter,
        unit_price=entry.unit_price,
        package_size=entry.package_size,
        tiers=tuple(
            requests.TierSaid(tier.unit_price, tier.up_to, tier.flat_fee) for tier in entry.tiers
        ),
        per=entry.per,
        rate=entry.rate,
        fixed_fee=entry.fixed_fee,
        minimum=entry.minimum,
        maximum=entry.maximum,
        free=entry.free,
        cap=entry.cap,
        dimensions=entry.dimensions,
        rows=tuple(requests.RowSaid(row.match, row.unit_price) for row in entry.rows),
        in_advance=entry.in_advance,
        period=None if entry.period is None else CyclePeriod(entry.period),
    )


def _price_entry(price: Price) -> PriceEntry:
    return PriceEntry(
        meter=price.meter,
        model=price.model.value,
        asset=price.asset,
        unit_price=price.unit_price,
        package_size=price.package_size,
        tiers=tuple(
            TierEntry(up_to=tier.up_to, unit_price=tier.unit_price, flat_fee=tier.flat_fee)
            for tier in price.tiers
        ),
        per=price.per,
        rate=price.rate,
        fixed_fee=price.fixed_fee,
        minimum=price.minimum,
        maximum=price.maximum,
        free=price.free,
        cap=price.cap,
        dimensions=price.dimensions,
        rows=tuple(
            RowEntry(match=dict(row.match), unit_price=row.unit_price) for row in price.rows
        ),
        in_advance=price.in_advance,
        period=None if price.period is None else price.period.value,
    )


def _included_said(entry: IncludedEntry) -> requests.IncludedGrantSaid:
    return requests.IncludedGrantSaid(
        asset=entry.asset,
        amount=entry.amount,
        rollover=entry.rollover,
        rollover_limit=entry.rollover_limit,
        recognition=entry.recognition,
        priority=entry.priority,
        period=None if entry.period is None else CyclePeriod(entry.period),
        rollover_times=entry.rollover_times,
        per_seat=entry.per_seat,
    )


def _included_entry(included: IncludedGrant) -> IncludedEntry:
    limit = included.rollover_limit_units
    return IncludedEntry(
        asset=included.asset,
        amount=decimal_of(included.amount_units, included.scale),
        rollover=included.rollover,
        rollover_limit=None if limit is None else decimal_of(limit, included.scale),
        recognition=included.recognition,
        priority=included.priority,
        period=None if included.period is None else included.period.value,
        rollover_times=included.rollover_times,
        per_seat=included.per_seat,
    )
