"""Simulated time: what is planned goes to the ledger in its order, batch by batch.

A batch is recorded at one time, that of its last command; so batches are short, in time
and in number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from application.clock import SetClock
from application.commands.requests import Command
from application.ledger import Outcome
from interfaces.cli.demo.traffic import HOUR, moment

MOST_TOGETHER = 200
LONGEST_TOGETHER = 6 * HOUR

Execute = Callable[[Sequence[Command]], list[Outcome]]
Then = Callable[[int, Outcome], None]
"""What to do upon an answer; told when it was recorded."""
Act = Callable[[int], None]


@dataclass(slots=True)
class _Pending:
    """Commands that wait for the next batch, and what to do with each answer."""

    begins: int = 0
    ends: int = 0
    commands: list[Command] = field(default_factory=list)
    thens: list[Then] = field(default_factory=list)


class Simulation:
    """Times are microseconds since 1970, UTC."""

    def __init__(self, execute: Execute, clock: SetClock) -> None:
        self._execute = execute
        self._clock = clock
        self._planned: list[tuple[int, int, Act]] = []
        self._count = 0
        self._pending = _Pending()

    def at(self, time: int, act: Act) -> None:
        """Plan what is to be done once time has come."""
        self._count += 1
        heappush(self._planned, (time, self._count, act))

    def send_at(self, time: int, command: Command, then: Then) -> None:
        """Plan a command."""
        self.at(time, lambda now: self.send(now, command, then))

    def advance(self, time: int) -> None:
        """Let time pass: everything planned up to it is done, in order."""
        planned = self._planned
        while planned and planned[0][0] <= time:
            due, _, act = heappop(planned)
            act(due)

    def send(self, time: int, command: Command, then: Then) -> None:
        """Hand a command to the next batch; `time` is now."""
        pending = self._pending
        if pending.commands and (
            len(pending.commands) >= MOST_TOGETHER or time - pending.begins > LONGEST_TOGETHER
        ):
            self.flush()
            pending = self._pending
        if not pending.commands:
            pending.begins = time
        pending.ends = max(pending.ends, time)
        pending.commands.append(command)
        pending.thens.append(then)

    def flush(self) -> None:
        """Have the ledger decide what waits, and act upon its answers."""
        pending = self._pending
        if not pending.commands:
            return
        self._pending = _Pending(ends=pending.ends)
        self._clock.at = moment(pending.ends)
        outcomes = self._execute(pending.commands)
        for then, outcome in zip(pending.thens, outcomes, strict=True):
            if outcome.error is not None:
                raise outcome.error
            then(pending.ends, outcome)
