"""The event store: the library's PostgreSQL application recorder, extended where it lets us.

How rows are sent (column arrays), which lock orders them, and what an error means are
ours; reading, subscriptions and positions are the library's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import ConnectionPool, PostgresApplicationRecorder, PostgresDatastore
from psycopg import Cursor, pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg.sql import SQL, Identifier

from application.clock import SystemClock
from application.storage import arrays
from application.storage.database import (
    CONNECT_TIMEOUT_SECONDS,
    IDLE_IN_TRANSACTION_TIMEOUT_SECONDS,
    LOCK_TIMEOUT_SECONDS,
    Login,
)
from application.storage.shard import FIRST_SHARD, Shard

END_TIMEOUT_MS = 5_000
_APPEND = b"append"
_UUIDS, _NUMBERS, _TEXTS, _OCTETS, _TIMES = (
    arrays.ARRAY_OF[element]
    for element in (arrays.UUID, arrays.INT8, arrays.TEXT, arrays.BYTEA, arrays.TIMESTAMPTZ)
)
_APPEND_TYPES = (
    *(_UUIDS, _NUMBERS),  # what is relied on
    *(_UUIDS, _UUIDS, _NUMBERS, _TEXTS, _OCTETS, _TIMES, _TEXTS, _TEXTS),
)
_NOT_PREPARED = b"26000"  # invalid_sql_statement_name
_ALL_BINARY = (pq.Format.BINARY,) * len(_APPEND_TYPES)
NO_TENANT = "00000000-0000-0000-0000-000000000000"


@dataclass(slots=True)
class Rows:
    """Events on their way into the log, a list a column."""

    tenants: list[str] = field(default_factory=list)
    originators: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)
    recorded_at: list[datetime] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.originators)

    def columns(self) -> tuple[arrays.Column, ...]:
        return self._columns(len(self))

    def arguments(self) -> list[bytes]:
        """Return the columns as `append` takes them: what all rows have in common once."""
        common: list[list[Any]] = [self.tenants, self.recorded_at, self.actors, self.request_ids]
        alike = all(values.count(values[0]) == len(values) for values in common)
        return [column.octets for column in self._columns(1 if alike else len(self))]

    def _columns(self, distinct: int) -> tuple[arrays.Column, ...]:
        return (
            arrays.uuids(self.tenants[:distinct]),
            arrays.uuids(self.originators),
            arrays.numbers(self.versions),
            arrays.texts(self.topics),
            arrays.octets(self.states),
            arrays.times(self.recorded_at[:distinct]),
            arrays.texts(self.actors[:distinct]),
            arrays.texts(self.request_ids[:distinct]),
        )


class AlreadyRecorded(Exception):
    """Another event has the place of one of these: a duplicate, or an overtaken version."""


class MovedOn(AlreadyRecorded):
    """A stream that the rows rely on has another version by now."""


class NotRecorded(Exception):
    """An error before COMMIT: nothing was written."""


class CommitUnknown(Exception):
    """The commit may have happened, or may yet: the rows may be there, or not. backend: the
    server process that was told to, if it is known.
    """

    def __init__(self, what: str = "", backend: int | None = None) -> None:
        super().__init__(what)
        self.backend = backend


class LogConnection(psycopg.Connection[DictRow]):
    """A connection that appends. knows_append: whether its server process knows how."""

    knows_append = False


class LedgerDatastore(PostgresDatastore):
    """The library's datastore on a login of any shape, with time-outs that are set."""

    def __init__(self, login: Login, shard: Shard = FIRST_SHARD, pool_size: int = 2) -> None:
        super().__init__(
            login.database,
            "",
            "",
            "",
            "",
            idle_in_transaction_session_timeout=IDLE_IN_TRANSACTION_TIMEOUT_SECONDS,
            lock_timeout=LOCK_TIMEOUT_SECONDS,
            schema=shard.schema,
        )
        self.shard = shard
        library_configures = self.after_connect_func()

        def configure(connection: psycopg.Connection[Any]) -> None:
            library_configures(connection)
            connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            arrays.register(connection)

        self.pool = ConnectionPool(
            connection_class=LogConnection,
            kwargs={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                **login.arguments,
                "application_name": "counterfoil-log",
                "row_factory": dict_row,
            },
            min_size=1,
            max_size=pool_size + 8,
            open=False,
            configure=configure,
        )


