"""Queries and mutations about what customers subscribe to."""

from __future__ import annotations

from typing import Annotated

import strawberry

from application.commands import subscription_requests as requests
from interfaces.graphql.catalog_inputs import PriceInput, said_prices
from interfaces.graphql.coercion import made_at_once
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.customer_subscriptions import (
    ChangeTiming,
    CustomerSubscription,
    FeeCollection,
    IncludedOnChange,
    load_subscriptions,
)
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import default, said
from interfaces.graphql.invoice_fields import issue_all
from interfaces.graphql.lookups import required_customer
from interfaces.graphql.problems import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    Overloaded,
)
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.times import optional_instant

SubscriptionResult = Annotated[
    CustomerSubscription
    | InvalidInput
    | NotFound
    | InvalidState
    | IdempotencyConflict
    | InsufficientFunds
    | Overloaded,
    strawberry.union("SubscriptionResult"),
]


@made_at_once
@strawberry.input
class SubscribeInput:
    idempotency_key: str
    customer_id: strawberry.ID
    product_key: str
    version: int | None = strawberry.field(description="Null follows the product's versions.")
    quantity: int | None = 1
    starts_at: InstantText | None = strawberry.field(description="Now unless said.")
    anchor: InstantText | None = strawberry.field(
        description="A boundary of the cycles; a first cycle cut short by it is prorated."
    )
    collection: FeeCollection = FeeCollection.WALLET
    overrides: list[PriceInput] | None = strawberry.field(
        description="Each takes the place of the product's price of its key."
    )
    discount: ExactDecimal | None = strawberry.field(description="0.2 takes 20 % off every price.")

    def command(self) -> requests.Subscribe:
        return requests.Subscribe(
            idempotency_key=self.idempotency_key,
            customer=self.customer_id,
            product_key=self.product_key,
            version=self.version,
            quantity=default(self.quantity, 1),
            starts_at=optional_instant(self.starts_at, "startsAt"),
            anchor=optional_instant(self.anchor, "anchor"),
            collection=self.collection.value,
            overrides=said_prices(self.overrides),
            discount=self.discount,
        )


@strawberry.type
class SubscriptionQueries:
    @field("Newest first.")
    async def subscriptions(
        self, info: Info, *, customer_id: strawberry.ID
    ) -> list[CustomerSubscription]:
        customer = await required_customer(info.context, customer_id)
        return await load_subscriptions(info.context, customer.wallet_id, customer.id)


@strawberry.type
class SubscriptionMutations:
    @answering(
        SubscriptionResult,
        "Charges what is due at once, and gives the running cycle's credits. A past start charges "
        "the fees of all its cycles.",
    )
    async def subscribe(self, info: Info, *, input: SubscribeInput) -> object:
        return await perform(info, input.command)

    @answering(
        SubscriptionResult,
        "Another product, version or number of seats. NOW is prorated by the second, and gives "
        "back what is unused of fees; `includes` acts when product or version changes.",
    )
    async def change_subscription(
        self,
        info: Info,
        *,
        id: strawberry.ID,
        product_key: str,
        version: int | None = strawberry.UNSET,
        quantity: int | None = strawberry.UNSET,
        timing: ChangeTiming = ChangeTiming.NOW,
        includes: IncludedOnChange = IncludedOnChange.REPLACE,
    ) -> object:
        return await perform(
            info,
            lambda: requests.ChangeSubscription(
                subscription_id=id,
                product_key=product_key,
                version=said(version),
                quantity=said(quantity),
                at_cycle_end=timing is ChangeTiming.CYCLE_END,
                includes=includes.value,
            ),
        )

    @answering(SubscriptionResult, "No fees, credits or pricing until it is resumed.")
    async def pause_subscription(self, info: Info, *, id: strawberry.ID) -> object:
        return await perform(info, lambda: requests.PauseSubscription(id))

    @answering(SubscriptionResult, "Begins a new cycle.")
    async def resume_subscription(self, info: Info, *, id: strawberry.ID) -> object:
        return await perform(info, lambda: requests.ResumeSubscription(id))

    @answering(
        SubscriptionResult,
        "NOW revokes unused included credits, gives back what is unused of fees, and issues what "
        "is unbilled.",
    )
    async def cancel_subscription(
        self,
        info: Info,
        *,
        id: strawberry.ID,
        timing: ChangeTiming = ChangeTiming.CYCLE_END,
    ) -> object:
        at_cycle_end = timing is ChangeTiming.CYCLE_END
        answer = await perform(info, lambda: requests.CancelSubscription(id, at_cycle_end))
        if isinstance(answer, CustomerSubscription) and not at_cycle_end:
            await issue_all(info.context, answer.customer_id)
        return answer

    @answering(
        SubscriptionResult,
        "All prices agreed with this customer, for what occurs from now on; fees follow from the "
        "next cycle.",
    )
    async def set_overrides(
        self,
        info: Info,
        *,
        subscription_id: strawberry.ID,
        overrides: list[PriceInput],
        discount: ExactDecimal | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info,
            lambda: requests.SetOverrides(subscription_id, said_prices(overrides), said(discount)),
        )
