"""A stretch of recorded usage, priced by another version: page by page, customer by customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby

from application.reading import Reader
from domain.catalog.catalog import Catalog
from domain.rating.comparison import Compared, Comparison, event_types_of
from domain.rating.price_list import PriceLists
from domain.rating.rate import Usage
from domain.rating.trial import Trial
from projections.margin_queries import MarginQueries, MoneyMoved
from projections.usage_queries import Stretch, UsageQueries

Place = tuple[str, str]
"""A customer and an asset: where a page ends."""


@dataclass(frozen=True, slots=True)
class ComparedPrice:
    """One customer's usage in one asset. Units of it; money: what it earned and cost."""

    customer_id: str
    asset: str
    charged_units: int
    would_charge_units: int
    charges: int
    unpriceable: int
    money: tuple[MoneyMoved, ...]

    @property
    def place(self) -> Place:
        return (self.customer_id, self.asset)


@dataclass(frozen=True, slots=True)
class ComparedPage:
    rows: list[ComparedPrice]
    has_next: bool


class PriceComparisons:
    """Blocks: call it from a worker thread."""

    def __init__(self, reader: Reader, usage: UsageQueries, margins: MarginQueries) -> None:
        self._reader = reader
        self._usage = usage
        self._margins = margins

    def compare(
        self,
        tenant_id: str,
        trial: Trial,
        since: datetime,
        until: datetime,
        first: int,
        *,
        after: Place | None = None,
    ) -> ComparedPage:
        """Compare what was charged for usage that occurred in [since, until) with what `trial`
        would charge for it; totals start at zero. Raises NotFound.
        """
        catalog = self._reader.catalog(tenant_id)
        _check(catalog, trial)
        lists = PriceLists(catalog)
        stretch = Stretch(event_types_of(lists, trial.product), since, until)
        begin = None if after is None else after[0]
        # One more than fits, and the customer within whose assets the last page may have ended.
        customers = self._usage.customers(tenant_id, stretch, begin, first + 2)
        rows: list[ComparedPrice] = []
        for customer, compared in self._compared(tenant_id, trial, lists, stretch, customers):
            rows += [row for row in _rows(customer, compared) if not after or row.place > after]
        money = self._money(tenant_id, catalog, stretch, customers)
        kept = [_with_money(row, money) for row in rows[:first]]
        return ComparedPage(kept, has_next=len(rows) > first)

    def _compared(
        self,
        tenant_id: str,
        trial: Trial,
        lists: PriceLists,
        stretch: Stretch,
        customers: Sequence[str],
    ) -> Iterator[tuple[str, Compared]]:
        priced = self._usage.priced_customers(tenant_id, customers, trial.product)
        recorded = self._usage.usage(tenant_id, stretch, customers)
        for customer, used in groupby(recorded, key=lambda each: each.customer_id):
            by = priced[customer]
            comparison = Comparison(lists, partial(trial.terms, by.subscriptions, by.months))
            for each in used:
                if each.withdrawn:
                    comparison.add_charged(each.asset, each.charged_units)
                    continue
                usage = Usage(each.event_type, each.quantity, each.properties, each.occurred_at)
                comparison.add(usage, each.asset, each.charged_units)
            yield customer, comparison.result

    def _money(
        self, tenant_id: str, catalog: Catalog, stretch: Stretch, customers: Sequence[str]
    ) -> dict[Place, list[MoneyMoved]]:
        meters = {key for each in stretch.event_types for key in _meter_keys(catalog, each)}
        return self._margins.of_customers(
            tenant_id, customers, sorted(meters), stretch.since, stretch.until
        )


def _check(catalog: Catalog, trial: Trial) -> None:
    """Raises NotFound."""
    if trial.version is None:
        catalog.product(trial.product)
    else:
        catalog.product_version(trial.product, trial.version)


def _meter_keys(catalog: Catalog, event_type: str) -> list[str]:
    """Return under what a charge of this type stands: a line a meter, or the type itself."""
    return [event_type, *(meter.key for meter in catalog.meters_of(event_type))]


def _rows(customer: str, compared: Compared) -> Iterator[ComparedPrice]:
    for asset in sorted(compared.charged.keys() | compared.would_charge.keys()):
        yield ComparedPrice(
            customer,
            asset,
            compared.charged[asset],
            compared.would_charge[asset],
            compared.events[asset],
            compared.unpriceable[asset],
            (),
        )


def _with_money(row: ComparedPrice, money: dict[Place, list[MoneyMoved]]) -> ComparedPrice:
    return ComparedPrice(
        row.customer_id,
        row.asset,
        row.charged_units,
        row.would_charge_units,
        row.charges,
        row.unpriceable,
        tuple(money.get(row.place, ())),
    )
