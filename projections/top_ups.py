"""Read model `top_ups`: requests for top-ups as they stand, newest first by their request.

Table: top_ups. Events: those of requests, and the wallet's TopUpWaitEnded. Units are the
asset's smallest; price is in units of its currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Event
from domain.wallet.top_up import TopUpOpened, TopUpTimedOut, TopUpTold
from domain.wallet.watch_events import TopUpWaitEnded
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table


@dataclass(slots=True)
class TopUpRow:
    """wait_ends_at: until when another may not be asked for; None if that is over."""

    tenant: str
    request_id: str
    position: int
    wallet_id: str
    customer_id: str
    asset: str
    units: int
    price: int | None
    price_currency: str | None
    status: str
    requested_at: datetime
    times_out_at: datetime
    wait_ends_at: datetime | None


TOP_UPS = Table(
    "top_ups",
    TopUpRow,
    2,
    "uuid uuid bigint uuid uuid text units units text text time time time",
)

State = dict[str, TopUpRow]


class TopUps(ReadModel[State]):
    name = "top_ups"
    events: ClassVar[tuple[type[Event], ...]] = (
        TopUpOpened,
        TopUpTimedOut,
        TopUpTold,
        TopUpWaitEnded,
    )
    tables: ClassVar[tuple[Table[Any], ...]] = (TOP_UPS,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        later = {
            (tenant, _request_of(event))
            for _, tenant, event in batch
            if not isinstance(event, TopUpOpened)
        }
        return {row.request_id: row for row in TOP_UPS.load(connection, self.location, later)}

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            if isinstance(event, TopUpOpened):
                state[event.originator_id] = _opened(position, tenant, event)
            else:
                _change(state[_request_of(event)], event)

    def save(self, connection: Connection, state: State) -> None:
        TOP_UPS.upsert(connection, self.location, [state[key] for key in sorted(state)])


def _request_of(event: Event) -> str:
    return event.request_id if isinstance(event, TopUpWaitEnded) else event.originator_id


def _opened(position: int, tenant: str, event: TopUpOpened) -> TopUpRow:
    price = event.price
    return TopUpRow(
        tenant, event.originator_id, position, event.wallet_id, event.customer_id, event.asset,
        event.units, price.units if price else None, price.currency if price else None,
        "REQUESTED", event.timestamp, event.times_out_at, event.times_out_at,
    )  # fmt: skip


def _change(row: TopUpRow, event: Event) -> None:
    match event:
        case TopUpWaitEnded():
            row.wait_ends_at = None
        case TopUpTimedOut():
            row.status = "TIMED_OUT"
        case TopUpTold():
            if row.status != "TIMED_OUT" or event.outcome != "ACTION_REQUIRED":
                row.status = event.outcome
            if event.outcome == "SETTLED":
                row.wait_ends_at = None
        case _:
            raise AssertionError(event)
