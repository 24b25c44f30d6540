"""One log line a request: what was asked for, how it ended, how long it took."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import perf_counter

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars

from interfaces.http.asker import REQUEST_ID_HEADER, request_id_of
from interfaces.http.errors import internal_error
from interfaces.http.responses import json_response

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

ObserveRequest = Callable[[str, str, int | None, float], None]
"""Of method, route, status (none: no answer was begun) and seconds."""

_log = structlog.get_logger()


class RequestLog:
    """Gives each request its id, and notes it. Handlers leave the key's hint in the state.

    paths: those of routes; what one with parameters matches is logged as the route says it,
    and any other path, which might hold anything, as "other". observe: told of each request
    once it is over.
    """

    def __init__(
        self, app: ASGIApp, paths: Collection[str], observe: ObserveRequest | None = None
    ) -> None:
        self._app = app
        self._paths = frozenset(path for path in paths if "{" not in path)
        self._patterns = [(compile_path(path)[0], path) for path in paths if "{" in path]
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        request_id = request_id_of(Headers(scope=scope).get(REQUEST_ID_HEADER))
        state = scope.setdefault("state", {})
        method = scope.get("method", "WEBSOCKET")
        if method not in _METHODS and method != "WEBSOCKET":
            method = "OTHER"
        path = self._route_of(scope["path"])
        state["request_id"] = request_id
        state["method"], state["route"] = method, path
        status: int | None = None

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            elif message["type"] == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        # Whatever is logged on its way carries the id.
        bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, noting)
        except Exception as failure:  # noqa: BLE001 - the last net: nothing of it may get out
            _log.error("request failed", request_id=request_id, exc_info=failure)
            if status is None and scope["type"] == "http":
                answer = json_response(internal_error(request_id), 500)
                await answer(scope, receive, noting)
        finally:
            seconds = perf_counter() - began
            _log.info(
                "request",
                method=method,
                path=path,
                status=status,
                ms=round(seconds * 1000, 1),
                request_id=request_id,
                key=state.get("key"),
            )
            if self._observe is not None:
                self._observe(method, path, status, seconds)
            unbind_contextvars("request_id")

    def _route_of(self, path: str) -> str:
        if path in self._paths:
            return path
        return next((route for found, route in self._patterns if found.match(path)), "other")
