"""Who wants to hear of which wallet, told of commits of this process and of all others.

Commits of this process tell at once. Of others PostgreSQL's NOTIFY tells that there was one;
what it moved is looked up, for all wallets that are watched in one statement. On the same
connection it is heard that read models have moved, in whatever process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress

import psycopg
import structlog
from anyio import to_thread
from psycopg.sql import SQL, Identifier
from psycopg_pool import PoolTimeout

from application.storage.database import Connection, Pool
from application.storage.recorder import Rows
from application.storage.shard import FIRST_SHARD, Shard

GLANCE_SECONDS = 0.25
# Many commits may come in a row: they are looked up together.
PAUSE_SECONDS = 0.01
RETRY_SECONDS = 1.0

logger = structlog.get_logger()


class WalletFeed:
    """Tells of changes of wallets. pool: of a role that reads the log of any tenant.

    on_folded: called when read models have moved. on_hearing: told whether that is heard now.
    """

    def __init__(self, pool: Pool, shard: Shard = FIRST_SHARD) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._listeners: dict[str, set[_Listener]] = {}
        self._channel = shard.channel
        self._folded_channel = shard.folded_channel
        self.on_folded: list[Callable[[], None]] = []
        self.on_hearing: list[Callable[[bool], None]] = []
        self._latest = SQL(
            "SELECT w.id::text, e.notification_id FROM unnest(%s::uuid[]) AS w (id)"
            " CROSS JOIN LATERAL (SELECT notification_id FROM {schema}.events"
            " WHERE originator_id = w.id ORDER BY originator_version DESC LIMIT 1) AS e"
        ).format(schema=Identifier(shard.schema))

    async def changes(self, wallet_id: str) -> AsyncGenerator[int, None]:
        """Yield the log's position of a wallet's last event: at once, then after each change.

        What is read after the first is followed by a change for all that it does not show.
        """
        with _Listener(self, wallet_id) as queue:
            seen = (await to_thread.run_sync(self._positions, [wallet_id])).get(wallet_id, 0)
            yield seen
            while True:
                position = await queue.get()
                while not queue.empty():
                    position = max(position, queue.get_nowait())
                if position > seen:
                    seen = position
                    yield position

    def tell(self, rows: Rows, positions: Sequence[int]) -> None:
        """Note what this process has committed."""
        if not self._listeners or not positions:
            return
        with self._lock:
            changed = self._listeners.keys() & set(rows.originators)
        self._tell(dict.fromkeys(changed, positions[-1]))

    def run(self, stop: threading.Event) -> None:
        """Hear of other processes' commits until `stop` is set."""
        while not stop.is_set():
            try:
                with self._pool.login.connect(autocommit=True) as connection:
                    self._listen(connection, stop)
            except (psycopg.Error, PoolTimeout) as error:
                logger.warning("wallet feed interrupted", error=type(error).__name__)
                stop.wait(RETRY_SECONDS)
            finally:
                self._say_whether_heard(whether=False)

    def _listen(self, connection: Connection, stop: threading.Event) -> None:
        for channel in (self._channel, self._folded_channel):
            connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
        self._say_whether_heard(whether=True)
        # What was committed while nobody listened.
        self._look()
        while not stop.is_set():
            news = _channels(connection, GLANCE_SECONDS)
            if self._folded_channel in news:
                self._say_folded()
            if self._channel in news:
                stop.wait(PAUSE_SECONDS)
                if self._folded_channel in _channels(connection, 0):
                    self._say_folded()
                self._look()

    def _say_folded(self) -> None:
        for told in self.on_folded:
            told()

    def _say_whether_heard(self, *, whether: bool) -> None:
        for told in self.on_hearing:
            told(whether)

    def _look(self) -> None:
        with self._lock:
            watched = list(self._listeners)
        if watched:
            self._tell(self._positions(watched))

    def _positions(self, wallet_ids: Iterable[str]) -> dict[str, int]:
        with self._pool.connection() as connection:
            rows = connection.execute(self._latest, (list(wallet_ids),)).fetchall()
        return {str(wallet_id): int(position) for wallet_id, position in rows}

    def _tell(self, positions: dict[str, int]) -> None:
        with self._lock:
            told = [
                (listener, position)
                for wallet_id, position in positions.items()
                for listener in self._listeners.get(wallet_id, ())
            ]
        for listener, position in told:
            listener.tell(position)

    def _add(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.setdefault(listener.wallet_id, set()).add(listener)

    def _remove(self, listener: _Listener) -> None:
        with self._lock:
            left = self._listeners[listener.wallet_id]
            left.discard(listener)
            if not left:
                del self._listeners[listener.wallet_id]


def _channels(connection: Connection, timeout: float) -> set[str]:
    """Return the channels of what was notified, waiting so long for the first."""
    return {
        each.channel
        for each in connection.notifies(timeout=timeout, stop_after=1 if timeout else None)
    }


class _Listener:
    """A queue of positions in the event loop that opened it."""

    def __init__(self, feed: WalletFeed, wallet_id: str) -> None:
        self.wallet_id = wallet_id
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[int] = asyncio.Queue()

    def __enter__(self) -> asyncio.Queue[int]:
        self._feed._add(self)  # noqa: SLF001 - one thing in two parts
        return self._queue

    def __exit__(self, *_: object) -> None:
        self._feed._remove(self)  # noqa: SLF001 - as above

    def tell(self, position: int) -> None:
        # A loop that is closed waits for nothing.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, position)
