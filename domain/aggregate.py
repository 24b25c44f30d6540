"""What every event and every aggregate of the ledger has in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from eventsourcing.domain import BaseAggregate, CanMutateAggregate, MetaDomainEvent

from domain.struct import struct


class EventType(MetaDomainEvent):
    """Makes each event class a struct: frozen for the type checker, quickly made."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        event_class = type.__new__(cls, name, bases, members)
        return struct(frozen=True, slots=False)(event_class)


@dataclass(frozen=True)
class Event(CanMutateAggregate[str], metaclass=EventType):
    """A fact of one stream. `timestamp` is when the ledger recorded it (UTC).

    A leaf class has a `TOPIC`, its name in the log for good. A changed shape is a new
    `class_version` with an `upcast_vN_vM(state)` for each step.
    """

    class_version: ClassVar[int] = 1

    originator_id: str
    originator_version: int
    timestamp: datetime


class Aggregate(BaseAggregate[str]):
    """Folds its stream; its commands decide and append events to `log`.

    `log` is shared by all aggregates of one unit of work, so that events of several
    streams keep the order in which they were decided.
    """

    TOPIC: ClassVar[str]

    @classmethod
    def begin(cls, event: Event) -> Self:
        """Return the aggregate as its first event makes it."""
        aggregate = cls.__new__(cls)
        aggregate.__base_init__(event.originator_id, event.originator_version, event.timestamp)
        event.apply(aggregate)
        return aggregate

    @classmethod
    def begins_with(cls, event: Event) -> bool:
        """Whether this is the first event of such an aggregate's stream."""
        return str(type(event).__dict__["TOPIC"]).startswith(f"{cls.TOPIC}.")

    @classmethod
    def fold(cls, events: Iterable[Event]) -> Self | None:
        """Return the aggregate that these events make; None if there are none."""
        aggregate: Self | None = None
        for event in events:
            if aggregate is None:
                aggregate = cls.begin(event)
            else:
                event.mutate(aggregate)
        return aggregate

    @property
    def recorded_at(self) -> datetime:
        """When the stream's last event was recorded."""
        return self._modified_on

    def write_to(self, log: list[Any]) -> None:
        """Append what is decided from now on to `log`."""
        self._pending_events = log

    def record(self, event: Event) -> None:
        """Fold a decided event and append it. Nothing may fail from here on."""
        event.apply(self)
        self._version = event.originator_version
        self._modified_on = event.timestamp
        self._pending_events.append(event)


A = TypeVar("A", bound=Aggregate)


def create(aggregate_class: type[A], event: Event, log: list[Any]) -> A:
    """Begin an aggregate in `log` with its first event."""
    aggregate = aggregate_class.begin(event)
    aggregate.write_to(log)
    log.append(event)
    return aggregate
