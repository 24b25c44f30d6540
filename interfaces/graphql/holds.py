"""Holds: amounts set aside before work whose cost is not known yet."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from domain.usage.charge import UsageCharge
from interfaces.graphql.charges import Allocation, allocations_of
from interfaces.graphql.context import RequestContext
from interfaces.graphql.nodes import Node
from interfaces.graphql.scalars import ExactDecimal, exact


@strawberry.enum
class HoldStatus(Enum):
    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    LAPSED = "LAPSED"


@strawberry.type(description="An amount set aside for one usage event.")
class Hold(Node):
    customer_id: strawberry.ID
    asset: str
    status: HoldStatus
    amount: ExactDecimal
    captured: ExactDecimal
    expires_at: datetime
    allocations: list[Allocation] = strawberry.field(description="What grants still hold for it.")
    balance_after: ExactDecimal
    replayed: bool


def hold_of(
    charge: UsageCharge, scale: int, now: datetime | None, *, replayed: bool = False
) -> Hold:
    """Return the hold of a charge's event. now: None where it was decided just now."""
    hold = charge.authorization
    assert hold is not None, f"charge {charge.id} has no hold"
    # It lapses at its time, whether or not that is written yet.
    lapsed = hold.status == "OPEN" and now is not None and hold.expires_at <= now
    return Hold(
        id=strawberry.ID(hold.hold_id),
        customer_id=strawberry.ID(charge.customer_id),
        asset=charge.asset,
        status=HoldStatus.LAPSED if lapsed else HoldStatus(hold.status),
        amount=exact(hold.units, scale),
        captured=exact(hold.captured_units, scale),
        expires_at=hold.expires_at,
        allocations=[] if lapsed else allocations_of(hold.pinned.items(), scale),
        balance_after=exact(hold.balance_after_units, scale),
        replayed=replayed,
    )


async def load_hold(context: RequestContext, hold_id: str) -> Hold | None:
    pointer = await context.loaders.holds.load(hold_id)
    if pointer is None:
        return None
    charge = await context.loaders.charges.load(pointer.charge_id)
    assert charge is not None, f"no charge {pointer.charge_id}"
    scale = await context.loaders.scale(charge.asset)
    return hold_of(charge, scale, await context.loaders.now())


async def load_open_holds(context: RequestContext, wallet_id: str) -> list[Hold]:
    """Return the open holds of a wallet, oldest first."""
    wallet = await context.loaders.wallets.load(wallet_id)
    if wallet is None:
        return []
    charges = await context.loaders.charges.load_many(
        hold.charge_id for hold in wallet.holds.values()
    )
    now = await context.loaders.now()
    holds = [
        hold_of(charge, await context.loaders.scale(charge.asset), now)
        for charge in charges
        if charge is not None
    ]
    return [hold for hold in holds if hold.status is HoldStatus.OPEN]
