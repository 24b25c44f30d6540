"""Columns of rows as PostgreSQL's binary arrays, made in one pass a column.

A batch has few different texts and times, so each is packed once.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from struct import Struct

from psycopg import Connection, pq
from psycopg.adapt import Buffer, Dumper

_HEADER = Struct("!iiIii")  # dimensions, has nulls, element type, length, lower bound
_EIGHT = Struct("!iq")
_LENGTH = Struct("!i")
_EMPTY = Struct("!iiI")  # no dimension
_SHORT = 4_096
_LENGTHS = [_LENGTH.pack(length) for length in range(_SHORT)]
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

BYTEA, INT8, TEXT, TIMESTAMPTZ, UUID = 17, 20, 25, 1184, 2950
ARRAY_OF = {BYTEA: 1001, INT8: 1016, TEXT: 1009, TIMESTAMPTZ: 1185, UUID: 2951}


class Column:
    """A one-dimensional array without nulls, as it goes over the wire."""

    __slots__ = ("element", "octets")

    def __init__(self, element: int, length: int, items: Iterable[bytes]) -> None:
        self.element = element
        if length:
            # One join: the states of a batch are too long to be copied twice.
            self.octets = b"".join([_HEADER.pack(1, 0, element, length, 1), *items])
        else:
            self.octets = _EMPTY.pack(0, 0, element)


def uuids(ids: Sequence[str]) -> Column:
    sixteen = "00000010"  # octets follow, before each
    if _alike(ids):
        return Column(UUID, len(ids), [_uuid(ids[0])] * len(ids))
    digits = (sixteen + sixteen.join(ids)).encode().translate(None, b"-")
    return Column(UUID, len(ids), [unhexlify(digits) if ids else b""])


def numbers(values: Sequence[int]) -> Column:
    packed = {value: _EIGHT.pack(8, value) for value in set(values)}
    return Column(INT8, len(values), map(packed.__getitem__, values))


def octets(values: Sequence[bytes]) -> Column:
    items = [b""] * (2 * len(values))
    items[::2] = [
        _LENGTHS[each] if each < _SHORT else _LENGTH.pack(each) for each in map(len, values)
    ]
    items[1::2] = values
    return Column(BYTEA, len(values), items)


def texts(values: Sequence[str]) -> Column:
    if _alike(values):
        return Column(TEXT, len(values), [_text(values[0])] * len(values))
    packed = {value: _text(value) for value in set(values)}
    return Column(TEXT, len(values), map(packed.__getitem__, values))


def times(values: Sequence[datetime]) -> Column:
    packed = {value: _EIGHT.pack(8, _microseconds(value)) for value in set(values)}
    return Column(TIMESTAMPTZ, len(values), map(packed.__getitem__, values))


def _alike(values: Sequence[str]) -> bool:
    """Whether all are the first one, as a batch's tenant, actor and request mostly are."""
    return bool(values) and values.count(values[0]) == len(values)


def _uuid(text: str) -> bytes:
    return b"\0\0\0\x10" + unhexlify(text.replace("-", ""))


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def _microseconds(at: datetime) -> int:
    since = at - _POSTGRES_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class _ColumnDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Column) -> Buffer:
        return obj.octets


# Once: a class made for each statement is garbage that only the collector can find.
_DUMPERS: dict[int, Dumper] = {
    element: type(f"_ColumnDumper{array}", (_ColumnDumper,), {"oid": array})(Column)
    for element, array in ARRAY_OF.items()
}


class _ColumnOfType(_ColumnDumper):
    """Chooses the array type by the column's element."""

    def get_key(self, obj: Column, format: object) -> tuple[type, int]:  # type: ignore[override]  # noqa: A002, ARG002
        return (Column, obj.element)

    def upgrade(self, obj: Column, format: object) -> Dumper:  # noqa: A002, ARG002
        return _DUMPERS[obj.element]


def register(connection: Connection[object]) -> None:
    """Let this connection take columns as parameters."""
    connection.adapters.register_dumper(Column, _ColumnOfType)
