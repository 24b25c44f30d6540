"""Wallets and books as of a position of the log, side by side in one place.

They stand still only where the log of the tenant ends. As of an earlier position they are
folded anew into temporary tables, by the code and from the events of the live ones: as much
work as there are events before it, in constant memory but for the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from projections import positions
from projections.balances import Balances
from projections.database import Connection, Connections
from projections.journal import Journal
from projections.log import Decode, LogReader
from projections.read_model import ReadModel
from projections.scratch import SCRATCH, scratch_tables
from projections.tables import Location

_BATCH_SIZE = 10_000
_LATER = "SELECT FROM {events} WHERE tenant = %s AND notification_id > %s LIMIT 1"


@contextmanager
def books_at(
    connections: Connections, decode: Decode, live: Location, tenant_id: str, position: int
) -> Iterator[tuple[Connection, Location]]:
    """Give the tables of `balances` and `journal` as of a position that both have passed.

    connections: of the role that writes read models.
    """
    models: list[ReadModel[Any]] = [Balances(live), Journal(live)]
    with connections.connection() as connection:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if _stand(connection, live, tenant_id, position):
                yield connection, live
                return
        with scratch_tables(connection, live, models):
            _fold(connection, LogReader(live, decode), models, tenant_id, position)
            yield connection, SCRATCH


def _stand(connection: Connection, live: Location, tenant_id: str, position: int) -> bool:
    """Whether nothing of the tenant came after the position."""
    later = connection.execute(live.query(_LATER), (tenant_id, position)).fetchone()
    reached = positions.read(connection, live, ["balances", "journal"])
    return later is None and min(reached.values()) >= position


def _fold(
    connection: Connection,
    reader: LogReader,
    models: list[ReadModel[Any]],
    tenant_id: str,
    position: int,
) -> None:
    copies = [model.beside(SCRATCH, model.name) for model in models]
    reached = 0
    while reached < position:
        batch = reader.batch(connection, reached, position, _BATCH_SIZE)
        for copy in copies:
            copy.apply(connection, batch.events(copy.topics).of(tenant_id))
        reached = batch.end
        connection.commit()
