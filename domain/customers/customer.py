"""Who the tenant charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from domain.aggregate import Aggregate, Event
from domain.wallet.events import WalletMode


@dataclass(frozen=True)
class CustomerCreated(Event):
    """`external_id`: the tenant's own id; `mode`: its wallet's first. `private`: name, e-mail,
    metadata.
    """

    TOPIC: ClassVar[str] = "customer.created"
    external_id: str
    wallet_id: str
    timezone: str
    mode: WalletMode
    private: dict[str, Any]

    def apply(self, aggregate: Customer) -> None:
        aggregate.created = self
        aggregate.external_id = self.external_id
        aggregate.wallet_id = self.wallet_id
        aggregate.timezone = self.timezone
        aggregate.private = self.private


@dataclass(frozen=True)
class CustomerUpdated(Event):
    """What holds from now on, whole. `private`: name, e-mail, metadata."""

    TOPIC: ClassVar[str] = "customer.updated"
    timezone: str
    private: dict[str, Any]

    def apply(self, aggregate: Customer) -> None:
        aggregate.timezone = self.timezone
        aggregate.private = self.private


class Customer(Aggregate):
    """`created`: as it was first said, for comparing a repeated command."""

    TOPIC = "customer"
    created: CustomerCreated
    external_id: str
    wallet_id: str
    timezone: str
    private: dict[str, Any]
