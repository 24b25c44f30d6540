"""Tables of read models: rows in, rows out, a whole batch in one statement.

A row is a dataclass whose fields are the table's columns, in order. They go over as one array
a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from string import Formatter
from typing import Any, Generic, TypeVar

from psycopg.sql import SQL, Composable, Composed, Identifier

from projections.columns import KINDS, Column, Kind
from projections.database import Connection

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a set of tables lies: in a schema, each name with `before` in front of it."""

    schema: str
    before: str = ""

    def table(self, name: str) -> Identifier:
        return Identifier(self.schema, self.before + name)

    def query(self, text: str, **parts: Composable) -> Composed:
        """Return a statement in which each {name} is that part, or the table of that name."""
        names = {name for _, name, _, _ in Formatter().parse(text) if name}
        tables = {name: self.table(name) for name in names - parts.keys()}
        return SQL(text).format(**tables, **parts)


class Table(Generic[Row]):
    """A table of `row_class`, whose first `key` columns are its primary key.

    kinds: of the columns, in order, by their names in KINDS.
    """

    def __init__(self, name: str, row_class: type[Row], key: int, kinds: str) -> None:
        self.name = name
        self.row_class = row_class
        self.columns = tuple(field.name for field in fields(row_class))  # type: ignore[arg-type]
        self.key = self.columns[:key]
        self.kinds = tuple(KINDS[kind] for kind in kinds.split())
        assert len(self.kinds) == len(self.columns), name
        self._values = attrgetter(*self.columns)
        self._reads = [
            (place, kind.read) for place, kind in enumerate(self.kinds) if kind.read is not None
        ]
        self._changes = SQL(" ON CONFLICT ({key}) DO UPDATE SET {changes}").format(
            key=_listed(self.key),
            changes=SQL(", ").join(
                SQL("{name} = EXCLUDED.{name}").format(name=Identifier(name))
                for name in self.columns[key:]
            ),
        )

    def load(
        self, connection: Connection, location: Location, keys: Iterable[Sequence[Any]]
    ) -> list[Row]:
        """Return the rows of these keys, or of these first columns of keys."""
        wanted = list(keys)
        if not wanted:
            return []
        names, keyed = self._keyed(wanted)
        query = SQL(
            "SELECT {columns} FROM {table} t JOIN {keyed} AS k ({names}) USING ({names})"
        ).format(columns=self.selected(), table=location.table(self.name), keyed=keyed, names=names)
        found = connection.execute(query, self._arrays(wanted))
        return [self.row_of(row) for row in found]

    def insert(self, connection: Connection, location: Location, rows: Sequence[Row]) -> None:
        """Add rows that are not there yet."""
        self._write(connection, location, rows, SQL(""))

    def insert_with(
        self, connection: Connection, location: Location, rows: Sequence[Row], then: Composable
    ) -> None:
        """Add rows that are not there yet, and run a statement in which they are `added`."""
        if rows:
            statement, arrays = self._inserting(location, rows)
            added = SQL("WITH added AS ({insert} RETURNING *) {then}")
            connection.execute(added.format(insert=statement, then=then), arrays)

    def upsert(self, connection: Connection, location: Location, rows: Sequence[Row]) -> None:
        """Write rows as they are now, whether they were there or not."""
        self._write(connection, location, rows, self._changes)

    def add(self, connection: Connection, location: Location, rows: Sequence[Row]) -> None:
        """Add figures to those that are there: every column but the key is a number."""
        sums = SQL(" ON CONFLICT ({key}) DO UPDATE SET {changes}").format(
            key=_listed(self.key),
            changes=SQL(", ").join(
                SQL("{name} = {table}.{name} + EXCLUDED.{name}").format(
                    name=Identifier(name), table=Identifier("t")
                )
                for name in self.columns[len(self.key) :]
            ),
        )
        self._write(connection, location, rows, sums)

    def delete(
        self, connection: Connection, location: Location, keys: Iterable[Sequence[Any]]
    ) -> None:
        """Remove the rows of these keys."""
        wanted = list(keys)
        if wanted:
            names, keyed = self._keyed(wanted)
            query = SQL("DELETE FROM {table} WHERE ({names}) IN (SELECT * FROM {keyed})").format(
                table=location.table(self.name), names=names, keyed=keyed
            )
            connection.execute(query, self._arrays(wanted))

    def key_of(self, columns: int) -> Callable[[Row], tuple[Any, ...]]:
        """Return what tells the first so many columns, two at least, of a row's key."""
        return attrgetter(*self.key[:columns])

    def selected(self) -> Composed:
        """Return the columns as `row_of` takes them."""
        return SQL(", ").join(
            SQL("{}::text" if kind.as_text else "{}").format(Identifier(name))
            for name, kind in zip(self.columns, self.kinds, strict=True)
        )

    def row_of(self, values: Sequence[Any]) -> Row:
        row = list(values)
        for place, read in self._reads:
            if row[place] is not None:
                row[place] = read(row[place])
        return self.row_class(*row)

    def _keyed(self, keys: Sequence[Sequence[Any]]) -> tuple[Composed, Composed]:
        """Return the names of the columns of keys, and the rows of them; see `_arrays`."""
        kinds = self.kinds[: len(keys[0])]
        arrays = SQL(", ").join(SQL("%s::{}[]").format(SQL(kind.sql)) for kind in kinds)
        return _listed(self.key[: len(kinds)]), SQL("unnest({})").format(arrays)

    def _arrays(self, keys: Sequence[Sequence[Any]]) -> list[Column]:
        columns = zip(*keys, strict=True)
        return [kind.array(column) for kind, column in zip(self.kinds, columns, strict=False)]

    def _write(
        self, connection: Connection, location: Location, rows: Sequence[Row], conflict: Composable
    ) -> None:
        if rows:
            statement, arrays = self._inserting(location, rows)
            connection.execute(statement + conflict, arrays)

    def _inserting(self, location: Location, rows: Sequence[Row]) -> tuple[Composed, list[Column]]:
        """Return the statement that inserts rows, to be completed, and its parameters."""
        values, arrays = _selected(self.columns, self.kinds, [*map(self._values, rows)])
        statement = SQL("INSERT INTO {table} AS t ({columns}) {values}").format(
            table=location.table(self.name), columns=_listed(self.columns), values=values
        )
        return statement, arrays


