"""A catalogue as the text of a file."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from domain.catalog.catalog import Catalog
from domain.catalog.product import VersionStatus
from domain.metering.meter import Meter
from domain.money.asset import Asset
from interfaces.catalogue.entries import cost_entry_of, entry_of
from interfaces.catalogue.files import AssetEntry, Catalogue, MeterEntry, ProductEntry

_WIDTH = 100


def text_of(catalogue: Catalogue) -> str:
    """Return YAML that reads back as the same catalogue; decimals are quoted."""
    said = catalogue.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=_WIDTH)


def catalogue_of(catalog: Catalog, asset_of: Callable[[str], Asset | None]) -> Catalogue:
    """Return what the ledger keeps, each product as its newest version says.

    Once published, a version's time is left out: what is changed in the file holds from now.
    """
    used = {meter.unpriced_asset for meter in catalog.meters.values()}
    products: dict[str, ProductEntry] = {}
    for key, product in catalog.products.items():
        newest = product.versions[len(product.versions)]
        used |= {price.asset for price in newest.prices}
        used |= {included.asset for included in newest.terms.includes}
        drafted = newest.status == VersionStatus.DRAFT
        said = {"name": product.name, "effective_at": newest.effective_at if drafted else None}
        products[key] = entry_of(newest.terms).model_copy(update=said)
    found = [asset_of(key) for key in sorted(key for key in used if key is not None)]
    return Catalogue(
        assets={
            asset.key: AssetEntry(name=asset.name, scale=asset.scale)
            for asset in found
            if asset is not None and asset.kind == "CUSTOM"
        },
        meters={key: _meter_entry(meter) for key, meter in sorted(catalog.meters.items())},
        products=products,
        cost_tables={
            key: cost_entry_of(table.newest.terms) for key, table in catalog.costs.by_key.items()
        },
        default_product=catalog.last_default,
    )


def _meter_entry(meter: Meter) -> MeterEntry:
    return MeterEntry(
        event_type=None if meter.event_type == meter.key else meter.event_type,
        aggregation=meter.aggregation.value,
        property=meter.property,
        less=meter.less,
        filters={
            each.property: each.values[0] if len(each.values) == 1 else list(each.values)
            for each in meter.filters
        }
        or None,
        unpriced_asset=meter.unpriced_asset,
    )
