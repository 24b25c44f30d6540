"""Cursors of edges: any node of a list can be where the next page begins.

A list's own cursor names a position of the log. An edge's names its node, whose position
is looked up once such a cursor is used.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

from anyio import to_thread

from domain.refusals import InvalidInput
from interfaces.graphql.context import RequestContext
from interfaces.graphql.nodes import known_id
from projections.pages import cursor

# The events that give a node its place in a list; a later one in this order counts more.
_PLACING = {
    "customers": ("customer.created",),
    "charges": ("charge.authorized", "charge.settled", "charge.observed", "charge.captured"),
}
_LONGEST, _MOST_EVENTS = 64, 1_000
_PREFIX = "n:"


def edge_cursor(node_id: str) -> str:
    return urlsafe_b64encode(f"{_PREFIX}{node_id}".encode()).decode()


async def place_after(
    context: RequestContext, listed: Literal["customers", "charges"], after: str | None
) -> str | None:
    """Return the list's own cursor for one of an edge; any other as it is.

    Raises InvalidInput: the node is not in this list.
    """
    node_id = _node_of(after) if after is not None else None
    if node_id is None:
        return after
    reader, tenant_id = context.runtime.reader, context.caller.tenant_id
    events = await to_thread.run_sync(
        lambda: reader.events(tenant_id, aggregate_id=node_id, limit=_MOST_EVENTS)
    )
    order = _PLACING[listed]
    places = [(order.index(each.topic), each.position) for each in events if each.topic in order]
    if not places:
        raise InvalidInput(field="after", reason="no cursor of this list")
    return cursor(listed, max(places)[1])


def _node_of(after: str) -> str | None:
    try:
        text = urlsafe_b64decode(after[:_LONGEST].encode("ascii")).decode("ascii")
    except ValueError:
        return None
    node_id = known_id(text.removeprefix(_PREFIX))
    return node_id if node_id is not None and edge_cursor(node_id) == after else None
