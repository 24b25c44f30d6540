"""How fast usage in bulk is taken: no faster than the read models follow.

Without this a flood would fold for minutes after it was charged, and lists with it. Only bulk
waits, and only while the read models come closer: one that has stopped, or a projector that
does not run, holds nothing up; and no request waits longer than a client's upload may take.
Single commands never wait for what is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Protocol

import psycopg
from anyio import to_thread
from psycopg_pool import PoolTimeout

MOST_BEHIND_SECONDS = 0.75
LOOK_EVERY_SECONDS = 0.1
AT_A_STANDSTILL_SECONDS = 3.0
LONGEST_WAIT_SECONDS = 10.0


class Health(Protocol):
    """Of a read model: where it stands, since when it has been behind."""

    @property
    def position(self) -> int: ...

    @property
    def behind_seconds(self) -> float: ...

    @property
    def stopped(self) -> object | None: ...


class Pace:
    """Of one process. health: asks the database; called in a thread."""

    def __init__(self, health: Callable[[], Iterable[Health]]) -> None:
        self._health = health
        self._looking: asyncio.Lock | None = None
        self._looked_at = -LOOK_EVERY_SECONDS
        self._behind_seconds = 0.0
        self._position = 0
        self._moved_at = monotonic()

    async def keep(self, patience_seconds: float = LONGEST_WAIT_SECONDS) -> float:
        """Wait while the read models are too far behind, and move; return what is left of the
        patience.
        """
        until = monotonic() + patience_seconds
        while True:
            await self._look()
            left = until - monotonic()
            stands = monotonic() - self._moved_at > AT_A_STANDSTILL_SECONDS
            if self._behind_seconds <= MOST_BEHIND_SECONDS or stands or left <= 0:
                return max(left, 0.0)
            await asyncio.sleep(min(left, LOOK_EVERY_SECONDS))

    async def _look(self) -> None:
        """Ask where they stand, unless that is known from a moment ago."""
        if self._looking is None:
            self._looking = asyncio.Lock()
        async with self._looking:
            if monotonic() - self._looked_at < LOOK_EVERY_SECONDS:
                return
            try:
                found = await to_thread.run_sync(lambda: list(self._health()))
            except (psycopg.Error, PoolTimeout):
                found = []  # whether the log can be reached is the writer's to find out
            running = [each for each in found if each.stopped is None]
            now = self._looked_at = monotonic()
            self._behind_seconds = max((each.behind_seconds for each in running), default=0.0)
            position = min((each.position for each in running), default=0)
            if position != self._position:
                self._position, self._moved_at = position, now
