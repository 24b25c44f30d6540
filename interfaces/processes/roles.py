"""Serving as one role: API, read models, due work, or all of them."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from starlette.applications import Starlette

from interfaces.http.app import create_probe_app
from interfaces.http.front import ledger_app, metrics_route
from interfaces.http.server import serve_while_opening, server_for
from interfaces.http.starting import Opened, Progress
from interfaces.interpreter import tune_interpreter
from interfaces.keys.keyring import open_keyring
from interfaces.processes.folding import worth_a_process
from interfaces.readiness import readiness_of
from interfaces.runtime import EVERY_TASK, Runtime, Task

if TYPE_CHECKING:
    from interfaces.settings import Settings

Role = Literal["all", "api", "projector", "scheduler", "background"]
TASKS: dict[Role, tuple[Task, ...]] = {
    "all": ("projections-apart", "due-work", "wallet-feed") if worth_a_process() else EVERY_TASK,
    "api": ("wallet-feed",),
    "projector": ("projections",),
    "scheduler": ("due-work",),
    "background": ("projections", "due-work"),
}


def has_api(role: Role) -> bool:
    return role in ("all", "api")


def serve_role(
    settings: Settings,
    role: Role,
    listener: socket.socket | None,
    opened: Callable[[], None],
    *,
    answer_while_opening: bool = True,
) -> None:
    """Serve as one role until SIGTERM or SIGINT; what was accepted is finished.

    listener: where requests are answered; a role without API answers there for itself, and
    needs none. opened: called once the ledger is open. answer_while_opening: say meanwhile what
    goes on; else connections wait. Raises what Runtime.open raises.
    """
    if listener is None:
        _run(settings, role, opened)
        return

    def open_app(tell: Progress) -> Opened:
        runtime = Runtime.open(settings, progress=tell, tasks=TASKS[role])
        try:
            runtime.check_sandbox()
            app = _app(runtime, role)
            tune_interpreter()
        except BaseException:
            runtime.close()
            raise
        opened()
        return Opened(app, runtime.close)

    if answer_while_opening:
        serve_while_opening(open_app, listener)
        return
    ledger = open_app(lambda _: None)
    try:
        server_for(ledger.app).run(sockets=[listener])
    finally:
        ledger.close()


def _app(runtime: Runtime, role: Role) -> Starlette:
    if has_api(role):
        keyring = open_keyring(runtime.settings, runtime.tenant_id)
        return ledger_app(runtime, keyring, readiness_of(runtime))
    return create_probe_app(readiness_of(runtime, answers=False), [metrics_route(runtime)])


def _run(settings: Settings, role: Role, opened: Callable[[], None]) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Runtime.open(settings, tasks=TASKS[role]) as runtime:
        runtime.check_sandbox()
        tune_interpreter()
        opened()
        stop.wait()
