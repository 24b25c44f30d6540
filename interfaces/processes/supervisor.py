"""Several worker processes on one address: started, replaced when one dies, stopped together.

The supervisor holds the listening sockets and answers nothing. A connection that waits for a
worker that has died is taken by the one that replaces it.
"""

from __future__ import annotations

import json
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog
from prometheus_client.multiprocess import mark_process_dead

from interfaces.metrics import WORKERS_DIRECTORY
from interfaces.processes.roles import Role

GLANCE_SECONDS = 0.1
# One that has lived so long is replaced at once, others after a growing pause.
PROVEN_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 30.0

_log = structlog.get_logger()


class WorkersFailed(Exception):
    """A worker could not begin, and has said why. `code`: what it ended with."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a worker ended with {code} before it was ready")
        self.code = code


@dataclass(slots=True)
class _Worker:
    """A place among the workers, and who has it. pause: before the next may take it."""

    role: Role
    listener: socket.socket | None
    process: subprocess.Popen[bytes] | None = None
    lifeline: socket.socket | None = None
    started_at: float = 0.0
    ready: bool = False
    failures: int = 0
    due_at: float = field(default=0.0)


class Supervisor:
    """Runs one worker a listener as `api`, and, if told so, one for all that is no API.

    environment: of the workers. ready: called once all have opened the ledger.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        environment: dict[str, str],
        ready: Callable[[], None],
        *,
        background: bool,
    ) -> None:
        self._workers = [_Worker("api", listener) for listener in listeners]
        if background:
            self._workers.append(_Worker("background", None))
        self._environment = environment
        self._ready = ready
        self._announced = False
        self._signals: list[int] = []

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT; return once every worker has ended.

        Raises WorkersFailed for one that ends before all have been ready.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        figures = tempfile.mkdtemp(prefix="counterfoil-metrics-")
        self._environment = {**self._environment, WORKERS_DIRECTORY: figures}
        try:
            while not self._signals:
                self._keep_running(figures)
                self._wait_for_news()
        finally:
            self._stop()
            shutil.rmtree(figures, ignore_errors=True)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    def _keep_running(self, figures: str) -> None:
        for worker in self._workers:
            process = worker.process
            if process is None:
                if time.monotonic() >= worker.due_at:
                    self._start(worker)
            elif process.poll() is not None:
                mark_process_dead(process.pid, figures)  # type: ignore[no-untyped-call]
                self._bury(worker, process.returncode)

    def _start(self, worker: _Worker) -> None:
        ours, theirs = socket.socketpair()
        told = {
            "role": worker.role,
            "listener": None if worker.listener is None else worker.listener.fileno(),
            "lifeline": theirs.fileno(),
            # The others answer: a connection to this one had rather wait than be sent away.
            "replaces": self._announced,
        }
        inherited = [theirs.fileno()]
        if worker.listener is not None:
            inherited.append(worker.listener.fileno())
        worker.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "interfaces.processes.worker", json.dumps(told)],
            pass_fds=inherited,
            env=self._environment,
        )
        theirs.close()
        worker.lifeline = ours
        worker.started_at = time.monotonic()
        worker.ready = False

    def _bury(self, worker: _Worker, code: int) -> None:
        if worker.lifeline is not None:
            worker.lifeline.close()
        worker.process = worker.lifeline = None
        if not self._announced:
            raise WorkersFailed(code)
        proven = time.monotonic() - worker.started_at >= PROVEN_SECONDS
        worker.failures = 0 if proven else worker.failures + 1
        pause = 0.0 if proven else min(2.0 ** (worker.failures - 1), LONGEST_PAUSE_SECONDS)
        worker.due_at = time.monotonic() + pause
        _log.error("worker died", status=code, seconds=pause)

    def _wait_for_news(self) -> None:
        lifelines = {each.lifeline: each for each in self._workers if each.lifeline is not None}
        waited_for = [line for line, each in lifelines.items() if not each.ready]
        readable, _, _ = select.select(waited_for, [], [], GLANCE_SECONDS)
        for line in readable:
            # An end without a word is seen by the next look at the process.
            lifelines[line].ready = bool(line.recv(1))
        if not self._announced and all(each.ready for each in self._workers):
            self._announced = True
            self._ready()

    def _stop(self) -> None:
        for worker in self._workers:
            # From now on nobody may wait for an answer that will not come.
            if worker.listener is not None:
                worker.listener.close()
        running = [each.process for each in self._workers if each.process is not None]
        self._send(running, signal.SIGTERM)
        told = len(self._signals)
        while running := [each for each in running if each.poll() is None]:
            if len(self._signals) > told:
                told = len(self._signals)
                self._send(running, signal.SIGINT)
            time.sleep(GLANCE_SECONDS)
        for worker in self._workers:
            if worker.lifeline is not None:
                worker.lifeline.close()

    @staticmethod
    def _send(running: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
        for process in running:
            if process.poll() is None:
                process.send_signal(number)
