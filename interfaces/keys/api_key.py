"""What an API key looks like: `cf_live_`, 43 random characters, 6 check characters.

The check characters tell a mistyped or cut key without looking it up, and let scanners of
source code know a key when they see one. They are no protection against forging.
"""

from __future__ import annotations

import secrets
import string
from zlib import crc32

LIVE_PREFIX = "cf_live_"
RANDOM_CHARACTERS, CHECK_CHARACTERS = 43, 6
_HINT_CHARACTERS = 4

_BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def new_api_key() -> str:
    """Return a key of 256 random bits."""
    body = LIVE_PREFIX + _base_62(secrets.randbits(256), RANDOM_CHARACTERS)
    return body + _check_characters(body)


def is_well_formed(key: str) -> bool:
    """Whether the key has the form of ours and its check characters are right."""
    body, check = key[:-CHECK_CHARACTERS], key[-CHECK_CHARACTERS:]
    return (
        key.isascii()
        and key.startswith(LIVE_PREFIX)
        and len(key) == len(LIVE_PREFIX) + RANDOM_CHARACTERS + CHECK_CHARACTERS
        and check == _check_characters(body)
    )


def hint(key: str) -> str:
    """Return what may be shown and logged of a key: its prefix and four characters.

    Of a key that is not of our form nothing: it may be short.
    """
    return key[: len(LIVE_PREFIX) + _HINT_CHARACTERS] if is_well_formed(key) else ""


def _check_characters(body: str) -> str:
    return _base_62(crc32(body.encode()), CHECK_CHARACTERS)


def _base_62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        characters.append(_BASE_62[digit])
    return "".join(reversed(characters))
