"""The projection engine: takes the log in order to every read model, each exactly once.

A batch and its position are one transaction, and the position is locked first: two engines
on one database take turns, and a crash between two batches changes nothing. What a read
model cannot fold stops that read model at that very event, in the database and so for all
processes; the others go on. It is tried once more by each engine that starts, and goes on where
it stands as soon as somebody has got it past that event.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from projections import positions
from projections.arrivals import Arrivals
from projections.database import Connection, Connections
from projections.lag import LogEnd
from projections.log import Decode, LogBatch, LogReader
from projections.positions import Mark, Standing
from projections.read_model import ReadModel
from projections.rebuild import Rebuild
from projections.stops import Stopped
from projections.tables import Location

BATCH_SIZE = 10_000
POLL_SECONDS = 1.0
_GLANCE_SECONDS = 0.25
# A step costs the same for one event as for hundreds, and less for two of an account than for one
# of each of two. At the end of the log it rests as long as the last step took, so that more comes
# together, and the answers have half of the processor; not if somebody waits.
_LONGEST_REST_SECONDS = 0.1
_LONGEST_ERROR = 500
_UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Health:
    """behind_events: at most so many, since positions may have gaps. behind_seconds: since
    something was first seen that the read model has not folded yet.
    """

    projection: str
    position: int
    behind_events: int
    behind_seconds: float
    stopped: Stopped | None


def folded_channel(schema: str) -> str:
    """Return the channel on which an engine that runs tells that read models have moved."""
    return f"{schema}_folded"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the collector rest: it would visit all that a batch is made of, several times, and
    free nothing, since none of it is a cycle; all of it is gone when its step ends.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class CannotRebuild(Exception):
    """The read model could not be folded from zero; the live one is as it was."""


class ProjectionEngine:
    """Keeps read models up to date. Safe to use from several threads; all calls block.

    told: called once with each read model that stops here. on_batch: told each batch that a
    read model has folded: its name, how many rows of the log, seconds. on_resumed: told the name
    of each read model that goes on again.
    """

    def __init__(
        self,
        connections: Connections,
        decode: Decode,
        read_models: Sequence[ReadModel[Any]],
        *,
        schema: str = "ledger_00",
        batch_size: int = BATCH_SIZE,
        told: Callable[[Stopped], None] | None = None,
    ) -> None:
        self._connections = connections
        self._decode = decode
        self._models = {model.name: model for model in read_models}
        self._location = Location(schema)
        self._batch_size = batch_size
        self._told = told
        self._reader = LogReader(self._location, decode)
        self._turn = threading.RLock()
        self._positions: dict[str, int] | None = None
        self._left: dict[str, Mark] = {}
        self._stopped: dict[str, Stopped] = {}
        self.arrivals = Arrivals(self._standings)
        self.trouble: str | None = None
        self._log_end = LogEnd()
        self._at_the_end = False
        self.on_batch: list[Callable[[str, int, float], None]] = []
        self.on_resumed: list[Callable[[str], None]] = []

    # Running

    def catch_up(self) -> int:
        """Fold until nothing is left; return how many rows of the log were read.

        Raises psycopg.Error where the database cannot be asked; what was saved stays.
        """
        rows = 0
        while (step := self.step()) is not None:
            rows += step
        return rows

    def run(self, stop: threading.Event) -> None:
        """Fold what comes until `stop` is set: woken by the writers, else once a second.

        A database that does not answer is asked again, nothing is lost by that; meanwhile
        `trouble` says what is wrong.
        """
        with self._turn:
            self._positions = None  # another may have folded since this one last did
        self.arrivals.folding(begins=True)
        try:
            while not stop.is_set():
                try:
                    with self._connections.connection() as listener:
                        self._listen(listener, stop)
                except psycopg.Error as error:
                    self.trouble = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
                    stop.wait(POLL_SECONDS)
        finally:
            self.arrivals.folding(begins=False)

    def _listen(self, listener: Connection, stop: threading.Event) -> None:
        listener.autocommit = True
        news = SQL("NOTIFY {}").format(Identifier(folded_channel(self._location.schema)))
        try:
            # News is all that it commits: lost in a crash, it is news no more.
            listener.execute("SET synchronous_commit = off")
            listener.execute(SQL("LISTEN {}").format(Identifier(self._location.schema)))
            while not stop.is_set():
                began = monotonic()
                while not stop.is_set() and self.step() is not None:
                    listener.execute(news)
                    if self._at_the_end:
                        self.arrivals.rest(min(monotonic() - began, _LONGEST_REST_SECONDS))
                    began = monotonic()
                self.trouble = None
                self._wait_for_news(listener, stop)
        finally:
            with suppress(psycopg.Error):
                listener.execute("UNLISTEN *")
                listener.execute("RESET synchronous_commit")
                listener.autocommit = False

    def _wait_for_news(self, listener: Connection, stop: threading.Event) -> None:
        until = monotonic() + POLL_SECONDS
        while not stop.is_set() and monotonic() < until:
            if list(listener.notifies(timeout=_GLANCE_SECONDS, stop_after=1)):
                return

    # Folding

    def step(self) -> int | None:
        """Take one batch to the read models that are the furthest behind; None at the end."""
        with self._turn, _no_collection():
            return self._step()

    def _step(self) -> int | None:
        running = self._running_positions()
        if not running:
            return None
        start = min(running.values())
        # Never past another's position: where they meet, they share a batch.
        limit = min((each for each in running.values() if each > start), default=None)
        models = [self._models[name] for name, position in running.items() if position == start]
        topics = frozenset[str]().union(*(model.topics for model in models))
        with self._connections.connection() as connection:
            head = self._reader.head(connection)
            batch = self._reader.batch(connection, start, limit, self._batch_size, topics)
        self._at_the_end = batch.end >= head
        if batch.rows:
            self._log_end.seen(head, monotonic())
        if batch.end == start:
            return None
        passed = self._pass([each.name for each in models if not batch.has(each.topics)], batch)
        for model in models:
            if model.name not in passed:
                self._advance(model, batch)
        return len(batch.rows)

    def _pass(self, names: Sequence[str], batch: LogBatch) -> Collection[str]:
        """Let read models go past a batch that holds nothing for them; return which have."""
        if not names:
            return ()
        began = monotonic()
        with self._connections.connection() as connection, connection.transaction():
            passed = positions.move_on(connection, self._location, names, batch.start, batch.end)
        for name, (before, after) in passed.items():
            if self._left.get(name) == before:
                self._left[name] = after
            self._arrive(name, batch.end)
            self._observe(name, batch, began)
        return passed.keys()

    def _advance(self, model: ReadModel[Any], batch: LogBatch) -> None:
        try:
            self._save(model, batch)
        except _UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            self._narrow_down(model, batch, error)

    def _save(self, model: ReadModel[Any], batch: LogBatch) -> None:
        began = monotonic()
        with self._connections.connection() as connection, connection.transaction():
            mark = positions.lock(connection, self._location, model.name)
            left = self._left.pop(model.name, None)
            if mark.position == batch.start:
                if mark != left:
                    model.forget()
                model.apply(connection, batch.events(model.topics), keeps=True)
                mark = left = positions.move(connection, self._location, model.name, batch.end)
        if mark == left:
            self._left[model.name] = mark
        self._arrive(model.name, mark.position)
        self._observe(model.name, batch, began)

    def _observe(self, name: str, batch: LogBatch, began: float) -> None:
        for observe in self.on_batch:
            observe(name, len(batch.rows), monotonic() - began)

    def _narrow_down(self, model: ReadModel[Any], batch: LogBatch, error: Exception) -> None:
        """Fold what comes before the event that cannot be folded, and stop there."""
        if len(batch.rows) > 1:
            for half in batch.halves():
                if self._known()[model.name] == half.start and model.name not in self._stopped:
                    self._advance(model, half)
            return
        if not batch.rows:
            raise error
        self._stop(model.name, batch, error)

    def _stop(self, name: str, batch: LogBatch, error: Exception) -> None:
        with self._connections.connection() as connection, connection.transaction():
            position = positions.lock(connection, self._location, name).position
            stopped = None
            if position == batch.start:
                stopped = positions.stop(connection, self._location, name, batch.rows[0], error)
        if stopped is None:
            self._arrive(name, position)  # somebody else has got it past this event
            return
        self._stopped[name] = stopped
        self.arrivals.tell(name, Standing(position, stopped))
        if self._told is not None:
            self._told(stopped)

    def _arrive(self, name: str, position: int) -> None:
        self._known()[name] = position
        self.arrivals.tell(name, Standing(position))

    def _resume(self) -> None:
        """Let those go on that somebody else, a rebuild for one, has got past their event."""
        found = self._standings(self._stopped)
        for name, standing in found.items():
            if standing.stopped is None or standing.position != self._known()[name]:
                del self._stopped[name]
                self._arrive(name, standing.position)
                for told in self.on_resumed:
                    told(name)

    # Where it stands

    def positions(self) -> dict[str, int]:
        """Return each read model's position, as the database has it."""
        with self._connections.connection() as connection:
            return positions.read(connection, self._location, self._models)

    def health(self) -> list[Health]:
        """Return where each read model stands, how far it is behind and why it stopped,
        whichever process folds it.
        """
        with self._connections.connection() as connection:
            at = positions.standings(connection, self._location, self._models)
            end = self._reader.head(connection)
        now = monotonic()
        self._log_end.seen(end, now)
        self._log_end.forget_before(min((each.position for each in at.values()), default=0))
        return [
            Health(
                name,
                each.position,
                max(0, end - each.position),
                self._log_end.behind_seconds(each.position, now),
                each.stopped,
            )
            for name, each in at.items()
        ]

    def stopped(self) -> list[Stopped]:
        """Return the read models that this engine has stopped, each with its event."""
        return list(self._stopped.values())

    def stops(self) -> list[Stopped]:
        """Return the read models that have stopped, whichever process folds them."""
        return [each.stopped for each in self._standings().values() if each.stopped is not None]

    def wait_for(self, position: int, timeout: float, names: Iterable[str] | None = None) -> bool:
        """Wait until read models (all, unless named) have come that far; whether they have.

        At most `timeout` seconds; not at all for one that has stopped before it. Where this
        engine does not run, the database is asked how far another has come.
        """
        return self.arrivals.wait_for(position, self._models if names is None else names, timeout)

    def _standings(self, names: Iterable[str] | None = None) -> dict[str, Standing]:
        with self._connections.connection() as connection:
            wanted = self._models if names is None else names
            return positions.standings(connection, self._location, wanted)

    def _running_positions(self) -> dict[str, int]:
        known = self._known()
        if self._stopped:
            self._resume()
        return {name: known[name] for name in self._models if name not in self._stopped}

    def _known(self) -> dict[str, int]:
        if self._positions is None:
            with self._connections.connection() as connection:
                positions.begin(connection, self._location, self._models)
                found = positions.read(connection, self._location, self._models)
            self._positions = {}
            for name, position in found.items():
                self._arrive(name, position)
        return self._positions

    # Rebuilding

    def rebuild(
        self, name: str, owner: Connection, progress: Callable[[int], None] | None = None
    ) -> int:
        """Fold a read model from zero into new tables and swap them in; return its position.

        owner: a connection, in autocommit, of the role that owns the tables. Readers see the
        old tables until the swap, never half. progress: told the position it has come to.
        Raises CannotRebuild, KeyError (no such read model).
        """
        live = self._models[name]
        with Rebuild(owner, live) as rebuild:
            copies = ProjectionEngine(
                self._connections,
                self._decode,
                [rebuild.copy],
                schema=self._location.schema,
                batch_size=self._batch_size,
            )

            def fold() -> int:
                while copies.step() is not None:
                    if progress is not None:
                        progress(copies.positions()[rebuild.copy.name])
                for stopped in copies.stopped():
                    raise CannotRebuild(
                        f"{name} stops at position {stopped.position} ({stopped.topic}): "
                        f"{stopped.because}"
                    )
                return copies.positions()[rebuild.copy.name]

            fold()
            position = rebuild.swap(fold)
        with self._turn:
            self._stopped.pop(name, None)
            self._arrive(name, position)
        return position
