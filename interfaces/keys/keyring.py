"""The keyring: from a presented key to who presents it.

Keys are known by HMAC-SHA-256 under the server's pepper and looked up by it: no secret is
compared in Python, and what is stored opens nothing. A slow hash would add nothing to 256
random bits, and would let anybody keep the server busy.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from application.storage.embedded.placement import make_data_dir
from interfaces.keys.api_key import hint, new_api_key
from interfaces.keys.private_file import PrivateFileError, read_or_create
from interfaces.keys.secret import KEY_PEPPER, derived_secret, server_secret
from interfaces.settings import LONGEST_KEY, SHORTEST_KEY, Settings, variable_of

ADMIN_KEY_FILE = "admin-key"
ADMIN_NAME = "admin"


class Scope(StrEnum):
    """What a key may be used for. `ADMIN` covers all."""

    INGEST = "ingest"
    READ = "read"
    OPERATE = "operate"
    FINANCE = "finance"
    AUDIT = "audit"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """Who a key stands for. `name` goes into the log of the ledger as the actor.

    introspection: whether the key may ask for the schema. hint: what may be logged of the key.
    """

    tenant_id: str
    name: str
    scopes: frozenset[Scope]
    introspection: bool = False
    hint: str = ""


class KeyStore(Protocol):
    """Keys by their digests."""

    def find(self, digest: bytes) -> KeyIdentity | None: ...


class SetOfKeys:
    """A store that is settled at the start: the administrator's key."""

    def __init__(self, identities: Iterable[tuple[bytes, KeyIdentity]]) -> None:
        self._identities = dict(identities)

    def find(self, digest: bytes) -> KeyIdentity | None:
        return self._identities.get(digest)


class Keyring:
    """Recognises keys in all stores, in order."""

    def __init__(self, pepper: bytes, stores: Iterable[KeyStore]) -> None:
        self._pepper = pepper
        self._stores = tuple(stores)

    def digest(self, key: str) -> bytes | None:
        """Return the digest of a presented key; None when its length alone rules it out."""
        if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
            return None
        return key_digest(self._pepper, key)

    def find(self, digest: bytes) -> KeyIdentity | None:
        """Return whose key it is; asked again for a key that is in use, it notices a revocation."""
        for store in self._stores:
            identity = store.find(digest)
            if identity is not None:
                return identity
        return None


def key_digest(pepper: bytes, key: str) -> bytes:
    return hmac.digest(pepper, key.encode("utf-8", "surrogatepass"), hashlib.sha256)


def admin_key(settings: Settings) -> str:
    """Return COUNTERFOIL_ADMIN_KEY, or the key in DATA_DIR/admin-key, made if need be.

    Raises PrivateFileError.
    """
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    path = admin_key_file(settings)
    key = read_or_create(path, new_api_key)
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise PrivateFileError(
            f"{path}: holds no key; restore it, remove it, or set {variable_of('admin_key')}"
        )
    return key


def admin_key_file(settings: Settings) -> Path:
    return make_data_dir(settings.data_dir) / ADMIN_KEY_FILE


def open_keyring(settings: Settings, tenant_id: str, *stores: KeyStore) -> Keyring:
    """Return the keyring that knows the administrator's key, and the keys of `stores`.

    tenant_id: of the first tenant, whose administrator it is. Raises PrivateFileError.
    """
    pepper = derived_secret(server_secret(settings), KEY_PEPPER)
    key = admin_key(settings)
    identity = KeyIdentity(
        tenant_id=tenant_id,
        name=ADMIN_NAME,
        scopes=frozenset(Scope),
        introspection=True,
        hint=hint(key),
    )
    return Keyring(pepper, [SetOfKeys([(key_digest(pepper, key), identity)]), *stores])
