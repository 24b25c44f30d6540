"""The log as the read models see it: rows in order, decoded once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from psycopg.sql import Composed

from domain.aggregate import Event
from projections.database import Connection
from projections.tables import Location

Decode = Callable[[str, bytes, str, int], Event]
"""Of topic, state, originator id and originator version."""


class Recorded(NamedTuple):
    """An event and its place: its position in the log, and whose it is."""

    position: int
    tenant: str
    event: Event


class LoggedRow(NamedTuple):
    """A row of the log, its event not decoded."""

    position: int
    tenant: str
    originator_id: str
    originator_version: int
    topic: str
    state: bytes


class Events(list[Recorded]):
    """Events of a batch, in order; of its streams also those that stand before it."""

    def __init__(self, log: LogReader, start: int, events: Iterable[Recorded] = ()) -> None:
        super().__init__(events)
        self._log = log
        self._start = start

    def of(self, tenant: str) -> Events:
        """Return those of one tenant."""
        return Events(self._log, self._start, [each for each in self if each.tenant == tenant])

    def beginnings(self, connection: Connection, streams: Collection[str]) -> list[Recorded]:
        """Return the first event of each of these streams that began before the batch."""
        return self._log.beginnings(connection, streams, self._start) if streams else []

    def positions_before(
        self, connection: Connection, streams: Collection[str]
    ) -> list[tuple[str, int]]:
        """Return tenant and position of each event of these streams that stands before it."""
        return self._log.positions(connection, streams, self._start) if streams else []


class LogBatch:
    """The rows of the log after `start` up to and with `end`, perhaps only of some topics."""

    __slots__ = ("_decoded", "_events", "_log", "_topics", "end", "rows", "start")

    def __init__(
        self,
        log: LogReader,
        start: int,
        end: int,
        rows: Sequence[LoggedRow],
        decoded: dict[int, Recorded] | None = None,
    ) -> None:
        self.start = start
        self.end = end
        self.rows = rows
        self._log = log
        self._decoded = {} if decoded is None else decoded
        self._topics = frozenset(row.topic for row in rows)
        self._events: dict[frozenset[str], Events] = {}

    def has(self, topics: frozenset[str]) -> bool:
        """Whether there is an event of these topics."""
        return not topics.isdisjoint(self._topics)

    def events(self, topics: frozenset[str]) -> Events:
        """Return the events of these topics, in order. Raises what decoding raises."""
        topics = topics & self._topics
        chosen = self._events.get(topics)
        if chosen is None:
            chosen = self._events[topics] = self._chosen(topics)
        return chosen

    def _chosen(self, topics: frozenset[str]) -> Events:
        recorded_of, decoded = self._log.recorded, self._decoded
        chosen = Events(self._log, self.start)
        for row in self.rows if topics else ():
            if row.topic in topics:
                recorded = decoded.get(row.position)
                if recorded is None:
                    recorded = decoded[row.position] = recorded_of(row)
                chosen.append(recorded)
        return chosen

    def halves(self) -> tuple[LogBatch, LogBatch]:
        middle = len(self.rows) // 2
        first, second = self.rows[:middle], self.rows[middle:]
        return (
            LogBatch(self._log, self.start, first[-1].position, first, self._decoded),
            LogBatch(self._log, first[-1].position, self.end, second, self._decoded),
        )


# So that no batch, however rare its topics, is a scan of all that is left of the log.
_POSITIONS_A_ROW = 2


class LogReader:
    """Reads one shard's log by position. Positions become visible in order."""

    def __init__(self, location: Location, decode: Decode) -> None:
        self._decode = decode
        self._rows = location.query(
            "SELECT notification_id, tenant::text, originator_id::text, originator_version,"
            " topic, state FROM {events} WHERE notification_id > %s AND notification_id <= %s"
            " AND (%s::text[] IS NULL OR topic = ANY(%s)) ORDER BY notification_id LIMIT %s"
        )
        self._beginnings = location.query(
            "SELECT notification_id, tenant::text, originator_id::text, originator_version,"
            " topic, state FROM {events} WHERE originator_id = ANY(%s::uuid[])"
            " AND originator_version = 1 AND notification_id <= %s ORDER BY notification_id"
        )
        self._positions = location.query(
            "SELECT tenant::text, notification_id FROM {events}"
            " WHERE originator_id = ANY(%s::uuid[]) AND notification_id <= %s"
        )
        self._head = location.query("SELECT max(notification_id) FROM {events}")
        # The last row, if the next one is of another commit; else the last row of the commit
        # before: rows that were written together have one xmin.
        self._commit_end = location.query(
            "SELECT CASE WHEN (SELECT xmin FROM {events} WHERE notification_id > %(end)s"
            " ORDER BY notification_id LIMIT 1) = last.xmin THEN (SELECT notification_id"
            " FROM {events} WHERE notification_id > %(start)s AND notification_id < %(end)s"
            " AND xmin <> last.xmin ORDER BY notification_id DESC LIMIT 1) END"
            " FROM {events} AS last WHERE notification_id = %(end)s"
        )

    def batch(
        self,
        connection: Connection,
        start: int,
        limit: int | None,
        size: int,
        topics: Iterable[str] | None = None,
    ) -> LogBatch:
        """Return at most `size` rows after `start`, none beyond `limit`, of `topics` if given;
        it ends after them, or where as many positions were looked at as a batch may take.

        The last commit is left out if not all of it is among them, so that what was written
        together is folded together; unless there is no other.
        """
        upto = self.head(connection) if limit is None else limit
        if upto <= start:
            return LogBatch(self, start, start, ())
        end = min(upto, start + _POSITIONS_A_ROW * size)
        of = None if topics is None else list(topics)
        rows = _rows(connection, self._rows, start, end, of, of, size)
        if len(rows) == size:
            end = rows[-1].position
        if end < upto:
            end = self._end_of_commits(connection, start, end)
            while rows and rows[-1].position > end:
                rows.pop()
        return LogBatch(self, start, end, rows)

    def _end_of_commits(self, connection: Connection, start: int, end: int) -> int:
        asked = {"start": start, "end": end}
        row: Any = connection.execute(self._commit_end, asked).fetchone()
        return end if row is None or row[0] is None else int(row[0])

    def recorded(self, row: LoggedRow) -> Recorded:
        """Return a row with its event. Raises what decoding raises."""
        position, tenant, originator_id, version, topic, state = row
        return Recorded(position, tenant, self._decode(topic, state, originator_id, version))

    def beginnings(
        self, connection: Connection, streams: Collection[str], upto: int
    ) -> list[Recorded]:
        """Return the first event of each of these streams that has begun by that position.

        Raises what decoding raises.
        """
        rows = _rows(connection, self._beginnings, list(streams), upto)
        return [self.recorded(row) for row in rows]

    def positions(
        self, connection: Connection, streams: Collection[str], upto: int
    ) -> list[tuple[str, int]]:
        """Return tenant and position of each event of these streams by that position."""
        return connection.execute(self._positions, (list(streams), upto)).fetchall()

    def head(self, connection: Connection) -> int:
        """Return the last position; 0 while the log is empty."""
        row: Any = connection.execute(self._head).fetchone()
        return int(row[0] or 0)


def _rows(connection: Connection, query: Composed, *parameters: object) -> list[LoggedRow]:
    cursor = connection.cursor(binary=True)
    cursor.execute(query, parameters)
    return [LoggedRow._make(row) for row in cursor.fetchall()]
