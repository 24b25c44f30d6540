"""What is told."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread
from strawberry.scalars import JSON

from interfaces.graphql.context import RequestContext
from interfaces.graphql.nodes import Node, PageInfo
from interfaces.graphql.scalars import ExactDecimal, Long, optional_exact
from projections.notifications import PERCENT, NotificationRow


@strawberry.enum
class NotificationKind(Enum):
    BALANCE_LOW = "BALANCE_LOW"
    BUDGET_THRESHOLD = "BUDGET_THRESHOLD"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    GRANT_SOURCE_EXHAUSTED = "GRANT_SOURCE_EXHAUSTED"
    FIRST_OVERAGE = "FIRST_OVERAGE"
    TOP_UP_REQUESTED = "TOP_UP_REQUESTED"
    TOP_UP_ACTION_REQUIRED = "TOP_UP_ACTION_REQUIRED"
    TOP_UP_DECLINED = "TOP_UP_DECLINED"
    TOP_UP_SUSPENDED = "TOP_UP_SUSPENDED"
    RUNAWAY_TOP_UP = "RUNAWAY_TOP_UP"
    HOLD_LAPSED = "HOLD_LAPSED"
    GRANT_EXPIRING = "GRANT_EXPIRING"
    UNPRICED_USAGE = "UNPRICED_USAGE"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    PAYMENT_RECEIVED = "PAYMENT_RECEIVED"
    DISPUTE_OPENED = "DISPUTE_OPENED"
    PERIOD_CLOSED = "PERIOD_CLOSED"
    PROJECTION_STOPPED = "PROJECTION_STOPPED"


@strawberry.type(description="Something that was told once.")
class Notification(Node):
    kind: NotificationKind
    customer_id: strawberry.ID | None
    subject: str | None
    asset: str | None
    threshold: ExactDecimal | None = strawberry.field(
        description="Of a budget in percent, else in the asset."
    )
    amount: ExactDecimal | None
    at: datetime
    position: Long
    data: JSON = strawberry.field(description="What it is about, by ids.")


@strawberry.type
class NotificationConnection:
    nodes: list[Notification]
    page_info: PageInfo


async def notification_of(context: RequestContext, row: NotificationRow) -> Notification:
    scale = 0 if row.asset is None else await context.loaders.scale(row.asset)
    percent = row.kind in PERCENT
    return Notification(
        id=strawberry.ID(row.notification_id),
        kind=NotificationKind(row.kind),
        customer_id=None if row.customer_id is None else strawberry.ID(row.customer_id),
        subject=row.subject,
        asset=row.asset,
        threshold=optional_exact(row.threshold, 0 if percent else scale),
        amount=optional_exact(row.amount, scale),
        at=row.at,
        position=Long(row.position),
        data=JSON(row.data),
    )


async def load_notification(context: RequestContext, notification_id: str) -> Notification | None:
    """Return what was told by its id; lists are not waited for."""
    models, tenant_id = context.runtime.read_models, context.caller.tenant_id
    row = await to_thread.run_sync(models.notification, tenant_id, notification_id)
    return None if row is None else await notification_of(context, row)
