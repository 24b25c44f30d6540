"""A subscription as its own stream tells it. What decides stands in its wallet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.aggregate import Aggregate
from domain.catalog.price import Price
from domain.subscriptions.enrolment import FeeCollection, SubscriptionStatus
from domain.subscriptions.events import (
    ChangeScheduled,
    CycleBounds,
    CycleStarted,
    PlanChanged,
    SubscriptionCreated,
)


class Subscription(Aggregate):
    """version: of the product, whose fees and credits the running cycle has."""

    TOPIC = "subscription"
    customer_id: str
    wallet_id: str
    product_key: str
    pinned: int | None
    status: SubscriptionStatus
    quantity: int
    collection: FeeCollection
    overrides: tuple[Price, ...]
    discount: str | None
    anchor: datetime
    trial_ends_at: datetime | None
    cycle: CycleBounds
    cancel_at: datetime | None
    ended_at: datetime | None
    pending: ChangeScheduled | None
    content: dict[str, Any]

    def begin_with(self, event: SubscriptionCreated) -> None:
        self.customer_id = event.customer_id
        self.wallet_id = event.wallet_id
        self.product_key = event.product_key
        self.pinned = event.pinned
        self.status = "SCHEDULED"
        self.quantity = event.quantity
        self.collection = event.collection
        self.overrides = event.overrides
        self.discount = event.discount
        self.anchor = event.anchor
        self.trial_ends_at = event.trial_ends_at
        self.cycle = event.cycle
        self.cancel_at = self.ended_at = None
        self.pending = None
        self.content = event.content

    def start_cycle(self, event: CycleStarted) -> None:
        self.status = "TRIALING" if event.trial else "ACTIVE"
        self._adopt(event)
        if self.pending is not None and self.pending.at <= event.due_at:
            self.pending = None

    def change(self, event: PlanChanged) -> None:
        self._adopt(event)
        self.pending = None

    def _adopt(self, event: CycleStarted | PlanChanged) -> None:
        if event.product_key != self.product_key:
            self.overrides, self.discount = (), None
        self.product_key = event.product_key
        self.pinned = event.pinned
        self.quantity = event.quantity
        self.cycle = event.cycle
        self.anchor = event.anchor

    def end(self, status: SubscriptionStatus, at: datetime) -> None:
        self.status = status
        self.ended_at = at
        self.pending = None
