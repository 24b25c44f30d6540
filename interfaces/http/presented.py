"""Whose request it is: by the key in its header, or by the link that was followed."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request

from interfaces.http.asker import authenticate
from interfaces.keys.keyring import Keyring
from interfaces.keys.links import SIGNATURE, Links


def tenant_of(request: Request, keyring: Keyring, links: Links, at: datetime) -> str:
    """Return the tenant. Raises Unauthenticated, LinkRefused."""
    if SIGNATURE in request.query_params:
        asked = request.query_params
        return links.tenant_of(request.url.path, {name: asked[name] for name in asked}, at)
    return authenticate(keyring, request.headers.get("authorization")).identity.tenant_id
