"""Customers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain.customers import customer as ledger_customer
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.nodes import Node, PageInfo
from interfaces.graphql.wallets import Wallet, load_wallet


@strawberry.type(description="Who the tenant charges.")
class Customer(Node):
    external_id: str
    name: str | None
    email: str | None
    timezone: str
    metadata: JSON
    created_at: datetime
    wallet_id: strawberry.Private[str]

    @strawberry.field
    async def wallet(
        self, info: Info
    ) -> Annotated[Wallet, strawberry.lazy("interfaces.graphql.wallets")]:
        wallet = await load_wallet(info.context, self.wallet_id)
        assert wallet is not None, f"no wallet {self.wallet_id}"
        return wallet


@strawberry.type
class CustomerEdge:
    cursor: str
    node: Customer


@strawberry.type
class CustomerConnection:
    nodes: list[Customer]
    edges: list[CustomerEdge]
    page_info: PageInfo


def customer_of(customer: ledger_customer.Customer) -> Customer:
    private = customer.private
    return Customer(
        id=strawberry.ID(customer.id),
        external_id=customer.external_id,
        name=private.get("name"),
        email=private.get("email"),
        timezone=customer.timezone,
        metadata=JSON(private.get("metadata") or {}),
        created_at=customer.created_on,
        wallet_id=customer.wallet_id,
    )


async def load_customer(context: RequestContext, customer_id: str) -> Customer | None:
    customer = await context.loaders.customers.load(customer_id)
    return None if customer is None else customer_of(customer)


async def load_customers(context: RequestContext, ids: Iterable[str]) -> list[Customer]:
    """Return those of the customers that exist, in the order of their ids given."""
    found = await context.loaders.customers.load_many(ids)
    return [customer_of(customer) for customer in found if customer is not None]
