"""List prices of language models as a catalogue that a person may publish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from domain.catalog.validity import MOST_ROWS
from interfaces.catalogue.files import (
    Catalogue,
    MeterEntry,
    PriceEntry,
    ProductEntry,
    RowEntry,
)
from interfaces.catalogue.templates import EVENT_TYPE, METERS, MODEL, PriceTemplate, templates

PRODUCT = "llm-list-prices"
MAKERS = ("anthropic", "openai", "google", "mistral", "deepseek", "x-ai", "cohere", "moonshotai")


def catalogue_of_templates(
    on: date, vendors: Sequence[str] = (), product: str = PRODUCT
) -> Catalogue:
    """Return meters, and a product with a price a meter and a row a model.

    vendors: default those that make models; of a model that several list, the first one's
    price. Models of a vendor beyond a price's most rows are left out.
    """
    rows = [row for vendor in vendors or MAKERS for row in templates(on, vendor)]
    as_of = max((row.as_of for row in rows), default=on.isoformat())
    return Catalogue(
        meters={
            meter.key: MeterEntry(event_type=EVENT_TYPE, property=meter.property, less=meter.less)
            for meter in METERS
        },
        products={
            product: ProductEntry(
                name=f"List prices of language models as of {as_of}",
                prices={meter.key: _price(meter.key, rows) for meter in METERS},
            )
        },
    )


def _price(meter: str, rows: Iterable[PriceTemplate]) -> PriceEntry:
    first: dict[str, PriceTemplate] = {}
    for row in rows:
        if row.meter == meter:
            first.setdefault(row.model, row)
    kept = list(first.values())[:MOST_ROWS]
    return PriceEntry(
        meter=meter,
        asset=kept[0].currency,
        per=kept[0].per,
        dimensions=(MODEL,),
        rows=tuple(RowEntry(match={MODEL: row.model}, unit_price=row.unit_price) for row in kept),
    )
