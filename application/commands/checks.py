"""What a request alone shows to be wrong. Each raises InvalidInput naming the field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from domain.calendar.zones import ZONE_NAMES
from domain.identity import ADJUSTMENT_METER, LEDGER_PREFIX
from domain.money.asset import KEY, LARGEST_SCALE
from domain.money.currencies import EXPONENTS
from domain.money.decimals import NotADecimal, canonical
from domain.refusals import InvalidInput

LONGEST_IDENTIFIER, LONGEST_NAME, LONGEST_TEXT = 200, 500, 4_000
LARGEST_PROPERTIES, DEEPEST_PROPERTIES = 16 * 1_024, 8
MOST_METERS = 100
MOST_REMEMBERED = 10_000
LARGEST_EXPONENT = 308

_encode = msgspec.json.Encoder(decimal_format="number").encode

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def text(value: str, field: str, longest: int) -> None:
    if 0 < len(value) <= longest and value.isascii() and value.isprintable():
        return
    if not value:
        raise InvalidInput(field=field, reason="must not be empty")
    if len(value) > longest:
        raise InvalidInput(field=field, reason=f"at most {longest} characters")
    _characters(value, field)


def _characters(value: str, field: str) -> None:
    if value.isascii() and value.isprintable():
        return
    if _FORBIDDEN.search(value):
        raise InvalidInput(
            field=field, reason="control characters, NUL and surrogates are not allowed"
        )


def identifier(value: str, field: str) -> None:
    text(value, field, LONGEST_IDENTIFIER)


def optional_identifier(value: str | None, field: str) -> None:
    if value is not None:
        identifier(value, field)


def name(value: str, field: str) -> None:
    text(value, field, LONGEST_NAME)


def optional_name(value: str | None, field: str) -> None:
    if value is not None:
        name(value, field)


def free_text(value: str, field: str) -> None:
    text(value, field, LONGEST_TEXT)


def customer(value: str) -> None:
    text(value, "customerId", LONGEST_IDENTIFIER + 4)


def asset_key(value: str, field: str) -> None:
    if not KEY.fullmatch(value):
        raise InvalidInput(field=field, reason="an asset key is A-Z, then A-Z, 0-9 or _, up to 32")


def currency(value: str, field: str) -> None:
    if value not in EXPONENTS:
        raise InvalidInput(field=field, reason="not a currency of ISO 4217")


def definable(key: str, kind: str) -> None:
    if key in EXPONENTS:
        raise InvalidInput(field="key", reason=f"{key} is a currency and known without defining")
    if kind == "CURRENCY":
        raise InvalidInput(field="kind", reason="only currencies of ISO 4217 exist; use CUSTOM")


def scale(value: int, field: str) -> None:
    between(value, 0, LARGEST_SCALE, field)


def between(value: int, least: int, most: int, field: str) -> None:
    if not least <= value <= most:
        raise InvalidInput(field=field, reason=f"must be from {least} to {most}")


def priority(value: int, field: str) -> None:
    between(value, 0, 100, field)


def decimal(value: str, field: str) -> str:
    try:
        return canonical(value)
    except NotADecimal:
        raise InvalidInput(
            field=field,
            reason="not an exact decimal: at most 30 digits, a point, 18 digits, no exponent",
        ) from None


@lru_cache(maxsize=MOST_REMEMBERED)
def not_negative(value: str, field: str) -> None:
    if decimal(value, field).startswith("-"):
        raise InvalidInput(field=field, reason="must not be negative")


def positive(value: str, field: str) -> None:
    number = decimal(value, field)
    if number == "0" or number.startswith("-"):
        raise InvalidInput(field=field, reason="must be above zero")


def signed_for(reason: str, amount: str, field: str) -> None:
    """An adjustment's sign goes with its reason; CORRECTION takes both."""
    number = decimal(amount, field)
    negative = number.startswith("-")
    if number == "0":
        raise InvalidInput(field=field, reason="must not be zero")
    if negative and reason in ("EXTERNAL_TOPUP", "GIFT", "SERVICE_CREDIT"):
        raise InvalidInput(field=field, reason=f"{reason} credits: must be above zero")
    if not negative and reason in ("FORFEITURE", "FEE"):
        raise InvalidInput(field=field, reason=f"{reason} debits: must be below zero")


