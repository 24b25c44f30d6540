"""JSON as it is taken from clients: UTF-8, no NaN, no lone surrogates, no key twice.

Of doubled keys parsers take the first or the last: a proxy may have checked another value
than the one that would count here.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

MOST_NESTED = 64

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class AsSent(msgspec.Struct, omit_defaults=True):
    """What is encoded again with no more fields than were sent; nested ones are of this kind too.
    A key that stands twice is then seen without a look at each key.
    """


class NotAcceptable(Exception):
    """What is wrong with the JSON, in a clause; no values of it."""


def decode(octets: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return what the octets hold. Raises NotAcceptable."""
    try:
        decoded = decoder.decode(octets)
        _check_nesting(octets)
        if not (isinstance(decoded, AsSent) and _clearly_each_key_once(octets, decoded)):
            _DOUBLED_KEYS.decode(octets.decode())
    except msgspec.ValidationError as failure:
        raise NotAcceptable(str(failure)) from None
    except RecursionError:
        raise NotAcceptable(_TOO_NESTED) from None
    except UnicodeDecodeError:
        raise NotAcceptable("it is not valid UTF-8") from None
    except msgspec.DecodeError as failure:
        raise NotAcceptable(f"it is not valid JSON: {failure}") from None
    return decoded


_TOO_NESTED = f"it is nested more than {MOST_NESTED} levels deep"


def _check_nesting(octets: bytes) -> None:
    if octets.count(b"{") + octets.count(b"[") <= MOST_NESTED:
        return
    depth = 0
    for octet in _TEXT.sub(b"", octets).translate(None, _NO_BRACKETS):
        if octet in b"{[":
            depth += 1
            if depth > MOST_NESTED:
                raise NotAcceptable(_TOO_NESTED)
        else:
            depth -= 1


_NO_BRACKETS = bytes(octet for octet in range(256) if octet not in b"{[]}")
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


def _clearly_each_key_once(octets: bytes, decoded: AsSent) -> bool:
    """Whether nothing of what was sent is lost: each key has a colon, and without escapes texts
    stand in both as they are. A value that says the default is lost as well.
    """
    return b"\\" not in octets and octets.count(b":") == _encode(decoded).count(b":")


def _each_key_once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise NotAcceptable("a key stands twice in one object")


def _nothing(_text: str) -> None:
    return None


_DOUBLED_KEYS = json.JSONDecoder(
    object_pairs_hook=_each_key_once,
    parse_int=_nothing,
    parse_float=_nothing,
    parse_constant=_nothing,
)
