"""Amounts set aside before work whose cost is not known yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.wallet.account import HOLD_LAPSES, DueKey
from domain.wallet.events import Part


@dataclass(slots=True)
class OpenHold:
    """Units of `asset`. pinned: of grants; uncovered_units: set aside beyond grants.

    A shadow hold sets nothing aside. charge_version: of the stream of its charge.
    """

    hold_id: str
    charge_id: str
    asset: str
    meter: str
    held_units: int
    uncovered_units: int
    shadow: bool
    expires_at: datetime
    charge_version: int
    pinned: dict[str, int] = field(default_factory=dict)
    subject: str | None = None

    def due_key(self) -> DueKey:
        return (self.expires_at, HOLD_LAPSES, self.asset, self.hold_id)

    def add(self, pinned: tuple[Part, ...]) -> None:
        for grant_id, units in pinned:
            self.pinned[grant_id] = self.pinned.get(grant_id, 0) + units

    def take(self, parts: tuple[Part, ...]) -> None:
        for grant_id, units in parts:
            self.pinned[grant_id] -= units
            if not self.pinned[grant_id]:
                del self.pinned[grant_id]
