"""Deciding a batch of commands, in order, upon wallets in memory.

Whether a charge exists already is not asked first. What would be refused, or would write
nothing, is decided again with all looked up: it may be a replay, or have been decided on
an old version. What is accepted is checked by the log's key when it is written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg import Cursor
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from application.batch import ENCODED_TOGETHER, Batch, Overtaken
from application.clock import Clock
from application.codec import EventCodec
from application.commands.handlers import decide, own_stream
from application.commands.requests import AuthorizeUsage, Command, RecordUsage
from application.errors import NotASandbox
from application.outcomes import Decision, Item
from application.registries import AssetRegistry, CatalogRegistry, TenantRegistry
from application.sights_ahead import prefetch_sights
from application.snapshots import Due, Snapshots
from application.storage.recorder import LedgerRecorder, Rows
from application.storage.streams import StreamReader
from application.storage.wallets import WalletCache
from application.work import Work
from domain import identity
from domain.aggregate import Event
from domain.refusals import Refusal
from domain.wallet.events import OverageSettled
from domain.wallet.wallet import Wallet

BATCHES_LOOKED_UP = 100
MOST_SUSPECTS = 1_000

_USAGE = (RecordUsage, AuthorizeUsage)

logger = structlog.get_logger()


@dataclass(slots=True)
class Decided:
    """A batch ready to be written. snapshots: to be kept once it is; seconds: it took;
    positions: once it is written.
    """

    batch: Batch
    decisions: list[Decision]
    rows: Rows
    snapshots: list[Due]
    seconds: float
    positions: list[int] | None = None


class Broken(Exception):
    """A command failed by our own fault: the others are to be decided without it."""

    def __init__(self, place: int, error: Exception) -> None:
        super().__init__(place)
        self.place = place
        self.error = error


class Moving:
    """Streams that a commit on its way writes to. `settled` waits until it has ended.

    Raises Undone where it has failed: whatever was decided upon it is void.
    """

    streams: frozenset[str] = frozenset()

    def settled(self) -> None:
        """Nothing is on its way."""


class Undone(Exception):
    """The commit that this was decided upon has failed."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(type(failure).__name__)
        self.failure = failure


NOTHING_MOVES = Moving()


class Decider:
    """Of one writer; used by one thread at a time."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        clock: Clock,
        codec: EventCodec,
        cache: WalletCache,
        snapshots: Snapshots,
        secret: bytes = b"",
    ) -> None:
        self._secret = secret
        self._recorder = recorder
        self._clock = clock
        self._codec = codec
        self._reader = StreamReader(recorder.shard, codec)
        self._snapshots = snapshots
        self.cache = cache
        self._assets = AssetRegistry()
        self._tenants = TenantRegistry()
        self._catalogs = CatalogRegistry()
        self._freshen_first = 0
        self._suspects: dict[tuple[str, str], int] = {}

    def decide(
        self,
        items: Sequence[Item],
        *,
        moving: Moving = NOTHING_MOVES,
        again: bool = False,
        cursor: Cursor[Any] | None = None,
    ) -> Decided:
        """Decide commands; wallets in memory are then as if the batch were written.

        again: after another writer was first, so with all looked up. cursor: of a
        transaction that holds the writers' lock. If this raises, or the batch is not
        written, the batch has to be forgotten, and whatever was decided upon it. Raises
        Overtaken, Broken, Undone, psycopg.Error, PoolTimeout.
        """
        began = time.perf_counter()
        with _OpenLog(self._recorder, self._reader, moving, cursor) as log:
            batch = Batch(
                log,
                self.cache,
                self._assets,
                self._clock,
                self._tenants,
                moving.streams,
                self._catalogs,
                self._secret,
            )
            try:
                decisions = self._decisions(batch, items, again, locked=cursor is not None)
                rows = batch.rows(self._codec)
                batch.keep()
                due = self._snapshots.weigh(batch, rows, log.tails)
            except BaseException:
                batch.forget()
                raise
        return Decided(batch, decisions, rows, due, time.perf_counter() - began)

    def _decisions(
        self, batch: Batch, items: Sequence[Item], again: bool, locked: bool
    ) -> list[Decision]:
        self._prefetch(batch, items)
        if again:
            self._look_up(batch, items)
            self._suspect(batch, items)
        elif self._freshen_first:
            self._freshen_first -= 1
            self._look_up(batch, items)
        elif self._suspects:
            self._look_up_suspects(batch, items)
        decisions: list[Decision] = []
        work: Work | None = None
        for place, (caller, command) in enumerate(items):
            if place % ENCODED_TOGETHER == 0:
                batch.encode(self._codec)
            if work is None or work.caller is not caller:
                batch.by(caller)
                work = Work(batch, caller)
            try:
                decisions.append(self._decision(batch, work, command, items))
            except (Refusal, NotASandbox) as instead:
                decisions.append(instead)
            except (Overtaken, Undone, psycopg.Error, PoolTimeout):
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
                raise Broken(place, error) from error
        return decisions

    def _decision(
        self, batch: Batch, work: Work, command: Command, items: Sequence[Item]
    ) -> Decision:
        written = len(batch.decided)
        try:
            answer = decide(work, command)
        except Refusal:
            if batch.looked_up:
                raise
        else:
            if (
                len(batch.decided) != written
                or batch.looked_up
                or getattr(answer, "replayed", False)
            ):
                return answer
        # It may be a replay, or decided upon an old version.
        self._look_up(batch, items)
        return decide(work, command)

    def _prefetch(self, batch: Batch, items: Sequence[Item]) -> None:
        by_tenant: dict[str, list[tuple[str, Command]]] = {}
        for caller, command in items:
            wallet_id = _wallet_of(caller.tenant_id, command)
            if wallet_id is not None:
                by_tenant.setdefault(caller.tenant_id, []).append((wallet_id, command))
        for tenant_id, named in by_tenant.items():
            batch.prefetch(tenant_id, dict(named))
            if not any(isinstance(each, _USAGE) for _, each in named):
                continue
            templates = batch.tenant(tenant_id).budget_templates
            if not templates and not batch.catalog(tenant_id).unique_types:
                continue
            usage = [(w, each) for w, each in named if isinstance(each, _USAGE)]
            subjects = [(wallet_id, each.subject) for wallet_id, each in usage]
            batch.derived.prefetch(tenant_id, templates, subjects)
            prefetch_sights(batch, tenant_id, usage)

    # Look-ups

    def _look_up(self, batch: Batch, items: Sequence[Item]) -> None:
        # Wallets first: a charge that an older look-up missed may be what emptied one.
        batch.looked_up = True
        by_tenant = _own_streams(items)
        for tenant_id in by_tenant:
            batch.freshen(tenant_id)
        for tenant_id, ids in by_tenant.items():
            batch.look_up(tenant_id, ids)

    def _look_up_suspects(self, batch: Batch, items: Sequence[Item]) -> None:
        """Look up what those send who lately sent something twice."""
        suspects = self._suspects
        met = {(c.tenant_id, c.actor) for c, _ in items if (c.tenant_id, c.actor) in suspects}
        if not met:
            return
        theirs = [(c, command) for c, command in items if (c.tenant_id, c.actor) in met]
        for tenant_id, ids in _own_streams(theirs).items():
            batch.look_up(tenant_id, ids)
        for suspect in met:
            suspects[suspect] -= 1
            if not suspects[suspect]:
                del suspects[suspect]
        self._suspect(batch, theirs, contended=False)

    def _suspect(self, batch: Batch, items: Sequence[Item], *, contended: bool = True) -> None:
        """Note whose commands were there already; if nobody's, wallets are contended."""
        found = False
        for caller, command in items:
            stream = own_stream(caller.tenant_id, command)
            if stream is not None and batch.known(stream):
                found = True
                self._suspects[caller.tenant_id, caller.actor] = BATCHES_LOOKED_UP
        while len(self._suspects) > MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]
        if contended and not found:
            self._freshen_first = BATCHES_LOOKED_UP


