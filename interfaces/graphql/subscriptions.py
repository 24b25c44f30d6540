"""Subscriptions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import subscription
from interfaces.graphql.lookups import required_customer
from interfaces.graphql.wallets import Wallet, load_wallet


@strawberry.type
class Subscription:
    @subscription("The wallet as it is, then after changes of it; several at once are told once.")
    async def wallet_changed(
        self, info: Info, *, customer_id: strawberry.ID
    ) -> AsyncGenerator[Wallet, None]:
        context = info.context
        wallet_id = (await required_customer(context, customer_id)).wallet_id
        changes = context.runtime.wallet_changes(context.caller.tenant_id, wallet_id)
        told_version = 0
        async with aclosing(changes):
            # The first position comes at once: what changes from then on is not missed.
            async for position in changes:
                context.reached(position)
                wallet = await _latest(context, wallet_id)
                if wallet.state.version != told_version:
                    told_version = wallet.state.version
                    yield wallet


async def _latest(context: RequestContext, wallet_id: str) -> Wallet:
    context.renew()
    wallet = await load_wallet(context, wallet_id)
    assert wallet is not None, f"no wallet {wallet_id}"
    return wallet
