"""Rows that a read model keeps in memory from one batch to the next, so as not to ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from projections.database import Connection
from projections.tables import Location, Table

Row = TypeVar("Row")
Key = tuple[Any, ...]

MOST_KEYS = 10_000


class KeptRows(Generic[Row]):
    """Of a table, by the first `key` columns: all rows of a key, or nothing of it.

    As the last batch left them, so they hold only while nobody else writes to the table.
    """

    def __init__(self, table: Table[Row], key: int) -> None:
        self._table = table
        self._key_of = table.key_of(key)
        self._rows: dict[Key, list[Row]] = {}

    def load(
        self, connection: Connection, location: Location, keys: Iterable[Key]
    ) -> Iterable[Row]:
        """Return the rows of these keys, asking for those that are not kept."""
        wanted = set(keys)
        kept = self._rows
        missing = wanted - kept.keys()
        for key in missing:
            kept[key] = []
        for row in self._table.load(connection, location, missing):
            kept[self._key_of(row)].append(row)
        return [row for key in wanted for row in kept[key]]

    def keep(self, rows: Sequence[Row]) -> None:
        """Keep all rows of the batch's keys, as they are written; the oldest keys make room."""
        kept, key_of = self._rows, self._key_of
        for key in {key_of(row) for row in rows}:
            kept.pop(key, None)
        for row in rows:
            kept.setdefault(key_of(row), []).append(row)
        for key in list(kept)[: max(0, len(kept) - MOST_KEYS)]:
            del kept[key]

    def forget(self) -> None:
        self._rows.clear()
