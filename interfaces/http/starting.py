"""An application that answers while the ledger is still being opened.

A database that has to recover takes its time. Meanwhile `/healthz` says that the server lives,
`/readyz` what is going on, and everything else is asked to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from interfaces.http.errors import error_body
from interfaces.http.request_log import RequestLog
from interfaces.http.responses import json_response

RETRY_SECONDS = 2

Progress = Callable[[str], None]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """app: what serves from now on. close: lets go of all that it needs; blocks."""

    app: ASGIApp
    close: Callable[[], None]


class StartingApp:
    """Opens the real application in a thread, and hands every later request to it.

    open_app: called once the server listens; blocks, and tells what it does; the first word of
    what it tells is the phase. stop_server: called when opening fails; `failure` says why.
    """

    def __init__(self, open_app: Callable[[Progress], Opened]) -> None:
        self._open_app = open_app
        self._opened: Opened | None = None
        self._told = "starting"
        self._listening = asyncio.Event()
        self._waiting = RequestLog(self._wait_please, ("/healthz", "/readyz", "/graphql"))
        self.failure: Exception | None = None
        self.stop_server: Callable[[], None] = _nothing

    def begin(self) -> None:
        """Open the ledger now: the server listens. Called in its event loop."""
        self._listening.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._opened is not None:
            await self._opened.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._waiting(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1013})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        opening = asyncio.create_task(self._open())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._listening.is_set():
            await opening
        else:
            opening.cancel()
        if self._opened is not None:
            await to_thread.run_sync(self._opened.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        await self._listening.wait()
        try:
            self._opened = await to_thread.run_sync(self._open_app, self._tell)
        except Exception as failure:  # noqa: BLE001 - it is raised where the server is run
            self.failure = failure
            self.stop_server()

    def _tell(self, told: str) -> None:
        self._told = told
        _log.info("opening the ledger", phase=self._phase)

    @property
    def _phase(self) -> str:
        return self._told.partition(" ")[0].rstrip(":") or "starting"

    async def _wait_please(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/healthz":
            response = json_response({"status": "ok"})
        elif path == "/readyz":
            body = {"status": self._phase, "message": self._told, "checks": {}}
            response = json_response(body, 503)
        else:
            told = f"the ledger is not open yet ({self._phase}): send it again in a moment"
            retry = {"Retry-After": str(RETRY_SECONDS)}
            response = json_response(error_body("UNAVAILABLE", told), 503, retry)
        await response(scope, receive, send)


def _nothing() -> None:
    pass
