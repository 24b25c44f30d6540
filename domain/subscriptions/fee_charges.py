"""A fee that the wallet pays: a charge on the price's key, as work delivered."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from domain.money.asset import Asset
from domain.subscriptions.events import FEE_SOURCE
from domain.usage.events import ChargeObserved, ChargeSettled, Reported

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet


def fee_charged(
    wallet: Wallet,
    charge_id: str,
    event_id: str,
    key: str,
    asset: Asset,
    units: int,
    occurred_at: datetime,
    at: datetime,
) -> None:
    """Charge a fee; what nothing covers becomes overage: whoever may refuse asked before."""
    settlement = wallet.charge(asset, charge_id, key, units, occurred_at, at, delivered=True)
    reported = Reported(
        event_id=event_id,
        source=FEE_SOURCE,
        meter=key,
        quantity=None,
        subject=None,
        occurred_at=occurred_at,
        occurred_stated=False,
        cost=None,
        delivered=True,
    )
    if settlement.observed:
        wallet.also(
            ChargeObserved(
                charge_id,
                1,
                at,
                wallet.customer_id,
                wallet.id,
                reported,
                asset.key,
                units,
                settlement.would_refuse,
                settlement.balance_after_units,
                None,
                {},
            )
        )
        return
    wallet.also(
        ChargeSettled(
            charge_id,
            1,
            at,
            wallet.customer_id,
            wallet.id,
            reported,
            asset.key,
            units,
            settlement.allocations,
            settlement.overage,
            settlement.would_refuse,
            settlement.balance_after_units,
            None,
            {},
        )
    )
