"""POST /graphql: one operation a request. GET gives browsers a page and executes nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from interfaces.http.asker import (
    POSITION_HEADER,
    Asker,
    Unauthenticated,
    UnknownPosition,
    authenticate,
    position_of,
    position_text,
)
from interfaces.http.errors import error_body, internal_error
from interfaces.http.graphiql import page
from interfaces.http.json_body import NotAcceptable, decode
from interfaces.http.operations import Answer, Operations, Request
from interfaces.http.responses import JSON, json_response, unauthenticated
from interfaces.keys.keyring import Keyring

LARGEST_BODY = 256 * 1024
GRAPHQL_RESPONSE = "application/graphql-response+json"

_DECODER = msgspec.json.Decoder(Request, float_hook=Decimal)
_SERVES = {"Allow": "GET, POST"}

_log = structlog.get_logger()


class GraphqlEndpoint:
    """An ASGI app. Order: key, content type, size, JSON, then the operation's own gate."""

    def __init__(self, operations: Operations, keyring: Keyring) -> None:
        self._operations = operations
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            if scope["method"] == "POST":
                response = await self._post(scope, receive, headers)
            else:
                response = _page(scope, headers)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, headers: Headers) -> Response:
        try:
            identity = authenticate(self._keyring, headers.get("authorization")).identity
        except Unauthenticated as refusal:
            return unauthenticated(error_body("UNAUTHENTICATED", str(refusal)))
        scope["state"]["key"] = identity.hint or identity.name
        wrong = _wrong_content(headers)
        if wrong is not None:
            return json_response(error_body("UNSUPPORTED_MEDIA_TYPE", wrong), 415)
        octets = await _read(receive)
        request_id: str = scope["state"]["request_id"]
        try:
            asker = Asker(identity, request_id, position_of(headers.get(POSITION_HEADER)))
            request = decode(octets, _DECODER)
        except UnknownPosition as refusal:
            return json_response(error_body("BAD_REQUEST", str(refusal)), 400)
        except NotAcceptable as refusal:
            batch = octets.lstrip()[:1] == b"["
            told = "batches are not served: send one operation a request" if batch else str(refusal)
            return json_response(error_body("BAD_REQUEST", f"the body: {told}"), 400)
        return _response(await self._operations.answer(request, asker), asker, headers)


def _wrong_content(headers: Headers) -> str | None:
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media_type.strip() != JSON or charset not in {"", "charset=utf-8"}:
        return f"send the body as {JSON}, in UTF-8"
    if headers.get("content-encoding", "identity").lower() != "identity":
        return "send the body as it is, without Content-Encoding"
    return None


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _response(answer: Answer, asker: Asker, headers: Headers) -> Response:
    """Return the answer: 200, and in the newer media type 400 for what was not executed.

    Source: GraphQL over HTTP, sections 6.4.1 and 6.4.2.
    """
    newer = GRAPHQL_RESPONSE in headers.get("accept", "").lower()
    ours = _codes(answer) & {"INTERNAL", "OUTCOME_UNKNOWN", "UNAVAILABLE"}
    status = 400 if newer and not answer.was_executed and not ours else 200
    out = {POSITION_HEADER: position_text(answer.position)} if answer.position else None
    try:
        return json_response(answer.body, status, out, GRAPHQL_RESPONSE if newer else JSON)
    except (TypeError, ValueError) as failure:
        _log.error("answer is no JSON", request_id=asker.request_id, exc_info=failure)
        return json_response(internal_error(asker.request_id))


def _codes(answer: Answer) -> set[Any]:
    errors = answer.body.get("errors", ())
    return {error.get("extensions", {}).get("code") for error in errors}


def _page(scope: Scope, headers: Headers) -> Response:
    wanted = "text/html" in headers.get("accept", "").lower()
    if scope["method"] in {"GET", "HEAD"} and wanted:
        return page()
    told = "operations are sent by POST; a browser gets a page to write them on"
    return json_response(error_body("METHOD_NOT_ALLOWED", told), 405, _SERVES)
