"""POST /v1/usage: usage in bulk, each event decided as by `recordUsage`, answered in order."""

from __future__ import annotations

import math
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import msgspec
from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from application.caller import Caller
from application.commands.requests import RecordUsage
from application.ledger import Outcome
from domain.refusals import InvalidInput, Overloaded
from interfaces.http.asker import POSITION_HEADER, Unauthenticated, authenticate, position_text
from interfaces.http.errors import error_body
from interfaces.http.pace import LONGEST_WAIT_SECONDS, Pace
from interfaces.http.responses import JSON, json_response, unauthenticated
from interfaces.http.usage_items import Item, Result, event_id_of, item_of, refused, result_of
from interfaces.keys.keyring import Keyring

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

PATH = "/v1/usage"
MOST_EVENTS = 10_000
LARGEST_BODY = 16 * 1024 * 1024
AT_ONCE = 1_000
NDJSON = "application/x-ndjson"
CLOUD_EVENTS = "application/cloudevents-batch+json"

_RAW_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class _NotTaken(Exception):
    """The batch as a whole: a status, a code, and what is wrong."""

    def __init__(self, status: int, code: str, told: str) -> None:
        super().__init__(told)
        self.response = json_response(error_body(code, told), status)


class UsageEndpoint:
    """An ASGI app. NDJSON is decided as it comes, a thousand lines at a time."""

    def __init__(self, runtime: Runtime, keyring: Keyring) -> None:
        self._runtime = runtime
        self._keyring = keyring
        # The engine is there once the runtime is open.
        self._pace = Pace(lambda: runtime.engine.health())  # noqa: PLW0108

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except _NotTaken as refusal:
            response = refusal.response
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            told = "usage is sent by POST"
            return json_response(error_body("METHOD_NOT_ALLOWED", told), 405, {"Allow": "POST"})
        try:
            identity = authenticate(self._keyring, headers.get("authorization")).identity
        except Unauthenticated as refusal:
            return unauthenticated(error_body("UNAUTHENTICATED", str(refusal)))
        scope["state"]["key"] = identity.hint or identity.name
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in (JSON, NDJSON, CLOUD_EVENTS):
            told = f"send {JSON}, {NDJSON} or {CLOUD_EVENTS}"
            raise _NotTaken(415, "UNSUPPORTED_MEDIA_TYPE", told)
        caller = Caller(identity.tenant_id, identity.name, scope["state"]["request_id"])
        batch = _Batch(self._runtime, self._pace, caller, cloud=media_type == CLOUD_EVENTS)
        parts = _unpacked(receive, headers.get("content-encoding", "identity").lower())
        if media_type == NDJSON:
            async for lines in _lines(parts):
                await batch.decide(lines)
        else:
            body = b"".join([part async for part in parts])
            for items in _slices(_array(body)):
                await batch.decide(items)
        return batch.response()


