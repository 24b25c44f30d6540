"""Who paid what a price took in a cycle: of prices whose lines may be negative.

A tier of all units that is reached, or a latest value that falls, makes a cycle cost less:
what was taken too much goes back to those who paid it, overage that is still owed first,
then grants, the newest first. Units of the price's asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.rating.running_total import TotalKey
from domain.wallet import overage
from domain.wallet.overage import Range

Part = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PaidFor:
    """How what was paid for a price in a cycle changes: `returned` goes off, then `added`
    comes on, the newest last. anew: what was known before is void.
    """

    product: str
    price: str
    starts_at: datetime
    added: tuple[Part, ...] = ()
    added_overage: tuple[Range, ...] = ()
    returned: tuple[Part, ...] = ()
    returned_overage: tuple[Range, ...] = ()
    anew: bool = False

    @property
    def key(self) -> TotalKey:
        return (self.product, self.price, self.starts_at)


@dataclass(slots=True)
class Payers:
    """Grants and ranges of the account's overage that paid, the newest last."""

    grants: list[Part] = field(default_factory=list)
    overage: list[Range] = field(default_factory=list)

    def returnable_units(self, owed: Iterable[Range]) -> int:
        """Return what could go back. owed: the account's overage that is on no invoice."""
        of_overage = overage.length(overage.within(owed, self.overage)) if self.overage else 0
        return of_overage + sum(units for _, units in self.grants)

    def newest(self, units: int) -> tuple[Part, ...]:
        """Return the newest parts that come to `units`, the newest first."""
        parts: list[Part] = []
        for grant_id, paid_units in reversed(self.grants):
            part = min(paid_units, units)
            if part:
                parts.append((grant_id, part))
                units -= part
        return tuple(parts)

    # Folding

    def move(self, paid: PaidFor) -> None:
        if paid.anew:
            self.grants, self.overage = [], []
        for grant_id, units in paid.returned:
            self._take_off(grant_id, units)
        if paid.returned_overage:
            self.overage = overage.without(self.overage, paid.returned_overage)
        for grant_id, units in paid.added:
            self._add(grant_id, units)
        for new in paid.added_overage:
            overage.add(self.overage, new)

    def repay(self, grant_id: str, ranges: Iterable[Range]) -> None:
        """Overage that a grant repaid was paid by that grant."""
        gone = overage.within(self.overage, ranges)
        if gone:
            self.overage = overage.without(self.overage, gone)
            self._add(grant_id, overage.length(gone))

    def _add(self, grant_id: str, units: int) -> None:
        if self.grants and self.grants[-1][0] == grant_id:
            self.grants[-1] = (grant_id, self.grants[-1][1] + units)
        elif units:
            self.grants.append((grant_id, units))

    def _take_off(self, grant_id: str, units: int) -> None:
        for place in range(len(self.grants) - 1, -1, -1):
            paid_by, paid_units = self.grants[place]
            if paid_by == grant_id and units:
                part = min(paid_units, units)
                self.grants[place] = (grant_id, paid_units - part)
                units -= part
        self.grants = [part for part in self.grants if part[1]]


@dataclass(frozen=True, slots=True)
class Share:
    """A line, as payment is shared: key: of the total whose price may fall, else None."""

    key: TotalKey | None
    units: int


@dataclass(frozen=True, slots=True)
class Shared:
    """forgiven, returned: what goes back in all. paid: how what was paid for each changes."""

    forgiven: tuple[Range, ...]
    returned: tuple[Part, ...]
    paid: tuple[PaidFor, ...]


def share_out(
    lines: Sequence[Share],
    payers: Mapping[TotalKey, Payers],
    owed: Sequence[Range],
    parts: Iterable[Part] = (),
    incurred: Range | None = None,
) -> Shared:
    """Share what pays for a charge among its lines, and say what goes back.

    What a negative line gives up pays for the positive ones first; only what is left goes
    back. parts, incurred: what the charge as a whole took. owed: the account's overage that
    is on no invoice.
    """
    gained = sum(line.units for line in lines if line.units > 0)
    pool = _Pool()
    forgiven: list[Range] = []
    returned: list[Part] = []
    paid: list[PaidFor] = []
    for line in lines:
        if line.units >= 0 or line.key is None:
            continue
        handed_units = min(gained, -line.units)
        gained -= handed_units
        given = payers[line.key]
        back_units = -line.units - handed_units
        ranges = _newest(overage.within(owed, given.overage), back_units)
        back = _Pool(list(given.newest(-line.units - overage.length(ranges))), [])
        returned_parts, _ = back.take(back_units - overage.length(ranges))
        handed, _ = back.take(handed_units)
        rest_units = handed_units - sum(units for _, units in handed)
        handed_ranges = _newest(overage.without(given.overage, ranges), rest_units)
        pool.parts += reversed(handed)
        pool.ranges += handed_ranges
        forgiven += ranges
        returned += returned_parts
        paid.append(
            PaidFor(
                *line.key,
                returned=(*returned_parts, *handed),
                returned_overage=(*ranges, *handed_ranges),
            )
        )
    pool.parts += parts
    if incurred is not None:
        pool.ranges.append(incurred)
    for line in lines:
        if line.units > 0:
            mine, mine_ranges = pool.take(line.units)
            if line.key is not None:
                paid.append(PaidFor(*line.key, added=mine, added_overage=mine_ranges))
    return Shared(tuple(forgiven), tuple(returned), tuple(paid))


@dataclass(slots=True)
class _Pool:
    parts: list[Part] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)

    def take(self, units: int) -> tuple[tuple[Part, ...], tuple[Range, ...]]:
        """Take so much from the front, grants before overage."""
        mine: list[Part] = []
        while units and self.parts:
            grant_id, there = self.parts.pop(0)
            part = min(there, units)
            mine.append((grant_id, part))
            units -= part
            if there > part:
                self.parts.insert(0, (grant_id, there - part))
        ranges = overage.oldest(self.ranges, units)
        self.ranges = overage.without(self.ranges, ranges)
        return tuple(mine), ranges


def _newest(ranges: Iterable[Range], units: int) -> tuple[Range, ...]:
    """Return the last `units` of ranges that are in order."""
    kept = list(ranges)
    return tuple(overage.without(kept, overage.oldest(kept, max(overage.length(kept) - units, 0))))
