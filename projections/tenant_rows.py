"""Rows of one tenant, asked for in a transaction that sees no other's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from psycopg.sql import Composable

from projections.database import Connection
from projections.tables import Location

Transaction = Callable[[str], AbstractContextManager[Connection]]


class TenantRows:
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def __init__(self, transaction: Transaction, schema: str = "ledger_00") -> None:
        self._transaction = transaction
        self._location = Location(schema)

    def _rows(
        self, tenant_id: str, query: str, parameters: dict[str, Any], **parts: Composable
    ) -> Sequence[tuple[Any, ...]]:
        with self._transaction(tenant_id) as connection:
            return connection.execute(
                self._location.query(query, **parts), {**parameters, "tenant": tenant_id}
            ).fetchall()
