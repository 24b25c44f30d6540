"""A tenant's catalogue: what usage is measured by, and what it costs.

One aggregate, so that whoever prices with it knows by one number whether it was overtaken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.aggregate import Aggregate
from domain.catalog.events import (
    CostTableSet,
    DefaultProductSet,
    MeterDefined,
    VersionDrafted,
    VersionPublished,
)
from domain.catalog.product import Product, ProductVersion, VersionStatus, VersionTerms
from domain.catalog.validity import check_meter, check_one_asset_an_event_type, check_terms
from domain.costs.table import CostTerms
from domain.costs.tables import CostTables
from domain.costs.validity import check_cost_terms
from domain.metering.meter import Aggregation, Meter
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState, NotFound


@dataclass(frozen=True, slots=True)
class ListedProduct:
    """A product as it stood at one time. current: the version that held then."""

    key: str
    name: str
    is_default: bool
    versions: tuple[ProductVersion, ...]
    current: ProductVersion | None


class Catalog(Aggregate):
    """meters and products by key; defaults: (from when, product), in order of time; unique_types:
    the event types that a meter of UNIQUE counts; costs: what usage costs the tenant.
    """

    TOPIC = "catalog"
    meters: dict[str, Meter]
    products: dict[str, Product]
    defaults: list[tuple[datetime | None, str | None]]
    by_event_type: dict[str, list[Meter]]
    unique_types: set[str]
    costs: CostTables

    @classmethod
    def empty(cls, catalog_id: str, at: datetime) -> Catalog:
        """Return the catalogue of a tenant that has said nothing yet."""
        catalog = cls.__new__(cls)
        catalog.__base_init__(catalog_id, 0, at)
        catalog.begin_if_new()
        return catalog

    @property
    def number(self) -> int:
        return self.version

    # Reading

    def meters_of(self, event_type: str) -> Sequence[Meter]:
        """Return the meters that events of this type may feed, in order of their keys."""
        return self.by_event_type.get(event_type, ())

    def default_product(self, at: datetime) -> Product | None:
        """Return the product that prices what no subscription prices, at `at`."""
        for since, key in reversed(self.defaults):
            if since is None or since <= at:
                return self.products[key] if key is not None else None
        return None

    @property
    def last_default(self) -> str | None:
        """Return the product that was last said to be the default; None for none."""
        return self.defaults[-1][1] if self.defaults else None

    def listed(self, key: str, at: datetime) -> ListedProduct:
        """Raises NotFound."""
        product = self.product(key)
        return ListedProduct(
            key=key,
            name=product.name,
            is_default=self.default_product(at) is product,
            versions=tuple(product.versions.values()),
            current=product.effective(at),
        )

    def product(self, key: str) -> Product:
        """Raises NotFound."""
        product = self.products.get(key)
        if product is None:
            raise NotFound(what="product", key=key)
        return product

    def product_version(self, key: str, number: int) -> ProductVersion:
        """Raises NotFound."""
        version = self.product(key).versions.get(number)
        if version is None:
            raise NotFound(what="product version", key=f"{key} {number}")
        return version

    # Deciding

    def define_meter(self, meter: Meter, at: datetime) -> None:
        """A meter stays as it was defined; the same again writes nothing.

        Raises InvalidInput, IdempotencyConflict naming what differs.
        """
        check_meter(meter)
        before = self.meters.get(meter.key)
        if before is None:
            self.record(MeterDefined(self.id, self.version + 1, self._time(at), meter))
            return
        for name, field in _METER_FIELDS.items():
            if getattr(before, name) != getattr(meter, name):
                raise IdempotencyConflict(key=meter.key, field=field)

    def draft_version(
        self,
        key: str,
        name: str | None,
        terms: VersionTerms,
        effective_at: datetime | None,
        at: datetime,
    ) -> int:
        """Add a draft; answer its number. The newest draft said again writes nothing.

        Raises InvalidInput naming what is wrong.
        """
        check_terms(terms, self.meters)
        product = self.products.get(key)
        if product is not None and name in (None, product.name):
            newest = product.versions[len(product.versions)]
            again = ProductVersion(newest.number, terms, VersionStatus.DRAFT, effective_at)
            if newest == again:
                return newest.number
        number = len(product.versions) + 1 if product else 1
        told = name or (product.name if product else key)
        self.record(
            VersionDrafted(
                self.id, self.version + 1, self._time(at), key, told, number, terms, effective_at
            )
        )
        return number

    def publish_version(
        self, key: str, number: int, effective_at: datetime | None, at: datetime
    ) -> None:
        """Make a draft immutable, from `effective_at` on; default: what the draft says, else now.

        Raises, first match wins: NotFound, InvalidState (no draft any more), InvalidInput
        (a later version in the past, one event type in two assets).
        """
        at = self._time(at)
        version = self.product_version(key, number)
        if version.status != VersionStatus.DRAFT:
            raise InvalidState(
                state=version.status,
                reason=f"version {number} of {key} is {version.status}: draft another",
            )
        since = effective_at or version.effective_at or at
        if self.product(key).published and since < at:
            raise InvalidInput(
                field="effectiveAt",
                reason="usage was priced by another version then: only a first version may hold"
                " from a time that has passed",
            )
        check_one_asset_an_event_type(version.prices, self.meters)
        self.record(VersionPublished(self.id, self.version + 1, at, key, number, since))

    def set_default_product(self, key: str | None, at: datetime) -> None:
        """From now on; the first one also for what occurred before. The same writes nothing.

        Raises NotFound.
        """
        if key is not None:
            self.product(key)
        if key == self.last_default:
            return
        at = self._time(at)
        since = at if self.defaults else None
        self.record(DefaultProductSet(self.id, self.version + 1, at, key, since))

    def set_cost_table(
        self, key: str, terms: CostTerms, effective_at: datetime | None, at: datetime
    ) -> None:
        """From `effective_at` on; default: now. The newest said again writes nothing.

        Raises InvalidInput naming what is wrong.
        """
        check_cost_terms(terms)
        table = self.costs.by_key.get(key)
        before = table.newest if table is not None else None
        if before is not None and before.terms == terms:
            effective_at = effective_at or before.effective_at
            if effective_at == before.effective_at:
                return
        at = self._time(at)
        self.record(CostTableSet(self.id, self.version + 1, at, key, terms, effective_at or at))

    def _time(self, now: datetime) -> datetime:
        return max(now, self.recorded_at)

    # Folding

    def begin_if_new(self) -> None:
        if "meters" not in self.__dict__:
            self.meters = {}
            self.products = {}
            self.defaults = []
            self.by_event_type = {}
            self.unique_types = set()
            self.costs = CostTables()

    def add_meter(self, meter: Meter) -> None:
        self.meters[meter.key] = meter
        of_type = self.by_event_type.setdefault(meter.event_type, [])
        of_type.append(meter)
        of_type.sort(key=lambda each: each.key)
        if meter.aggregation == Aggregation.UNIQUE:
            self.unique_types.add(meter.event_type)

    def add_draft(self, event: VersionDrafted) -> None:
        product = self.products.setdefault(event.product, Product(event.product, event.name))
        product.name = event.name
        product.draft(event.number, event.terms, event.effective_at)


_METER_FIELDS = {
    "event_type": "eventType",
    "aggregation": "aggregation",
    "property": "property",
    "less": "less",
    "filters": "filters",
    "unpriced_asset": "unpricedAsset",
}
