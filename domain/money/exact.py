"""Exact money, and how documents and journals show it in the currency's minor units.

Units of an asset of at most 12 places at a unit price of at most 18 are exact at 30 places.
Documents have the currency's exponent (ISO 4217): a total is rounded once, half-even, and
its lines are made to sum to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.money.decimals import units_of
from domain.money.rounding import divide_half_even

EXACT_SCALE = 30
LARGEST_PRICE_SCALE = 18


def exact_value(units: int, scale: int, unit_price: str) -> int:
    """Return what `units` of 10^-scale cost at a price for one whole unit. Exact."""
    price_units = units_of(unit_price, LARGEST_PRICE_SCALE)
    place: int = 10 ** (EXACT_SCALE - LARGEST_PRICE_SCALE - scale)
    return units * price_units * place


def exact_money(units: int) -> int:
    """Return an amount of a currency, in its smallest units, at 30 places."""
    place: int = 10 ** (EXACT_SCALE - CURRENCY_SCALE)
    return units * place


def units_of_exact(exact: int) -> int:
    """Return an exact amount of a currency in its smallest units, half-even."""
    return divide_half_even(exact, 10 ** (EXACT_SCALE - CURRENCY_SCALE))


def minor_of(exact: int, currency: str) -> int:
    """Return an exact amount in the currency's minor units, half-even."""
    return divide_half_even(exact, place_of(currency))


def place_of(currency: str) -> int:
    """Return how many units of 10^-30 a minor unit of the currency has."""
    place: int = 10 ** (EXACT_SCALE - EXPONENTS[currency])
    return place


def rounded_to_total(exact: Sequence[int], total: int, place: int) -> list[int]:
    """Round lines to multiples of `place` so that they sum to `total`, by largest remainder.

    What is left goes to the line that rounding down cut most, of equals to the first. Lines
    may be below zero; the total may differ from their sum by what earlier rounding carried.
    """
    if not exact:
        return []
    parts = [line // place for line in exact]
    left = total - sum(parts)
    by_remainder = sorted(range(len(exact)), key=lambda i: (-(exact[i] % place), i))
    every, some = divmod(left, len(exact))
    for rank, i in enumerate(by_remainder):
        parts[i] += every + (rank < some)
    return parts
