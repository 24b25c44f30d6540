"""A fee that the wallet pays: a charge on the price's key, as work delivered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain.money.asset import Asset
from domain.rating.rate import RatedLine
from domain.subscriptions.events import FEE_SOURCE
from domain.usage.events import ChargeObserved, ChargeSettled, Reported

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet

_MOMENT = timedelta(microseconds=1)


def fee_charged(
    wallet: Wallet,
    charge_id: str,
    event_id: str,
    line: RatedLine,
    asset: Asset,
    occurred_at: datetime,
    at: datetime,
) -> None:
    """Charge a fee; what nothing covers becomes overage: whoever may refuse asked before."""
    units = line.amount_units
    settlement = wallet.charge(asset, charge_id, line.meter, units, occurred_at, at, delivered=True)
    reported = Reported(
        event_id=event_id,
        source=FEE_SOURCE,
        meter=line.meter,
        quantity=line.quantity,
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
                customer_id=wallet.customer_id,
                wallet_id=wallet.id,
                reported=reported,
                asset=asset.key,
                amount_units=units,
                would_refuse=settlement.would_refuse,
                balance_after_units=settlement.balance_after_units,
                hold_id=None,
                private={},
                lines=(line,),
            )
        )
        return
    wallet.also(
        ChargeSettled(
            charge_id,
            1,
            at,
            customer_id=wallet.customer_id,
            wallet_id=wallet.id,
            reported=reported,
            asset=asset.key,
            amount_units=units,
            allocations=settlement.allocations,
            overage=settlement.overage,
            would_refuse=settlement.would_refuse,
            balance_after_units=settlement.balance_after_units,
            hold_id=None,
            private={},
            budgets=settlement.budgets,
            lines=(line,),
        )
    )


def fee_time(event: ChargeSettled) -> datetime:
    """Return when a fee of the wallet is due; in arrears it is the last moment of its time."""
    occurred_at = event.reported.occurred_at
    ended = any(line.ends_at is not None and line.ends_at <= occurred_at for line in event.lines)
    return occurred_at - _MOMENT if ended else occurred_at
