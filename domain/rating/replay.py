"""Rating usage anew from the start of its cycles: what totals come to without a charge, or
under another version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.money.rounding import part_of
from domain.rating.price_list import PriceLists
from domain.rating.pricing import PricingTerms
from domain.rating.rate import Rated, Usage, rate
from domain.rating.running_total import RunningTotal, TotalKey


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a charge stands. observed: nobody paid; refunded_units of amount_units: what stays
    out, since it was given back already.
    """

    observed: bool
    amount_units: int
    refunded_units: int

    def rest(self, units: int) -> int:
        """Return what of a line, or of all of them, is not refunded: the same share."""
        if units <= 0 or self.amount_units <= 0 or not self.refunded_units:
            return units
        refunded_units = min(self.refunded_units, self.amount_units)
        return units - part_of(units, 0, refunded_units, self.amount_units)


@dataclass(slots=True)
class Replay:
    """A standing that begins with nothing and keeps what is rated from it. paid: what of
    each total can go back.
    """

    totals: dict[TotalKey, RunningTotal] = field(default_factory=dict)
    seen: set[tuple[TotalKey, str]] = field(default_factory=set)
    paid: dict[TotalKey, int] = field(default_factory=dict)
    _observed: bool = False

    def total(self, key: TotalKey, _ends_at: datetime) -> RunningTotal | None:
        return self.totals.get(key)

    def unseen(self, key: TotalKey, value: str) -> bool:
        return (key, value) not in self.seen

    def returnable_units(self, total: RunningTotal, _units: int) -> int:
        if self._observed:
            return total.amount_units
        return min(total.amount_units, self.paid.get(total.key, 0))

    def rate(
        self, usage: Usage, terms: Sequence[PricingTerms], lists: PriceLists, recorded: Recorded
    ) -> Rated | None:
        """Rate a charge from where the replay has come to, and bring that forward."""
        self._observed = recorded.observed
        rated = rate(usage, lists.tariff(usage.event_type, terms, usage.occurred_at), self)
        if rated is None:
            return None
        for total in rated.totals:
            before = self.totals.get(total.key)
            self.totals[total.key] = total
            if not recorded.observed:
                units = total.amount_units - (before.amount_units if before is not None else 0)
                self.paid[total.key] = self.paid.get(total.key, 0) + recorded.rest(units)
        self.seen.update((sight.key, sight.value) for sight in rated.sights)
        return rated
