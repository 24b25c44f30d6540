"""What a customer's recorded usage would have cost by another version, event by event.

Totals start at zero. An event that the version cannot price, since it lacks a property or no
row matches, is counted and costs nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from domain.rating.price_list import PriceLists
from domain.rating.pricing import PricingTerms
from domain.rating.rate import Usage, rate
from domain.rating.running_total import RunningTotal, TotalKey
from domain.rating.tariff import Tariff
from domain.refusals import InvalidInput

TermsAt = Callable[[datetime], PricingTerms]


@dataclass(slots=True)
class _FromZero:
    """How far the cycles have come in the comparison."""

    totals: dict[TotalKey, RunningTotal] = field(default_factory=dict)
    seen: set[tuple[TotalKey, str]] = field(default_factory=set)

    def total(self, key: TotalKey, ends_at: datetime) -> RunningTotal | None:  # noqa: ARG002
        return self.totals.get(key)

    def unseen(self, key: TotalKey, value: str) -> bool:
        return (key, value) not in self.seen

    def returnable_units(self, total: RunningTotal, _units: int) -> int:
        return total.amount_units


@dataclass(slots=True)
class Compared:
    """Units by asset. events: how many were compared; unpriceable: of them, how many the
    version cannot price.
    """

    charged: Counter[str] = field(default_factory=Counter)
    would_charge: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    unpriceable: Counter[str] = field(default_factory=Counter)


class Comparison:
    """Of one customer. terms_at: by what its usage of a time would be priced."""

    __slots__ = ("_lists", "_standing", "_terms_at", "result")

    def __init__(self, lists: PriceLists, terms_at: TermsAt) -> None:
        self._lists = lists
        self._terms_at = terms_at
        self._standing = _FromZero()
        self.result = Compared()

    def add_charged(self, asset: str, units: int) -> None:
        """Count what was charged, and stayed, for what was withdrawn."""
        self.result.charged[asset] += units

    def add(self, usage: Usage, asset: str, charged_units: int) -> None:
        """Compare a charge; in the order in which they were settled."""
        result, standing = self.result, self._standing
        self.add_charged(asset, charged_units)
        result.events[asset] += 1
        try:
            rated = rate(usage, self._tariff(usage), standing)
        except InvalidInput:
            result.unpriceable[asset] += 1
            return
        if rated is None:
            return
        result.would_charge[rated.asset] += rated.amount_units
        standing.totals.update(rated.totals)
        for sight in rated.sights:
            standing.seen.add((sight.key, sight.value))

    def _tariff(self, usage: Usage) -> Tariff:
        terms = self._terms_at(usage.occurred_at)
        return self._lists.tariff(usage.event_type, (terms,), usage.occurred_at)


def event_types_of(lists: PriceLists, product: str) -> list[str]:
    """Return the types of events that any version of the product prices."""
    catalog = lists.catalog
    priced = {
        price.meter
        for version in catalog.product(product).versions.values()
        for price in version.prices
        if price.meter is not None
    }
    return sorted({catalog.meters[key].event_type for key in priced})
