"""How long something has been waiting to be folded, told without the log's own times: those of
a sandbox are not the world's.
"""

from __future__ import annotations

import threading
from collections import deque

MOST_SIGHTS = 1_024


class LogEnd:
    """Where the log's end was seen, and when first. Times: seconds of one monotonic clock.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sights: deque[tuple[int, float]] = deque()

    def seen(self, end: int, at: float) -> None:
        with self._lock:
            if self._sights and end <= self._sights[-1][0]:
                return
            self._sights.append((end, at))
            if len(self._sights) > MOST_SIGHTS:
                # The oldest stays: it says how long one that has stopped is behind.
                self._sights = deque(list(self._sights)[::2])

    def behind_seconds(self, position: int, now: float) -> float:
        """Return for how long at least the log has had something after `position`."""
        with self._lock:
            for end, at in self._sights:
                if end > position:
                    return max(0.0, now - at)
        return 0.0

    def forget_before(self, position: int) -> None:
        """Let go of what every read model has passed."""
        with self._lock:
            while self._sights and self._sights[0][0] <= position:
                self._sights.popleft()
