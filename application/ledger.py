"""The ledger: commands in, answers out. Commands that wait together share one commit.

A writer thread takes what waits, decides it in order against wallets in memory, and
appends all of it by one INSERT. A command is answered once its commit is certain.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import structlog
from psycopg import Cursor
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from application.caller import Caller
from application.clock import Clock
from application.codec import EventCodec
from application.commands.answers import Answer
from application.commands.handlers import HANDLERS, own_stream
from application.commands.requests import AdvanceClock, AuthorizeUsage, Command, RecordUsage
from application.errors import NotASandbox, OutcomeUnknown
from application.snapshots import Snapshots
from application.storage.recorder import (
    AlreadyRecorded,
    CommitUnknown,
    LedgerRecorder,
    NotRecorded,
    Rows,
)
from application.storage.streams import StreamReader
from application.storage.wallets import WalletCache
from application.work import AssetRegistry, Batch, Overtaken, Work
from domain import identity
from domain.aggregate import Event
from domain.refusals import Overloaded, Refusal
from domain.wallet.events import OverageSettled
from domain.wallet.wallet import Wallet

MOST_WAITING = 20_000
LARGEST_BATCH = 1_000
TRIES_WITHOUT_LOCK = 2
MOST_TRIES = 10
BATCHES_LOOKED_UP_AFTER_A_DUPLICATE = 100
PATIENCE_SECONDS = 30.0
RETRY_AFTER_MS = 250

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exactly one of answer, refusal and error. `position`: of the log, that it reflects."""

    answer: Answer | None
    refusal: Refusal | None
    position: int
    error: Exception | None = None


Decision = Answer | Refusal | Exception
Item = tuple[Caller, Command]
StageTold = Callable[[Literal["decide", "commit"], Sequence[Item], float], None]
"""Told which stage these commands have passed together, and its seconds."""
SettledTold = Callable[[Sequence[Item], Sequence[Outcome]], None]
"""Told how commands were answered, each in its place; before whoever waits is."""


def _outcome(decision: Decision, position: int) -> Outcome:
    if not isinstance(decision, Exception):
        return Outcome(decision, None, position)
    if isinstance(decision, Refusal):
        return Outcome(None, decision, position)
    return Outcome(None, None, position, decision)


@dataclass(slots=True)
class _Waiting:
    caller: Caller
    commands: Sequence[Command]
    deliver: Callable[[list[Outcome]], None]


class _OpenLog:
    """The log's streams on one cursor."""

    def __init__(self, reader: StreamReader, cursor: Cursor[Any], tails: dict[str, int]) -> None:
        self._reader = reader
        self._cursor = cursor
        self._tails = tails

    def events(self, tenant_id: str, ids: Sequence[str]) -> dict[str, list[Event]]:
        return self._reader.events(self._cursor, tenant_id, ids)

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        return self._reader.versions(self._cursor, ids)

    def wallets(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Wallet]:
        return self._reader.wallets(self._cursor, tenant_id, ids, tails=self._tails)

    def repayments(self, tenant_id: str, wallet_id: str) -> list[OverageSettled]:
        return self._reader.repayments(self._cursor, tenant_id, wallet_id)

    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]:
        return self._reader.latest(self._cursor, tenant_id, ids)


