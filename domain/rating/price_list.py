"""Usage prices of product versions, as they hold for customers: compiled once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.calendar.months import Months
from domain.catalog.catalog import Catalog
from domain.catalog.price import Price
from domain.metering.meter import Meter
from domain.rating.listed_price import ListedPrice, listed
from domain.rating.pricing import PricingSubscription, PricingTerms, terms_at
from domain.rating.tariff import MeterPrice, Tariff

MOST_LISTS = 1_000
MOST_TARIFFS = 1_000

PriceList = dict[str, tuple[ListedPrice, ...]]
"""The prices of each meter, by its key, in the order of the version."""

_OfCustomer = tuple[Tariff, tuple[PricingSubscription, ...]]


class PriceLists:
    """The lists of one catalogue. A version's terms never change, so each is made once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._lists: dict[tuple[str, int, str, int], tuple[PriceList, tuple[Price, ...]]] = {}
        self._tariffs: dict[tuple[object, ...], _OfCustomer] = {}
        self._number = catalog.version

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
            compiled = _compiled(terms, number, prices, self.catalog.meters)
            known = self._lists[key] = (compiled, overrides)
        return known[0]

    def tariff(self, event_type: str, terms: Sequence[PricingTerms], at: datetime) -> Tariff:
        """Return what rates usage of a type that occurred at `at`: for each meter the first of
        `terms` that prices it.
        """
        held = [(each, self.of(each, at)) for each in terms]
        meters = self.catalog.meters_of(event_type)
        prices: dict[str, tuple[MeterPrice, ...]] = {}
        for meter in meters:
            for each, prices_of in held:
                if meter.key in prices_of:
                    cycle = each.cycle
                    prices[meter.key] = tuple(
                        MeterPrice(
                            meter,
                            price,
                            cycle,
                            (price.product, price.price.key, cycle.starts_at),
                        )
                        for price in prices_of[meter.key]
                    )
                    break
        return Tariff(event_type, tuple(meters), prices)

    def tariff_for(
        self,
        subscriptions: tuple[PricingSubscription, ...],
        months: Months,
        event_type: str,
        at: datetime,
    ) -> Tariff:
        """Return what rates a customer's usage of a type at `at`; found once for all events
        of one time, as most of a batch are.
        """
        if self._number != self.catalog.version:
            self._tariffs.clear()
            self._number = self.catalog.version
        # A subscription is one value as long as it stays as it is: known by identity.
        key = (event_type, at, months.zone, months.since, *map(id, subscriptions))
        known = self._tariffs.get(key)
        if known is None:
            if len(self._tariffs) >= MOST_TARIFFS:
                self._tariffs.clear()
            terms = terms_at(subscriptions, self.catalog, months, at)
            known = (self.tariff(event_type, terms, at), subscriptions)
            self._tariffs[key] = known
        return known[0]


def _compiled(
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
        overridden = price.key in instead
        one = listed(terms.product, number, price, meter, terms.discount, overridden=overridden)
        found[meter.key] = (*found.get(meter.key, ()), one)
    return found
