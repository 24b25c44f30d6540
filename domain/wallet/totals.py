"""Running totals of a wallet: how far each price has come in the cycles that can still move.

They are part of the decision, so they are part of the wallet's state. A cycle whose time is
over for good is dropped by an event that says so; of one that moves after all, the last
event that moved it is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.rating.running_total import RunningTotal, TotalKey
from domain.struct import struct
from domain.wallet.overage import Range
from domain.wallet.payers import Newest, PaidFor, Payers


@struct(frozen=True, slots=True)
class TotalsMoved:
    """Totals as they are from now on; cycles that ended by `closed_before` are dropped first."""

    totals: tuple[RunningTotal, ...]
    paid: tuple[PaidFor, ...] = ()
    closed_before: datetime | None = None


@struct(frozen=True, slots=True)
class RatedMove:
    """The same, of one charge on the way to its event: totals by their keys."""

    totals: dict[TotalKey, RunningTotal]
    paid: tuple[PaidFor, ...] = ()
    closed_before: datetime | None = None

    def stated(self) -> TotalsMoved:
        return TotalsMoved(tuple(self.totals.values()), self.paid, self.closed_before)


@dataclass(frozen=True, slots=True)
class TotalsState:
    """Totals as a snapshot keeps them. paid: all that each price has been paid with."""

    totals: tuple[RunningTotal, ...] = ()
    paid: tuple[PaidFor, ...] = ()
    closed_before: datetime | None = None


NO_TOTALS = TotalsState()


@dataclass(slots=True)
class Totals:
    """closed_before: a cycle that ended by then may have moved and is no longer kept.
    payers: of those totals whose payers are known (`domain/wallet/payers.py`). whole: whether
    all of them are kept, as they are read from the log.
    """

    by_key: dict[TotalKey, RunningTotal] = field(default_factory=dict)
    payers: dict[TotalKey, Payers] = field(default_factory=dict)
    closed_before: datetime | None = None
    whole: bool = False

    # Asking

    def get(self, key: TotalKey) -> RunningTotal | None:
        return self.by_key.get(key)

    def dropped(self, key: TotalKey, ends_at: datetime) -> bool:
        """Whether a cycle's total may be in the log alone."""
        closed = self.closed_before
        return closed is not None and ends_at <= closed and key not in self.by_key

    def closable(self, before: datetime) -> bool:
        """Whether there is anything to drop of cycles that ended by then."""
        return any(total.ends_at <= before for total in self.by_key.values())

    def of_cycle(self, product: str, starts_at: datetime) -> list[RunningTotal]:
        """Return what a product's prices have come to in a cycle."""
        return [
            total
            for total in self.by_key.values()
            if total.product == product and total.starts_at == starts_at
        ]

    # Folding

    def move(self, moved: TotalsMoved) -> None:
        by_key = {total.key: total for total in moved.totals}
        self.advance(RatedMove(by_key, moved.paid, moved.closed_before))

    def advance(self, moved: RatedMove) -> None:
        closed = moved.closed_before
        if closed is not None:
            self.closed_before = max(closed, self.closed_before or closed)
            over = [key for key, total in self.by_key.items() if total.ends_at <= closed]
            for key in over:
                del self.by_key[key]
                self.payers.pop(key, None)
        self.by_key.update(moved.totals)
        for paid in moved.paid:
            payers = self.payers.get(paid.key)
            if payers is None:
                if paid.key not in self.by_key:  # of a cycle that only the log knows
                    continue
                payers = self.payers[paid.key] = Payers()
            if not self.whole:
                payers.move(paid)
                payers.keep_newest()
            elif paid.newest is None:
                payers.move(paid)

    def repay(self, asset: str, grant_id: str, ranges: Iterable[Range]) -> None:
        """Note which grant repaid overage of an account."""
        for key, payers in self.payers.items():
            if payers.overage and self.by_key[key].asset == asset:
                payers.repay(grant_id, ranges)
                if not self.whole:
                    payers.keep_newest()

    def credit(self, asset: str, ranges: Iterable[Range]) -> None:
        """Note overage of an account that a credit note gave back."""
        for key, payers in self.payers.items():
            if self.by_key[key].asset == asset:
                payers.credit(ranges)
                if not self.whole:
                    payers.keep_newest()

    # Snapshots

    def state(self) -> TotalsState:
        if not self.by_key:
            return TotalsState(closed_before=self.closed_before)
        return TotalsState(
            tuple(self.by_key.values()),
            tuple(
                PaidFor(
                    *key,
                    added=tuple(payers.grants),
                    added_overage=tuple(payers.overage),
                    newest=Newest(payers.more_grants, payers.more_overage),
                )
                for key, payers in self.payers.items()
            ),
            self.closed_before,
        )

    @classmethod
    def restored(cls, state: TotalsState) -> Totals:
        totals = cls()
        totals.move(TotalsMoved(state.totals, state.paid))
        totals.closed_before = state.closed_before
        return totals


@dataclass(slots=True)
class _MovedTotals:
    """What consecutive charges move: the last of each total, and all that was paid, in order."""

    totals: dict[TotalKey, RunningTotal] = field(default_factory=dict)
    paid: list[PaidFor] = field(default_factory=list)
    closed_before: datetime | None = None

    def add(self, moved: RatedMove) -> None:
        closed = moved.closed_before
        if closed is not None:
            self.closed_before = max(closed, self.closed_before or closed)
            over = {key for key, total in self.totals.items() if total.ends_at <= closed}
            self.totals = {key: self.totals[key] for key in self.totals if key not in over}
            self.paid = [paid for paid in self.paid if paid.key not in over]
        self.totals.update(moved.totals)
        for paid in moved.paid:
            last = self.paid[-1] if self.paid else None
            only_adds = not (paid.returned or paid.returned_overage or paid.anew or paid.newest)
            if last is not None and last.key == paid.key and only_adds and _follows(last, paid):
                self.paid[-1] = replace(
                    last,
                    added=(*last.added, *paid.added),
                    added_overage=(*last.added_overage, *paid.added_overage),
                )
            else:
                self.paid.append(paid)


def moved_together(moves: Sequence[RatedMove]) -> TotalsMoved | None:
    """Return what consecutive charges move, as one event says it; None for nothing."""
    if not moves:
        return None
    together = _MovedTotals()
    for moved in moves:
        together.add(moved)
    if not together.totals and not together.paid:
        return None
    return TotalsMoved(
        tuple(together.totals.values()), tuple(together.paid), together.closed_before
    )


def unpaid(rated: RatedMove | None) -> RatedMove | None:
    """Return what usage moves that only looks: totals, which nobody pays for."""
    return replace(rated, paid=()) if rated is not None and rated.paid else rated


def _follows(last: PaidFor, paid: PaidFor) -> bool:
    """Whether what is added is newer than all that was, so that both may be said as one."""
    if last.newest is not None:
        return False
    before, after = last.added_overage, paid.added_overage
    return not before or not after or before[-1][1] <= after[0][0]
