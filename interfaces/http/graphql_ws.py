"""WebSocket /graphql: the protocol graphql-transport-ws, and no other.

Every operation passes the same gate, deadline and masking of errors as over HTTP. The key
comes with the upgrade's header or in `connection_init` ({"authorization": "Bearer <key>"});
it is asked for again before each result, so that a revoked key ends its subscriptions.

Source: PROTOCOL.md of graphql-ws; close codes are its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from interfaces.http.asker import (
    Asker,
    Credentials,
    Unauthenticated,
    UnknownPosition,
    authenticate,
    position_of,
    position_text,
)
from interfaces.http.errors import error_body
from interfaces.http.json_body import NotAcceptable, decode
from interfaces.http.operations import Answer, Operations, Request
from interfaces.http.responses import encode, unauthenticated
from interfaces.keys.keyring import Keyring

SUBPROTOCOL = "graphql-transport-ws"
LONGEST_ID = 128

TRY_AGAIN_LATER = 1013
BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
NO_SUBPROTOCOL = 4406
INIT_TIMEOUT = 4408
DOUBLE_ID = 4409
DOUBLE_INIT = 4429


class ConnectionInit(msgspec.Struct, tag="connection_init"):
    payload: dict[str, Any] | None = None


class Ping(msgspec.Struct, tag="ping"):
    payload: dict[str, Any] | None = None


class Pong(msgspec.Struct, tag="pong"):
    payload: dict[str, Any] | None = None


class Subscribe(msgspec.Struct, tag="subscribe"):
    id: str
    payload: Request


class Complete(msgspec.Struct, tag="complete"):
    id: str


_Message = ConnectionInit | Ping | Pong | Subscribe | Complete
_DECODER: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message, float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """operations: running at once on one connection. connections: open at once with one key."""

    init_seconds: float = 5.0
    send_seconds: float = 30.0
    operations: int = 100
    connections: int = 100


class _Closing(Exception):
    """Ends the connection; the close code and its reason."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code, reason)


class GraphqlSocket:
    """An ASGI app for the scope `websocket`."""

    def __init__(
        self, operations: Operations, keyring: Keyring, limits: SocketLimits | None = None
    ) -> None:
        self._operations = operations
        self._keyring = keyring
        self._limits = limits or SocketLimits()
        self._open: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        authorization = websocket.headers.get("authorization")
        credentials = None
        if authorization is not None:
            try:
                credentials = authenticate(self._keyring, authorization)
            except Unauthenticated as refusal:
                body = error_body("UNAUTHENTICATED", str(refusal))
                await websocket.send_denial_response(unauthenticated(body))
                return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await websocket.accept()
            await websocket.close(NO_SUBPROTOCOL, f"the subprotocol is {SUBPROTOCOL}")
            return
        await websocket.accept(SUBPROTOCOL)
        connection = _Connection(
            websocket, self._operations, self._keyring, self._limits, self._open
        )
        await connection.run(credentials)