class Ledger:
    """Decides commands of any tenant of one shard. One per process is enough."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        clock: Clock,
        *,
        codec: EventCodec | None = None,
        cache: WalletCache | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._codec = codec or EventCodec()
        self._cache = cache or WalletCache()
        self._assets = AssetRegistry()
        self._reader = StreamReader(recorder.shard, self._codec)
        self._snapshots = Snapshots(recorder)
        self._most_waiting = most_waiting
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._look_up_first = 0
        self._writer = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
        self.on_clock_advance: Callable[[Caller, AdvanceClock], None] | None = None
        self.on_commit: list[Callable[[Rows, list[int]], None]] = []
        self.on_stage: list[StageTold] = []
        self.on_settled: list[SettledTold] = []

    # Life

    def start(self) -> None:
        self._snapshots.start()
        self._writer.start()

    def stop(self) -> None:
        """Finish what was accepted, then stop."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._writer.is_alive():
            self._writer.join()
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
        parts: list[asyncio.Future[list[Outcome]]] = []
        for part in _parts(commands):
            future: asyncio.Future[list[Outcome]] = loop.create_future()
            parts.append(future)
            self._enqueue(caller, part, _deliver_to(loop, future))
        return [outcome for part in parts for outcome in await part]

    def execute(self, caller: Caller, commands: Sequence[Command]) -> list[Outcome]:
        """The same, blocking the calling thread."""
        futures: list[Future[list[Outcome]]] = []
        for part in _parts(commands):
            future: Future[list[Outcome]] = Future()
            futures.append(future)
            self._enqueue(caller, part, future.set_result)
        return [outcome for future in futures for outcome in future.result()]

    @property
    def cache(self) -> WalletCache:
        return self._cache

    @property
    def waiting(self) -> int:
        """How many commands wait for the writer."""
        return self._queued

    def _enqueue(
        self,
        caller: Caller,
        commands: Sequence[Command],
        deliver: Callable[[list[Outcome]], None],
    ) -> None:
        if any(isinstance(command, AdvanceClock) for command in commands):
            self._advance_clock(caller, commands, deliver)
        else:
            self._queue_up(caller, commands, deliver)

    def _queue_up(
        self,
        caller: Caller,
        commands: Sequence[Command],
        deliver: Callable[[list[Outcome]], None],
    ) -> None:
        with self._wake:
            if not self._stopping and self._queued + len(commands) <= self._most_waiting:
                self._queue.append(_Waiting(caller, commands, deliver))
                self._queued += len(commands)
                self._wake.notify()
                return
        refusal = Overloaded(retry_after_ms=RETRY_AFTER_MS)
        outcomes = [Outcome(None, refusal, 0)] * len(commands)
        self._tell_settled([(caller, command) for command in commands], outcomes)
        deliver(outcomes)

    def _advance_clock(
        self,
        caller: Caller,
        commands: Sequence[Command],
        deliver: Callable[[list[Outcome]], None],
    ) -> None:
        """Run what falls due on the way, in a thread of its own, then move the clock."""
        prepare = self.on_clock_advance

        def advance() -> None:
            try:
                for command in commands:
                    if isinstance(command, AdvanceClock) and prepare is not None:
                        prepare(caller, command)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
                deliver([Outcome(None, None, 0, error)] * len(commands))
            else:
                self._queue_up(caller, commands, deliver)

        threading.Thread(target=advance, name="clock", daemon=True).start()

    # The writer

    def _write(self) -> None:
        while True:
            waiting = self._take()
            if not waiting:
                return
            items = [(each.caller, command) for each in waiting for command in each.commands]
            outcomes = self._settle(items)
            self._tell_settled(items, outcomes)
            start = 0
            for each in waiting:
                end = start + len(each.commands)
                each.deliver(outcomes[start:end])
                start = end

    def _tell_stage(
        self, stage: Literal["decide", "commit"], items: Sequence[Item], seconds: float
    ) -> None:
        try:
            for told in self.on_stage:
                told(stage, items, seconds)
        except Exception:
            # Whoever watches is no part of the decision.
            logger.exception("a watcher failed")

    def _tell_settled(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        try:
            for told in self.on_settled:
                told(items, outcomes)
        except Exception:
            logger.exception("a watcher failed")

    def _take(self) -> list[_Waiting]:
        with self._wake:
            while not self._queue and not self._stopping:
                self._wake.wait()
            taken: list[_Waiting] = []
            count = 0
            while self._queue and count + len(self._queue[0].commands) <= LARGEST_BATCH:
                taken.append(self._queue.popleft())
                count += len(taken[-1].commands)
            self._queued -= count
            return taken

    def _settle(self, items: list[tuple[Caller, Command]]) -> list[Outcome]:
        """Decide and commit; commands that cannot be written together, one by one."""
        try:
            return self._settle_together(items)
        except Exception as error:
            logger.exception("commands not written", commands=len(items))
            if len(items) == 1:
                return [Outcome(None, None, 0, error)]
            return [outcome for item in items for outcome in self._settle([item])]

    def _settle_together(self, items: list[tuple[Caller, Command]]) -> list[Outcome]:
        """Decide and commit; again, with all looked up, when another writer was first."""
        outcomes: list[Outcome | None] = [None] * len(items)
        live: list[int] = []
        for place, (_, command) in enumerate(items):
            try:
                command.check()
                live.append(place)
            except Refusal as refusal:
                outcomes[place] = Outcome(None, refusal, 0)
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        tries = 0
        while live:
            try:
                decided, positions = self._try([items[place] for place in live], tries)
            except _Broken as broken:
                # One command failed by our own fault: the others are decided without it.
                outcomes[live.pop(broken.place)] = Outcome(None, None, 0, broken.error)
                continue
            except (AlreadyRecorded, Overtaken):
                tries += 1
                if tries > MOST_TRIES:
                    raise
                self._look_up_first = BATCHES_LOOKED_UP_AFTER_A_DUPLICATE
                continue
            except (NotRecorded, psycopg.OperationalError, PoolTimeout) as error:
                logger.warning("log not reached", error=type(error).__name__)
                if time.monotonic() > give_up_at or self._stopping:
                    overloaded = Overloaded(retry_after_ms=RETRY_AFTER_MS)
                    decided, positions = [overloaded] * len(live), []
                else:
                    time.sleep(0.05 if tries < TRIES_WITHOUT_LOCK else 0.2)
                    continue
            except OutcomeUnknown as error:
                decided, positions = [error] * len(live), []
            position = positions[-1] if positions else 0
            for place, decision in zip(live, decided, strict=True):
                outcomes[place] = _outcome(decision, position)
            break
        return [outcome for outcome in outcomes if outcome is not None]

    def _try(
        self, items: list[tuple[Caller, Command]], tries: int
    ) -> tuple[Sequence[Decision], list[int]]:
        looked_up = tries > 0 or self._look_up_first > 0
        self._look_up_first = max(0, self._look_up_first - 1)
        tails: dict[str, int] = {}
        made: list[Batch] = []
        decided: list[Decision] = []
        last_rows = Rows()

        def decide(cursor: Cursor[Any]) -> Rows:
            nonlocal last_rows
            began = time.perf_counter()
            log = _OpenLog(self._reader, cursor, tails)
            batch = Batch(log, self._cache, self._assets, self._clock)
            made.append(batch)
            decided.extend(self._decide(batch, items, looked_up, tries > TRIES_WITHOUT_LOCK))
            last_rows = batch.rows(self._codec)
            self._tell_stage("decide", items, time.perf_counter() - began)
            return last_rows

        began = time.perf_counter()
        try:
            if tries > TRIES_WITHOUT_LOCK:
                positions = self._recorder.append(Rows(), decide=decide)
            else:
                with self._cursor() as cursor:
                    rows = decide(cursor)
                began = time.perf_counter()
                positions = self._recorder.append(rows) if rows else []
        except CommitUnknown:
            positions = self._find_out(last_rows, made)
        except BaseException:
            for batch in made:
                batch.forget()
            raise
        (batch,) = made
        if positions:
            self._tell_stage("commit", items, time.perf_counter() - began)
        try:
            batch.keep()
            self._snapshots.weigh(batch, last_rows, tails)
            for told in self.on_commit:
                told(last_rows, positions)
        except Exception:
            # It is committed: nothing may make it look as if it were not.
            logger.exception("after the commit")
            batch.forget()
        return decided, positions

    @contextmanager
    def _cursor(self) -> Iterator[Cursor[Any]]:
        with self._recorder.connection() as connection:
            yield connection.cursor(row_factory=tuple_row)

    def _decide(
        self, batch: Batch, items: list[tuple[Caller, Command]], looked_up: bool, locked: bool
    ) -> list[Decision]:
        tenants = {caller.tenant_id for caller, _ in items}
        for tenant_id in tenants:
            batch.prefetch(
                tenant_id,
                (
                    _wallet_of(tenant_id, command)
                    for caller, command in items
                    if caller.tenant_id == tenant_id and hasattr(command, "customer")
                ),
            )
            batch.derived.prefetch(
                tenant_id,
                (
                    (_wallet_of(tenant_id, command), command.subject)
                    for caller, command in items
                    if caller.tenant_id == tenant_id
                    and isinstance(command, RecordUsage | AuthorizeUsage)
                ),
            )
        if looked_up:
            self._look_up(batch, items)
        decided: list[Decision] = []
        for place, (caller, command) in enumerate(items):
            batch.by(caller)
            work = Work(batch, caller)
            handler = HANDLERS[type(command)]
            try:
                try:
                    decided.append(handler(work, command))
                except Refusal:
                    if batch.looked_up:
                        raise
                    # It may be a replay, or decided upon an old version.
                    self._look_up(batch, items)
                    decided.append(handler(work, command))
            except (Refusal, NotASandbox) as instead:
                decided.append(instead)
            except (Overtaken, psycopg.Error, PoolTimeout):
                raise
            except Exception as error:
                if not locked:
                    # A stream may be newer than a wallet that another process has moved.
                    raise Overtaken(type(error).__name__) from error
                logger.exception(
                    "command failed",
                    command=type(command).__name__,
                    request_id=caller.request_id,
                )
                raise _Broken(place, error) from error
        return decided

    def _look_up(self, batch: Batch, items: list[tuple[Caller, Command]]) -> None:
        # Wallets first: a charge that an older look-up missed may be what emptied one.
        batch.looked_up = True
        by_tenant: dict[str, list[str]] = {}
        for caller, command in items:
            ids = by_tenant.setdefault(caller.tenant_id, [])
            stream = own_stream(caller.tenant_id, command)
            if stream is not None:
                ids.append(stream)
        for tenant_id in by_tenant:
            batch.freshen(tenant_id)
        for tenant_id, ids in by_tenant.items():
            batch.look_up(tenant_id, ids)

    def _find_out(self, rows: Rows, made: list[Batch]) -> list[int]:
        """After an error at COMMIT: look whether our rows are there."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                positions = self._recorder.positions_of(rows)
            except (psycopg.Error, PoolTimeout):
                if time.monotonic() > give_up_at:
                    for batch in made:
                        batch.forget()
                    raise OutcomeUnknown from None
                time.sleep(0.2)
                continue
            if positions is None:
                for batch in made:
                    batch.forget()
                raise NotRecorded("the commit did not happen")
            return positions


class _Broken(Exception):
    def __init__(self, place: int, error: Exception) -> None:
        super().__init__(place)
        self.place = place
        self.error = error


def _parts(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    for start in range(0, len(commands), LARGEST_BATCH):
        yield commands[start : start + LARGEST_BATCH]


def _deliver_to(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[list[Outcome]]
) -> Callable[[list[Outcome]], None]:
    def settle(outcomes: list[Outcome]) -> None:
        if not future.done():
            future.set_result(outcomes)

    def deliver(outcomes: list[Outcome]) -> None:
        # A loop that is closed waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, outcomes)

    return deliver


def _wallet_of(tenant_id: str, command: Any) -> str:
    reference: str = command.customer
    customer_id = reference.lower()
    if reference.startswith("ext:"):
        customer_id = identity.customer_id(tenant_id, reference[4:])
    return identity.wallet_id(tenant_id, customer_id)
