"""Rows go in and come out as they are, whatever their columns hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from projections.database import Connection
from projections.tables import Location, Table
from tests.projections.shop import Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

AT = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
HERE = Location("pg_temp")


@dataclass(slots=True)
class Kept:
    id: str
    word: str | None
    count: int | None
    units: int | None
    share: str | None
    at: datetime | None
    day: date | None
    yes: bool | None
    other: str | None
    data: Any
    words: list[str]
    amounts: list[int]


KEPT = Table(
    "kept",
    Kept,
    1,
    "uuid text bigint units decimal time date boolean uuid json texts unitses",
)
ROW = Kept(
    str(UUID(int=1)),
    "plain",
    1,
    10**30,
    "0.10",
    AT,
    date(2026, 2, 28),
    True,
    str(UUID(int=9)),
    {"a": 1},
    ["cash", "contract_liability"],
    [1, -1],
)


@pytest.fixture
def connection(shop: Shop) -> Iterator[Connection]:
    with shop.superuser() as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE kept (id uuid PRIMARY KEY, word text, count bigint,"
            " units numeric, share numeric, at timestamptz, day date, yes boolean, other uuid,"
            " data jsonb, words text[], amounts numeric[])"
        )
        yield connection


def rows(*changes: dict[str, Any]) -> list[Kept]:
    return [replace(ROW, id=str(UUID(int=n)), **change) for n, change in enumerate(changes, 1)]


def loaded(connection: Connection) -> list[Kept]:
    selected = HERE.query("SELECT {columns} FROM {kept} ORDER BY id", columns=KEPT.selected())
    return [KEPT.row_of(row) for row in connection.execute(selected)]


@pytest.mark.parametrize(
    "changes",
    [
        [{}],
        [{}, {}, {}],
        [{"word": word} for word in ("", "NULL", None, 'a "b"', "c\\d", "{e,f}", "ü \N{SNOWMAN}")],
        [{"word": "a,b"}, {"word": "{}"}, {"word": "null"}],
        [{"count": None}, {"count": -5}, {"count": 2**62}],
        [{"units": None}, {"units": 0}, {"units": -(10**40)}],
        [{"share": None}, {"share": "-0.000000001"}],
        [{"at": None}, {"at": AT - timedelta(days=20_000)}, {"at": AT}],
        [{"day": None}, {"day": date(1999, 12, 31)}],
        [{"yes": None}, {"yes": False}, {"yes": True}],
        [{"other": None}, {"other": str(UUID(int=7))}],
        [{"other": None}, {"other": None}],
        [{"data": data} for data in (None, {"a": True}, {"a": 1}, {"q": 'x"\\y', "n": [1, None]})],
        [{"words": ["a"], "amounts": [10**25]}, {"words": ["b", "c"], "amounts": [2, -2]}],
        [dict.fromkeys(("word", "count", "units", "share", "at", "day", "yes", "other"))] * 2,
    ],
)
def test_rows_come_out_as_they_went_in(
    connection: Connection, changes: list[dict[str, Any]]
) -> None:
    # given
    given = rows(*changes)
    # when
    KEPT.insert(connection, HERE, given)
    # then
    assert loaded(connection) == given
    assert KEPT.load(connection, HERE, [(given[-1].id,)]) == given[-1:]


def test_a_time_of_another_zone_is_the_same_instant(connection: Connection) -> None:
    # given
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    # when
    KEPT.insert(connection, HERE, rows({"at": there}, {"at": AT}))
    # then
    assert [row.at for row in loaded(connection)] == [AT, AT]


def test_an_upsert_writes_what_changed_and_what_is_new(connection: Connection) -> None:
    # given
    first, second, third = rows({"count": 1}, {"count": 2}, {"count": 3})
    KEPT.insert(connection, HERE, [first, second])
    # when
    second.count, second.word = 20, "changed"
    KEPT.upsert(connection, HERE, [second, third])
    # then
    assert loaded(connection) == [first, second, third]


def test_rows_that_are_added_are_there_for_the_statement_that_follows(
    connection: Connection,
) -> None:
    # given
    given = rows({"count": 1}, {"count": 20})
    then = HERE.query("UPDATE {sums} SET total = (SELECT sum(count) FROM added)")
    connection.execute("CREATE TEMPORARY TABLE sums AS SELECT 0::numeric AS total")
    # when
    KEPT.insert_with(connection, HERE, given, then)
    # then
    assert connection.execute("SELECT total::int FROM sums").fetchall() == [(21,)]
    assert loaded(connection) == given
