"""How far each read model has come; written in the transaction of what it folded.

Table: projection_positions, under the nil tenant, since a position is its shard's. One that has
met an event that it cannot fold stands before it, and says which and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import NamedTuple

from projections.database import Connection
from projections.log import LoggedRow
from projections.stops import Stopped, because
from projections.tables import Location

_NIL = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a read model stands, and what it cannot fold."""

    position: int = 0
    stopped: Stopped | None = None


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
    found = standings(connection, location, names)
    return {name: standing.position for name, standing in found.items()}


def standings(
    connection: Connection, location: Location, names: Iterable[str]
) -> dict[str, Standing]:
    """Return where each stands; at the beginning if it stands nowhere yet."""
    wanted = list(names)
    rows = connection.execute(
        location.query(
            "SELECT projection, position, stopped_at, stopped_topic, stopped_error,"
            " stopped_because, stopped_since FROM {projection_positions}"
            " WHERE tenant = %s AND projection = ANY(%s)"
        ),
        (_NIL, wanted),
    )
    found = {
        name: Standing(
            position,
            None if at is None else Stopped(name, at, topic, error, why, since.astimezone(UTC)),
        )
        for name, position, at, topic, error, why, since in rows
    }
    return {name: found.get(name, Standing()) for name in wanted}


class Mark(NamedTuple):
    """A position, and the transaction that wrote it; equal, nobody else has moved it since."""

    position: int
    written_by: str


def lock(connection: Connection, location: Location, name: str) -> Mark:
    """Return where a read model stands and keep it until the transaction ends."""
    row = connection.execute(
        location.query(
            "SELECT position, xmin::text FROM {projection_positions}"
            " WHERE tenant = %s AND projection = %s FOR UPDATE"
        ),
        (_NIL, name),
    ).fetchone()
    assert row is not None, name
    return Mark(*row)


def move(connection: Connection, location: Location, name: str, position: int) -> Mark:
    """Let a read model stand there; it has passed what stopped it."""
    row = connection.execute(
        location.query(
            "UPDATE {projection_positions} SET position = %s, stopped_at = NULL,"
            " stopped_topic = NULL, stopped_error = NULL, stopped_because = NULL,"
            " stopped_since = NULL WHERE tenant = %s AND projection = %s"
            " RETURNING position, xmin::text"
        ),
        (position, _NIL, name),
    ).fetchone()
    assert row is not None, name
    return Mark(*row)


def move_on(
    connection: Connection, location: Location, names: Sequence[str], start: int, end: int
) -> dict[str, tuple[Mark, Mark]]:
    """Let those that stand at `start`, and that nobody moves just now, stand at `end`; return
    their marks before and after.
    """
    moved = connection.execute(
        location.query(
            "UPDATE {projection_positions} AS p SET position = %(end)s, stopped_at = NULL,"
            " stopped_topic = NULL, stopped_error = NULL, stopped_because = NULL,"
            " stopped_since = NULL FROM (SELECT projection, xmin::text AS written_by"
            " FROM {projection_positions} WHERE tenant = %(nil)s AND projection = ANY(%(names)s)"
            " AND position = %(start)s FOR UPDATE SKIP LOCKED) AS standing"
            " WHERE p.tenant = %(nil)s AND p.projection = standing.projection"
            " RETURNING p.projection, standing.written_by, p.xmin::text"
        ),
        {"nil": _NIL, "names": list(names), "start": start, "end": end},
    )
    return {name: (Mark(start, before), Mark(end, after)) for name, before, after in moved}


def stop(
    connection: Connection, location: Location, name: str, row: LoggedRow, error: Exception
) -> Stopped:
    """Note the event that a read model cannot fold; of one noted before, since when it is."""
    position, _, _, _, topic, _ = row
    stopped = connection.execute(
        location.query(
            "UPDATE {projection_positions} SET stopped_since ="
            " CASE WHEN stopped_at = %(at)s THEN stopped_since ELSE clock_timestamp() END,"
            " stopped_at = %(at)s, stopped_topic = %(topic)s, stopped_error = %(error)s,"
            " stopped_because = %(because)s WHERE tenant = %(nil)s AND projection = %(name)s"
            " RETURNING stopped_error, stopped_because, stopped_since"
        ),
        {
            "at": position, "topic": topic, "error": type(error).__name__,
            "because": because(error), "nil": _NIL, "name": name,
        },
    ).fetchone()  # fmt: skip
    assert stopped is not None, name
    named, why, since = stopped
    return Stopped(name, position, topic, named, why, since.astimezone(UTC))


def forget(connection: Connection, location: Location, name: str) -> None:
    connection.execute(
        location.query("DELETE FROM {projection_positions} WHERE tenant = %s AND projection = %s"),
        (_NIL, name),
    )
