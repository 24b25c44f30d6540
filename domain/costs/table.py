"""Cost tables: what a unit of usage costs the tenant at its vendor.

Rows are chosen as those of a price's table are: the most specific one that matches, of
equally specific ones that which names the earlier dimension; what a row leaves out is `*`.
Rows that count different properties are added up, each property by its own best row.

A cost never refuses usage: what an event lacks is not counted, and an event of which nothing
is counted has no cost, which is not a cost of nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.metering.meter import PropertyValue
from domain.metering.quantity import ONE, comparable, json_decimal, quantity_of
from domain.money.currencies import CURRENCY_SCALE
from domain.money.decimals import NotADecimal, TooFine
from domain.money.rounding import divide_half_even

ANY = "*"
VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class CostRow:
    """match: (property, value) pairs; property: what is counted, None for the quantity;
    unit_cost: exact decimal, of `per` of it.
    """

    match: tuple[tuple[str, PropertyValue], ...]
    property: str | None
    unit_cost: str


@dataclass(frozen=True, slots=True)
class CostTerms:
    """What a version of a table says. vendor: None for any."""

    event_type: str
    vendor: str | None
    currency: str
    per: str
    dimensions: tuple[str, ...]
    rows: tuple[CostRow, ...]


@dataclass(frozen=True, slots=True)
class VendorCost:
    """What an event cost, in units of the currency, by which version of which table."""

    units: int
    currency: str
    vendor: str | None
    table: str
    version: int


_Pattern = tuple[tuple[int, ...], dict[tuple[object, ...], int]]


class CostFunction:
    """The rows of a version, compiled: by property, the more specific patterns first. Unit
    costs are counts of 10^-18, as quantities are.
    """

    __slots__ = ("_by_property", "_dimensions", "_per", "terms")

    def __init__(self, terms: CostTerms) -> None:
        self.terms = terms
        self._dimensions = terms.dimensions
        self._per = quantity_of(terms.per)
        rows: dict[str | None, dict[tuple[int, ...], dict[tuple[object, ...], int]]] = {}
        for row in terms.rows:
            said = {name: value for name, value in row.match if value != ANY}
            named = tuple(i for i, name in enumerate(terms.dimensions) if name in said)
            values = tuple(comparable(said[terms.dimensions[i]]) for i in named)
            of_property = rows.setdefault(row.property, {})
            of_property.setdefault(named, {})[values] = quantity_of(row.unit_cost)
        self._by_property: dict[str | None, list[_Pattern]] = {
            counted: sorted(patterns.items(), key=lambda each: (-len(each[0]), each[0]))
            for counted, patterns in rows.items()
        }

    def units(self, quantity: str | None, properties: Mapping[str, Any]) -> int | None:
        """Return what an event cost in units of the currency; None if nothing of it is counted.

        Rounds half-even, once, on the sum.
        """
        total, counted_any = 0, False
        for counted, patterns in self._by_property.items():
            amount = _amount(quantity if counted is None else properties.get(counted))
            unit_cost = self._best(patterns, properties) if amount is not None else None
            if amount is not None and unit_cost is not None:
                total += unit_cost * amount
                counted_any = True
        if not counted_any:
            return None
        return divide_half_even(total * 10**CURRENCY_SCALE, self._per * ONE)

    def _best(self, patterns: list[_Pattern], properties: Mapping[str, Any]) -> int | None:
        values = [
            comparable(properties[name]) if name in properties else None
            for name in self._dimensions
        ]
        for named, rows in patterns:
            found = rows.get(tuple([values[i] for i in named]))
            if found is not None:
                return found
        return None


def _amount(value: object) -> int | None:
    """Return a property as counts of 10^-18; None unless it is an exact number, not below 0."""
    text = json_decimal(value)
    try:
        amount = quantity_of(text) if text is not None else -1
    except (NotADecimal, TooFine):
        return None
    return amount if amount >= 0 else None