@dataclass(eq=False)
class _Connection:
    websocket: WebSocket
    operations: Operations
    keyring: Keyring
    limits: SocketLimits
    open_connections: Counter[bytes]
    # Every task that has not ended, also when its id is free again: cancelling takes time.
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    by_id: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    started: int = 0

    async def run(self, credentials: Credentials | None) -> None:
        try:
            credentials = await self._initialised(credentials)
            with _Counted(self.open_connections, credentials.digest):
                if self.open_connections[credentials.digest] > self.limits.connections:
                    raise _Closing(TRY_AGAIN_LATER, "too many connections with this key")
                await self._send({"type": "connection_ack"})
                while True:
                    await self._handle(await self._receive(), credentials)
        except _Closing as closing:
            await self._close(closing)
        except WebSocketDisconnect:
            pass
        finally:
            await self._end_operations()

    async def _initialised(self, credentials: Credentials | None) -> Credentials:
        """Return the credentials of `connection_init`, or those that came with the upgrade."""
        try:
            async with asyncio.timeout(self.limits.init_seconds):
                message = await self._receive()
                while isinstance(message, Ping | Pong):
                    await self._pong(message)
                    message = await self._receive()
        except TimeoutError:
            raise _Closing(INIT_TIMEOUT, "Connection initialisation timeout") from None
        if not isinstance(message, ConnectionInit):
            raise _Closing(UNAUTHORIZED, "Unauthorized")
        payload = {name.lower(): value for name, value in (message.payload or {}).items()}
        authorization = payload.get("authorization")
        if authorization is not None or credentials is None:
            text = authorization if isinstance(authorization, str) else None
            try:
                credentials = authenticate(self.keyring, text)
            except Unauthenticated as refusal:
                raise _Closing(UNAUTHORIZED, str(refusal)) from None
        identity = credentials.identity
        self.websocket.scope["state"]["key"] = identity.hint or identity.name
        return credentials

    async def _handle(self, message: _Message, credentials: Credentials) -> None:
        match message:
            case Subscribe():
                await self._subscribe(message, credentials)
            case Complete(id=ended):
                task = self.by_id.pop(ended, None)
                if task is not None:
                    task.cancel()
            case Ping() | Pong():
                await self._pong(message)
            case ConnectionInit():
                raise _Closing(DOUBLE_INIT, "Too many initialisation requests")

    async def _subscribe(self, message: Subscribe, credentials: Credentials) -> None:
        if not 0 < len(message.id) <= LONGEST_ID:
            raise _Closing(BAD_MESSAGE, f"an id has 1 to {LONGEST_ID} characters")
        if message.id in self.by_id:
            raise _Closing(DOUBLE_ID, "Subscriber for this id already exists")
        if len(self.tasks) >= self.limits.operations:
            told = f"{self.limits.operations} operations run on this connection: end one first"
            await self._send_errors(message.id, error_body("TOO_MANY_OPERATIONS", told))
            return
        self.started += 1
        request_id = f"{self.websocket.scope['state']['request_id']}-{self.started}"
        try:
            position = position_of(_text(message.payload.extensions, "position"))
        except UnknownPosition as refusal:
            await self._send_errors(message.id, error_body("BAD_REQUEST", str(refusal)))
            return
        asker = Asker(credentials.identity, request_id, position)
        task = asyncio.create_task(self._operate(message, asker, credentials.digest))
        self.by_id[message.id] = task
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _operate(self, message: Subscribe, asker: Asker, digest: bytes) -> None:
        mine = asyncio.current_task()
        try:
            async with aclosing(self.operations.answers(message.payload, asker)) as answers:
                async for answer in answers:
                    if self.keyring.find(digest) is None:
                        raise _Closing(UNAUTHORIZED, "the key is not known any longer")
                    if not answer.was_executed:
                        self._forget(message.id, mine)
                        await self._send_errors(message.id, answer.body)
                        return
                    await self._send(
                        {"id": message.id, "type": "next", "payload": _payload(answer)}
                    )
            self._forget(message.id, mine)
            await self._send({"id": message.id, "type": "complete"})
        except _Closing as closing:
            await self._close(closing)
        except WebSocketDisconnect:
            pass
        finally:
            self._forget(message.id, mine)

    def _forget(self, operation_id: str, task: asyncio.Task[None] | None) -> None:
        """Free the id, unless another operation has it by now."""
        if self.by_id.get(operation_id) is task:
            del self.by_id[operation_id]

    async def _end_operations(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _receive(self) -> _Message:
        frame = await self.websocket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1005))
        text = frame.get("text")
        if text is None:
            raise _Closing(BAD_MESSAGE, "messages are text")
        try:
            return decode(text.encode(), _DECODER)
        except NotAcceptable as refusal:
            raise _Closing(BAD_MESSAGE, f"Invalid message: {refusal}") from None

    async def _pong(self, message: Ping | Pong) -> None:
        if isinstance(message, Ping):
            await self._send({"type": "pong"})

    async def _send_errors(self, operation_id: str, body: dict[str, Any]) -> None:
        await self._send({"id": operation_id, "type": "error", "payload": body["errors"]})

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a message; a client that does not read is let go of. Raises WebSocketDisconnect."""
        if self.websocket.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect
        try:
            async with asyncio.timeout(self.limits.send_seconds):
                await self.websocket.send_text(encode(message).decode())
        except TimeoutError:
            raise _Closing(TRY_AGAIN_LATER, "messages are not read") from None

    async def _close(self, closing: _Closing) -> None:
        if self.websocket.application_state is WebSocketState.CONNECTED:
            # A close frame has room for 123 bytes of reason.
            reason = closing.reason.encode()[:123].decode(errors="ignore")
            await self.websocket.close(closing.code, reason)


class _Counted:
    """Counts a connection while it is open."""

    def __init__(self, counter: Counter[bytes], digest: bytes) -> None:
        self._counter = counter
        self._digest = digest

    def __enter__(self) -> None:
        self._counter[self._digest] += 1

    def __exit__(self, *_: object) -> None:
        self._counter[self._digest] -= 1
        if not self._counter[self._digest]:
            del self._counter[self._digest]


def _payload(answer: Answer) -> dict[str, Any]:
    if not answer.position:
        return answer.body
    extensions = {**answer.body.get("extensions", {}), "position": position_text(answer.position)}
    return {**answer.body, "extensions": extensions}


def _text(extensions: dict[str, Any] | None, name: str) -> str | None:
    value = (extensions or {}).get(name)
    return value if isinstance(value, str) else None
