"""Bodies of bounded size, whatever their headers say."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interfaces.http.errors import error_body
from interfaces.http.responses import json_response


class _TooLarge(Exception):
    pass


class BodyLimit:
    """Answers 413 once more than `largest_bytes` of a body have come; counts, does not trust.

    The app is asked first, so that a request without a key gets its 401 before its body is read.
    """

    def __init__(self, app: ASGIApp, largest_bytes: int) -> None:
        self._app = app
        self._largest_bytes = largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        received_bytes = 0

        async def counted() -> Message:
            nonlocal received_bytes
            if declared.isdecimal() and int(declared[:18]) > self._largest_bytes:
                raise _TooLarge
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._largest_bytes:
                raise _TooLarge
            return message

        try:
            await self._app(scope, counted, send)
        except _TooLarge:
            told = f"the body has more than {self._largest_bytes} bytes: send it in parts"
            await json_response(error_body("BODY_TOO_LARGE", told), 413)(scope, receive, send)
