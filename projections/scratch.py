"""Temporary tables, in which read models are folded anew beside the live ones.

They need the right to make temporary tables, and are gone with the connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.sql import SQL, Identifier

from projections.database import Connection
from projections.read_model import ReadModel
from projections.tables import Location

SCRATCH = Location("pg_temp")


@contextmanager
def scratch_tables(
    connection: Connection, live: Location, read_models: Sequence[ReadModel[Any]]
) -> Iterator[None]:
    """Make copies of their tables, empty but for the terms by which they are folded."""
    tables = [table for model in read_models for table in model.tables]
    for table in tables:
        statement = SQL(
            "CREATE TEMPORARY TABLE {name} (LIKE {live} INCLUDING CONSTRAINTS, PRIMARY KEY ({key}))"
        )
        connection.execute(
            statement.format(
                name=Identifier(table.name),
                live=live.table(table.name),
                key=SQL(", ").join(map(Identifier, table.key)),
            )
        )
    for model in read_models:
        for table in model.terms:
            connection.execute(
                SQL("INSERT INTO {} SELECT * FROM {}").format(
                    SCRATCH.table(table.name), live.table(table.name)
                )
            )
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        for table in tables:
            connection.execute(SQL("DROP TABLE {}").format(SCRATCH.table(table.name)))
        connection.commit()
