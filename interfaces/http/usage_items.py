"""One item of bulk ingest: a usage event in, a compact result out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import msgspec

from application.commands.answers import ChargeAnswer
from application.commands.requests import Money, RecordUsage
from application.ledger import Outcome
from domain.money.decimals import decimal_of
from domain.refusals import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    Overloaded,
    Refusal,
)
from interfaces.graphql.times import optional_instant
from interfaces.http.json_body import AsSent, NotAcceptable, decode

ScaleOf = Callable[[str], int]


class Cost(AsSent, forbid_unknown_fields=True):
    amount: str
    currency: str


class UsageItem(AsSent, rename="camel", forbid_unknown_fields=True):
    """The fields of `UsageEventInput`; `customer` is short for `customerId: "ext:..."`."""

    event_id: str
    meter: str
    customer_id: str | None = None
    customer: str | None = None
    source: str = "default"
    quantity: str | None = None
    properties: Any = None
    subject: str | None = None
    occurred_at: str | None = None
    amount: str | None = None
    asset: str | None = None
    cost: Cost | None = None
    delivered: bool = False
    not_after: str | None = None

    def command(self) -> RecordUsage:
        """Raises InvalidInput."""
        if (self.customer is None) == (self.customer_id is None):
            raise InvalidInput(field="customerId", reason="say customerId, or customer")
        customer = self.customer_id if self.customer is None else f"ext:{self.customer}"
        assert customer is not None
        return RecordUsage(
            self.event_id,
            customer,
            self.meter,
            self.source,
            self.quantity,
            self.properties,
            self.subject,
            optional_instant(self.occurred_at, "occurredAt"),
            self.amount,
            self.asset,
            None if self.cost is None else Money(self.cost.amount, self.cost.currency),
            self.delivered,
            optional_instant(self.not_after, "notAfter"),
        )


class CloudEvent(AsSent):
    """CloudEvents 1.0: `source` and `id` are the event's identity, `subject` is the
    customer's external id, `type` the meter, `data` the properties; the extension
    `cfsubject` is the agent's path. Other attributes are passed over.

    Source: CloudEvents 1.0.2, sections 3.1 and 4.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str | None = None
    data: Any = None
    cfsubject: str | None = None

    @property
    def event_id(self) -> str:
        return self.id

    def command(self) -> RecordUsage:
        """Raises InvalidInput."""
        return RecordUsage(
            event_id=self.id,
            customer=f"ext:{self.subject}",
            meter=self.type,
            source=self.source,
            properties=self.data,
            subject=self.cfsubject,
            occurred_at=optional_instant(self.time, "time"),
        )


Item = UsageItem | CloudEvent

_USAGE = msgspec.json.Decoder(UsageItem, float_hook=Decimal)
_CLOUD = msgspec.json.Decoder(CloudEvent, float_hook=Decimal)
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")
_FIELD = re.compile(r"field `(?P<field>[^`]*)`")


def item_of(octets: bytes, *, cloud: bool) -> Item:
    """Return an item. Raises InvalidInput naming the field that is missing or of the wrong type."""
    try:
        return decode(octets, _CLOUD) if cloud else decode(octets, _USAGE)
    except NotAcceptable as refusal:
        told = str(refusal)
        named = _PLACE.search(told) or _FIELD.search(told)
        field = named.group(1) if named else "event"
        raise InvalidInput(field=field, reason=told) from None


def event_id_of(octets: bytes) -> str | None:
    """Return how the client calls an item that cannot be read, if that can be."""
    try:
        item = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    named = item.get("eventId", item.get("id")) if isinstance(item, dict) else None
    return named if isinstance(named, str) else None


class Taken(msgspec.Struct, rename="camel", gc=False):
    """What became of an event that was charged; decimals of its asset."""

    event_id: str | None
    outcome: Literal["settled", "observed", "replayed"]
    charge_id: str
    amount: str
    asset: str
    balance: str


class NotTaken(msgspec.Struct, rename="camel", omit_defaults=True):
    """What became of any other; `problem` where it is known."""

    event_id: str | None
    outcome: Literal["invalid", "refused", "unknown"]
    problem: dict[str, Any] | None = None


Result = Taken | NotTaken


def result_of(event_id: str | None, outcome: Outcome, scale_of: ScaleOf) -> Result:
    """Return what became of an item."""
    if outcome.refusal is not None:
        return refused(event_id, outcome.refusal)
    if outcome.error is not None:
        return NotTaken(event_id, "unknown")
    answer = outcome.answer
    assert isinstance(answer, ChargeAnswer)
    charge = answer.told
    scale = scale_of(charge.asset)
    return Taken(
        event_id,
        "replayed" if answer.replayed else "observed" if charge.status == "OBSERVED" else "settled",
        answer.charge_id,
        decimal_of(charge.amount_units, scale),
        charge.asset,
        decimal_of(charge.balance_after_units, scale),
    )


def refused(event_id: str | None, refusal: Refusal) -> NotTaken:
    return NotTaken(
        event_id,
        "invalid" if isinstance(refusal, InvalidInput) else "refused",
        {
            "code": refusal.code,
            "message": str(refusal),
            "retryable": refusal.retryable,
            **_detail(refusal),
        },
    )


def _detail(refusal: Refusal) -> dict[str, Any]:
    match refusal:
        case InvalidInput():
            return {"field": refusal.field}
        case NotFound():
            return {"what": refusal.what, "key": refusal.key}
        case IdempotencyConflict():
            return {"key": refusal.key, "field": refusal.field}
        case InvalidState():
            return {"state": refusal.state}
        case InsufficientFunds():
            return {
                "asset": refusal.asset,
                "required": decimal_of(refusal.required_units, refusal.scale),
                "available": decimal_of(refusal.available_units, refusal.scale),
            }
        case Overloaded():
            return {"retryAfterMs": refusal.retry_after_ms}
        case _:
            return {}
