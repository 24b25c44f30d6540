"""How many holds are open: of all tenants, for whoever runs the ledger; of one, for itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from projections.database import Connections
from projections.tables import Location
from projections.tenant_rows import TenantRows


def open_holds(connections: Connections, schema: str = "ledger_00") -> int:
    """Return how many holds the read model shows as open. Raises psycopg.Error."""
    query = Location(schema).query("SELECT count(*) FROM {holds} WHERE status = 'OPEN'")
    with connections.connection() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True)
class OpenHolds:
    """oldest_at: when the oldest of them was placed."""

    count: int
    oldest_at: datetime | None


class HoldQueries(TenantRows):
    """Part of `ReadModels`."""

    def open_holds(self, tenant_id: str) -> OpenHolds:
        ((count, oldest_at),) = self._rows(
            tenant_id,
            "SELECT count(*), min(placed_at) FROM {holds}"
            " WHERE tenant = %(tenant)s AND status = 'OPEN'",
            {},
        )
        return OpenHolds(count, None if oldest_at is None else oldest_at.astimezone(UTC))
