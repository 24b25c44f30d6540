"""Columns of rows on their way to PostgreSQL: each one array, made in one pass.

Numbers and plain texts go as an array's text, a join. Ids, times and JSON go in binary: their
texts cost PostgreSQL several times what the values do. A batch has few different times, dates
and lists, so each is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from struct import Struct
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import pq
from psycopg.adapt import Buffer, Dumper

Value = TypeVar("Value", bound=Hashable)

_HEADER = Struct("!iiIii")  # dimensions, has nulls, element type, length, lower bound
_EIGHT = Struct("!iq")
_LENGTH = Struct("!i")
_NULL = _LENGTH.pack(-1)
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_TEXT, _TIMESTAMPTZ, _UUID = 25, 1184, 2950


@dataclass(frozen=True, slots=True)
class BinaryArray:
    """A one-dimensional array as it goes over the wire; its type is the statement's to say."""

    octets: bytes


class _BinaryArrayDumper(Dumper):
    format = pq.Format.BINARY
    oid = 0

    def dump(self, obj: BinaryArray) -> Buffer:
        return obj.octets


psycopg.adapters.register_dumper(BinaryArray, _BinaryArrayDumper)

Column = BinaryArray | str
"""An array: in binary, or its text."""


def _binary(element: int, items: Sequence[bytes]) -> BinaryArray:
    header = _HEADER.pack(1, _NULL in items, element, len(items), 1)
    return BinaryArray(header + b"".join(items))


def _each(column: Sequence[Value | None], make: Callable[[Value], bytes]) -> list[bytes]:
    """Return what the values make, each different one made once."""
    made = {value: _NULL if value is None else make(value) for value in set(column)}
    return [made[value] for value in column]


def _sized(octets: bytes) -> bytes:
    return _LENGTH.pack(len(octets)) + octets


def uuids(column: Sequence[str | None]) -> Column:
    sixteen = "00000010"  # octets follow, before each
    if None in column:
        made = _each(column, lambda each: bytes.fromhex(sixteen + each.replace("-", "")))
        return _binary(_UUID, made)
    octets = bytes.fromhex((sixteen + sixteen.join(column)).replace("-", ""))  # type: ignore[arg-type]
    return BinaryArray(_HEADER.pack(1, 0, _UUID, len(column), 1) + octets)


def texts(column: Sequence[str | None]) -> Column:
    if None not in column:
        joined = '","'.join(column)  # type: ignore[arg-type]
        if "\\" not in joined and joined.count('"') == 2 * (len(column) - 1):
            return f'{{"{joined}"}}'
    return _binary(_TEXT, _each(column, lambda text: _sized(text.encode())))


def numbers(column: Sequence[int | None]) -> Column:
    if None in column:
        return _words("NULL" if each is None else str(each) for each in column)
    return _words(map(str, column))


def decimals(column: Sequence[str | None]) -> Column:
    return _words("NULL" if each is None else each for each in column)


def dates(column: Sequence[date | None]) -> Column:
    texts_of = {day: "NULL" if day is None else day.isoformat() for day in set(column)}
    return _words(texts_of[day] for day in column)


def _words(words: Iterable[str]) -> str:
    return "".join(["{", ",".join(words), "}"])


def times(column: Sequence[datetime | None]) -> Column:
    return _binary(_TIMESTAMPTZ, _each(column, _time))


def _time(at: datetime) -> bytes:
    since = at - _POSTGRES_EPOCH
    return _EIGHT.pack(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def lists(column: Sequence[Sequence[Any]]) -> Column:
    """An array of lists of plain words or numbers, each as the text of an array."""
    return _binary(_TEXT, _each([*map(tuple, column)], _list))


def _list(items: tuple[Any, ...]) -> bytes:
    return _sized(f"{{{','.join(map(str, items))}}}".encode())


_json = msgspec.json.Encoder(decimal_format="number").encode


def documents(column: Sequence[Any]) -> Column:
    """An array of JSON, each as its text."""
    return _binary(_TEXT, [_NULL if each is None else _sized(_json(each)) for each in column])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column. array: its values as an array of `sql`, each of which becomes what
    `cast` says, if anything. read: a value as the row keeps it, from what is selected, its
    text if `as_text`. compared: whether values that are equal are the same.
    """

    sql: str
    array: Callable[[Sequence[Any]], Column]
    read: Callable[[Any], Any] | None = None
    as_text: bool = False
    cast: str | None = None
    compared: bool = True


KINDS: dict[str, Kind] = {
    "uuid": Kind("uuid", uuids, as_text=True),
    "text": Kind("text", texts),
    "integer": Kind("integer", numbers),
    "bigint": Kind("bigint", numbers),
    "boolean": Kind("boolean", numbers),
    "time": Kind("timestamptz", times),
    "units": Kind("numeric", numbers, read=int, as_text=True),
    "decimal": Kind("numeric", decimals, as_text=True),
    "date": Kind("date", dates),
    "texts": Kind("text", lists, cast="text[]"),
    "unitses": Kind(
        "text",
        lists,
        read=lambda text: [int(units) for units in text[1:-1].split(",")],
        as_text=True,
        cast="numeric[]",
    ),
    "json": Kind("text", documents, cast="jsonb", compared=False),
    # JSON whose text the row's reader decodes to what it is.
    "document": Kind("text", documents, as_text=True, cast="jsonb", compared=False),
}
