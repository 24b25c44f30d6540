"""Exact decimals as text, and their integer counts of an asset's smallest unit.

Text is ASCII digits, at most 30 before and 18 after the point, no exponent, so that no
input can make a number whose size is not the input's own.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

MOST_PLACES = 18
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,18})?", re.ASCII)


class NotADecimal(ValueError):
    """The text is no exact decimal."""


class TooFine(ValueError):
    """The decimal has more places than the asset's scale."""


@lru_cache(maxsize=10_000)
def canonical(text: str) -> str:
    """Return the shortest form: "5.00" and "05" are "5", "-0" is "0".

    Raises NotADecimal.
    """
    if not _DECIMAL.fullmatch(text):
        raise NotADecimal(text[:60])
    whole, _, places = text.partition(".")
    negative = whole.startswith("-")
    whole = whole.lstrip("-").lstrip("0") or "0"
    places = places.rstrip("0")
    number = f"{whole}.{places}" if places else whole
    return f"-{number}" if negative and number != "0" else number


@lru_cache(maxsize=10_000)
def units_of(text: str, scale: int) -> int:
    """Return the units of 10^-scale in a decimal. Exact.

    Raises NotADecimal, TooFine.
    """
    whole, _, places = canonical(text).partition(".")
    if len(places) > scale:
        raise TooFine(text)
    return int(whole + places.ljust(scale, "0"))


def decimal_text(exact: Fraction) -> str | None:
    """Return the shortest decimal of an exact number; None where it has more than 18 places."""
    units = exact * 10**MOST_PLACES
    return decimal_of(units.numerator, MOST_PLACES) if units.denominator == 1 else None


def decimal_of(units: int, scale: int) -> str:
    """Return the shortest exact decimal of `units` of 10^-scale."""
    if scale == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(scale + 1, "0")
    places = digits[-scale:].rstrip("0")
    whole = digits[:-scale]
    return f"{sign}{whole}.{places}" if places else f"{sign}{whole}"
