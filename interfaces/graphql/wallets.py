"""Wallets and accounts, at the latest version of the log or as of a time."""

from __future__ import annotations

from asyncio import gather
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry
from anyio import to_thread

from domain.wallet import account as ledger_account
from domain.wallet import wallet as ledger_wallet
from interfaces.graphql.assets import Asset, asset_of
from interfaces.graphql.budgets import Budget, load_budgets
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.grants import CreditGrant, load_grants
from interfaces.graphql.nodes import Node
from interfaces.graphql.scalars import ExactDecimal, exact, optional_exact
from interfaces.graphql.top_ups import AutoTopUp, auto_top_up_of

if TYPE_CHECKING:
    from interfaces.graphql.customers import Customer


@strawberry.enum
class WalletMode(Enum):
    SHADOW = "SHADOW"
    HYBRID = "HYBRID"
    CONTROL = "CONTROL"


@strawberry.type(description="One asset's balance in a wallet.")
class Account:
    available: ExactDecimal = strawberry.field(
        description="Usable now, whatever the meter, less what is held and what is owed."
    )
    held: ExactDecimal
    overage: ExactDecimal = strawberry.field(
        description="Spent beyond grants and still owed: neither repaid by a grant nor paid."
    )
    overage_invoiced: ExactDecimal = strawberry.field(
        description="The part of it that is on an issued, unpaid invoice."
    )
    overage_limit: ExactDecimal | None = strawberry.field(description="Null: no limit.")
    pending: ExactDecimal = strawberry.field(description="Grants that are not effective yet.")
    alert_below: ExactDecimal | None = strawberry.field(
        description="The balance below which it is told; null: none."
    )
    auto_top_up: AutoTopUp | None
    event_maximum: ExactDecimal | None = strawberry.field(
        description="The most that one event may take; null: no limit."
    )
    wallet: strawberry.Private[Wallet]
    state: strawberry.Private[ledger_account.Account]

    @strawberry.field
    async def asset(self, info: Info) -> Asset:
        asset = await info.context.loaders.asset(self.state.asset)
        assert asset is not None, f"no asset {self.state.asset}"
        return asset_of(asset)

    @field("What is available to this meter: of grants whose scope includes it.")
    def available_for(self, meter: str) -> ExactDecimal:
        at = self.wallet.as_of
        return exact(self.state.available_for_units(meter, at, at), self.state.scale)

    @field("In burn-down order.")
    async def grants(self, info: Info, *, include_spent: bool | None = False) -> list[CreditGrant]:
        context, account = info.context, self.state
        ids = set(account.grants)
        if include_spent:
            await context.wait_for_lists(self.wallet.state.customer_id)
            ids.update(
                await to_thread.run_sync(
                    context.runtime.read_models.spent_grant_ids,
                    context.caller.tenant_id,
                    self.wallet.state.id,
                    account.asset,
                )
            )
        past = self.wallet.as_of if self.wallet.past else None
        return await load_grants(context, ids, self.wallet.state, account.scale, past)


@strawberry.type(description="The customer's consistency boundary: one account an asset.")
class Wallet(Node):
    mode: WalletMode
    frozen: bool
    as_of: datetime
    state: strawberry.Private[ledger_wallet.Wallet]
    past: strawberry.Private[bool]

    @strawberry.field
    async def customer(
        self, info: Info
    ) -> Annotated[Customer, strawberry.lazy("interfaces.graphql.customers")]:
        from interfaces.graphql.customers import load_customer

        customer = await load_customer(info.context, self.state.customer_id)
        assert customer is not None, f"no customer {self.state.customer_id}"
        return customer

    @field("In the order of the assets' keys.")
    def accounts(self) -> list[Account]:
        return [_account_of(self, key) for key in sorted(self.state.accounts)]

    @strawberry.field
    async def budgets(self, info: Info) -> list[Budget]:
        return await load_budgets(info.context, self.state, self.as_of, past=self.past)

    @field("Null until the wallet has had that asset.")
    def account(self, asset: str) -> Account | None:
        return _account_of(self, asset) if asset in self.state.accounts else None


def _account_of(wallet: Wallet, key: str) -> Account:
    account = wallet.state.accounts[key]
    scale = account.scale
    watch = wallet.state.watches.get(key)
    return Account(
        available=exact(account.available_units(wallet.as_of), scale),
        held=exact(account.held_units, scale),
        overage=exact(account.owed_units, scale),
        overage_invoiced=exact(account.invoiced_units(), scale),
        overage_limit=optional_exact(account.limit_units, scale),
        pending=exact(account.pending_units, scale),
        event_maximum=optional_exact(wallet.state.budgets.maxima.get(key), scale),
        alert_below=optional_exact(watch.alert_units if watch is not None else None, scale),
        auto_top_up=auto_top_up_of(watch, scale),
        wallet=wallet,
        state=account,
    )


def wallet_of(state: ledger_wallet.Wallet, as_of: datetime, *, past: bool = False) -> Wallet:
    return Wallet(
        id=strawberry.ID(state.id),
        mode=WalletMode(state.mode),
        frozen=state.frozen,
        as_of=as_of,
        state=state,
        past=past,
    )


async def load_wallet(context: RequestContext, wallet_id: str) -> Wallet | None:
    """Return the wallet at the latest version, what falls due by the clock applied."""
    loaders = context.loaders
    state, now = await gather(loaders.wallets.load(wallet_id), loaders.now())
    return None if state is None else wallet_of(state, now)


async def load_past_wallet(context: RequestContext, wallet_id: str, at: datetime) -> Wallet | None:
    """Return the wallet as it was recorded by `at`, what fell due by then applied."""
    state = await to_thread.run_sync(
        context.runtime.reader.wallet_as_of, context.caller.tenant_id, wallet_id, at
    )
    return None if state is None else wallet_of(state, at, past=True)
