"""The ledger: commands in, answers out. Commands that wait together share one commit.

A command is answered once its commit is certain; how, is told in `application/writer.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import TypeVar

from application.caller import Caller
from application.clock import Clock
from application.codec import EventCodec
from application.commands.requests import AdvanceClock, Command
from application.deciding import Decider
from application.outcomes import Deliver, Item, Outcome, SettledTold, StageTold
from application.snapshots import Snapshots
from application.storage.recorder import LedgerRecorder
from application.storage.wallets import WalletCache
from application.waiting import FairQueue, Waiting
from application.writer import RETRY_AFTER_MS, CommitTold, Writer
from domain.refusals import Overloaded

__all__ = ["Item", "Ledger", "Outcome"]

F = TypeVar("F")

MOST_WAITING = 40_000
LARGEST_PART = 250


class Ledger:
    """Decides commands of any tenant of one shard. One per process is enough.

    secret: of ids that derive from values which the log does not hold; the same for ever.
    """

    def __init__(
        self,
        recorder: LedgerRecorder,
        clock: Clock,
        *,
        codec: EventCodec | None = None,
        cache: WalletCache | None = None,
        most_waiting: int = MOST_WAITING,
        secret: bytes = b"",
    ) -> None:
        self.cache = cache if cache is not None else WalletCache()
        self.recorder = recorder
        self._queue = FairQueue(most_waiting)
        self._snapshots = Snapshots(recorder)
        decider = Decider(
            recorder, clock, codec or EventCodec(), self.cache, self._snapshots, secret
        )
        self._writer = Writer(recorder, decider, self._snapshots, self._queue)
        self._thread = threading.Thread(target=self._writer.run, name="ledger-writer", daemon=True)
        self.on_clock_advance: Callable[[Caller, AdvanceClock], None] | None = None
        self.on_commit: list[CommitTold] = self._writer.on_commit
        self.on_stage: list[StageTold] = self._writer.on_stage
        self.on_settled: list[SettledTold] = self._writer.on_settled

    # Life

    def start(self) -> None:
        self._snapshots.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish what was accepted, then stop."""
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join()
        self._snapshots.stop()

    # Commands in

    async def submit(self, caller: Caller, command: Command) -> Outcome:
        """Decide one command; answer once it is committed. Raises OutcomeUnknown."""
        (outcome,) = await self.submit_many(caller, (command,))
        if outcome.error is not None:
            raise outcome.error
        return outcome

    async def submit_many(self, caller: Caller, commands: Sequence[Command]) -> list[Outcome]:
        """Decide commands in order; answer each in its place."""
        loop = asyncio.get_running_loop()
        answers = self._send(caller, commands, loop.create_future, partial(_deliver_to, loop))
        return [outcome for answer in answers for outcome in await answer]

    def execute(self, caller: Caller, commands: Sequence[Command]) -> list[Outcome]:
        """The same, blocking the calling thread."""
        answers = self._send(caller, commands, Future[list[Outcome]], attrgetter("set_result"))
        return [outcome for answer in answers for outcome in answer.result()]

    @property
    def waiting(self) -> int:
        """How many commands wait for the writer."""
        return len(self._queue)

    def _send(
        self,
        caller: Caller,
        commands: Sequence[Command],
        new_answer: Callable[[], F],
        deliver_to: Callable[[F], Deliver],
    ) -> list[F]:
        """Queue commands in parts; return what will hold each part's answer."""
        answers: list[F] = []
        parts: list[Waiting] = []
        for start in range(0, len(commands), LARGEST_PART):
            answer = new_answer()
            answers.append(answer)
            part = commands[start : start + LARGEST_PART]
            parts.append(Waiting(caller, part, deliver_to(answer)))
        self._enqueue(parts)
        return answers

    def _enqueue(self, parts: Sequence[Waiting]) -> None:
        clocks = [
            (part.caller, command)
            for part in parts
            for command in part.commands
            if type(command) is AdvanceClock
        ]
        if clocks:
            self._advance_clock(clocks, parts)
        elif parts:
            self._queue_up(parts)

    def _queue_up(self, parts: Sequence[Waiting]) -> None:
        if self._queue.put(parts):
            return
        refusal = Overloaded(retry_after_ms=RETRY_AFTER_MS)
        for part in parts:
            outcomes = [Outcome(None, refusal, 0)] * len(part.commands)
            items = [(part.caller, command) for command in part.commands]
            self._writer.tell_settled(items, outcomes)
            part.deliver(outcomes)

    def _advance_clock(
        self, clocks: Sequence[tuple[Caller, AdvanceClock]], parts: Sequence[Waiting]
    ) -> None:
        """Run what falls due on the way, in a thread of its own, then move the clock."""
        prepare = self.on_clock_advance

        def advance() -> None:
            try:
                for caller, command in clocks:
                    if prepare is not None:
                        prepare(caller, command)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
                for part in parts:
                    part.deliver([Outcome(None, None, 0, error)] * len(part.commands))
            else:
                self._queue_up(parts)

        threading.Thread(target=advance, name="clock", daemon=True).start()


def _deliver_to(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[Outcome]]) -> Deliver:
    def settle(outcomes: list[Outcome]) -> None:
        if not answer.done():
            answer.set_result(outcomes)

    def deliver(outcomes: list[Outcome]) -> None:
        # A loop that is closed waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, outcomes)

    return deliver
