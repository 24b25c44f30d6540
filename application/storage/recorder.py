"""The event store: the library's PostgreSQL application recorder, extended where it lets us.

How rows are sent (column arrays), which lock orders them, and what an error means are
ours; reading, subscriptions and positions are the library's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import ConnectionPool, PostgresApplicationRecorder, PostgresDatastore
from psycopg import Cursor
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from application.clock import SystemClock
from application.storage import arrays
from application.storage.database import (
    CONNECT_TIMEOUT_SECONDS,
    IDLE_IN_TRANSACTION_TIMEOUT_SECONDS,
    LOCK_TIMEOUT_SECONDS,
    Login,
)
from application.storage.shard import FIRST_SHARD, Shard

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
        return (
            arrays.uuids(self.tenants),
            arrays.uuids(self.originators),
            arrays.numbers(self.versions),
            arrays.texts(self.topics),
            arrays.octets(self.states),
            arrays.times(self.recorded_at),
            arrays.texts(self.actors),
            arrays.texts(self.request_ids),
        )


class AlreadyRecorded(Exception):
    """Another event has the place of one of these: a duplicate, or an overtaken version."""


class MovedOn(AlreadyRecorded):
    """A stream that the rows rely on has another version by now."""


class NotRecorded(Exception):
    """An error before COMMIT: nothing was written."""


class CommitUnknown(Exception):
    """An error at COMMIT or after: the rows may be there, or not."""


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
            connection_class=psycopg.Connection[DictRow],
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
        names = {
            "schema": Identifier(datastore.schema),
            "table": Identifier(self.events_table_name),
        }
        # Positions come back as one array: a row each would take both sides longer.
        self.insert_events_statement = SQL(
            "WITH inserted AS ("
            "INSERT INTO {schema}.{table} (tenant, originator_id, originator_version, topic,"
            " state, recorded_at, actor, request_id)"
            " SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bigint[], %b::text[],"
            " %b::bytea[], %b::timestamptz[], %b::text[], %b::text[])"
            " RETURNING notification_id)"
            " SELECT array_agg(notification_id) FROM inserted"
        ).format(**names)
        # One message without parameters: one round trip. Not a pipeline, in which psycopg
        # waits for ever once an INSERT outgrows the socket's buffer.
        self._begin_statement = SQL(
            "BEGIN; SELECT pg_advisory_xact_lock({lock}); NOTIFY {channel}"
        ).format(lock=self.shard.lock_key, channel=Identifier(self.channel_name))

        versions = SQL(
            "; SELECT wanted.id::text, (SELECT max(originator_version) FROM {schema}.{table} e"
            " WHERE e.originator_id = wanted.id) FROM unnest(ARRAY["
        ).format(**names)

        @lru_cache(maxsize=1_000)
        def begin_and_ask(ids: tuple[str, ...]) -> Composed:
            """Return the statement that begins, and asks for the versions of these streams."""
            literals = SQL(", ").join(Literal(stream_id) for stream_id in ids)
            return self._begin_statement + versions + literals + SQL("]::uuid[]) AS wanted (id)")

        self._begin_and_ask = begin_and_ask

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
            committing = False
            try:
                cursor = connection.cursor(row_factory=tuple_row)
                self._begin(cursor, relied_on or {})
                positions = self._insert(cursor, rows if decide is None else decide(cursor))
                committing = True
                cursor.execute("COMMIT")
            except psycopg.errors.UniqueViolation as error:
                _roll_back(connection)
                raise AlreadyRecorded(error.diag.constraint_name) from error
            except psycopg.Error as error:
                _roll_back(connection)
                if committing:
                    raise CommitUnknown(type(error).__name__) from error
                raise NotRecorded(f"{type(error).__name__}: {error.sqlstate}") from error
            except BaseException:
                _roll_back(connection)
                raise
        return positions

    def positions_of(self, rows: Rows) -> list[int] | None:
        """Return the positions of these very rows; None if they are not in the log.

        Waits for the writers' lock, so that a transaction in doubt has ended. Raises
        psycopg.Error where the log cannot be asked.
        """
        with self.connection() as connection, connection.transaction():
            cursor = connection.cursor(row_factory=tuple_row)
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

    def _begin(self, cursor: Cursor[Any], relied_on: Mapping[str, int]) -> None:
        """Begin, lock, and check what is relied on, in one round trip."""
        if not relied_on:
            cursor.execute(self._begin_statement)
            return
        cursor.execute(self._begin_and_ask(tuple(relied_on)))
        while cursor.nextset():
            pass
        versions: dict[str, int | None] = dict(cursor.fetchall())
        for stream_id, version in relied_on.items():
            # A stream that nobody has begun stands at 0.
            if (versions[stream_id] or 0) != version:
                raise MovedOn(stream_id)

    def _insert(self, cursor: Cursor[Any], rows: Rows) -> list[int]:
        if not rows:
            return []
        cursor.execute(self.insert_events_statement, rows.columns(), prepare=True, binary=True)
        found = cursor.fetchone()
        assert found is not None
        positions: list[int] = found[0]
        return positions


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.Error):
        if not connection.closed:
            connection.execute("ROLLBACK")
