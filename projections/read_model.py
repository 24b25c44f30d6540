"""What every read model has in common: load what a batch touches, fold, save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from domain.aggregate import Event
from projections.database import Connection
from projections.kept import KeptRows
from projections.log import Events, Recorded
from projections.tables import Location, Table

State = TypeVar("State")


class ReadModel(ABC, Generic[State]):
    """Tables that are a fold of the log and nothing else.

    `terms`: those of its tables that say by what terms it is folded; a replay takes them over.
    `location`: of the tables that are read, or of copies that are folded beside them.
    `name` is that of its position. `kept`: rows that it keeps from batch to batch.
    """

    name: str
    events: ClassVar[tuple[type[Event], ...]]
    tables: ClassVar[tuple[Table[Any], ...]]
    terms: ClassVar[tuple[Table[Any], ...]] = ()
    kept: tuple[KeptRows[Any], ...] = ()

    def __init__(self, location: Location, name: str | None = None) -> None:
        self.location = location
        self.name = name or type(self).name
        self.topics = frozenset(str(event.__dict__["TOPIC"]) for event in self.events)

    def beside(self, location: Location, name: str) -> Self:
        """Return the same read model on other tables."""
        return type(self)(location, name)

    def apply(self, connection: Connection, batch: Events, *, keeps: bool = False) -> None:
        """Fold a batch into the tables; the caller's transaction holds it together.

        keeps: the caller calls `forget` before the next batch unless this one is committed and
        nobody else writes to the tables meanwhile. Else no row is kept.
        """
        if not keeps:
            self.forget()
        if batch:
            state = self.load(connection, batch)
            self.fold(state, batch)
            self.save(connection, state)
        if not keeps:
            self.forget()

    def forget(self) -> None:
        """Let go of the rows kept in memory."""
        for rows in self.kept:
            rows.forget()

    @abstractmethod
    def load(self, connection: Connection, batch: Events) -> State:
        """Return the rows that the batch changes, as they were before it."""

    @staticmethod
    @abstractmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        """Bring the rows up to the end of the batch. Pure: no clock, no look-up."""

    @abstractmethod
    def save(self, connection: Connection, state: State) -> None:
        """Write the rows, a table in one statement."""
