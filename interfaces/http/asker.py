"""Who asks: what the headers of a request, or the first message of a WebSocket, say of it."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from interfaces.keys.api_key import LIVE_PREFIX, is_well_formed
from interfaces.keys.keyring import KeyIdentity, Keyring

POSITION_HEADER = "Counterfoil-Position"
REQUEST_ID_HEADER = "X-Request-Id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_POSITION = re.compile(r"p1-([0-9a-f]{1,15})", re.ASCII)


class Unauthenticated(Exception):
    """What is missing or wrong, in a sentence; never the key."""


class UnknownPosition(Exception):
    """A position that this server has not given out."""


@dataclass(frozen=True, slots=True)
class Asker:
    """min_position: answers must reflect the tenant's log at least up to there; 0: any will do."""

    identity: KeyIdentity
    request_id: str
    min_position: int = 0


@dataclass(frozen=True, slots=True)
class Credentials:
    """digest: of the key; by it the keyring is asked again while a connection lasts."""

    digest: bytes
    identity: KeyIdentity


def authenticate(keyring: Keyring, authorization: str | None) -> Credentials:
    """Return whose key `Bearer <key>` carries. Raises Unauthenticated."""
    if not authorization:
        raise Unauthenticated("a key is needed: Authorization: Bearer <key>")
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("only bearer keys are known: Authorization: Bearer <key>")
    key = key.strip(" ")
    digest = keyring.digest(key)
    identity = keyring.find(digest) if digest is not None else None
    if digest is None or identity is None:
        mistyped = key.startswith(LIVE_PREFIX) and not is_well_formed(key)
        raise Unauthenticated(
            "the key is cut or mistyped: its check characters are wrong"
            if mistyped
            else "the key is not known, or no longer"
        )
    return Credentials(digest, identity)


def request_id_of(given: str | None) -> str:
    """Return the client's own id of the request if it is a sane one, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def position_text(position: int) -> str:
    """Return a position as clients keep it: opaque to them."""
    return f"p1-{position:x}"


def position_of(text: str | None) -> int:
    """Return the position that a client brings back; 0 when it brings none.

    Raises UnknownPosition.
    """
    if not text:
        return 0
    form = _POSITION.fullmatch(text)
    if form is None:
        raise UnknownPosition(f"{POSITION_HEADER}: not a position that was given out")
    return int(form[1], 16)
