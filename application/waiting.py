"""Commands that wait for the writer: bounded, and fair between those who send them.

Each sender has a lane. Lanes take turns, so that a flood in one makes the others wait for
a batch at most; within a lane the order is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from application.caller import Caller
from application.commands.requests import Command
from application.outcomes import Deliver

# Of what a lane may fill of the queue: room is left for the others.
LANE_SHARE = 2

Lane = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Commands of one caller that are decided together, in order."""

    caller: Caller
    commands: Sequence[Command]
    deliver: Deliver

    def lane(self) -> Lane:
        """A command by itself waits with those of its customer, many with their sender's."""
        if len(self.commands) == 1:
            customer = getattr(self.commands[0], "customer", None)
            if customer is not None:
                return (self.caller.tenant_id, customer)
        return (self.caller.tenant_id, f"by {self.caller.actor}")


class FairQueue:
    """Safe for many threads that put and one that takes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lanes: OrderedDict[Lane, deque[Waiting]] = OrderedDict()
        self._in_lane: dict[Lane, int] = {}
        self._count = 0
        self._wake = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        """How many commands wait."""
        return self._count

    def put(self, parts: Sequence[Waiting]) -> bool:
        """Queue all parts of what one caller sends, or none; whether there was room."""
        commands = sum(len(part.commands) for part in parts)
        with self._wake:
            if self._closed or self._count + commands > self._most:
                return False
            lane = parts[0].lane() if len(parts) == 1 else _sender(parts[0])
            in_lane = self._in_lane.get(lane, 0) + commands
            if in_lane > self._most // LANE_SHARE:
                return False
            self._in_lane[lane] = in_lane
            self._lanes.setdefault(lane, deque()).extend(parts)
            self._count += commands
            self._wake.notify()
            return True

    def take(self, most: int) -> list[Waiting]:
        """Take what waits, a part of each lane in turn, up to so many commands.

        Waits until there is something; takes nothing once the queue is closed and empty.
        """
        with self._wake:
            while not self._count and not self._closed:
                self._wake.wait()
            taken: list[Waiting] = []
            count = 0
            lanes = self._lanes
            while lanes:
                lane = next(iter(lanes))
                parts = lanes[lane]
                size = len(parts[0].commands)
                if taken and count + size > most:
                    break  # its turn is first in the next batch
                taken.append(parts.popleft())
                count += size
                if parts:
                    lanes.move_to_end(lane)
                    self._in_lane[lane] -= size
                else:
                    del lanes[lane], self._in_lane[lane]
            self._count -= count
            return taken

    def close(self) -> None:
        """Let nothing more in; what waits is still taken."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed


def _sender(part: Waiting) -> Lane:
    return (part.caller.tenant_id, f"by {part.caller.actor}")
