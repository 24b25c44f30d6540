"""Every event of a tenant's catalogue: one stream, whose version is the catalogue's number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from domain.aggregate import Event
from domain.catalog.product import VersionTerms
from domain.costs.table import CostTerms
from domain.metering.meter import Meter

if TYPE_CHECKING:
    from domain.catalog.catalog import Catalog


class CatalogEvent(Event):
    """Base of the events of a catalogue."""

    def apply(self, aggregate: Catalog) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class MeterDefined(CatalogEvent):
    TOPIC: ClassVar[str] = "catalog.meter_defined"
    meter: Meter

    def apply(self, aggregate: Catalog) -> None:
        aggregate.begin_if_new()
        aggregate.add_meter(self.meter)


@dataclass(frozen=True)
class VersionDrafted(CatalogEvent):
    """effective_at: from when the draft is meant to hold, if it says so."""

    TOPIC: ClassVar[str] = "catalog.version_drafted"
    product: str
    name: str
    number: int
    terms: VersionTerms
    effective_at: datetime | None

    def apply(self, aggregate: Catalog) -> None:
        aggregate.begin_if_new()
        aggregate.add_draft(self)


@dataclass(frozen=True)
class VersionPublished(CatalogEvent):
    TOPIC: ClassVar[str] = "catalog.version_published"
    product: str
    number: int
    effective_at: datetime

    def apply(self, aggregate: Catalog) -> None:
        aggregate.products[self.product].publish(self.number, self.effective_at)


@dataclass(frozen=True)
class DefaultProductSet(CatalogEvent):
    """From `effective_at` on; None: from ever. product: None for none."""

    TOPIC: ClassVar[str] = "catalog.default_product_set"
    product: str | None
    effective_at: datetime | None

    def apply(self, aggregate: Catalog) -> None:
        aggregate.begin_if_new()
        aggregate.defaults.append((self.effective_at, self.product))


@dataclass(frozen=True)
class CostTableSet(CatalogEvent):
    """What usage costs the tenant from `effective_at` on; each is the next version of `key`."""

    TOPIC: ClassVar[str] = "catalog.cost_table_set"
    key: str
    terms: CostTerms
    effective_at: datetime

    def apply(self, aggregate: Catalog) -> None:
        aggregate.begin_if_new()
        aggregate.costs.set(self.key, self.terms, self.effective_at)
