"""How far read models are known to have come, and who waits for them.

Where read models are folded in this process, it is told of each step. Elsewhere the database
is asked: by the waiter, and at once for all that wait whenever somebody has heard of news.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from projections.positions import Standing

Look = Callable[[], Mapping[str, Standing]]
"""Asks the database where read models stand."""

ASKED_EVERY_SECONDS = 0.03
ASKED_SELDOM_SECONDS = 0.25
"""In case that what should be heard is not."""


class Arrivals:
    """Safe to use from several threads."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._standings: dict[str, Standing] = {}
        self._changed = threading.Condition()
        self._waiting = 0
        self._folding = 0
        self._hearing = False

    # Who tells

    def folding(self, *, begins: bool) -> None:
        """Note that an engine of this process begins or ends telling of every step."""
        with self._changed:
            self._folding += 1 if begins else -1

    def tell(self, name: str, standing: Standing) -> None:
        with self._changed:
            self._standings[name] = standing
            self._changed.notify_all()

    def hearing(self, whether: bool) -> None:  # noqa: FBT001 - a callback
        """Note whether news of other processes is heard here, by calls of `hear`."""
        self._hearing = whether

    def hear(self) -> None:
        """There is news: ask, if anybody waits. Raises psycopg.Error."""
        with self._changed:
            if not self._waiting:
                return
        self._ask()

    def rest(self, seconds: float) -> None:
        """Wait so long, or until somebody waits for a read model."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting > 0, seconds)

    # Who waits

    def wait_for(self, position: int, names: Iterable[str], timeout: float) -> bool:
        """Wait at most `timeout` seconds until all have come that far; whether they have.

        Not at all for one that has stopped before it. Raises psycopg.Error.
        """
        wanted = tuple(names)
        deadline = monotonic() + timeout
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
        try:
            ask = True
            while True:
                if ask and not self._folding and self._behind(wanted, position):
                    self._ask()
                with self._changed:
                    behind = self._behind(wanted, position)
                    left = deadline - monotonic()
                    if not behind or left <= 0 or any(each.stopped for each in behind):
                        return not behind
                    # Woken, it has been told; else it asks.
                    ask = not self._changed.wait(min(left, self._patience()))
        finally:
            with self._changed:
                self._waiting -= 1

    def _patience(self) -> float:
        if self._folding:
            return threading.TIMEOUT_MAX
        return ASKED_SELDOM_SECONDS if self._hearing else ASKED_EVERY_SECONDS

    def _behind(self, names: Iterable[str], position: int) -> list[Standing]:
        standings = [self._standings.get(name, Standing()) for name in names]
        return [each for each in standings if each.position < position]

    def _ask(self) -> None:
        found = self._look()
        with self._changed:
            if self._folding:
                return
            for name, standing in found.items():
                # Several ask at once, and the first to ask may be the last to be answered.
                if standing.position >= self._standings.get(name, standing).position:
                    self._standings[name] = standing
            self._changed.notify_all()
