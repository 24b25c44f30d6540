"""The HTTP protocol below ASGI: what must be decided before a request exists.

llhttp, the parser, already refuses bare line feeds, two lengths, and Content-Length together
with Transfer-Encoding. What it lets pass is refused here, so that a proxy in front can never
see another request than we do; and a request has to arrive within its deadlines.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from enum import Enum
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEADERS = 32 * 1024
LARGEST_DISCARDED = 32 * 1024 * 1024


class AmbiguousRequest(Exception):
    """Two readers may understand it differently."""


class _Awaited(Enum):
    NOTHING = "nothing: the request is there, or the connection rests between two"
    HEADERS = "headers"
    BODY = "body"


class StrictHttpProtocol(HttpToolsProtocol):
    """Deadlines count from when the first byte may come, not from the last that came."""

    headers_seconds: ClassVar[float] = 5.0
    body_seconds: ClassVar[float] = 30.0

    _deadline: TimerHandle | None = None
    _watched: tuple[_Awaited, int] = (_Awaited.NOTHING, 0)
    _messages = 0
    _in_headers = False
    _in_body = False
    _header_bytes = 0
    _body_bytes = 0

    # What asyncio calls.

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._header_bytes = self._header_bytes + len(data) if self._in_headers else 0
        if self._header_bytes > LARGEST_HEADERS:
            self._refuse(b"431 Request Header Fields Too Large")
        self._watch()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._messages += 1
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._check()
        self._in_headers, self._in_body = False, True
        self._body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        # The body of a request that was answered already is read on, so that the client
        # gets to the answer, but not for ever.
        self._body_bytes += len(body)
        if self._body_bytes > LARGEST_DISCARDED:
            self.transport.close()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._in_headers = self._in_body = False
        self._stop_watching()
        super().handle_websocket_upgrade()

    def _check(self) -> None:
        """Raise AmbiguousRequest, which the parser turns into a 400."""
        encodings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if encodings:
            framed_twice = any(name == b"content-length" for name, _ in self.headers)
            chunked = [value.lower() for value in encodings] == [b"chunked"]
            if framed_twice or not chunked or self.parser.get_http_version() != "1.1":
                raise AmbiguousRequest
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise AmbiguousRequest

    # Deadlines of receipt.

    def _awaited(self) -> _Awaited:
        if self.transport.is_closing():
            return _Awaited.NOTHING
        if self._in_headers:
            return _Awaited.HEADERS
        if self._in_body:
            return _Awaited.BODY
        if self._is_answering() or self.timeout_keep_alive_task is not None:
            return _Awaited.NOTHING
        return _Awaited.HEADERS

    def _watch(self) -> None:
        watched = (self._awaited(), self._messages)
        if watched == self._watched or self.transport.get_protocol() is not self:
            return
        self._stop_watching()
        self._watched = watched
        if watched[0] is not _Awaited.NOTHING:
            is_body = watched[0] is _Awaited.BODY
            seconds = self.body_seconds if is_body else self.headers_seconds
            self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _stop_watching(self) -> None:
        self._watched = (_Awaited.NOTHING, 0)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        nothing_came = not self._in_headers and not self._in_body
        if nothing_came:
            self.transport.close()
        else:
            self._refuse(b"408 Request Timeout")

    def _current(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, whatever its annotation says

    def _is_answering(self) -> bool:
        cycle = self._current()
        return cycle is not None and not cycle.response_complete

    def _refuse(self, status: bytes) -> None:
        cycle = self._current()
        if self._in_body:
            may_answer = cycle is not None and not cycle.response_started
        else:
            may_answer = not self._is_answering()  # else it would look like that answer
        if may_answer and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()
