"""That a read model has stopped, to be told to a tenant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TellStop:
    """position, topic: of the event that the read model cannot fold; because: and why not."""

    read_model: str
    position: int
    topic: str
    because: str

    def check(self) -> None:
        """Nothing that a client says."""
