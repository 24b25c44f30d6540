"""Usage charges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from domain import identity
from domain.rating import rate
from domain.usage import charge as ledger_charge
from domain.usage import events
from interfaces.graphql.assets import Money, money_of
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.journal import JournalEntry, entries_of
from interfaces.graphql.journal import money as in_currency
from interfaces.graphql.nodes import Node, PageInfo
from interfaces.graphql.scalars import ExactDecimal, exact

ONE_EVENT = ExactDecimal("1")


@strawberry.enum
class ChargeStatus(Enum):
    SETTLED = "SETTLED"
    OBSERVED = "OBSERVED"
    AUTHORIZED = "AUTHORIZED"
    RELEASED = "RELEASED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    WITHDRAWN = "WITHDRAWN"


@strawberry.type(description="The part of a charge, or of a hold, that one grant pays.")
class Allocation:
    grant_id: strawberry.ID
    amount: ExactDecimal


@strawberry.type(description="How an amount came about: one meter's part of it.")
class RatedLine:
    price: strawberry.ID | None = strawberry.field(description="null: no price matched.")
    meter: str
    quantity: ExactDecimal = strawberry.field(
        description="By how much it moved the total of its price and cycle."
    )
    unit_price: ExactDecimal | None = strawberry.field(
        description="Of a price by the unit, what one unit costs after the discount; "
        "null: another model, or no decimal of 18 places says it."
    )
    amount: ExactDecimal
    description: str
    product_key: str | None
    version: int | None
    overridden: bool = strawberry.field(description="The price was agreed with the customer.")


@strawberry.type(description="Which version of which table said what a charge cost.")
class CostTableUsed:
    key: str
    version: int
    vendor: str | None


@strawberry.type(description="A usage event, rated and settled against grants.")
class UsageCharge(Node):
    event_id: str
    source: str
    customer_id: strawberry.ID
    subject: str | None
    asset: str
    status: ChargeStatus
    amount: ExactDecimal
    refunded: ExactDecimal
    net: ExactDecimal = strawberry.field(description="The amount less all that was given back.")
    overage: ExactDecimal = strawberry.field(description="The part that no grant covered.")
    allocations: list[Allocation]
    lines: list[RatedLine]
    would_refuse: bool = strawberry.field(description="CONTROL would have refused it.")
    balance_after: ExactDecimal = strawberry.field(
        description="Available after this charge, in its asset."
    )
    cost: Money | None = strawberry.field(
        description="What it cost the tenant: as the event said, else by a cost table."
    )
    cost_table: CostTableUsed | None
    properties: JSON
    occurred_at: datetime
    recorded_at: datetime
    replayed: bool

    @field("Revenue that it earned, less what was given back, by currency.")
    async def recognized(self, info: Info) -> list[Money]:
        sums: dict[str, int] = {}
        for entry in await info.context.finance.entries.load(str(self.id)):
            sums[entry.currency] = sums.get(entry.currency, 0) + entry.earned
        return [
            Money(amount=in_currency(minor, currency), currency=currency)
            for currency, minor in sorted(sums.items())
        ]

    @field("What it did in the journal, by number.")
    async def entries(self, info: Info) -> list[JournalEntry]:
        found = await info.context.finance.entries.load(str(self.id))
        return await entries_of(info.context, found)


@strawberry.type
class UsageChargeEdge:
    cursor: str
    node: UsageCharge


@strawberry.type
class UsageChargeConnection:
    nodes: list[UsageCharge]
    edges: list[UsageChargeEdge]
    page_info: PageInfo


def allocations_of(parts: Iterable[tuple[str, int]], scale: int) -> list[Allocation]:
    return [
        Allocation(grant_id=strawberry.ID(grant_id), amount=exact(units, scale))
        for grant_id, units in parts
    ]


def charge_of(
    tenant_id: str, charge: ledger_charge.UsageCharge, scale: int, *, replayed: bool = False
) -> UsageCharge:
    """Return a charge as the API shows it. scale: of its asset."""
    reported = charge.reported
    return UsageCharge(
        id=strawberry.ID(charge.id),
        event_id=reported.event_id,
        source=reported.source,
        customer_id=strawberry.ID(charge.customer_id),
        subject=reported.subject,
        asset=charge.asset,
        status=ChargeStatus(charge.status),
        amount=exact(charge.amount_units, scale),
        refunded=exact(charge.refunded_units, scale),
        net=exact(charge.net_units, scale),
        overage=exact(charge.overage_units, scale),
        allocations=allocations_of(charge.allocations, scale),
        lines=_lines_of(tenant_id, charge, scale),
        would_refuse=charge.would_refuse,
        balance_after=exact(charge.balance_after_units, scale),
        cost=money_of(reported.paid_to_vendor),
        cost_table=_cost_table(reported),
        properties=JSON(charge.private.get("properties") or {}),
        occurred_at=reported.occurred_at,
        recorded_at=charge.settled_at,
        replayed=replayed,
    )


def _cost_table(reported: events.Reported) -> CostTableUsed | None:
    used = reported.vendor_cost
    return (
        None
        if used is None
        else CostTableUsed(key=used.table, version=used.version, vendor=used.vendor)
    )


def _lines_of(tenant_id: str, charge: ledger_charge.UsageCharge, scale: int) -> list[RatedLine]:
    """Return a charge's lines: one of a stated amount, none of what is not settled."""
    if charge.status in ("AUTHORIZED", "RELEASED"):
        return []
    if charge.lines:
        return [_line_of(tenant_id, line, scale) for line in charge.lines]
    reported = charge.reported
    quantity = ONE_EVENT if reported.quantity is None else ExactDecimal(reported.quantity)
    return [
        RatedLine(
            price=None,
            meter=reported.meter,
            quantity=quantity,
            unit_price=None,
            amount=exact(charge.amount_units, scale),
            description=reported.meter,
            product_key=None,
            version=None,
            overridden=False,
        )
    ]


def _line_of(tenant_id: str, line: rate.RatedLine, scale: int) -> RatedLine:
    price_id = None
    described = f"{line.meter}, without a price"
    if line.product is not None and line.price is not None:
        described = f"{line.meter} by price {line.price} of {line.product}"
        if line.version is not None:
            price_id = identity.price_id(tenant_id, line.product, line.version, line.price)
    return RatedLine(
        price=strawberry.ID(price_id) if price_id is not None else None,
        meter=line.meter,
        quantity=ExactDecimal(line.quantity),
        unit_price=ExactDecimal(line.unit_price) if line.unit_price is not None else None,
        amount=exact(line.amount_units, scale),
        description=described,
        product_key=line.product,
        version=line.version,
        overridden=line.overridden,
    )


async def load_charge(
    context: RequestContext, charge_id: str, *, replayed: bool = False
) -> UsageCharge | None:
    charge = await context.loaders.charges.load(charge_id)
    if charge is None:
        return None
    scale = await context.loaders.scale(charge.asset)
    return charge_of(context.caller.tenant_id, charge, scale, replayed=replayed)


async def load_charges(context: RequestContext, ids: Iterable[str]) -> list[UsageCharge]:
    """Return those of the charges that exist, in the order of their ids given."""
    found = await context.loaders.charges.load_many(ids)
    return [
        charge_of(context.caller.tenant_id, charge, await context.loaders.scale(charge.asset))
        for charge in found
        if charge is not None
    ]
