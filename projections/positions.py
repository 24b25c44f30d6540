"""How far each read model has come; written in the transaction of what it folded.

Table: projection_positions, under the nil tenant, since a position is its shard's.
"""

from __future__ import annotations

from collections.abc import Iterable

from projections.database import Connection
from projections.tables import Location

_NIL = "00000000-0000-0000-0000-000000000000"


def begin(connection: Connection, location: Location, names: Iterable[str]) -> None:
    """Let each of these read models stand at the beginning, unless it stands somewhere."""
    connection.execute(
        location.query(
            "INSERT INTO {projection_positions} (tenant, projection, position)"
            " SELECT %s, name, 0 FROM unnest(%s::text[]) AS name ON CONFLICT DO NOTHING"
        ),
        (_NIL, list(names)),
    )


def read(connection: Connection, location: Location, names: Iterable[str]) -> dict[str, int]:
    """Return the position of each; 0 for one that has none yet."""
    wanted = list(names)
    rows = connection.execute(
        location.query(
            "SELECT projection, position FROM {projection_positions}"
            " WHERE tenant = %s AND projection = ANY(%s)"
        ),
        (_NIL, wanted),
    )
    found = {str(name): int(position) for name, position in rows}
    return {name: found.get(name, 0) for name in wanted}


def lock(connection: Connection, location: Location, name: str) -> int:
    """Return a read model's position and keep it until the transaction ends."""
    row = connection.execute(
        location.query(
            "SELECT position FROM {projection_positions}"
            " WHERE tenant = %s AND projection = %s FOR UPDATE"
        ),
        (_NIL, name),
    ).fetchone()
    assert row is not None, name
    return int(row[0])


def move(connection: Connection, location: Location, name: str, position: int) -> None:
    connection.execute(
        location.query(
            "UPDATE {projection_positions} SET position = %s WHERE tenant = %s AND projection = %s"
        ),
        (position, _NIL, name),
    )


def forget(connection: Connection, location: Location, name: str) -> None:
    connection.execute(
        location.query("DELETE FROM {projection_positions} WHERE tenant = %s AND projection = %s"),
        (_NIL, name),
    )
