"""Subscriptions."""

from __future__ import annotations

from asyncio import ensure_future, wait
from collections.abc import AsyncGenerator

import strawberry

from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import subscription
from interfaces.graphql.lookups import required_customer
from interfaces.graphql.wallets import Wallet, load_wallet

SECOND_LOOK_SECONDS = 1.0


@strawberry.type
class Subscription:
    @subscription("The wallet as it is, then after changes of it; several at once are told once.")
    async def wallet_changed(
        self, info: Info, *, customer_id: strawberry.ID
    ) -> AsyncGenerator[Wallet, None]:
        context = info.context
        wallet_id = (await required_customer(context, customer_id)).wallet_id
        changes = context.runtime.wallet_changes(context.caller.tenant_id, wallet_id)
        change = ensure_future(anext(changes))
        told_version = 0
        # The feed may begin after the first state is read: what fell between is not missed.
        patience: float | None = SECOND_LOOK_SECONDS
        try:
            while True:
                wallet = await _latest(context, wallet_id)
                if wallet.state.version != told_version:
                    told_version = wallet.state.version
                    yield wallet
                await wait((change,), timeout=patience)
                patience = None
                if change.done():
                    context.reached(change.result())
                    change = ensure_future(anext(changes))
        finally:
            change.cancel()


async def _latest(context: RequestContext, wallet_id: str) -> Wallet:
    context.renew()
    wallet = await load_wallet(context, wallet_id)
    assert wallet is not None, f"no wallet {wallet_id}"
    return wallet
