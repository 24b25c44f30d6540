"""What customers have subscribed to, as the API shows it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread

from domain import identity
from domain.catalog import price as catalog_price
from domain.metering import quantity
from domain.subscriptions import enrolment as ledger
from domain.subscriptions.subscription import Subscription
from domain.wallet.wallet import Wallet
from interfaces.graphql.catalog import Price, Product, price_of, product_of
from interfaces.graphql.context import RequestContext
from interfaces.graphql.nodes import Node
from interfaces.graphql.scalars import ExactDecimal, exact


@strawberry.enum
class FeeCollection(Enum):
    WALLET = "WALLET"
    INVOICE = "INVOICE"


@strawberry.enum
class SubscriptionStatus(Enum):
    SCHEDULED = "SCHEDULED"
    TRIALING = "TRIALING"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    CANCELED = "CANCELED"
    ENDED = "ENDED"


@strawberry.enum
class ChangeTiming(Enum):
    NOW = "NOW"
    CYCLE_END = "CYCLE_END"


@strawberry.enum(
    description="What becomes of included credits when the plan changes now. REPLACE: the new "
    "plan's full amount, unused old ones are revoked. CARRY: the same, but unused old ones stay. "
    "PRORATE: the new amount for the time left, unused old ones stay."
)
class IncludedOnChange(Enum):
    REPLACE = "REPLACE"
    CARRY = "CARRY"
    PRORATE = "PRORATE"


@strawberry.type(description="startsAt <= t < endsAt; a trial is cycle 0.")
class SubscriptionCycle:
    number: int
    starts_at: datetime
    ends_at: datetime


@strawberry.type(description="A change that takes effect at the cycle's end.")
class PendingChange:
    product_key: str
    version: int | None
    quantity: int
    at: datetime
    includes: IncludedOnChange


@strawberry.type(description="The running total of a price in the cycle.")
class PriceUsage:
    price_key: str
    quantity: ExactDecimal
    amount: ExactDecimal


@strawberry.type(description="A customer's subscription to a product.")
class CustomerSubscription(Node):
    customer_id: strawberry.ID
    product: Product
    version: int | None = strawberry.field(description="Null: it follows the product's versions.")
    status: SubscriptionStatus
    quantity: int = strawberry.field(description="Seats.")
    cycle: SubscriptionCycle
    cancel_at: datetime | None
    trial_ends_at: datetime | None
    anchor: datetime = strawberry.field(description="A boundary of its cycles.")
    pending: PendingChange | None
    collection: FeeCollection
    overrides: list[Price] = strawberry.field(description="Prices agreed with this customer.")
    discount: ExactDecimal | None = strawberry.field(description="A fraction off every price.")
    usage: list[PriceUsage]
    replayed: bool


async def load_subscription(
    context: RequestContext, subscription_id: str, *, replayed: bool = False
) -> CustomerSubscription | None:
    found = await context.loaders.subscriptions.load(subscription_id)
    if found is None:
        return None
    wallet = await context.loaders.wallets.load(found.wallet_id)
    enrolment = wallet.enrolments.get(subscription_id) if wallet is not None else None
    if enrolment is None:
        return await _ended(context, found, replayed=replayed)
    assert wallet is not None
    return await _known(context, wallet, enrolment, replayed=replayed)


async def load_subscriptions(
    context: RequestContext, wallet_id: str, customer_id: str
) -> list[CustomerSubscription]:
    """Return a customer's subscriptions, newest first."""
    await context.wait_for_lists(customer_id)
    ids = await to_thread.run_sync(
        context.runtime.read_models.subscription_ids, context.caller.tenant_id, wallet_id
    )
    found = [await load_subscription(context, each) for each in ids]
    return [each for each in found if each is not None]


async def _known(
    context: RequestContext, wallet: Wallet, enrolment: ledger.Enrolment, *, replayed: bool
) -> CustomerSubscription:
    """Return a subscription as its wallet knows it, what has fallen due applied."""
    totals = wallet.totals.of_cycle(enrolment.terms.product_key, enrolment.cycle_window.starts_at)
    terms, cycle, pending = enrolment.terms, enrolment.cycle_window, enrolment.pending
    return CustomerSubscription(
        id=strawberry.ID(enrolment.subscription_id),
        customer_id=strawberry.ID(wallet.customer_id),
        product=await _product(context, terms.product_key),
        version=terms.pinned,
        status=SubscriptionStatus(enrolment.status),
        quantity=enrolment.quantity,
        cycle=SubscriptionCycle(
            number=enrolment.cycle, starts_at=cycle.starts_at, ends_at=cycle.ends_at
        ),
        cancel_at=enrolment.cancel_at,
        trial_ends_at=enrolment.trial_ends_at,
        anchor=enrolment.tiling.anchor,
        pending=None
        if pending is None
        else PendingChange(
            product_key=pending.terms.product_key,
            version=pending.terms.pinned,
            quantity=pending.quantity,
            at=cycle.ends_at,
            includes=IncludedOnChange(pending.includes),
        ),
        collection=FeeCollection(enrolment.collection),
        overrides=_overrides(enrolment.subscription_id, terms.overrides),
        discount=_decimal(terms.discount),
        usage=[
            PriceUsage(
                price_key=total.price,
                quantity=exact(total.quantity, quantity.SCALE),
                amount=exact(total.amount_units, await context.loaders.scale(total.asset)),
            )
            for total in totals
        ],
        replayed=replayed,
    )


async def _ended(
    context: RequestContext, told: Subscription, *, replayed: bool
) -> CustomerSubscription:
    """Return one that is over for so long that its wallet has let it go."""
    return CustomerSubscription(
        id=strawberry.ID(told.id),
        customer_id=strawberry.ID(told.customer_id),
        product=await _product(context, told.product_key),
        version=told.pinned,
        status=SubscriptionStatus(told.status),
        quantity=told.quantity,
        cycle=SubscriptionCycle(
            number=told.cycle.number, starts_at=told.cycle.starts_at, ends_at=told.cycle.ends_at
        ),
        cancel_at=told.cancel_at,
        trial_ends_at=told.trial_ends_at,
        anchor=told.anchor,
        pending=None,
        collection=FeeCollection(told.collection),
        overrides=_overrides(told.id, told.overrides),
        discount=_decimal(told.discount),
        usage=[],
        replayed=replayed,
    )


async def _product(context: RequestContext, key: str) -> Product:
    catalog = await context.loaders.catalog()
    now = await context.loaders.now()
    return product_of(context.caller.tenant_id, catalog.listed(key, now))


def _overrides(subscription_id: str, prices: tuple[catalog_price.Price, ...]) -> list[Price]:
    return [price_of(identity.override_id(subscription_id, price.key), price) for price in prices]


def _decimal(text: str | None) -> ExactDecimal | None:
    return None if text is None else ExactDecimal(text)
