"""Overage of a customer: what of it is owed, and what it was recognised at.

Overage accumulates exactly per currency and cycle, over all meters and assets, and is
rounded on that figure only; so what is posted for a cycle equals the subtotal of its
invoice. An account's overage is one queue counted in units; a segment says of a stretch of
it which cycle it belongs to and what a unit costs. Values are exact, at scale 30.

Worked example: overage of $10.005 on one meter, then $10.005 on another, in one cycle: the
cycle stands at 10.005, posted as 10.00, then at 20.01: 10.01 more.

Source: ASC 606-10-45-3 to 45-4 (a right to consideration that is conditional on nothing but
the passage of time is a receivable); IFRS 15.107 to 108.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from domain.money.exact import exact_value, minor_of


@dataclass(slots=True)
class Segment:
    """Units [start, end) of an account's overage; unit_price: exact decimal of `currency`."""

    start: int
    end: int
    cycle: str
    currency: str
    unit_price: str


@dataclass(slots=True)
class CycleBalance:
    """exact: at scale 30, what is neither repaid nor invoiced; posted: minor units."""

    exact: int = 0
    posted: int = 0


@dataclass(slots=True)
class UnbilledWallet:
    """A wallet's overage. segments by asset; cycles by currency and cycle, "USD 2026-01".
    last_charge: the day of the last charge, by asset. adjustments: charges that were no usage
    but a FORFEITURE or CORRECTION.
    """

    tenant: str
    wallet_id: str
    customer_id: str
    segments: dict[str, list[Segment]] = field(default_factory=dict)
    cycles: dict[str, CycleBalance] = field(default_factory=dict)
    last_charge: dict[str, date] = field(default_factory=dict)
    adjustments: dict[str, str] = field(default_factory=dict)

    def note_charge(self, asset: str, day: date) -> None:
        last = self.last_charge.get(asset)
        if last is None or day > last:
            self.last_charge[asset] = day

    def incur(self, asset: str, segment: Segment, scale: int) -> int:
        """Add a stretch of overage; return the minor units that it adds to its cycle."""
        segments = self.segments.setdefault(asset, [])
        last = segments[-1] if segments else None
        if last is not None and (last.end, last.cycle, last.currency, last.unit_price) == (
            segment.start, segment.cycle, segment.currency, segment.unit_price,
        ):  # fmt: skip
            last.end = segment.end
        else:
            segments.append(segment)
        return self.move(segment.currency, segment.cycle, _value(segment, scale))

    def take(
        self, asset: str, ranges: Iterable[tuple[int, int]], scale: int
    ) -> list[tuple[str, str, int]]:
        """Take ranges that are no longer owed; return (currency, cycle, exact value) of each
        stretch that was recognised.
        """
        taken: list[tuple[str, str, int]] = []
        for start, end in ranges:
            kept: list[Segment] = []
            for each in self.segments.get(asset, []):
                first, last = max(start, each.start), min(end, each.end)
                if first >= last:
                    kept.append(each)
                    continue
                gone = Segment(first, last, each.cycle, each.currency, each.unit_price)
                taken.append((each.currency, each.cycle, _value(gone, scale)))
                for begin, stop in ((each.start, first), (last, each.end)):
                    if begin < stop:
                        kept.append(
                            Segment(begin, stop, each.cycle, each.currency, each.unit_price)
                        )
            self.segments[asset] = kept
        return taken

    def move(self, currency: str, cycle: str, exact: int) -> int:
        """Change a cycle's exact value; return the minor units by which its posting changes."""
        balance = self.cycles.setdefault(f"{currency} {cycle}", CycleBalance())
        balance.exact += exact
        after = minor_of(balance.exact, currency)
        change = after - balance.posted
        balance.posted = after
        return change


def _value(segment: Segment, scale: int) -> int:
    return exact_value(segment.end - segment.start, scale, segment.unit_price)
