"""Rating usage anew from the start of its cycles: what totals come to without a charge, or
under another version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.rating.price_list import PriceLists
from domain.rating.pricing import PricingTerms
from domain.rating.rate import Rated, Usage, rate
from domain.rating.running_total import RunningTotal, TotalKey


@dataclass(slots=True)
class Replay:
    """A standing that begins with nothing and keeps what is rated from it. paid: what of
    each total can go back.
    """

    totals: dict[TotalKey, RunningTotal] = field(default_factory=dict)
    seen: set[tuple[TotalKey, str]] = field(default_factory=set)
    paid: Counter[TotalKey] = field(default_factory=Counter)
    _observed: bool = False

    def total(self, key: TotalKey, _ends_at: datetime) -> RunningTotal | None:
        return self.totals.get(key)

    def unseen(self, key: TotalKey, value: str) -> bool:
        return (key, value) not in self.seen

    def returnable_units(self, total: RunningTotal, _units: int) -> int:
        if self._observed:
            return total.amount_units
        return min(total.amount_units, max(self.paid[total.key], 0))

    def rate(
        self, usage: Usage, terms: Sequence[PricingTerms], lists: PriceLists, *, observed: bool
    ) -> Rated | None:
        """Rate a charge from where the replay has come to, and bring that forward. observed:
        nobody paid; else `pay` follows.
        """
        self._observed = observed
        rated = rate(usage, lists.tariff(usage.event_type, terms, usage.occurred_at), self)
        if rated is None:
            return None
        self.totals.update(rated.totals)
        self.seen.update((sight.key, sight.value) for sight in rated.sights)
        return rated

    def pay(self, units: Mapping[TotalKey, int], conceded: Mapping[TotalKey, int]) -> None:
        """Note what a charge's lines come to, less what was conceded of them."""
        self.paid.update(units)
        self.paid.subtract(conceded)
