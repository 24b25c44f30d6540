"""File locks: they end with their holder, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from application.storage.embedded.errors import EmbeddedServerTimeout

_POLL_SECONDS = 0.02


def open_private(path: Path, flags: int) -> int:
    """Open, or make with mode 0600, a file of the data directory; never through a link.

    Made by root, it belongs to the directory's owner, who would be locked out otherwise.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        directory = path.parent.stat()
        os.fchown(descriptor, directory.st_uid, directory.st_gid)
    return descriptor


class FileLock:
    """One holder of a lock file. Two holders in one program count as two.

    One that is dropped without release() lets go with a ResourceWarning.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(open_private(path, os.O_RDWR), "r+b", buffering=0)

    def share(self) -> None:
        """Hold together with others. Waits while one holds it alone."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Hold alone, if nobody else holds it. A shared hold may be lost when the answer is no."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go for good; once more does nothing."""
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # copies in forked children let go too
            self._file.close()


@contextmanager
def held_alone(path: Path, timeout_seconds: float, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file alone; `waiting` is called once if somebody else has it.

    Raises EmbeddedServerTimeout.
    """
    lock = FileLock(path)
    try:
        if not lock.try_alone():
            waiting()
            deadline = time.monotonic() + timeout_seconds
            while not lock.try_alone():
                if time.monotonic() > deadline:
                    raise EmbeddedServerTimeout(
                        f"another program has been starting or stopping it for "
                        f"{timeout_seconds:.0f} s",
                        f"Wait for that program, or end it; it holds {path}.",
                    )
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        lock.release()