class _Batch:
    def __init__(self, runtime: Runtime, pace: Pace, caller: Caller, *, cloud: bool) -> None:
        self._runtime = runtime
        self._pace = pace
        self._patience_seconds = LONGEST_WAIT_SECONDS
        self._caller = caller
        self._cloud = cloud
        self._results: list[Result] = []
        self._overloaded: Overloaded | None = None
        self._taken = False
        self._position = 0

    async def decide(self, items: list[bytes]) -> None:
        if len(self._results) + len(items) > MOST_EVENTS:
            # Only a stream comes here with some decided: sent again in parts, they replay.
            raise _NotTaken(413, "BATCH_TOO_LARGE", f"at most {MOST_EVENTS} events a request")
        results: list[Result | None] = []
        commands: list[RecordUsage] = []
        for octets in items:
            item: Item | None = None
            try:
                item = item_of(octets, cloud=self._cloud)
                commands.append(item.command())
                results.append(None)
            except InvalidInput as refusal:
                named = item.event_id if item is not None else event_id_of(octets)
                results.append(refused(named, refusal))
        self._patience_seconds = await self._pace.keep(self._patience_seconds)
        outcomes = await self._runtime.ledger.submit_many(self._caller, commands)
        scales = await self._scales(outcomes)
        open_places = [place for place, result in enumerate(results) if result is None]
        for place, command, outcome in zip(open_places, commands, outcomes, strict=True):
            results[place] = result_of(command.event_id, outcome, scales.__getitem__)
            if isinstance(outcome.refusal, Overloaded):
                self._overloaded = outcome.refusal
            else:
                self._taken = True
        self._position = max([self._position, *[outcome.position for outcome in outcomes]])
        self._taken = self._taken or len(commands) < len(items)
        decided = [result for result in results if result is not None]
        self._runtime.metrics.count_ingested([result.outcome for result in decided])
        self._results += decided

    async def _scales(self, outcomes: list[Outcome]) -> dict[str, int]:
        """Return the scale of each asset that was charged; a thread looks up what is new."""
        keys = {
            outcome.answer.told.asset  # type: ignore[union-attr]
            for outcome in outcomes
            if outcome.answer is not None
        }
        reader, tenant_id = self._runtime.reader, self._caller.tenant_id
        scales: dict[str, int] = {}
        for key in keys:
            asset = reader.met_asset(tenant_id, key)
            if asset is None:
                asset = await to_thread.run_sync(reader.asset, tenant_id, key)
            if asset is not None:
                scales[key] = asset.scale
        return scales

    def response(self) -> Response:
        if self._overloaded is not None and not self._taken:
            seconds = math.ceil(self._overloaded.retry_after_ms / 1_000)
            body = error_body("OVERLOADED", str(self._overloaded))
            return json_response(body, 429, {"Retry-After": str(seconds)})
        headers = {POSITION_HEADER: position_text(self._position)} if self._position else None
        return json_response({"results": self._results}, headers=headers)


async def _unpacked(receive: Receive, encoding: str) -> AsyncIterator[bytes]:
    """Yield the body's parts, unpacked; neither as sent nor unpacked more than LARGEST_BODY."""
    if encoding not in ("identity", "gzip"):
        raise _NotTaken(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding: gzip, or none")
    unpack = _Unpack() if encoding == "gzip" else None
    sent = size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        sent += len(part)
        if unpack is not None:
            part = unpack.part(part, LARGEST_BODY - size + 1)
        size += len(part)
        if max(sent, size) > LARGEST_BODY:
            told = f"the body has more than {LARGEST_BODY} bytes unpacked: send it in parts"
            raise _NotTaken(413, "BODY_TOO_LARGE", told)
        yield part
    if unpack is not None and not unpack.ended:
        raise _NotTaken(400, "BAD_REQUEST", "the body is cut: its gzip does not end")


class _Unpack:
    """Unpacks gzip, which may have several members, one after the other.

    Source: RFC 1952, section 2.2.
    """

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=_GZIP)

    @property
    def ended(self) -> bool:
        return self._member.eof

    def part(self, packed: bytes, most: int) -> bytes:
        """Return what comes out of a part, at most so many bytes."""
        unpacked = bytearray()
        try:
            while packed and len(unpacked) < most:
                if self._member.eof:
                    self._member = zlib.decompressobj(wbits=_GZIP)
                unpacked += self._member.decompress(packed, most - len(unpacked))
                packed = self._member.unused_data
        except zlib.error:
            raise _NotTaken(400, "BAD_REQUEST", "the body is no gzip") from None
        return bytes(unpacked)


_GZIP = 31  # zlib's own number for a gzip header and trailer


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    begun: list[bytes] = []
    waiting: list[bytes] = []
    async for part in parts:
        first, *others = part.split(b"\n")
        begun.append(first)
        if not others:
            continue
        *whole, rest = others
        waiting += [line for line in (b"".join(begun), *whole) if line.strip()]
        begun = [rest]
        while len(waiting) >= AT_ONCE:
            yield waiting[:AT_ONCE]
            del waiting[:AT_ONCE]
    last = b"".join(begun)
    if last.strip():
        waiting.append(last)
    if waiting:
        yield waiting


def _array(body: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _RAW_ARRAY.decode(body)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        told = "the body is no JSON array of events"
        raise _NotTaken(400, "BAD_REQUEST", told) from None


def _slices(items: list[bytes]) -> Iterator[list[bytes]]:
    if len(items) > MOST_EVENTS:
        raise _NotTaken(413, "BATCH_TOO_LARGE", f"at most {MOST_EVENTS} events a request")
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
