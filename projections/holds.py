"""How many holds are open, of all tenants together: for whoever runs the ledger."""

from __future__ import annotations

from projections.database import Connections
from projections.tables import Location


def open_holds(connections: Connections, schema: str = "ledger_00") -> int:
    """Return how many holds the read model shows as open. Raises psycopg.Error."""
    query = Location(schema).query("SELECT count(*) FROM {holds} WHERE status = 'OPEN'")
    with connections.connection() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
