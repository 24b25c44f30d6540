"""The log as the read models see it: rows in order, decoded once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from typing import Any

from psycopg.sql import Composed

from domain.aggregate import Event
from projections.database import Connection
from projections.tables import Location

Decode = Callable[[str, Sequence[bytes], Sequence[str], Sequence[int]], list[Event]]
"""Of a topic, and of each event its state, originator id and originator version."""

Recorded = tuple[int, str, Event]
"""An event and its place: its position in the log, and whose it is."""

LoggedRow = tuple[int, str, str, int, str, bytes]
"""A row of the log: position, tenant, originator id and version, topic, state."""


class Events(list[Recorded]):
    """Events of a batch, in order; of its streams also those that stand before it."""

    def __init__(self, log: LogReader, start: int, events: Iterable[Recorded] = ()) -> None:
        super().__init__(events)
        self._log = log
        self._start = start

    def of(self, tenant: str) -> Events:
        """Return those of one tenant."""
        return Events(self._log, self._start, [each for each in self if each[1] == tenant])

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

    __slots__ = ("_events", "_log", "_recorded", "_rows_of", "end", "rows", "start")

    def __init__(self, log: LogReader, start: int, end: int, rows: Sequence[LoggedRow]) -> None:
        self.start = start
        self.end = end
        self.rows = rows
        self._log = log
        self._rows_of: dict[str, list[LoggedRow]] = {}
        for row in rows:
            self._rows_of.setdefault(row[4], []).append(row)
        self._recorded: dict[str, list[Recorded]] = {}
        self._events: dict[frozenset[str], Events] = {}

    def has(self, topics: frozenset[str]) -> bool:
        """Whether there is an event of these topics."""
        return not topics.isdisjoint(self._rows_of)

    def events(self, topics: frozenset[str]) -> Events:
        """Return the events of these topics, in order. Raises what decoding raises."""
        topics = topics.intersection(self._rows_of)
        chosen = self._events.get(topics)
        if chosen is None:
            chosen = Events(self._log, self.start, chain(*map(self._of_topic, topics)))
            if len(topics) > 1:
                chosen.sort(key=itemgetter(0))
            self._events[topics] = chosen
        return chosen

    def _of_topic(self, topic: str) -> list[Recorded]:
        recorded = self._recorded.get(topic)
        if recorded is None:
            recorded = self._recorded[topic] = self._log.recorded(topic, self._rows_of[topic])
        return recorded

    def halves(self) -> tuple[LogBatch, LogBatch]:
        middle = len(self.rows) // 2
        first, second = self.rows[:middle], self.rows[middle:]
        between = first[-1][0]
        return (
            LogBatch(self._log, self.start, between, first),
            LogBatch(self._log, between, self.end, second),
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
        with _in_order_of_the_index(connection):
            rows = _rows(connection, self._rows, start, end, of, of, size)
        if len(rows) == size:
            end = rows[-1][0]
        if end < upto:
            end = self._end_of_commits(connection, start, end)
            while rows and rows[-1][0] > end:
                rows.pop()
        return LogBatch(self, start, end, rows)

    def _end_of_commits(self, connection: Connection, start: int, end: int) -> int:
        asked = {"start": start, "end": end}
        row: Any = connection.execute(self._commit_end, asked).fetchone()
        return end if row is None or row[0] is None else int(row[0])

    def recorded(self, topic: str, rows: Sequence[LoggedRow]) -> list[Recorded]:
        """Return rows of one topic with their events. Raises what decoding raises."""
        at, tenants, originator_ids, versions, _, states = zip(*rows, strict=True)
        events = self._decode(topic, states, originator_ids, versions)
        return list(zip(at, tenants, events, strict=True))

    def beginnings(
        self, connection: Connection, streams: Collection[str], upto: int
    ) -> list[Recorded]:
        """Return the first event of each of these streams that has begun by that position.

        Raises what decoding raises.
        """
        rows = _rows(connection, self._beginnings, list(streams), upto)
        begun = LogBatch(self, 0, upto, rows)
        return begun.events(frozenset(row[4] for row in rows))

    def positions(
        self, connection: Connection, streams: Collection[str], upto: int
    ) -> list[tuple[str, int]]:
        """Return tenant and position of each event of these streams by that position."""
        return connection.execute(self._positions, (list(streams), upto)).fetchall()

    def head(self, connection: Connection) -> int:
        """Return the last position; 0 while the log is empty."""
        row: Any = connection.execute(self._head).fetchone()
        return int(row[0] or 0)


@contextmanager
def _in_order_of_the_index(connection: Connection) -> Iterator[None]:
    """What is new has no statistics yet: the planner takes it for little, and reads and sorts
    the whole span, twice what is asked for.
    """
    connection.execute("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
    yield
    connection.execute("SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on")


def _rows(connection: Connection, query: Composed, *parameters: object) -> list[LoggedRow]:
    cursor = connection.cursor(binary=True)
    cursor.execute(query, parameters)
    return cursor.fetchall()
