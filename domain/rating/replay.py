"""Rating usage anew from the start of its cycles: what totals come to without a charge, or
under another version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.rating.rate import Rated
from domain.rating.running_total import RunningTotal, TotalKey


@dataclass(slots=True)
class Replay:
    """A standing that begins with nothing and keeps what is rated from it."""

    totals: dict[TotalKey, RunningTotal] = field(default_factory=dict)
    seen: set[tuple[TotalKey, str]] = field(default_factory=set)

    def total(self, key: TotalKey, _ends_at: datetime) -> RunningTotal | None:
        return self.totals.get(key)

    def unseen(self, key: TotalKey, value: str) -> bool:
        return (key, value) not in self.seen

    def returnable_units(self, total: RunningTotal) -> int:
        return total.amount_units

    def add(self, rated: Rated) -> None:
        for total in rated.totals:
            self.totals[total.key] = total
        self.seen.update((sight.key, sight.value) for sight in rated.sights)
