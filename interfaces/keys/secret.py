"""The server's secret, and the secrets that derive from it.

Source: HKDF, RFC 5869, with SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from pathlib import Path

from application.storage.embedded.placement import make_data_dir
from interfaces.keys.private_file import PrivateFileError, read_or_create
from interfaces.settings import SECRET_BYTES, Settings

SECRET_FILE = "secret"  # noqa: S105 - a file's name
KEY_PEPPER = "api key pepper"


def server_secret(settings: Settings) -> bytes:
    """Return the 32 bytes of COUNTERFOIL_SECRET, or of DATA_DIR/secret, made if need be.

    Raises PrivateFileError.
    """
    if settings.secret is not None:
        return b64decode(settings.secret.get_secret_value(), validate=True)
    path = make_data_dir(settings.data_dir) / SECRET_FILE
    return _decoded(read_or_create(path, _new_secret), path)


def derived_secret(secret: bytes, purpose: str, length: int = 32) -> bytes:
    """Return `length` bytes (at most 8 160) for one purpose; other purposes tell nothing of it."""
    extracted = hmac.digest(b"counterfoil", secret, hashlib.sha256)
    expanded = block = b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + purpose.encode() + bytes([counter]), hashlib.sha256)
        expanded += block
    return expanded[:length]


def _new_secret() -> str:
    return b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _decoded(text: str, path: Path) -> bytes:
    try:
        octets = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        octets = b""
    if len(octets) != SECRET_BYTES:
        raise PrivateFileError(f"{path}: is not 32 bytes in base64; restore it from a backup")
    return octets
