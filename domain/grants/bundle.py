"""A purchase: the paid grants and the free ones that came with them, under one bundle id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.grants.events import GrantSource, StandAlonePrice


@dataclass(frozen=True)
class GrantBundled(Event):
    """A grant joined the purchase. currency: of what was paid for it, if it was PAID."""

    TOPIC: ClassVar[str] = "bundle.grant_bundled"
    bundle_id: str
    customer_id: str
    grant_id: str
    source: GrantSource
    asset: str
    currency: str | None
    stand_alone: StandAlonePrice | None

    def apply(self, aggregate: Bundle) -> None:
        if self.originator_version == 1:
            aggregate.members = []
        aggregate.members.append(self)


class Bundle(Aggregate):
    TOPIC = "bundle"
    members: list[GrantBundled]

    @property
    def purchase(self) -> GrantBundled | None:
        """Return the first PAID grant; None while only free ones have come."""
        return next((each for each in self.members if each.source == "PAID"), None)
