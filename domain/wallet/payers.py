"""Who paid what a price took in a cycle, and to whom it goes back.

A tier of all units that is reached, a latest value that falls, a charge that is withdrawn or
rated anew make a cycle cost less: what was taken too much goes back to those who paid it.
First to whoever paid for the charge itself, then to the others, and among them in this
order: overage that is owed and on no invoice is no longer owed; grants, the newest first;
overage that was invoiced, which only a new grant can make good, since an invoice stays as it
is. Never more than was taken; nor what a credit note gave back.
Units of the price's asset.

A wallet knows the payers of a price's cycle or does not. It need not while each charge still
has what it took: then each charge tells its own. It does from the first charge by a price
whose lines may be below zero, and from the first time that one charge's money goes back
because of another. Then it keeps the newest MOST_KEPT grants and ranges; should those not tell
who gives up so much, its events do, which state all that ever changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.rating.running_total import TotalKey
from domain.wallet import overage
from domain.wallet.overage import Range

Part = tuple[str, int]

MOST_KEPT = 100

NO_PRICE: TotalKey = ("", "", datetime(1970, 1, 1, tzinfo=UTC))
"""Stands for the total of what no price rated: amounts that were stated."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Payers of whom the newest are said. more_grants, more_overage: there are older ones."""

    more_grants: bool
    more_overage: bool


ALL = Newest(more_grants=False, more_overage=False)


@dataclass(frozen=True, slots=True)
class PaidFor:
    """How what was paid for a price in a cycle changes: `returned` goes off, then `added`
    comes on, the newest last. anew: what was known before is void. newest: nothing changes,
    `added` is read from the log again, as far as it is said.
    """

    product: str
    price: str
    starts_at: datetime
    added: tuple[Part, ...] = ()
    added_overage: tuple[Range, ...] = ()
    returned: tuple[Part, ...] = ()
    returned_overage: tuple[Range, ...] = ()
    anew: bool = False
    newest: Newest | None = None

    @property
    def key(self) -> TotalKey:
        return (self.product, self.price, self.starts_at)

    @property
    def units(self) -> int:
        """Return what more is paid; below zero: what less."""
        added = sum(units for _, units in self.added) + overage.length(self.added_overage)
        returned = sum(units for _, units in self.returned)
        return added - returned - overage.length(self.returned_overage)


@dataclass(slots=True)
class Payers:
    """Grants, the newest last, and ranges of the account's overage that paid and have not
    got it back. What a grant repaid of the overage, the grant has paid. more_grants,
    more_overage: there are older ones than these.
    """

    grants: list[Part] = field(default_factory=list)
    overage: list[Range] = field(default_factory=list)
    more_grants: bool = False
    more_overage: bool = False

    @property
    def units(self) -> int:
        return sum(units for _, units in self.grants) + overage.length(self.overage)

    def copy(self) -> Payers:
        return Payers(list(self.grants), list(self.overage))

    def within(self, other: Payers) -> Payers:
        """Return what of these payments the other knows too."""
        left = other.units_by_grant()
        grants: list[Part] = []
        for grant_id, units in reversed(self.grants):
            part = min(units, left.get(grant_id, 0))
            if part:
                left[grant_id] -= part
                grants.insert(0, (grant_id, part))
        return Payers(grants, list(overage.within(other.overage, self.overage)))

    def units_by_grant(self) -> dict[str, int]:
        by_grant: dict[str, int] = {}
        for grant_id, units in self.grants:
            by_grant[grant_id] = by_grant.get(grant_id, 0) + units
        return by_grant

    @property
    def complete(self) -> bool:
        return not (self.more_grants or self.more_overage)

    def tell(self, units: int, owed: Sequence[Range]) -> bool:
        """Whether these alone tell who gives up so much, in the order in which that goes."""
        if self.complete:
            return True
        left = units - overage.length(overage.within(owed, self.overage))
        if left <= 0 or self.more_overage:
            return left <= 0
        return left <= sum(part for _, part in self.grants)

    def keep_newest(self) -> None:
        """Let go of what is older than the newest MOST_KEPT."""
        if len(self.grants) > MOST_KEPT:
            del self.grants[:-MOST_KEPT]
            self.more_grants = True
        if len(self.overage) > MOST_KEPT:
            del self.overage[:-MOST_KEPT]
            self.more_overage = True

    def give_up(self, units: int, owed: Sequence[Range]) -> GivenUp:
        """Take off the newest that come to `units`. owed: the account's overage that is on
        no invoice.
        """
        forgiven = overage.newest(overage.within(owed, self.overage), units)
        self.overage = overage.without(self.overage, forgiven)
        units -= overage.length(forgiven)
        parts: list[Part] = []
        while units and self.grants:
            grant_id, paid_units = self.grants.pop()
            part = min(paid_units, units)
            parts.append((grant_id, part))
            units -= part
            if paid_units > part:
                self.grants.append((grant_id, paid_units - part))
        invoiced: tuple[Range, ...] = ()
        if units and self.overage:
            rest = overage.without(self.overage, owed)
            invoiced = overage.newest(rest, units)
            self.overage = overage.without(self.overage, invoiced)
        return GivenUp(forgiven, tuple(parts), invoiced)

    # Folding

    def move(self, paid: PaidFor) -> None:
        if paid.newest is not None:
            self.grants, self.overage = list(paid.added), list(paid.added_overage)
            self.more_grants = paid.newest.more_grants
            self.more_overage = paid.newest.more_overage
            return
        if paid.anew:
            self.grants, self.overage = [], []
            self.more_grants = self.more_overage = False
        self.take_off(paid.returned, paid.returned_overage)
        for grant_id, units in paid.added:
            self._add(grant_id, units)
        if paid.added_overage:
            self._add_overage(paid.added_overage)

    def repay(self, grant_id: str, ranges: Iterable[Range]) -> None:
        """Overage that a grant repaid was paid by that grant."""
        gone = overage.within(self.overage, ranges)
        if gone:
            self.overage = overage.without(self.overage, gone)
            self._add(grant_id, overage.length(gone))

    def credit(self, ranges: Iterable[Range]) -> None:
        """Overage that a credit note took off its invoice was paid by nobody."""
        if self.overage:
            self.overage = overage.without(self.overage, ranges)

    def _add(self, grant_id: str, units: int) -> None:
        if self.grants and self.grants[-1][0] == grant_id:
            self.grants[-1] = (grant_id, self.grants[-1][1] + units)
        elif units:
            self.grants.append((grant_id, units))

    def _add_overage(self, ranges: tuple[Range, ...]) -> None:
        if not self.overage or ranges[0][0] >= self.overage[-1][1]:
            for each in ranges:
                overage.add(self.overage, each)
        else:
            self.overage = overage.joined(self.overage, ranges)

    def take_off(self, parts: Iterable[Part], ranges: Sequence[Range]) -> None:
        for grant_id, units in parts:
            self._take_off(grant_id, units)
        if ranges:
            self.overage = overage.without(self.overage, ranges)

    def _take_off(self, grant_id: str, units: int) -> None:
        for place in range(len(self.grants) - 1, -1, -1):
            paid_by, paid_units = self.grants[place]
            if paid_by == grant_id and units:
                part = min(paid_units, units)
                self.grants[place] = (grant_id, paid_units - part)
                units -= part
        kept, self.grants = self.grants, []
        for each, left in kept:
            self._add(each, left)


