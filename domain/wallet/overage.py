"""Overage is one queue counted in units: ranges of all that was ever incurred."""

from __future__ import annotations

from collections.abc import Iterable

Range = tuple[int, int]


def length(ranges: Iterable[Range]) -> int:
    return sum(end - start for start, end in ranges)


def add(owed: list[Range], new: Range) -> None:
    """Append a range that begins at or after the last; adjoining ranges merge."""
    if owed and owed[-1][1] == new[0]:
        owed[-1] = (owed[-1][0], new[1])
    elif new[0] < new[1]:
        owed.append(new)


def oldest(owed: Iterable[Range], units: int) -> tuple[Range, ...]:
    """Return the first `units` that are owed, oldest first."""
    taken: list[Range] = []
    for start, end in owed:
        if not units:
            break
        upto = min(end, start + units)
        taken.append((start, upto))
        units -= upto - start
    return tuple(taken)


def newest(owed: Iterable[Range], units: int) -> tuple[Range, ...]:
    """Return the last `units` of ranges that are in order."""
    kept = list(owed)
    return tuple(without(kept, oldest(kept, max(length(kept) - units, 0))))


def common(owed: Iterable[Range], within: Range) -> tuple[Range, ...]:
    """Return what of `within` is owed."""
    cut = ((max(start, within[0]), min(end, within[1])) for start, end in owed)
    return tuple((start, end) for start, end in cut if start < end)


def within(owed: Iterable[Range], ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return what of `ranges` is owed."""
    kept = list(owed)
    return tuple(part for each in ranges for part in common(kept, each))


def without(owed: Iterable[Range], gone: Iterable[Range]) -> list[Range]:
    """Return what is owed once `gone` is not."""
    rest = list(owed)
    for gone_start, gone_end in gone:
        kept: list[Range] = []
        for start, end in rest:
            if start < min(end, gone_start):
                kept.append((start, min(end, gone_start)))
            if max(start, gone_end) < end:
                kept.append((max(start, gone_end), end))
        rest = kept
    return rest


def joined(ranges: Iterable[Range], more: Iterable[Range]) -> list[Range]:
    """Return both in order, adjoining ones merged. They do not overlap."""
    merged: list[Range] = []
    for each in sorted([*ranges, *more]):
        add(merged, each)
    return merged


def covers(ranges: Iterable[Range], wanted: Iterable[Range]) -> bool:
    """Whether all of `wanted` lies within `ranges`."""
    return not without(wanted, ranges)