class _OpenLog:
    """The log's streams, on a connection that is taken when the first is asked for."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        reader: StreamReader,
        moving: Moving,
        cursor: Cursor[Any] | None,
    ) -> None:
        self._recorder = recorder
        self._reader = reader
        self._moving = moving
        self._cursor = cursor
        self._lent: Any = None
        self.tails: dict[str, int] = {}

    def __enter__(self) -> _OpenLog:
        return self

    def __exit__(self, *raised: Any) -> None:
        # Else each batch would keep the one before it in memory, as long as more wait.
        self._moving = NOTHING_MOVES
        if self._lent is not None:
            self._lent.__exit__(*raised)

    def events(self, tenant_id: str, ids: Sequence[str]) -> dict[str, list[Event]]:
        return self._reader.events(self._reading(ids), tenant_id, ids)

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        return self._reader.versions(self._reading(ids), ids)

    def wallets(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Wallet]:
        if not ids:
            return {}
        return self._reader.wallets(self._reading(ids), tenant_id, ids, tails=self.tails)

    def repayments(self, tenant_id: str, wallet_id: str) -> list[OverageSettled]:
        return self._reader.repayments(self._reading([wallet_id]), tenant_id, wallet_id)

    def rated_since(self, tenant_id: str, wallet_id: str, since: datetime) -> list[Event]:
        return self._reader.rated_since(self._reading([wallet_id]), tenant_id, wallet_id, since)

    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]:
        return self._reader.latest(self._reading(ids), tenant_id, ids)

    def _reading(self, ids: Sequence[str]) -> Cursor[Any]:
        if not self._moving.streams.isdisjoint(ids):
            self._moving.settled()
        if self._cursor is None:
            self._lent = self._recorder.connection()
            self._cursor = self._lent.__enter__().cursor(row_factory=tuple_row)
        return self._cursor


def _own_streams(items: Sequence[Item]) -> dict[str, list[str]]:
    """Return the streams that commands would begin, by tenant; every tenant has a list."""
    by_tenant: dict[str, list[str]] = {}
    for caller, command in items:
        ids = by_tenant.setdefault(caller.tenant_id, [])
        stream = own_stream(caller.tenant_id, command)
        if stream is not None:
            ids.append(stream)
    return by_tenant


def _wallet_of(tenant_id: str, command: Any) -> str | None:
    """Return the wallet that a command names, if it names one."""
    reference: str | None = getattr(command, "customer", None)
    if reference is None:
        wallet_id: str | None = getattr(command, "wallet_id", None)
        return wallet_id
    return identity.wallet_named(tenant_id, reference)
