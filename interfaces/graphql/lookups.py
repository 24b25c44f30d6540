"""Finding what a query names, and refusing what it cannot mean.

A query has no typed problems: its refusals are raised, and leave as errors with a code.
"""

from __future__ import annotations

from typing import Any

from anyio import to_thread

from application.commands import checks
from domain import identity
from domain.customers.customer import Customer
from domain.refusals import NotFound
from interfaces.graphql.budgets import load_budget
from interfaces.graphql.catalog import load_catalog_node
from interfaces.graphql.charges import load_charge
from interfaces.graphql.context import RequestContext
from interfaces.graphql.customer_subscriptions import load_subscription
from interfaces.graphql.customers import load_customer
from interfaces.graphql.grants import load_grant
from interfaces.graphql.holds import load_hold
from interfaces.graphql.invoices import load_credit_note, load_invoice
from interfaces.graphql.nodes import Node, known_id
from interfaces.graphql.notifications import load_notification
from interfaces.graphql.top_ups import load_top_up
from interfaces.graphql.wallets import load_wallet

LONGEST_REFERENCE = checks.LONGEST_IDENTIFIER + len("ext:")


def check_identifiers(**values: str | None) -> None:
    """Raise InvalidInput naming the first argument that can be no identifier."""
    for field, value in values.items():
        checks.optional_identifier(value, field)


def customer_id_of(context: RequestContext, reference: str, field: str) -> str:
    """Return the id that a customer's reference stands for, whether or not it exists.

    Raises InvalidInput.
    """
    checks.text(reference, field, LONGEST_REFERENCE)
    return context.runtime.reader.customer_id(context.caller.tenant_id, reference)


def wallet_id_of(context: RequestContext, customer_id: str) -> str:
    return identity.wallet_id(context.caller.tenant_id, customer_id)


async def required_customer(context: RequestContext, reference: str) -> Customer:
    """Return the customer. Raises InvalidInput, NotFound."""
    customer = await context.loaders.customers.load(
        customer_id_of(context, reference, "customerId")
    )
    if customer is None:
        raise NotFound(what="customer", key=reference)
    return customer


async def required_scale(context: RequestContext, key: str) -> int:
    """Return an asset's decimal places. Raises InvalidInput, NotFound."""
    checks.asset_key(key, "asset")
    asset = await context.loaders.asset(key)
    if asset is None:
        raise NotFound(what="asset", key=key)
    return asset.scale


async def load_node(context: RequestContext, text: str) -> Node | None:
    """Return whatever has this id: the first event of its stream says what it is."""
    node_id = known_id(text)
    if node_id is None:
        return None
    reader, tenant_id = context.runtime.reader, context.caller.tenant_id
    events = await to_thread.run_sync(
        lambda: reader.events(tenant_id, aggregate_id=node_id, limit=1)
    )
    if not events:
        found = await load_catalog_node(context, node_id)
        return found if found is not None else await load_notification(context, node_id)
    load = _LOADS.get(events[0].topic.partition(".")[0])
    return None if load is None else await load(context, node_id)


_LOADS: dict[str, Any] = {
    "customer": load_customer,
    "wallet": load_wallet,
    "grant": load_grant,
    "charge": load_charge,
    "hold": load_hold,
    "invoice": load_invoice,
    "credit_note": load_credit_note,
    "budget": load_budget,
    "subscription": load_subscription,
    "top_up": load_top_up,
}
