"""What an adjustment made: a grant, or a charge."""

from __future__ import annotations

import strawberry

from application.commands.answers import AdjustmentAnswer
from interfaces.graphql.charges import UsageCharge, load_charge
from interfaces.graphql.context import Info
from interfaces.graphql.fields import field
from interfaces.graphql.grants import CreditGrant, load_grant
from interfaces.graphql.scalars import ExactDecimal, exact


@strawberry.type(description="A signed change by a payment provider or a back office.")
class Adjustment:
    amount: ExactDecimal
    balance_after: ExactDecimal
    replayed: bool
    grant_id: strawberry.Private[str | None]
    charge_id: strawberry.Private[str | None]

    @field("What a credit made.")
    async def grant(self, info: Info) -> CreditGrant | None:
        if self.grant_id is None:
            return None
        return await load_grant(info.context, self.grant_id, replayed=self.replayed)

    @field("What a debit made.")
    async def charge(self, info: Info) -> UsageCharge | None:
        if self.charge_id is None:
            return None
        return await load_charge(info.context, self.charge_id, replayed=self.replayed)


def adjustment_of(answer: AdjustmentAnswer, scale: int) -> Adjustment:
    return Adjustment(
        amount=exact(answer.amount_units, scale),
        balance_after=exact(answer.balance_after_units, scale),
        replayed=answer.replayed,
        grant_id=answer.grant_id,
        charge_id=answer.charge_id,
    )