def _selected(
    names: Sequence[str], kinds: Sequence[Kind], rows: Sequence[Sequence[Any]]
) -> tuple[Composed, list[Column]]:
    """Return the statement that selects these rows, and its parameters.

    A column that is the same in all rows goes over once.
    """
    values: list[Composable] = []
    once: list[Column] = []
    varying: list[tuple[Identifier, SQL, Column]] = []
    for name, kind, column in zip(
        map(Identifier, names), kinds, zip(*rows, strict=True), strict=True
    ):
        value: Composable = name
        first = column[0]
        alike = len(rows) > 1 and kind.compared and first == column[-1]
        if alike and column.count(first) == len(rows):
            value = SQL("(%s::{}[])[1]").format(SQL(kind.sql))
            once.append(kind.array((first,)))
        else:
            varying.append((name, SQL(kind.sql), kind.array(column)))
        values.append(value if kind.cast is None else SQL("{}::{}").format(value, SQL(kind.cast)))
    statement = SQL("SELECT {values} FROM unnest({arrays}) AS u ({names})").format(
        values=SQL(", ").join(values),
        arrays=SQL(", ").join(SQL("%s::{}[]").format(sql) for _, sql, _ in varying),
        names=SQL(", ").join(name for name, _, _ in varying),
    )
    return statement, once + [array for _, _, array in varying]


def _listed(names: Iterable[str]) -> Composed:
    return SQL(", ").join(map(Identifier, names))
