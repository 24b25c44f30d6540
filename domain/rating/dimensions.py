"""A price by properties: the row that fits an event best, found without walking the table.

Rows are kept by the dimensions that they name. Of all such patterns the more specific is
asked first, of equally specific ones that which names the earlier dimension: a look-up a
pattern, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from domain.catalog.price import Price
from domain.money.decimals import decimal_text
from domain.rating.quantity import comparable
from domain.refusals import InvalidInput

ANY = "*"


class Table:
    """The rows of a price, over one denominator. unit_factor: what a unit price of 1 comes to
    for each 10^-18 of quantity, in units of the asset; one_unit: for one unit, in the asset.
    """

    def __init__(self, price: Price, unit_factor: Fraction, one_unit: Fraction) -> None:
        self._key = price.key
        self._dimensions = price.dimensions
        own = Fraction(price.unit_price) * unit_factor if price.unit_price is not None else None
        exact = [Fraction(row.unit_price) * unit_factor for row in price.rows]
        self.denominator = lcm(*(each.denominator for each in (*exact, own or Fraction(0))))
        self._fallback = int(own * self.denominator) if own is not None else None
        rows: dict[tuple[int, ...], dict[tuple[object, ...], int]] = {}
        for row, factor in zip(price.rows, exact, strict=True):
            said = {name: value for name, value in row.match if value != ANY}
            named = tuple(i for i, name in enumerate(price.dimensions) if name in said)
            values = tuple(comparable(said[price.dimensions[i]]) for i in named)
            rows.setdefault(named, {})[values] = int(factor * self.denominator)
        said_prices = [price.unit_price, *(row.unit_price for row in price.rows)]
        self._unit_prices = {
            int(Fraction(said) * unit_factor * self.denominator): decimal_text(
                Fraction(said) * one_unit
            )
            for said in said_prices
            if said is not None
        }
        self._patterns = sorted(rows.items(), key=lambda pattern: (-len(pattern[0]), pattern[0]))

    def factor(self, properties: Mapping[str, Any]) -> int:
        """Return what each 10^-18 costs by the best row, else by the price's own unit price:
        `denominator` of it are a unit of the asset. Raises InvalidInput.
        """
        try:
            values = tuple(
                [
                    said if type(said := properties[name]) is str else self._value(name, said)
                    for name in self._dimensions
                ]
            )
        except KeyError as missing:
            raise self._needs(missing.args[0], "it") from None
        for named, rows in self._patterns:
            whole = len(named) == len(values)
            found = rows.get(values if whole else tuple([values[i] for i in named]))
            if found is not None:
                return found
        if self._fallback is not None:
            return self._fallback
        said = ", ".join(f"{name} {properties[name]!r}"[:100] for name in self._dimensions)
        raise InvalidInput(
            field="properties", reason=f"price {self._key} has no row for {said}: add one"
        )

    def unit_price(self, factor: int) -> str | None:
        """Return what one unit costs by a row; None where no decimal says it."""
        return self._unit_prices[factor]

    def _value(self, name: str, value: object) -> object:
        if isinstance(value, list | dict):
            raise self._needs(name, "a text, a number or true or false")
        return comparable(value)

    def _needs(self, name: str, what: str) -> InvalidInput:
        return InvalidInput(field=f"properties.{name}", reason=f"price {self._key} needs {what}")
