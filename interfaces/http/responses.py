"""Responses that several doors give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

JSON = "application/json"
# An exact decimal in a JSON value is answered as the number that it was sent as.
encode = msgspec.json.Encoder(decimal_format="number").encode


def json_response(
    body: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """Return a body as JSON, not to be kept by caches."""
    return Response(
        encode(body),
        status,
        {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
        f"{media_type}; charset=utf-8",
    )


def unauthenticated(body: dict[str, Any]) -> Response:
    return json_response(body, 401, {"WWW-Authenticate": "Bearer"})
