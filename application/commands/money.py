"""Money as a client says it, in units."""

from __future__ import annotations

from application.commands.requests import Money
from domain.grants.events import Paid
from domain.money.asset import currency
from domain.refusals import NotFound


def paid_of(money: Money | None, field: str) -> Paid | None:
    """Return money in units of its currency. Raises NotFound, InvalidInput."""
    if money is None:
        return None
    asset = currency(money.currency)
    if asset is None:
        raise NotFound(what="currency", key=money.currency)
    return Paid(asset.units(money.amount, f"{field}.amount"), money.currency)
