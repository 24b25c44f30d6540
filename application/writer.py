"""The writer: takes what waits, decides it, and appends it by one INSERT and one COMMIT.

While a batch commits, the next is decided upon it, if as much waits as is worth that. At
most one batch is on its way. Should its commit fail, nothing that was decided upon it
stands: wallets in memory are let go, and both batches are decided again, in order. A
command is answered after its own commit, never before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import structlog
from psycopg import Cursor
from psycopg_pool import PoolTimeout

from application.batch import Overtaken
from application.deciding import NOTHING_MOVES, Broken, Decided, Decider, Moving, Undone
from application.errors import OutcomeUnknown
from application.garbage import collect_beside
from application.outcomes import (
    Decision,
    Item,
    Outcome,
    SettledTold,
    Stage,
    StageTold,
    outcome_of,
)
from application.snapshots import Snapshots
from application.storage.recorder import (
    AlreadyRecorded,
    CommitUnknown,
    LedgerRecorder,
    NotRecorded,
    Rows,
)
from application.waiting import FairQueue, Waiting
from domain.refusals import Overloaded, Refusal

LARGEST_BATCH = 1_000
WORTH_DECIDING_MEANWHILE = 100
TRIES_WITHOUT_LOCK = 2
MOST_TRIES = 10
PATIENCE_SECONDS = 30.0
RETRY_AFTER_MS = 250

CommitTold = Callable[[Rows, list[int]], None]

logger = structlog.get_logger()


class Writer:
    """One thread that decides, and one that commits for it when there is much to do."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        decider: Decider,
        snapshots: Snapshots,
        queue: FairQueue,
    ) -> None:
        self._recorder = recorder
        self._decider = decider
        self._snapshots = snapshots
        self._queue = queue
        self._telling = threading.Lock()
        self._committer = ThreadPoolExecutor(1, "ledger-committer")
        self.on_commit: list[CommitTold] = []
        self.on_stage: list[StageTold] = []
        self.on_settled: list[SettledTold] = []

    def run(self) -> None:
        """Write until the queue is closed and empty."""
        ahead: _OnItsWay | None = None
        beside = 0
        while waiting := self._queue.take(LARGEST_BATCH):
            task = _Task(waiting)
            on_their_way = 2 * LARGEST_BATCH if len(task.items) >= WORTH_DECIDING_MEANWHILE else 0
            if on_their_way != beside:
                beside = on_their_way
                collect_beside(beside)
            ahead = self._write(task, ahead)
        # None is on its way here: a batch is only left alone while more waits.
        assert ahead is None
        self._committer.shutdown()

    def _write(self, task: _Task, ahead: _OnItsWay | None) -> _OnItsWay | None:
        """Settle a task, or leave it on its way; the one ahead of it is settled then."""
        decided: Decided | None = None
        failure: Exception | None = None
        try:
            if task.items:
                decided = self._decide(task, moving=ahead or NOTHING_MOVES)
        except Exception as error:  # noqa: BLE001 - judged once nothing is on its way
            failure = error
        if ahead is not None and not self._has_ended_well(ahead):
            if decided is not None:
                decided.batch.forget()
            self._settle(ahead.task)
            decided = failure = None
        if decided is not None and decided.rows and len(self._queue) >= WORTH_DECIDING_MEANWHILE:
            return _OnItsWay(task, decided, self._committer.submit(self._complete, task, decided))
        self._settle(task, decided, failure)
        return None

    def _has_ended_well(self, ahead: _OnItsWay) -> bool:
        """Wait for a commit; where it failed, let go of what was decided with it."""
        try:
            ahead.settled()
        except Undone as undone:
            ahead.decided.batch.forget()
            ahead.task.failure = undone.failure
            return False
        return True

    # One task, nothing else on its way

    def _settle(
        self, task: _Task, decided: Decided | None = None, failure: Exception | None = None
    ) -> None:
        task.failure = failure or task.failure
        self._finish(task, decided)
        self._deliver(task)

    def _finish(self, task: _Task, decided: Decided | None = None) -> None:
        """Decide and commit; commands that cannot be written together, one by one."""
        try:
            while task.items:
                self._try(task, decided)
                decided = None
        except Exception as error:
            logger.exception("commands not written", commands=len(task.items))
            if len(task.items) == 1:
                task.answer([error], 0)
            for place, alone in task.apart():
                self._finish(alone)
                task.take_in(place, alone)

    def _try(self, task: _Task, decided: Decided | None) -> None:
        try:
            if task.failure is not None:
                failure, task.failure = task.failure, None
                raise failure
            if decided is None:
                decided = self._decide(task)
            self._complete(task, decided, deliver=False)
        except Exception as error:  # noqa: BLE001 - what is unexpected is raised again
            if decided is not None:
                decided.batch.forget()
            self._judge(task, error)

    def _judge(self, task: _Task, error: Exception) -> None:
        """Make of a failed try what the next one needs, or the answer. Raises what is
        nobody's to expect.
        """
        match error:
            case Broken():
                task.answer_one(error.place, error.error)
            case AlreadyRecorded() | Overtaken():
                task.tries += 1
                if task.tries > MOST_TRIES:
                    raise error
            case NotRecorded() | psycopg.OperationalError() | PoolTimeout():
                logger.warning("log not reached", error=type(error).__name__)
                if time.monotonic() > task.give_up_at() or self._queue.closed:
                    overloaded = Overloaded(retry_after_ms=RETRY_AFTER_MS)
                    task.answer([overloaded] * len(task.items), 0)
                else:
                    time.sleep(0.05 if task.tries < TRIES_WITHOUT_LOCK else 0.2)
            case OutcomeUnknown():
                task.answer([error] * len(task.items), 0)
            case _:
                raise error

    def _decide(self, task: _Task, moving: Moving = NOTHING_MOVES) -> Decided:
        if task.tries > TRIES_WITHOUT_LOCK:
            return self._decide_and_append_locked(task)
        decided = self._decider.decide(task.items, moving=moving, again=task.tries > 0)
        self._tell_stage("decide", task.items, decided.seconds)
        return decided

    def _decide_and_append_locked(self, task: _Task) -> Decided:
        """Decide while holding the writers' lock, so that nobody else can be first."""
        made: list[Decided] = []

        def decide(cursor: Cursor[Any]) -> Rows:
            made.append(self._decider.decide(task.items, again=True, cursor=cursor))
            return made[0].rows

        try:
            try:
                positions = self._recorder.append(Rows(), decide=decide)
            except CommitUnknown as unknown:
                positions = self._find_out(made[0].rows, unknown.backend)
        except BaseException:
            for decided in made:
                decided.batch.forget()
            raise
        made[0].positions = positions
        return made[0]

    # The commit

    def _complete(self, task: _Task, decided: Decided, *, deliver: bool = True) -> None:
        """Append what was decided and answer its task.

        Raises AlreadyRecorded, NotRecorded, OutcomeUnknown; then nothing is answered.
        """
        positions = decided.positions
        if positions is None:
            began = time.perf_counter()
            positions = self._append(decided)
            if positions:
                self._tell_stage("commit", task.items, time.perf_counter() - began)
        self._snapshots.keep(decided.snapshots)
        for told in self.on_commit:
            try:
                told(decided.rows, positions)
            except Exception:
                # It is committed: nothing may make it look as if it were not.
                logger.exception("after the commit")
        task.answer(decided.decisions, positions[-1] if positions else 0)
        if deliver:
            self._deliver(task)

    def _append(self, decided: Decided) -> list[int]:
        if not decided.rows:
            return []
        try:
            return self._recorder.append(decided.rows, decided.batch.relied_on)
        except CommitUnknown as unknown:
            return self._find_out(decided.rows, unknown.backend)

    def _find_out(self, rows: Rows, backend: int | None) -> list[int]:
        """After an error at COMMIT: look whether our rows are there."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                positions = self._recorder.positions_of(rows, backend)
            except (psycopg.Error, PoolTimeout):
                if time.monotonic() > give_up_at:
                    raise OutcomeUnknown from None
                time.sleep(0.2)
                continue
            if positions is None:
                raise NotRecorded("the commit did not happen")
            return positions

    # Telling

    def _deliver(self, task: _Task) -> None:
        outcomes = task.all_outcomes()
        self.tell_settled(task.all_items, outcomes)
        start = 0
        for each in task.waiting:
            end = start + len(each.commands)
            try:
                each.deliver(outcomes[start:end])
            except Exception:
                # Whoever waited has gone.
                logger.exception("not delivered")
            start = end

    def tell_settled(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        self._tell(self.on_settled, items, outcomes)

    def _tell_stage(self, stage: Stage, items: Sequence[Item], seconds: float) -> None:
        self._tell(self.on_stage, stage, items, seconds)

    def _tell(self, watchers: Sequence[Callable[..., None]], *what: object) -> None:
        try:
            with self._telling:
                for told in watchers:
                    told(*what)
        except Exception:
            # Whoever watches is no part of the decision.
            logger.exception("a watcher failed")


class _Task:
    """What is written together: the commands still open, and what became of the others."""

    def __init__(self, waiting: Sequence[Waiting]) -> None:
        self.waiting = waiting
        self.all_items: list[Item] = [
            (each.caller, command) for each in waiting for command in each.commands
        ]
        self._outcomes: list[Outcome | None] = [None] * len(self.all_items)
        self._places: list[int] = []
        self.items: list[Item] = []
        for place, item in enumerate(self.all_items):
            try:
                item[1].check()
            except Refusal as refusal:
                self._outcomes[place] = Outcome(None, refusal, 0)
            else:
                self._places.append(place)
                self.items.append(item)
        self.tries = 0
        self.failure: Exception | None = None
        self._give_up_at: float | None = None

    def give_up_at(self) -> float:
        """Return until when an unreachable log is tried, from its first failure on."""
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + PATIENCE_SECONDS
        return self._give_up_at

    def answer(self, decisions: Sequence[Decision], position: int) -> None:
        """Answer all that are open."""
        for place, decision in zip(self._places, decisions, strict=True):
            self._outcomes[place] = outcome_of(decision, position)
        self._places, self.items = [], []

    def answer_one(self, index: int, decision: Decision) -> None:
        del self.items[index]
        self._outcomes[self._places.pop(index)] = outcome_of(decision, 0)

    def all_outcomes(self) -> list[Outcome]:
        outcomes = [outcome for outcome in self._outcomes if outcome is not None]
        assert len(outcomes) == len(self.all_items)
        return outcomes

    def apart(self) -> list[tuple[int, _Task]]:
        """Return the open commands as tasks of their own, each with its place here."""
        apart = [
            (place, _Task([Waiting(caller, [command], _to_nobody)]))
            for place, (caller, command) in zip(self._places, self.items, strict=True)
        ]
        self._places, self.items = [], []
        return apart

    def take_in(self, place: int, alone: _Task) -> None:
        (self._outcomes[place],) = alone.all_outcomes()


def _to_nobody(outcomes: list[Outcome]) -> None:
    """Answer nobody: the task that it was a part of does."""


class _OnItsWay(Moving):
    """A task whose commit another thread waits for."""

    def __init__(self, task: _Task, decided: Decided, commit: Future[None]) -> None:
        self.task = task
        self.decided = decided
        self.streams = frozenset(decided.rows.originators)
        self._commit = commit

    def settled(self) -> None:
        try:
            self._commit.result()
        except Exception as error:
            raise Undone(error) from error
