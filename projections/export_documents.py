"""What exports read of charges, invoices and single streams, as they were at a position.

Charges and invoices change after they are made; those with later events are folded anew from
the log's earlier ones, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from psycopg.sql import Composed

from domain.aggregate import Event
from projections.charges import CHARGES, ChargeRow, Charges
from projections.database import Connection
from projections.export_queries import ROWS_AT_ONCE
from projections.invoices import INVOICES, InvoiceRow, Invoices
from projections.log import Decode, Recorded
from projections.read_model import ReadModel
from projections.tenant_rows import TenantRows, Transaction

Row = TypeVar("Row", ChargeRow, InvoiceRow)
Span = tuple[datetime, datetime]
"""From the first until just before the second."""


class ExportDocuments(TenantRows):
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def __init__(
        self,
        transaction: Transaction,
        decode: Decode,
        schema: str = "ledger_00",
    ) -> None:
        super().__init__(transaction, schema)
        self._decode = decode

    def charges(
        self, tenant_id: str, span: Span, position: int
    ) -> Iterator[tuple[ChargeRow, str | None]]:
        """Yield what was charged in a span of time, by the position at which it settled, each
        with its customer's own id.
        """
        query = self._location.query(
            "SELECT {columns}, (SELECT external_id FROM {customers} c WHERE c.tenant = t.tenant"
            " AND c.customer_id = t.customer_id) FROM {charges} t WHERE tenant = %(tenant)s"
            " AND position <= %(position)s AND occurred_at >= %(start)s AND occurred_at < %(end)s"
            " AND status NOT IN ('AUTHORIZED', 'RELEASED') ORDER BY position, charge_id",
            columns=CHARGES.selected(),
        )
        yield from self._as_of(
            tenant_id, query, span, position, CHARGES.row_of, Charges, lambda row: row.charge_id
        )

    def invoices(
        self, tenant_id: str, span: Span, position: int
    ) -> Iterator[tuple[InvoiceRow, str | None]]:
        """Yield the documents issued in a span of time, in that order."""
        query = self._location.query(
            "SELECT {columns}, (SELECT external_id FROM {customers} c WHERE c.tenant = t.tenant"
            " AND c.customer_id = t.customer_id) FROM {invoices} t WHERE tenant = %(tenant)s"
            " AND position <= %(position)s AND issued_at >= %(start)s AND issued_at < %(end)s"
            " ORDER BY position",
            columns=INVOICES.selected(),
        )
        yield from self._as_of(
            tenant_id, query, span, position, INVOICES.row_of, Invoices, lambda row: row.invoice_id
        )

    def stream(
        self, tenant_id: str, ids: Sequence[str], position: int
    ) -> list[tuple[int, datetime, Event]]:
        """Return the events of these streams up to a position, with place and time."""
        query = self._location.query(
            "SELECT notification_id, recorded_at, topic, state, originator_id::text,"
            " originator_version FROM {events} WHERE originator_id = ANY(%s::uuid[])"
            " AND notification_id <= %s ORDER BY notification_id"
        )
        with self._transaction(tenant_id) as connection:
            return [
                (at, recorded_at, self._decode(topic, [state], [stream], [version])[0])
                for at, recorded_at, topic, state, stream, version in connection.execute(
                    query, (list(ids), position)
                )
            ]

    def recorded_at(self, tenant_id: str, position: int) -> datetime:
        """Return when what lies at a position, or before it, was recorded."""
        query = self._location.query(
            "SELECT recorded_at FROM {events} WHERE tenant = %(tenant)s"
            " AND notification_id <= %(position)s ORDER BY notification_id DESC LIMIT 1"
        )
        with self._transaction(tenant_id) as connection:
            row = connection.execute(query, {"tenant": tenant_id, "position": position}).fetchone()
        assert row is not None
        at: datetime = row[0]
        return at

    def _as_of(
        self,
        tenant_id: str,
        query: Composed,
        span: Span,
        position: int,
        row_of: Callable[[Sequence[Any]], Row],
        model: type[ReadModel[Any]],
        key: Callable[[Row], str],
    ) -> Iterator[tuple[Row, str | None]]:
        with self._transaction(tenant_id) as connection, connection.cursor("export") as cursor:
            connection.execute("SET LOCAL cursor_tuple_fraction = 1")
            cursor.itersize = ROWS_AT_ONCE
            start, end = span
            cursor.execute(
                query, {"tenant": tenant_id, "position": position, "start": start, "end": end}
            )
            while batch := list(islice(cursor, ROWS_AT_ONCE)):
                found = [(row_of(values[:-1]), values[-1]) for values in batch]
                moved = self._later(connection, [key(row) for row, _ in found], position)
                then: dict[str, Row] = {}
                model.fold(then, self._events(connection, tenant_id, moved, position, model))
                for row, customer in found:
                    yield then.get(key(row), row), customer

    def _later(self, connection: Connection, ids: Iterable[str], position: int) -> list[str]:
        """Return the streams that have events after a position."""
        query = self._location.query(
            "SELECT DISTINCT originator_id::text FROM {events}"
            " WHERE originator_id = ANY(%s::uuid[]) AND notification_id > %s"
        )
        return [stream for (stream,) in connection.execute(query, (list(ids), position))]

    def _events(
        self,
        connection: Connection,
        tenant_id: str,
        ids: list[str],
        position: int,
        model: type[ReadModel[Any]],
    ) -> list[Recorded]:
        """Return what a read model folds of these streams, up to a position."""
        query = self._location.query(
            "SELECT notification_id, topic, state, originator_id::text, originator_version"
            " FROM {events} WHERE originator_id = ANY(%s::uuid[]) AND notification_id <= %s"
            " ORDER BY notification_id"
        )
        folded: tuple[type[Event], ...] = model.events
        recorded = (
            (at, tenant_id, self._decode(topic, [state], [stream], [version])[0])
            for at, topic, state, stream, version in connection.execute(query, (ids, position))
        )
        return [each for each in recorded if isinstance(each[2], folded)]
