"""Assets and money."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from domain.grants.events import Paid
from domain.money import asset as assets
from domain.money.currencies import CURRENCY_SCALE
from interfaces.graphql.context import Info
from interfaces.graphql.scalars import ExactDecimal, exact


@strawberry.enum
class AssetKind(Enum):
    CURRENCY = "CURRENCY"
    CUSTOM = "CUSTOM"


@strawberry.type
class ExchangeRate:
    """One unit costs `unitPrice` of `currency`, from `effectiveAt` on."""

    currency: str
    unit_price: ExactDecimal
    effective_at: datetime


@strawberry.type
class Asset:
    """What a balance is counted in; `scale` decimal places, fixed for good."""

    key: str
    name: str
    kind: AssetKind
    scale: int

    @strawberry.field
    async def rates(self, info: Info) -> list[ExchangeRate]:
        custom = None
        if self.kind is AssetKind.CUSTOM:
            custom = await info.context.loaders.custom_assets.load(self.key)
        return [
            ExchangeRate(
                currency=rate.currency,
                unit_price=ExactDecimal(rate.unit_price),
                effective_at=rate.effective_at,
            )
            for rate in (custom.rates if custom is not None else ())
        ]


@strawberry.type
class Money:
    amount: ExactDecimal
    currency: str


def asset_of(asset: assets.Asset) -> Asset:
    return Asset(key=asset.key, name=asset.name, kind=AssetKind(asset.kind), scale=asset.scale)


def money_of(paid: Paid | None) -> Money | None:
    if paid is None:
        return None
    return Money(amount=exact(paid.units, CURRENCY_SCALE), currency=paid.currency)
