"""Who sells: the tenant as its documents show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.identity import derived_id
from domain.invoicing.parties import Party


def seller_id(tenant: str) -> str:
    return derived_id("seller", tenant)


@dataclass(frozen=True)
class SellerSet(Event):
    TOPIC: ClassVar[str] = "seller.set"
    party: Party

    def apply(self, aggregate: Seller) -> None:
        aggregate.party = self.party


class Seller(Aggregate):
    TOPIC = "seller"
    party: Party

    def change(self, party: Party, at: datetime) -> None:
        """The same again writes nothing."""
        if party != self.party:
            self.record(SellerSet(self.id, self.version + 1, at, party))
