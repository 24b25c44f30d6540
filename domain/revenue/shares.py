"""Shares between 0 and 1 as exact fractions: breakage estimates, escheat shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from domain.money.decimals import units_of

_SCALE = 18


@dataclass(frozen=True, slots=True)
class Share:
    """numerator / denominator, denominator above zero."""

    numerator: int
    denominator: int


@lru_cache(maxsize=1_000)
def share_of(text: str) -> Share:
    """Return the share that an exact decimal says. Raises NotADecimal."""
    return Share(units_of(text, _SCALE), 10**_SCALE)


NOTHING = Share(0, 1)
