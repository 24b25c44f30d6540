"""Links that open one thing for a while, without a key: signed, and expiring.

The signature is an HMAC-SHA-256, under a secret of the server, of the path and all that is
asked of it, each part with its length before it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

LIFETIME = timedelta(hours=1)
TENANT, EXPIRES, SIGNATURE = "tenant", "expires", "signature"


class LinkRefused(Exception):
    """The link is not one of ours, or its time is over."""


class Links:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def signed(self, path: str, tenant_id: str, asked: Mapping[str, str], at: datetime) -> str:
        """Return a link to a path of this server that lives an hour from `at`."""
        whole = {**asked, TENANT: tenant_id, EXPIRES: str(int((at + LIFETIME).timestamp()))}
        return f"{path}?{urlencode({**whole, SIGNATURE: self._signature(path, whole)})}"

    def tenant_of(self, path: str, asked: Mapping[str, str], at: datetime) -> str:
        """Return whose thing a link opens. Raises LinkRefused."""
        whole = {name: value for name, value in asked.items() if name != SIGNATURE}
        expected = self._signature(path, whole)
        if not hmac.compare_digest(expected.encode(), asked.get(SIGNATURE, "").encode()):
            raise LinkRefused("the link is not signed by this server")
        if at.timestamp() >= int(whole[EXPIRES]):
            raise LinkRefused("the link has expired: ask for a new one")
        return whole[TENANT]

    def _signature(self, path: str, asked: Mapping[str, str]) -> str:
        parts = [path, *(text for pair in sorted(asked.items()) for text in pair)]
        octets = [part.encode("utf-8", "surrogatepass") for part in parts]
        message = b"".join(len(each).to_bytes(4) + each for each in octets)
        return hmac.digest(self._secret, message, hashlib.sha256).hex()
