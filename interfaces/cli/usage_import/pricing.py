"""What a row costs: counts times prices a million, and the one place where that is rounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.money.decimals import NotADecimal, TooFine, units_of
from domain.money.rounding import divide_half_even
from interfaces.cli.failures import WrongUsage

# The places of the finest decimal that is read.
PLACES = 18
PER = 10**6


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million of what a column counts. price_units: of 10^-18 of the asset."""

    column: str
    price_units: int


def prices_of(pairs: Iterable[tuple[str, str]]) -> tuple[Price, ...]:
    """Return the prices that COLUMN=PRICE pairs make. Raises WrongUsage."""
    prices: dict[str, Price] = {}
    for column, text in pairs:
        if column in prices:
            raise WrongUsage(f"--price {column}: given twice")
        try:
            prices[column] = Price(column, finest_units(text))
        except ValueError:
            raise WrongUsage(f"--price {column}={text}: no price such as 3.00") from None
    return tuple(prices.values())


def finest_units(text: str) -> int:
    """Return a decimal that is not negative as units of 10^-18. Raises ValueError."""
    try:
        units = units_of(text, PLACES)
    except (NotADecimal, TooFine):
        raise ValueError("is no number such as 12 or 12.50") from None
    if units < 0:
        raise ValueError("must not be negative")
    return units


def priced_units(counts: Iterable[tuple[int, Price]], scale: int) -> int:
    """Return the units of an asset of that scale for counts (of 10^-18) at their prices.

    Rounds half-even, once, on the sum.
    """
    total = sum(count_units * price.price_units for count_units, price in counts)
    return divide_half_even(total * 10**scale, PER * 10 ** (2 * PLACES))


def stated_units(amount_units: int, scale: int) -> int:
    """Return the units of an asset of that scale for an amount of 10^-18. Rounds half-even."""
    return divide_half_even(amount_units * 10**scale, 10**PLACES)
