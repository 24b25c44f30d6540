"""Raw inserts of rows of the log: what PostgreSQL alone takes, with which figures are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL

from application.storage import arrays
from application.storage.recorder import Rows
from benchmarks.ground import seconds_of
from interfaces.runtime import Runtime

_INSERT = SQL(
    "INSERT INTO ledger_00.raw (tenant, originator_id, originator_version, topic, state,"
    " recorded_at, actor, request_id) SELECT * FROM unnest(%b::uuid[], %b::uuid[],"
    " %b::bigint[], %b::text[], %b::bytea[], %b::timestamptz[], %b::text[], %b::text[])"
)


class RawTable:
    """A copy of the log's table, with its indexes and nothing in it at first."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def seconds_of(self, commits: Sequence[Rows]) -> float:
        """Insert rows, each in a commit as they are given; return how long it took."""

        def insert() -> None:
            for rows in commits:
                self._connection.execute(_INSERT, rows.columns(), prepare=True)

        return seconds_of(insert)


@contextmanager
def raw_table(runtime: Runtime) -> Iterator[RawTable]:
    with runtime.owner.connect(autocommit=True) as connection:
        arrays.register(connection)
        connection.execute("DROP TABLE IF EXISTS ledger_00.raw")
        connection.execute("CREATE TABLE ledger_00.raw (LIKE ledger_00.events INCLUDING ALL)")
        yield RawTable(connection)
        connection.execute("DROP TABLE ledger_00.raw")


def raw_seconds(runtime: Runtime, written: Sequence[Rows]) -> float:
    """Insert the same rows into an empty copy of the log's table, the same number a commit."""
    with raw_table(runtime) as raw:
        return raw.seconds_of(written)
