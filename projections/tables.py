"""Tables of read models: rows in, rows out, a whole batch in one statement.

A row is a dataclass whose fields are the table's columns, in order. A column goes over as
the text of a PostgreSQL array: for ids, numbers and times that is a plain join, several
times faster than adapting value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from string import Formatter
from typing import Any, Generic, TypeVar

import msgspec
from psycopg.sql import SQL, Composable, Composed, Identifier

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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column. `sql`: its type; `text`: a value as an array's element; `read`: a
    value as the row keeps it, from what is selected, its text if `as_text`. `cast`: what an
    element becomes on its way in, where an array cannot hold it (an array of arrays).
    """

    sql: str
    text: Callable[[Any], str]
    read: Callable[[Any], Any] | None = None
    as_text: bool = False
    cast: str | None = None


_json = msgspec.json.Encoder(decimal_format="number").encode


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


KINDS: dict[str, Kind] = {
    "uuid": Kind("uuid", str, as_text=True),
    "text": Kind("text", _quoted),
    "integer": Kind("integer", str),
    "bigint": Kind("bigint", str),
    "boolean": Kind("boolean", str),
    "time": Kind("timestamptz", lambda at: f'"{at.isoformat()}"'),
    "units": Kind("numeric", str, read=int, as_text=True),
    "decimal": Kind("numeric", str, as_text=True),
    "date": Kind("date", str),
    "texts": Kind("text", lambda words: f'"{{{",".join(words)}}}"', cast="text[]"),
    "unitses": Kind(
        "text",
        lambda each: f'"{{{",".join(map(str, each))}}}"',
        read=lambda text: [int(units) for units in text[1:-1].split(",")],
        as_text=True,
        cast="numeric[]",
    ),
    "json": Kind("jsonb", lambda value: _quoted(_json(value).decode())),
}


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
        self._values_in = SQL(", ").join(
            SQL("{}" if kind.cast is None else f"{{}}::{kind.cast}").format(Identifier(name))
            for name, kind in zip(self.columns, self.kinds, strict=True)
        )
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
        names = self.key[: len(wanted[0])]
        query = SQL(
            "SELECT {columns} FROM {table} t JOIN unnest({arrays}) AS k ({names}) USING ({names})"
        ).format(
            columns=self.selected(),
            table=location.table(self.name),
            arrays=self._arrays(len(names)),
            names=_listed(names),
        )
        rows = connection.execute(query, self._literals(zip(*wanted, strict=True)))
        return [self.row_of(row) for row in rows]

    def insert(self, connection: Connection, location: Location, rows: Sequence[Row]) -> None:
        """Add rows that are not there yet."""
        self._write(connection, location, rows, SQL(""))

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

    def selected(self) -> Composed:
        """Return the columns as `row_of` takes them."""
        return SQL(", ").join(
            SQL("{}::text" if kind.as_text else "{}").format(Identifier(name))
            for name, kind in zip(self.columns, self.kinds, strict=True)
        )

    def row_of(self, values: Sequence[Any]) -> Row:
        return self.row_class(
            *[
                value if kind.read is None or value is None else kind.read(value)
                for value, kind in zip(values, self.kinds, strict=True)
            ]
        )

    def _write(
        self, connection: Connection, location: Location, rows: Sequence[Row], conflict: Composable
    ) -> None:
        if rows:
            statement = SQL(
                "INSERT INTO {table} AS t ({columns})"
                " SELECT {values} FROM unnest({arrays}) AS u ({columns}){conflict}"
            ).format(
                values=self._values_in,
                table=location.table(self.name),
                columns=_listed(self.columns),
                arrays=self._arrays(len(self.columns)),
                conflict=conflict,
            )
            connection.execute(
                statement, self._literals(zip(*map(self._values, rows), strict=True))
            )

    def _arrays(self, length: int) -> Composed:
        return SQL(", ").join(
            SQL("{}::{}[]").format(SQL("%s"), SQL(kind.sql)) for kind in self.kinds[:length]
        )

    def _literals(self, columns: Iterable[Sequence[Any]]) -> list[str]:
        return [
            _array_literal(column, kind.text)
            for column, kind in zip(columns, self.kinds, strict=False)
        ]


def _listed(names: Iterable[str]) -> Composed:
    return SQL(", ").join(map(Identifier, names))


def _array_literal(column: Sequence[Any], text: Callable[[Any], str]) -> str:
    if text is str and None not in column:
        return "".join(["{", ",".join(map(str, column)), "}"])
    return "".join(["{", ",".join(_texts(column, text)), "}"])


def _texts(column: Sequence[Any], text: Callable[[Any], str]) -> list[str]:
    """Return the texts of a column's values, each made once: most columns repeat few."""
    try:
        text_of = {value: text(value) for value in set(column) - _NONE}
    except TypeError:  # lists and JSON are compared by no hash
        return ["NULL" if each is None else text(each) for each in column]
    text_of[None] = "NULL"
    return [text_of[value] for value in column]


_NONE = {None}
