"""Values that UNIQUE has met in a cycle.

There may be any number of them, so none stands in a wallet's state: the first sight of a
value is a stream of its own, written in the INSERT of the charge that brought it, by
whoever holds the wallet. The value itself is nowhere: the id derives from its HMAC.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.identity import derived_id
from domain.rating.running_total import TotalKey


def sighting_id(wallet_id: str, key: TotalKey, value: str, secret: bytes) -> str:
    """Return the id of a value's sight in a cycle. secret: keeps it from being guessed."""
    product, price, starts_at = key
    told = hmac.digest(secret, value.encode(), sha256).hex()
    return derived_id("sighting", wallet_id, product, price, starts_at.isoformat(), told)


@dataclass(frozen=True)
class ValueSeen(Event):
    """`charge_id` brought a value first in its cycle."""

    TOPIC: ClassVar[str] = "sighting.seen"
    wallet_id: str
    charge_id: str

    def apply(self, aggregate: Sighting) -> None:
        aggregate.charge_id = self.charge_id


@dataclass(frozen=True)
class ValueForgotten(Event):
    """The last charge that brought the value was withdrawn: it counts as new again."""

    TOPIC: ClassVar[str] = "sighting.forgotten"
    wallet_id: str
    charge_id: str

    def apply(self, aggregate: Sighting) -> None:
        aggregate.charge_id = None


class Sighting(Aggregate):
    """A value in a cycle. charge_id: of the charge that counted it; None while none does."""

    TOPIC = "sighting"
    charge_id: str | None
