"""Folding beside the answers: here while there is little of it, else in a process of its own.

Python runs one thread of a process at a time, so what folds takes from what answers although
another core is idle. Once folding large steps has taken a good part of some seconds, a projector
is started for it, and ended when it has had little to do for a while. Here goes on until that one
is ready, and again as soon as it is gone; two at once take turns, and nothing is folded twice.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

import msgspec
import structlog

GLANCE_SECONDS = 0.25
LARGE_STEP = 1_000
LOOK_BACK_SECONDS = 3.0
MUCH_SECONDS = 1.0
"""Of the last LOOK_BACK_SECONDS, spent on large steps."""
IDLE_SECONDS = 60.0
PAUSE_SECONDS = 30.0
"""After a projector has died, before the next."""
LAST_STEP_SECONDS = 30.0
READY = b"ready"

Batch = tuple[str, int, float]
"""What a read model folded: its name, rows of the log, seconds."""

_log = structlog.get_logger()
_batch = msgspec.json.Decoder(Batch).decode


class Engine(Protocol):
    """The projection engine, as far as it is needed here."""

    on_batch: list[Callable[[str, int, float], None]]

    def run(self, stop: threading.Event) -> None: ...


def worth_a_process() -> bool:
    """Whether there is another core for it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


class Folding:
    """Keeps read models current, in this process or in one of its own. engine: of this one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._large: deque[tuple[float, float]] = deque()

    def run(self, stop: threading.Event) -> None:
        """Fold what comes until `stop` is set."""
        self._engine.on_batch.append(self._note)
        pause_until = 0.0
        while not stop.is_set():
            projector = self._fold_here(stop, pause_until)
            if projector is not None:
                with projector:
                    ended = self._fold_there(projector, stop)
                if not ended:
                    pause_until = monotonic() + PAUSE_SECONDS
                    _log.warning("projector ended", status=projector.status)

    def _fold_here(self, stop: threading.Event, pause_until: float) -> Projector | None:
        """Fold until a projector is ready; return it, or None when it is time to stop."""
        here = threading.Event()
        folds = threading.Thread(target=self._engine.run, args=(here,), name="projections")
        folds.start()
        try:
            while not stop.wait(GLANCE_SECONDS):
                if monotonic() < pause_until or not self._is_much():
                    continue
                pause_until = monotonic() + PAUSE_SECONDS
                try:
                    projector = Projector()
                except OSError as error:
                    _log.warning("no projector", error=type(error).__name__)
                    continue
                if projector.becomes_ready(stop):
                    return projector
                projector.end()
            return None
        finally:
            here.set()
            folds.join()

    def _fold_there(self, projector: Projector, stop: threading.Event) -> bool:
        """Tell what it folds until it has little to do; whether it is this side that ends it."""
        much_until = monotonic() + IDLE_SECONDS
        for batches in projector.told():
            if stop.is_set() or monotonic() > much_until:
                return True
            for name, rows, seconds in batches:
                if rows >= LARGE_STEP:
                    much_until = monotonic() + IDLE_SECONDS
                for observe in self._engine.on_batch:
                    observe(name, rows, seconds)
        return False

    def _note(self, _: str, rows: int, seconds: float) -> None:
        if rows >= LARGE_STEP:
            self._large.append((monotonic(), seconds))

    def _is_much(self) -> bool:
        since = monotonic() - LOOK_BACK_SECONDS
        large = self._large
        while large and large[0][0] < since:
            large.popleft()
        return sum(seconds for _, seconds in list(large)) >= MUCH_SECONDS


class Projector:
    """A process that folds until the other end of its line is closed. Leaving it ends it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        self._line.settimeout(GLANCE_SECONDS)
        self._begun = b""
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "interfaces.processes.projector",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
            )

    def __enter__(self) -> Projector:
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> None:
        """Let it finish its step, and wait for it."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()
        try:
            self._process.wait(LAST_STEP_SECONDS)
        except subprocess.TimeoutExpired:
            # What it has not committed is folded again.
            self._process.kill()
            self._process.wait()

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def becomes_ready(self, stop: threading.Event) -> bool:
        """Wait until it has opened the ledger; not if it dies, or when it is time to stop."""
        for lines in self._lines():
            if stop.is_set():
                return False
            if READY in lines:
                return True
        return False

    def told(self) -> Iterator[list[Batch]]:
        """Yield what it has folded, at least each GLANCE_SECONDS, until it is gone."""
        for lines in self._lines():
            yield [_batch(line) for line in lines]

    def _lines(self) -> Iterator[list[bytes]]:
        while True:
            try:
                part = self._line.recv(1 << 16)
            except TimeoutError:
                yield []
                continue
            except OSError:
                return
            if not part:
                return
            *lines, self._begun = (self._begun + part).split(b"\n")
            yield lines
