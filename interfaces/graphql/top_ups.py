"""Auto top-up of an account, and the requests that it makes."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from domain.wallet import top_up as ledger_top_up
from domain.wallet.watches import OPEN, Watch
from interfaces.graphql.assets import Money, money_of
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.grants import CreditGrant, load_grant
from interfaces.graphql.nodes import Node, PageInfo
from interfaces.graphql.scalars import ExactDecimal, exact, optional_exact


@strawberry.enum(description="What a payment provider says of a top-up.")
class TopUpOutcome(Enum):
    SETTLED = "SETTLED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    DECLINED = "DECLINED"
    FAILED = "FAILED"


@strawberry.enum(description="TIMED_OUT: nobody said within an hour; a late success still counts.")
class TopUpStatus(Enum):
    REQUESTED = "REQUESTED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    SETTLED = "SETTLED"
    DECLINED = "DECLINED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


@strawberry.type(description="What is bought when the balance falls below.")
class AutoTopUp:
    asset: str
    below: ExactDecimal
    amount: ExactDecimal | None
    target: ExactDecimal | None = strawberry.field(description="Up to which it is filled.")
    price: Money | None = strawberry.field(
        description="Of `amount`. Null: the exchange rate gives it."
    )
    max_per_day: int
    max_per_month: Money | None
    suspended: bool
    suspended_reason: str | None
    valid_days: int | None = strawberry.field(description="How long the credits live.")


@strawberry.type(description="A request to charge for credits.")
class TopUpRequest(Node):
    customer_id: strawberry.ID
    asset: str
    credits: ExactDecimal
    price: Money | None = strawberry.field(description="What to charge; null if nothing says.")
    status: TopUpStatus
    requested_at: datetime
    grant_id: strawberry.Private[str | None]

    @strawberry.field
    async def grant(self, info: Info) -> CreditGrant | None:
        return None if self.grant_id is None else await load_grant(info.context, self.grant_id)


@strawberry.type
class TopUpRequestConnection:
    nodes: list[TopUpRequest]
    page_info: PageInfo


def auto_top_up_of(watch: Watch | None, scale: int) -> AutoTopUp | None:
    terms = watch.terms if watch is not None else None
    if watch is None or terms is None:
        return None
    reason = None
    if watch.suspended:
        reason = f"{watch.declines} declines in a row: resumeAutoTopUp, or set it anew"
    return AutoTopUp(
        asset=watch.asset,
        below=exact(terms.below_units, scale),
        amount=optional_exact(terms.amount_units, scale),
        target=optional_exact(terms.target_units, scale),
        price=money_of(terms.price),
        max_per_day=terms.max_per_day,
        max_per_month=money_of(terms.max_per_month),
        suspended=watch.suspended,
        suspended_reason=reason,
        valid_days=terms.valid_days,
    )


def top_up_of(request: ledger_top_up.TopUp, scale: int, at: datetime) -> TopUpRequest:
    """Return a request as it is at `at`, its time-out written or not."""
    opened = request.opened
    status = request.status
    if status in OPEN and at >= opened.times_out_at:
        status = "TIMED_OUT"
    return TopUpRequest(
        id=strawberry.ID(request.id),
        customer_id=strawberry.ID(opened.customer_id),
        asset=opened.asset,
        credits=exact(opened.units, scale),
        price=money_of(opened.price),
        status=TopUpStatus(status),
        requested_at=request.requested_at,
        grant_id=request.grant_id,
    )


async def load_top_up(context: RequestContext, request_id: str) -> TopUpRequest | None:
    request = await context.loaders.top_ups.load(request_id)
    if request is None:
        return None
    scale = await context.loaders.scale(request.opened.asset)
    return top_up_of(request, scale, await context.loaders.now())
