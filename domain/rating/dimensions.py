"""A price by properties: the row that fits an event best, found without walking the table.

Rows are kept by the dimensions that they name. Of all such patterns the more specific is
asked first, of equally specific ones that which names the earlier dimension: a look-up a
pattern, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from operator import itemgetter
from typing import Any

from domain.catalog.price import Price
from domain.metering.quantity import ONE, comparable
from domain.money.decimals import decimal_text
from domain.refusals import InvalidInput

ANY = "*"


Exact = tuple[int, int]
"""Units of an asset as a fraction in lowest terms: numerator, denominator above zero."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """What one unit of quantity costs: `factor / denominator` units of the asset, in lowest
    terms, and in the asset; that is None where no decimal says it.
    """

    factor: int
    denominator: int
    unit_price: str | None

    def added(self, exact: Exact, quantity: int) -> Exact:
        """Return an exact cost and what so much more costs by this row."""
        numerator, denominator = exact
        whole, part = divmod(quantity, ONE)
        more, of_more = whole * self.factor, self.denominator
        if part:
            more, of_more = quantity * self.factor, self.denominator * ONE
        if of_more == denominator:
            numerator += more
        else:
            numerator = numerator * of_more + more * denominator
            denominator *= of_more
        if denominator == 1:
            return numerator, 1
        shared = gcd(numerator, denominator)
        return numerator // shared, denominator // shared


class Table:
    """The rows of a price. unit_factor: what a unit price of 1 comes to for one unit of
    quantity, in units of the asset; one_unit: in the asset.
    """

    def __init__(self, price: Price, unit_factor: Fraction, one_unit: Fraction) -> None:
        self._key = price.key
        self._dimensions = price.dimensions
        self._said = itemgetter(*price.dimensions) if price.dimensions else _nothing_said
        self._in_text: dict[object, TableRow] = {}  # rows that name every dimension, by a text

        def row(unit_price: str) -> TableRow:
            said = Fraction(unit_price)
            units = said * unit_factor
            return TableRow(units.numerator, units.denominator, decimal_text(said * one_unit))

        self._fallback = row(price.unit_price) if price.unit_price is not None else None
        rows: dict[tuple[int, ...], dict[tuple[object, ...], TableRow]] = {}
        for each in price.rows:
            said = {name: value for name, value in each.match if value != ANY}
            named = tuple(i for i, name in enumerate(price.dimensions) if name in said)
            values = tuple(comparable(said[price.dimensions[i]]) for i in named)
            found = rows.setdefault(named, {})[values] = row(each.unit_price)
            if len(named) == len(price.dimensions) and all(type(v) is str for v in values):
                self._in_text[self._said(said)] = found
        self._patterns = sorted(rows.items(), key=lambda pattern: (-len(pattern[0]), pattern[0]))

    def row(self, properties: Mapping[str, Any]) -> TableRow:
        """Return the best row, else the price's own unit price. Raises InvalidInput."""
        try:
            exactly = self._in_text.get(self._said(properties))
        except (KeyError, TypeError):
            exactly = None
        return exactly or self._best_row(properties)

    def _best_row(self, properties: Mapping[str, Any]) -> TableRow:
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

    def _value(self, name: str, value: object) -> object:
        if isinstance(value, list | dict):
            raise self._needs(name, "a text, a number or true or false")
        return comparable(value)

    def _needs(self, name: str, what: str) -> InvalidInput:
        return InvalidInput(field=f"properties.{name}", reason=f"price {self._key} needs {what}")


def _nothing_said(_properties: Mapping[str, Any]) -> tuple[()]:
    return ()
