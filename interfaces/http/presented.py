"""Whose request it is: by the key in its header, or by the link that was followed."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from interfaces.http.asker import Unauthenticated, authenticate
from interfaces.http.errors import error_body
from interfaces.http.responses import json_response, unauthenticated
from interfaces.keys.keyring import Keyring
from interfaces.keys.links import SIGNATURE, LinkRefused, Links


def tenant_of(request: Request, keyring: Keyring, links: Links, at: datetime) -> str:
    """Return the tenant. Raises Unauthenticated, LinkRefused."""
    if SIGNATURE in request.query_params:
        asked = request.query_params
        return links.tenant_of(request.url.path, {name: asked[name] for name in asked}, at)
    return authenticate(keyring, request.headers.get("authorization")).identity.tenant_id


def not_let_in(refusal: Unauthenticated | LinkRefused) -> Response:
    if isinstance(refusal, LinkRefused):
        return json_response(error_body("FORBIDDEN", str(refusal)), 403)
    return unauthenticated(error_body("UNAUTHENTICATED", str(refusal)))
