"""A read model that has stopped, told in the log of each tenant whose lists it answers.

A stream with one event; its id derives from what stopped it, so that it is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from domain.aggregate import Aggregate, Event


@dataclass(frozen=True)
class ReadModelStopped(Event):
    """position, topic: of the event that it cannot fold; because: what was raised, and where."""

    TOPIC: ClassVar[str] = "read_model.stopped"
    read_model: str
    position: int
    topic: str
    because: str

    def apply(self, aggregate: ReadModelStop) -> None:
        aggregate.read_model = self.read_model


class ReadModelStop(Aggregate):
    TOPIC = "read_model"
    read_model: str