class LedgerRecorder(PostgresApplicationRecorder):
    """Appends to one shard's log; the writer's role may INSERT and SELECT, nothing else."""

    def __init__(
        self,
        datastore: LedgerDatastore,
        *,
        events_table_name: str = "events",
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        self.shard = datastore.shard
        self.channel_name = self.shard.channel
        # The library's LOCK TABLE needs a privilege that an append-only role has not.
        self.lock_table_statements = [SQL(f"SELECT pg_advisory_xact_lock({self.shard.lock_key})")]
        parameters = ", ".join(f"${place + 1}" for place in range(len(_APPEND_TYPES)))
        self._append_statement = f"SELECT {self.shard.schema}.append({parameters})".encode()

    def create_table(self) -> None:
        """Nothing to do: migrations make the table."""

    # The library's protocol

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append the library's stored events. Raises IntegrityError."""
        if not stored_events:
            return None
        now = SystemClock().now()
        rows = Rows()
        for event in stored_events:
            rows.tenants.append(str(kwargs.get("tenant_id", NO_TENANT)))
            rows.originators.append(str(event.originator_id))
            rows.versions.append(event.originator_version)
            rows.topics.append(event.topic)
            rows.states.append(event.state)
            rows.recorded_at.append(now)
            rows.actors.append("library")
            rows.request_ids.append("")
        try:
            return self.append(rows)
        except AlreadyRecorded as error:
            raise IntegrityError(str(error)) from error

    # Ours

    def append(
        self,
        rows: Rows,
        relied_on: Mapping[str, int] | None = None,
        *,
        decide: Callable[[Cursor[Any]], Rows] | None = None,
    ) -> list[int]:
        """Insert the rows in one transaction; answer their positions once committed.

        relied_on: streams that these rows do not write to but were decided upon, and at
        what version; compared in the same transaction, under the writers' lock. decide:
        called under that lock, answers the rows to insert instead. Raises MovedOn,
        AlreadyRecorded, NotRecorded (all: nothing was written), CommitUnknown.
        """
        with self.connection() as connection:
            if decide is None:
                return self._append(connection, rows, relied_on or {})
            return self._decide_and_append(connection, decide)

    def _decide_and_append(
        self, connection: LogConnection, decide: Callable[[Cursor[Any]], Rows]
    ) -> list[int]:
        committing = False
        backend = connection.pgconn.backend_pid
        try:
            cursor = connection.cursor(row_factory=tuple_row)
            cursor.execute("BEGIN")
            cursor.execute(self.lock_table_statements[0])
            positions = self._append(connection, decide(cursor), {})
            committing = True
            cursor.execute("COMMIT")
        except CommitUnknown as lost:
            raise NotRecorded("the connection was lost before COMMIT") from lost
        except psycopg.Error as error:
            _roll_back(connection)
            if committing:
                raise CommitUnknown(type(error).__name__, backend) from error
            raise NotRecorded(f"{type(error).__name__}: {error.sqlstate}") from error
        except BaseException:
            _roll_back(connection)
            raise
        return positions

    def positions_of(self, rows: Rows, backend: int | None = None) -> list[int] | None:
        """Return the positions of these very rows; None if they are not in the log.

        backend: the server process whose transaction is in doubt. It is ended first, since it
        may not have read yet what it was sent; then the writers' lock is waited for. Raises
        psycopg.Error where the log cannot be asked, or that process does not end.
        """
        with self.connection() as connection, connection.transaction():
            cursor = connection.cursor(row_factory=tuple_row)
            if backend is not None:
                _end(cursor, backend)
            cursor.execute(self.lock_table_statements[0])
            cursor.execute(
                SQL(
                    "SELECT e.notification_id FROM {schema}.{table} e"
                    " JOIN unnest(%b::uuid[], %b::bigint[], %b::bytea[])"
                    " AS ours (id, version, state)"
                    " ON e.originator_id = ours.id AND e.originator_version = ours.version"
                    " AND e.state = ours.state"
                ).format(
                    schema=Identifier(self.datastore.schema),
                    table=Identifier(self.events_table_name),
                ),
                (
                    arrays.uuids(rows.originators),
                    arrays.numbers(rows.versions),
                    arrays.octets(rows.states),
                ),
            )
            positions = sorted(position for (position,) in cursor.fetchall())
            return positions if len(positions) == len(rows) else None

    def connection(self) -> Any:
        """Lend a connection of the log's role."""
        self.datastore.pool.open()
        return self.datastore.pool.connection()

    def _append(
        self, connection: LogConnection, rows: Rows, relied_on: Mapping[str, int]
    ) -> list[int]:
        """Append in one message, which is a transaction unless one has begun.

        libpq itself waits for the answer, with the interpreter free for others; psycopg would
        want it back for each part that it sends. Raises as `append`.
        """
        if not rows:
            return []
        arguments = [
            arrays.uuids(list(relied_on)).octets,
            arrays.numbers(list(relied_on.values())).octets,
            *rows.arguments(),
        ]
        backend = connection.pgconn.backend_pid  # a lost link forgets it
        try:
            result = self._send(connection, arguments)
        except psycopg.Error as error:
            raise CommitUnknown(type(error).__name__, backend) from error
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise _refused(result, backend)
        last = result.get_value(0, 0)
        if last is None:
            raise MovedOn
        end = int.from_bytes(last) + 1
        return list(range(end - len(rows), end))

    def _send(self, connection: LogConnection, arguments: Sequence[bytes]) -> PGresult:
        link = connection.pgconn
        self._prepare(connection)
        in_transaction = link.transaction_status != pq.TransactionStatus.IDLE
        result = link.exec_prepared(_APPEND, arguments, _ALL_BINARY, pq.Format.BINARY)
        if result.error_field(pq.DiagnosticField.SQLSTATE) == _NOT_PREPARED:
            # psycopg lets go of all that is prepared when it rolls back.
            connection.knows_append = False
            if not in_transaction:
                return self._send(connection, arguments)
        return result

    def _prepare(self, connection: LogConnection) -> None:
        """Raises NotRecorded, also where the server has ended the connection meanwhile."""
        link = connection.pgconn
        try:
            link.consume_input()
            if connection.knows_append:
                return
            result = link.prepare(_APPEND, self._append_statement, _APPEND_TYPES)
        except psycopg.Error as error:
            raise NotRecorded(type(error).__name__) from error
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise NotRecorded(type(error_from_result(result)).__name__)
        connection.knows_append = True


def _refused(result: PGresult, backend: int) -> Exception:
    """Return what an answer that is no success means. An error ends a transaction that stands;
    what ends the session leaves its commit open.
    """
    error = error_from_result(result)
    if error.diag.severity_nonlocalized != "ERROR":
        return CommitUnknown(type(error).__name__, backend)
    if isinstance(error, psycopg.errors.UniqueViolation):
        return AlreadyRecorded(error.diag.constraint_name)
    return NotRecorded(f"{type(error).__name__}: {error.sqlstate}")


def _end(cursor: Cursor[Any], backend: int) -> None:
    """End a server process of our own role. Another of ours may have its number by now, and
    comes back.
    """
    cursor.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
        " WHERE pid = %s AND usename = current_user AND pid <> pg_backend_pid()",
        (END_TIMEOUT_MS, backend),
    )
    if (False,) in cursor.fetchall():
        raise psycopg.OperationalError("a transaction in doubt does not end")


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.Error):
        if not connection.closed:
            connection.execute("ROLLBACK")
