"""A tenant's cost tables, and which of them says what an event cost."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.costs.table import VENDOR, CostFunction, CostTerms, VendorCost


@dataclass(frozen=True, slots=True)
class CostVersion:
    """What a table says from `effective_at` on; numbers count from 1."""

    table: str
    number: int
    terms: CostTerms
    effective_at: datetime


@dataclass(slots=True)
class CostTable:
    """versions: in the order in which they were set. _line: by when they hold."""

    key: str
    versions: list[CostVersion] = field(default_factory=list)
    _functions: list[CostFunction] = field(default_factory=list)
    _line: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def newest(self) -> CostVersion:
        return self.versions[-1]

    def add(self, terms: CostTerms, effective_at: datetime) -> None:
        number = len(self.versions) + 1
        self.versions.append(CostVersion(self.key, number, terms, effective_at))
        self._functions.append(CostFunction(terms))
        insort(self._line, (effective_at, number))

    def in_force(self, at: datetime) -> tuple[CostFunction, int] | None:
        """Return the version that holds at `at`, and its number; of equal times the newest."""
        for since, number in reversed(self._line):
            if since <= at:
                return self._functions[number - 1], number
        return None


@dataclass(slots=True)
class CostTables:
    """by_key: in the order in which they were first set. _by_type: by event type and key."""

    by_key: dict[str, CostTable] = field(default_factory=dict)
    _by_type: dict[str, dict[str, CostTable]] = field(default_factory=dict)

    def set(self, key: str, terms: CostTerms, effective_at: datetime) -> None:
        table = self.by_key.setdefault(key, CostTable(key))
        table.add(terms, effective_at)
        of_type = {**self._by_type.get(terms.event_type, {}), key: table}
        self._by_type[terms.event_type] = dict(sorted(of_type.items()))

    def cost(
        self,
        event_type: str,
        occurred_at: datetime,
        quantity: str | None,
        properties: Mapping[str, Any],
    ) -> VendorCost | None:
        """Return what an event cost by the tables in force when it occurred; one says it.

        Those of the vendor that the event names come first, then those of any; an event that
        names none is asked of all. Of several, the first by key that counts anything of it.
        """
        for table, function, number in self._asked(event_type, occurred_at, properties):
            units = function.units(quantity, properties)
            if units is not None:
                terms = function.terms
                return VendorCost(units, terms.currency, terms.vendor, table.key, number)
        return None

    def _asked(
        self, event_type: str, at: datetime, properties: Mapping[str, Any]
    ) -> Iterator[tuple[CostTable, CostFunction, int]]:
        said = properties.get(VENDOR)
        others: list[tuple[CostTable, CostFunction, int]] = []
        for table in self._by_type.get(event_type, {}).values():
            found = table.in_force(at)
            if found is None or found[0].terms.event_type != event_type:
                continue
            vendor = found[0].terms.vendor
            if vendor is not None and vendor == said:
                yield table, *found
            elif vendor is None or said is None:
                others.append((table, *found))
        yield from others
