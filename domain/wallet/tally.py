"""Consecutive charges of a wallet on the way to one event."""

from __future__ import annotations

from datetime import datetime

from domain.wallet.budgets import BudgetCount
from domain.wallet.burndown import merged
from domain.wallet.events import Part, Range, UsageDebited, UsageObserved
from domain.wallet.totals import RatedMove, moved_together


class Tally:
    """Consecutive charges of one account at one time, on the way to one event."""

    __slots__ = (
        "asset",
        "at",
        "budgets",
        "burned",
        "charge_ids",
        "moved",
        "observed",
        "overage",
        "units",
    )

    def __init__(self, asset: str, observed: bool, at: datetime) -> None:
        self.asset = asset
        self.observed = observed
        self.at = at
        self.units = 0
        self.burned: list[Part] = []
        self.overage: Range | None = None
        self.charge_ids: list[str] = []
        self.budgets: list[BudgetCount] = []
        self.moved: list[RatedMove] = []

    def takes(self, asset: str, observed: bool, at: datetime) -> bool:
        """Whether a charge joins this tally."""
        return self.asset == asset and self.observed == observed and self.at == at

    def add(
        self,
        charge_id: str,
        units: int,
        burned: tuple[Part, ...],
        incurred: Range | None,
        counts: tuple[BudgetCount, ...],
    ) -> None:
        self.units += units
        self.burned += burned
        if incurred is not None:
            start = self.overage[0] if self.overage else incurred[0]
            self.overage = (start, incurred[1])
        self.charge_ids.append(charge_id)
        self.budgets += counts

    def move(self, moved: RatedMove) -> None:
        self.moved.append(moved)

    def event(self, wallet_id: str, version: int) -> UsageDebited | UsageObserved:
        """Return the one event of all that was added."""
        alone = len(self.charge_ids) == 1
        burned = tuple(self.burned) if alone else merged(self.burned)
        budgets = tuple(self.budgets) if alone else merged(self.budgets)
        rated = moved_together(self.moved)
        if self.observed:
            return UsageObserved(
                wallet_id,
                version,
                self.at,
                self.asset,
                self.units,
                tuple(self.charge_ids),
                budgets,
                rated,
            )
        return UsageDebited(
            wallet_id,
            version,
            self.at,
            self.asset,
            self.units,
            burned,
            self.overage,
            tuple(self.charge_ids),
            budgets,
            rated,
        )
