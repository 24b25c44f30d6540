"""Ids that derive from a client's own keys.

An id is the first 16 bytes of SHA-256 over length-prefixed parts, written as UUID text.
The length prefix keeps ("a:b", "c") and ("a", "b:c") apart.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

LEDGER_PREFIX = "counterfoil:"
EXTERNAL = "ext:"
REMEMBERED_SOURCES = 1_000
REMEMBERED = 100_000  # ids of customers and wallets, which every charge asks for
ADJUSTMENT_METER = "adjustment"
ADJUSTMENT_SOURCE = f"{LEDGER_PREFIX}adjustment"


def derived_id(kind: str, *parts: str) -> str:
    """Return the id of what `kind` and `parts` name; the same parts, the same id."""
    return _uuid_text(sha256(_prefixed(kind, *parts)).hexdigest())


def tenant_id(key: str) -> str:
    return derived_id("tenant", key)


@lru_cache(maxsize=REMEMBERED)
def customer_id(tenant: str, external_id: str) -> str:
    return derived_id("customer", tenant, external_id)


@lru_cache(maxsize=REMEMBERED)
def wallet_id(tenant: str, customer: str) -> str:
    return derived_id("wallet", tenant, customer)


def customer_named(tenant: str, reference: str) -> str:
    """Return the id of a customer named by id, or as "ext:" and the tenant's own id."""
    if reference.startswith(EXTERNAL):
        return customer_id(tenant, reference[len(EXTERNAL) :])
    return reference.lower()


@lru_cache(maxsize=REMEMBERED)
def wallet_named(tenant: str, reference: str) -> str:
    """Return the id of the wallet of a customer named so."""
    return wallet_id(tenant, customer_named(tenant, reference))


def catalog_id(tenant: str) -> str:
    return derived_id("catalog", tenant)


def meter_id(tenant: str, key: str) -> str:
    return derived_id("meter", tenant, key)


def product_id(tenant: str, key: str) -> str:
    return derived_id("product", tenant, key)


def price_id(tenant: str, product: str, version: int, key: str) -> str:
    return derived_id("price", tenant, product, str(version), key)


def override_id(subscription: str, key: str) -> str:
    """Of the price that was agreed with one customer."""
    return derived_id("override", subscription, key)


def asset_id(tenant: str, key: str) -> str:
    return derived_id("asset", tenant, key)


def charge_id(tenant: str, source: str, event_id: str) -> str:
    digest = _charges_of(tenant, source).copy()
    octets = event_id.encode()
    digest.update(len(octets).to_bytes(4) + octets)
    return _uuid_text(digest.hexdigest())


@lru_cache(maxsize=REMEMBERED_SOURCES)
def _charges_of(tenant: str, source: str) -> _Hash:
    """Return the digest of what the ids of one source's charges begin with."""
    return sha256(_prefixed("charge", tenant, source))


def subscription_id(tenant: str, key: str) -> str:
    """Of the subscription that is made under the idempotency key `key`."""
    return derived_id("subscription", tenant, key)


def fee_id(event_id: str) -> str:
    """Of the fee that a subscription charges under `event_id`, which its own id begins."""
    return derived_id("fee", event_id)


def hold_id(tenant: str, charge: str) -> str:
    return derived_id("hold", tenant, charge)


def grant_id(tenant: str, command: str, key: str) -> str:
    """Of the grant that `command` makes under the idempotency key `key`."""
    return derived_id("grant", tenant, command, key)


def claim_id(tenant: str, kind: str, key: str) -> str:
    return derived_id("claim", tenant, kind, key)


def grant_payment_id(tenant: str, grant: str) -> str:
    """Of the one payment that a grant on account can have."""
    return derived_id("grant-payment", tenant, grant)


def bundle_id(tenant: str, customer: str, key: str) -> str:
    """Of a customer's purchase that the tenant calls `key`."""
    return derived_id("bundle", tenant, customer, key)


def read_model_stop_id(tenant: str, read_model: str, position: int) -> str:
    """Of the one telling that a read model stopped at a position."""
    return derived_id("read-model-stop", tenant, read_model, str(position))


def accounting_id(tenant: str) -> str:
    return derived_id("accounting", tenant)


def period_id(tenant: str, month: str) -> str:
    return derived_id("period", tenant, month)


def journal_entry_id(tenant: str, number: int) -> str:
    return derived_id("journal-entry", tenant, str(number))


def _prefixed(*parts: str) -> bytes:
    octets = [part.encode() for part in parts]
    return b"".join([len(each).to_bytes(4) + each for each in octets])


def _uuid_text(hexadecimal: str) -> str:
    h = hexadecimal
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}"
