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
        aggregate.external_id = self.external_id
        aggregate.wallet_id = self.wallet_id
        aggregate.timezone = self.timezone
        aggregate.first_mode = self.mode
        aggregate.private = self.private


class Customer(Aggregate):
    TOPIC = "customer"
    external_id: str
    wallet_id: str
    timezone: str
    first_mode: WalletMode
    private: dict[str, Any]
