"""The log itself, for audits."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
import strawberry
from strawberry.scalars import JSON

from application.reading import LoggedEvent
from domain.refusals import InvalidInput
from interfaces.graphql.nodes import PageInfo
from interfaces.graphql.scalars import Long
from projections.pages import BadCursor, cursor, place

_LISTED = "events"
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@strawberry.type(description="A fact of the log, as it is kept.")
class LedgerEvent:
    position: Long
    aggregate_id: strawberry.ID
    version: Long
    type: str
    actor: str | None
    request_id: str | None
    recorded_at: datetime
    data: JSON


@strawberry.type
class LedgerEventEdge:
    cursor: str
    node: LedgerEvent


@strawberry.type(description="Newest first.")
class LedgerEventConnection:
    nodes: list[LedgerEvent]
    edges: list[LedgerEventEdge]
    page_info: PageInfo


def position_of(after: str | None) -> int | None:
    """Return the position that a cursor of the log names. Raises InvalidInput."""
    if after is None:
        return None
    try:
        return place(_LISTED, 1, after)[0]
    except BadCursor:
        raise InvalidInput(field="after", reason="no cursor of this list") from None


def event_of(event: LoggedEvent) -> LedgerEvent:
    return LedgerEvent(
        position=Long(event.position),
        aggregate_id=strawberry.ID(event.originator_id),
        version=Long(event.originator_version),
        type=event.topic,
        actor=event.actor,
        request_id=event.request_id,
        recorded_at=event.recorded_at,
        data=JSON(_decode(event.state)),
    )


def events_page(events: list[LoggedEvent], size: int) -> LedgerEventConnection:
    """Return a page of at most `size`; one more was asked for, to know of a next page."""
    edges = [
        LedgerEventEdge(cursor=cursor(_LISTED, event.position), node=event_of(event))
        for event in events[:size]
    ]
    return LedgerEventConnection(
        nodes=[edge.node for edge in edges],
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(events) > size, end_cursor=edges[-1].cursor if edges else None
        ),
    )