def zone(value: str, field: str) -> None:
    if value not in ZONE_NAMES:
        raise InvalidInput(field=field, reason=f"no time zone {value[:60]!r} in the IANA database")


def meters(values: Sequence[str], field: str) -> None:
    if not values:
        raise InvalidInput(field=field, reason="name a meter, or leave it out for any")
    if len(values) > MOST_METERS:
        raise InvalidInput(field=field, reason=f"at most {MOST_METERS} meters")
    for value in values:
        meter(value, field)


def meter(value: str, field: str) -> None:
    identifier(value, field)
    if value.startswith(LEDGER_PREFIX) or value == ADJUSTMENT_METER:
        raise InvalidInput(field=field, reason=f"meter {value} is the ledger's own")


def usage(event_id: str, source: str, customer_ref: str, metered: str, subject: str | None) -> None:
    text(event_id, "eventId", LONGEST_IDENTIFIER)
    _usage_of(source, customer_ref, metered, subject)


@lru_cache(maxsize=MOST_REMEMBERED)
def _usage_of(source: str, customer_ref: str, metered: str, subject: str | None) -> None:
    """Check what many events have in common; what has passed passes again."""
    identifier(source, "source")
    customer(customer_ref)
    if source.startswith(LEDGER_PREFIX):
        raise InvalidInput(field="source", reason=f"sources in {LEDGER_PREFIX} are the ledger's")
    meter(metered, "meter")
    if subject is not None:
        subject_path(subject)


def subject_path(value: str) -> None:
    identifier(value, "subject")
    if not all(value.split("/")):
        raise InvalidInput(field="subject", reason="segments joined by /, none of them empty")


@lru_cache(maxsize=MOST_REMEMBERED)
def stated_amount(amount: str | None, asset: str | None) -> None:
    """An event says both, or neither: then it is rated."""
    if amount is None:
        if asset is not None:
            raise InvalidInput(field="amount", reason="an asset without an amount: say both")
        return
    not_negative(amount, "amount")
    if asset is None:
        raise InvalidInput(field="asset", reason="an amount without an asset: say both")
    asset_key(asset, "asset")


def properties(value: Any, field: str) -> None:
    """A JSON object of at most 16 KiB, 8 deep, without control characters."""
    if value is None:
        return
    if not isinstance(value, (dict, Mapping)):
        raise InvalidInput(field=field, reason="must be a JSON object")
    if _few_plain_texts(value):
        return
    _json(value, field, 1)
    if len(_encode(value)) > LARGEST_PROPERTIES:
        raise InvalidInput(field=field, reason="at most 16 KiB of JSON")


def _few_plain_texts(value: Mapping[str, Any]) -> bool:
    """Whether these are texts that are clearly not too long, as most properties are."""
    try:
        texts = "".join([*value, *value.values()])
    except TypeError:
        return False
    few = len(value) <= 100 and len(texts) <= LARGEST_PROPERTIES // 4
    return few and texts.isascii() and texts.isprintable()


def _json(value: Any, field: str, depth: int) -> None:
    if isinstance(value, str):
        _characters(value, field)
    elif isinstance(value, int):
        return
    elif isinstance(value, (dict, Mapping)):  # dict first: an abstract class is slow to ask
        _deep(depth, field)
        for key, item in value.items():
            _characters(key, field)
            _json(item, field, depth + 1)
    elif isinstance(value, list):
        _deep(depth, field)
        for item in value:
            _json(item, field, depth + 1)
    elif isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > LARGEST_EXPONENT:
            raise InvalidInput(field=field, reason=f"numbers up to 1e{LARGEST_EXPONENT}")
    elif isinstance(value, float) and not -1e308 < value < 1e308:
        raise InvalidInput(field=field, reason="NaN and infinity are no JSON")


def _deep(depth: int, field: str) -> None:
    if depth > DEEPEST_PROPERTIES:
        raise InvalidInput(field=field, reason=f"at most {DEEPEST_PROPERTIES} deep")