def newest_of(key: TotalKey, payers: Payers, units: int, owed: Sequence[Range]) -> PaidFor:
    """Return the newest payers of a price's cycle, and in any case those who give up `units`."""
    rest = payers.copy()
    gone = rest.give_up(units, owed)
    rest.keep_newest()
    return PaidFor(
        *key,
        added=(*rest.grants, *reversed(gone.parts)),
        added_overage=tuple(overage.joined(rest.overage, gone.ranges)),
        newest=Newest(rest.more_grants, rest.more_overage),
    )


def payers_told(paid: Iterable[PaidFor]) -> dict[TotalKey, Payers]:
    """Return the payers that begin with these."""
    payers: dict[TotalKey, Payers] = {}
    for each in paid:
        payers.setdefault(each.key, Payers()).move(each)
    return payers


@dataclass(frozen=True, slots=True)
class GivenUp:
    """forgiven: no longer owed; parts: of grants, the newest first; invoiced: of overage that
    was invoiced.
    """

    forgiven: tuple[Range, ...] = ()
    parts: tuple[Part, ...] = ()
    invoiced: tuple[Range, ...] = ()

    @property
    def ranges(self) -> tuple[Range, ...]:
        return (*self.forgiven, *self.invoiced)

    @property
    def units(self) -> int:
        return overage.length(self.ranges) + sum(units for _, units in self.parts)


@dataclass(frozen=True, slots=True)
class Share:
    """A line, as payment is shared. key: of the total whose payers are known, else None;
    own: what the charge itself paid for it, of a line below zero.
    """

    key: TotalKey | None
    units: int
    own: Payers | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """back: what goes back in all. paid: how what was paid for each changes."""

    back: GivenUp
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
    back. payers: of each negative line. parts, incurred: what the charge as a whole took.
    owed: the account's overage that is on no invoice.
    """
    gained = sum(line.units for line in lines if line.units > 0)
    pool = _Pool([], [])
    forgiven: list[Range] = []
    returned: list[Part] = []
    invoiced: list[Range] = []
    paid: list[PaidFor] = []
    for line in lines:
        if line.units >= 0 or line.key is None:
            continue
        handed_units = min(gained, -line.units)
        gained -= handed_units
        left = payers[line.key].copy()
        own = line.own.within(left) if line.own is not None else Payers()
        back = _give_up(left, own, -line.units - handed_units, owed)
        handed = _give_up(left, own, handed_units, owed)
        pool.parts += reversed(handed.parts)
        pool.ranges = overage.joined(pool.ranges, handed.ranges)
        forgiven += back.forgiven
        returned += back.parts
        invoiced += back.invoiced
        paid.append(
            PaidFor(
                *line.key,
                returned=(*back.parts, *handed.parts),
                returned_overage=(*back.ranges, *handed.ranges),
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
    back = GivenUp(
        tuple(overage.joined((), forgiven)), tuple(returned), tuple(overage.joined((), invoiced))
    )
    return Shared(back, tuple(paid))


def _give_up(left: Payers, own: Payers, units: int, owed: Sequence[Range]) -> GivenUp:
    """Take `units` off what is left, of it what is its own first."""
    first = own.give_up(units, owed)
    if first.units:
        left.take_off(first.parts, first.ranges)
    rest = left.give_up(units - first.units, owed)
    return GivenUp(
        (*first.forgiven, *rest.forgiven),
        (*first.parts, *rest.parts),
        (*first.invoiced, *rest.invoiced),
    )


@dataclass(slots=True)
class _Pool:
    parts: list[Part]
    ranges: list[Range]

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
