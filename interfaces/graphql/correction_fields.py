"""Mutations that make settled charges come to something else."""

from __future__ import annotations

from typing import Annotated

import strawberry
from anyio import to_thread

from application.commands import requests
from application.commands.answers import RerateAnswer
from domain import identity
from domain.refusals import InvalidInput as Invalid
from domain.refusals import NotFound as Missing
from domain.refusals import Refusal
from interfaces.graphql.commands import perform, refused
from interfaces.graphql.context import Info
from interfaces.graphql.fields import answering
from interfaces.graphql.inputs import said
from interfaces.graphql.problems import InvalidInput, NotFound, Overloaded
from interfaces.graphql.results import RefundChargeResult
from interfaces.graphql.scalars import ExactDecimal, InstantText, Long, exact
from interfaces.graphql.times import instant_of


@strawberry.type(description="What charges come to when they are rated anew.")
class Rerating:
    charges: Long = strawberry.field(description="How many change.")
    before: ExactDecimal
    after: ExactDecimal
    asset: str
    applied: bool


RerateResult = Annotated[
    Rerating | InvalidInput | NotFound | Overloaded, strawberry.union("RerateResult")
]


@strawberry.type
class CorrectionMutations:
    @answering(
        RefundChargeResult,
        "It never happened: its cycle is rated without it, and what the rest then costs less "
        "goes back. A refund leaves the cycle as it is.",
    )
    async def withdraw_charge(self, info: Info, *, charge_id: strawberry.ID, reason: str) -> object:
        return await perform(info, lambda: requests.WithdrawCharge(charge_id, reason))

    @answering(
        RerateResult,
        "Rates charges of occurredFrom <= t < occurredTo by a version, and the rest of their "
        "cycles with them: what was taken too much goes back, what was too little is burned.",
    )
    async def rerate_charges(
        self,
        info: Info,
        *,
        product_key: str,
        version: int,
        occurred_from: InstantText,
        occurred_to: InstantText,
        reason: str,
        customer_id: strawberry.ID | None = strawberry.UNSET,
        meter: str | None = strawberry.UNSET,
        preview: bool = True,
    ) -> object:
        try:
            asked = requests.RerateWallet(
                wallet_id="",
                product=product_key,
                version=version,
                occurred_from=instant_of(occurred_from, "occurredFrom"),
                occurred_to=instant_of(occurred_to, "occurredTo"),
                reason=reason,
                meter=said(meter),
                dry=preview,
            )
            asked.check()
            return await _rerate(info, asked, said(customer_id))
        except Refusal as refusal:
            return refused(info, refusal)


async def _rerate(info: Info, asked: requests.RerateWallet, customer: str | None) -> Rerating:
    """Rate anew wallet by wallet: each is a decision of its own, and again changes nothing."""
    context = info.context
    tenant_id = context.caller.tenant_id
    reader = context.runtime.reader
    if customer is None:
        wallets = await to_thread.run_sync(
            reader.rated_wallets, tenant_id, asked.product, asked.occurred_from
        )
    else:
        customer_id = reader.customer_id(tenant_id, customer)
        wallets = [identity.wallet_id(tenant_id, customer_id)]
        if not await to_thread.run_sync(reader.customers, tenant_id, [customer_id]):
            raise Missing(what="customer", key=customer)
    catalog = await context.loaders.catalog()
    prices = catalog.product_version(asked.product, asked.version).prices
    commands = [_of_wallet(asked, wallet_id) for wallet_id in wallets]
    outcomes = await context.runtime.ledger.submit_many(context.caller, commands)
    context.renew()
    answers: list[RerateAnswer] = []
    for outcome in outcomes:
        context.reached(outcome.position)
        if outcome.error is not None:
            raise outcome.error
        if outcome.refusal is not None:
            raise outcome.refusal
        assert isinstance(outcome.answer, RerateAnswer)
        answers.append(outcome.answer)
    found = [each for each in answers if each.asset is not None]
    assets = {(each.asset, each.scale) for each in found}
    if len(assets) > 1:
        raise Invalid(field="meter", reason="charges are in several assets: name a meter")
    asset = found[0].asset if found else prices[0].asset if prices else ""
    scale = found[0].scale if found else 0
    return Rerating(
        charges=Long(sum(each.charges for each in answers)),
        before=exact(sum(each.before_units for each in answers), scale),
        after=exact(sum(each.after_units for each in answers), scale),
        asset=asset or "",
        applied=not asked.dry,
    )


def _of_wallet(asked: requests.RerateWallet, wallet_id: str) -> requests.RerateWallet:
    return requests.RerateWallet(
        wallet_id,
        asked.product,
        asked.version,
        asked.occurred_from,
        asked.occurred_to,
        asked.reason,
        asked.meter,
        asked.dry,
    )
