"""Usage prices of a product version, as they hold for one customer: compiled once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.catalog.catalog import Catalog
from domain.catalog.meter import Aggregation, Meter
from domain.catalog.price import Price, PriceModel
from domain.rating.cost import CostFunction
from domain.rating.pricing import PricingTerms

MOST_LISTS = 1_000


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """may_fall: whether what it takes of a cycle can become less as usage goes on."""

    product: str
    version: int
    price: Price
    overridden: bool
    cost: CostFunction
    may_fall: bool


PriceList = dict[str, tuple[ListedPrice, ...]]
"""The prices of each meter, by its key, in the order of the version."""


class PriceLists:
    """The lists of one catalogue. A version's terms never change, so each is made once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._lists: dict[tuple[str, int, str, int], tuple[PriceList, tuple[Price, ...]]] = {}

    def of(self, terms: PricingTerms, at: datetime) -> PriceList:
        """Return the prices that hold at `at`; none where no version does."""
        product = self.catalog.products.get(terms.product)
        version = product.version(terms.version, at) if product is not None else None
        if version is None and not terms.overrides:
            return {}
        number = version.number if version is not None else 0
        overrides = terms.overrides
        # Overrides are one value as long as they hold: known by identity, and so kept.
        key = (terms.product, number, terms.discount, id(overrides) if overrides else 0)
        known = self._lists.get(key)
        if known is None:
            if len(self._lists) >= MOST_LISTS:
                self._lists.clear()
            prices = version.prices if version is not None else ()
            listed = _listed(terms, number, prices, self.catalog.meters)
            known = self._lists[key] = (listed, overrides)
        return known[0]


def _listed(
    terms: PricingTerms, number: int, prices: tuple[Price, ...], meters: dict[str, Meter]
) -> PriceList:
    instead = {price.key: price for price in terms.overrides}
    own = {price.key for price in prices}
    held = [instead.get(price.key, price) for price in prices]
    held += [price for price in terms.overrides if price.key not in own]
    found: PriceList = {}
    for price in held:
        meter = meters.get(price.meter) if price.meter is not None else None
        if meter is None or price.recurring:
            continue
        listed = ListedPrice(
            terms.product,
            number,
            price,
            price.key in instead,
            CostFunction(price, terms.discount),
            price.model == PriceModel.VOLUME or meter.aggregation == Aggregation.LATEST,
        )
        found[meter.key] = (*found.get(meter.key, ()), listed)
    return found
