"""Read model `subscriptions`: what a customer has subscribed to, and when it is due next.

Table: subscriptions. Events: SubscriptionMoved, each of which says all of its subscription.
position: of its first event; moved: of its last, whose allotments are the wallet's if no other
subscription of it has moved since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from domain.aggregate import Event
from domain.subscriptions.allotments import Allotment
from domain.subscriptions.enrolment import Enrolment
from domain.subscriptions.wallet_events import SubscriptionMoved
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Location, Table


@dataclass(slots=True)
class SubscriptionRow:
    tenant: str
    subscription_id: str
    wallet_id: str
    due_at: datetime | None
    position: int
    moved: int
    enrolment: Any
    allotments: Any


SUBSCRIPTIONS = Table(
    "subscriptions", SubscriptionRow, 2, "uuid uuid uuid time bigint bigint json json"
)

State = dict[str, SubscriptionRow]


class Subscriptions(ReadModel[State]):
    name = "subscriptions"
    events: ClassVar[tuple[type[Event], ...]] = (SubscriptionMoved,)
    tables: ClassVar[tuple[Table[Any], ...]] = (SUBSCRIPTIONS,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        keys = {
            (tenant, event.enrolment.subscription_id)
            for _, tenant, event in batch
            if isinstance(event, SubscriptionMoved)
        }
        rows = SUBSCRIPTIONS.load(connection, self.location, keys)
        return {row.subscription_id: row for row in rows}

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            assert isinstance(event, SubscriptionMoved)
            enrolment = event.enrolment
            row = state.get(enrolment.subscription_id)
            if row is None:
                state[enrolment.subscription_id] = SubscriptionRow(
                    tenant,
                    enrolment.subscription_id,
                    event.originator_id,
                    enrolment.due_at,
                    position,
                    position,
                    enrolment,
                    event.allotments,
                )
            else:
                row.due_at, row.moved = enrolment.due_at, position
                row.enrolment, row.allotments = enrolment, event.allotments

    def save(self, connection: Connection, state: State) -> None:
        SUBSCRIPTIONS.upsert(connection, self.location, list(state.values()))


def subscribed(
    connection: Connection, location: Location, tenant: str, wallet_id: str
) -> tuple[tuple[Enrolment, ...], tuple[Allotment, ...]]:
    """Return a wallet's subscriptions, oldest first, and the credits that they were given."""
    found = connection.execute(
        location.query(
            "SELECT {columns} FROM {subscriptions} WHERE tenant = %s AND wallet_id = %s"
            " ORDER BY position",
            columns=SUBSCRIPTIONS.selected(),
        ),
        (tenant, wallet_id),
    )
    rows = [SUBSCRIPTIONS.row_of(row) for row in found]
    if not rows:
        return (), ()
    last = max(rows, key=lambda row: row.moved)
    return (
        tuple(msgspec.convert(row.enrolment, Enrolment) for row in rows),
        msgspec.convert(last.allotments, tuple[Allotment, ...]),
    )
