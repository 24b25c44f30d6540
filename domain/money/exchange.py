"""What an amount of an asset costs in a currency, by the rate effective at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.money.asset import Asset, ExchangeRate
from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.money.decimals import units_of
from domain.money.rounding import divide_half_even

_PRICE_PLACES = 18  # what an exact decimal may have after its point


@dataclass(frozen=True, slots=True)
class Quote:
    """`units` of the currency (scale 9), a whole number of its smallest coin. unit_price: the
    rate it was made by; None for an amount of the currency itself.
    """

    units: int
    currency: str
    unit_price: str | None


def effective_rate(
    rates: Sequence[ExchangeRate], currency: str | None, at: datetime
) -> ExchangeRate | None:
    """Return the rate in force at `at`; of those from one time the last said wins.

    currency: None for whichever currency was priced last.
    """
    found: ExchangeRate | None = None
    for rate in rates:
        if rate.effective_at > at or currency not in (None, rate.currency):
            continue
        if found is None or rate.effective_at >= found.effective_at:
            found = rate
    return found


def quote(
    asset: Asset, units: int, rates: Sequence[ExchangeRate], currency: str | None, at: datetime
) -> Quote | None:
    """Return what `units` cost; None where no rate says it. Rounds half-even, to the coin."""
    if asset.kind == "CURRENCY":
        if currency not in (None, asset.key):
            return None
        return Quote(_whole_coins(units, 1, asset.key), asset.key, None)
    rate = effective_rate(rates, currency, at)
    if rate is None:
        return None
    numerator = units * units_of(rate.unit_price, _PRICE_PLACES) * 10**CURRENCY_SCALE
    denominator = 10 ** (asset.scale + _PRICE_PLACES)
    return Quote(
        _whole_coins(numerator, denominator, rate.currency), rate.currency, rate.unit_price
    )


def _whole_coins(numerator: int, denominator: int, currency: str) -> int:
    coin_units: int = 10 ** (CURRENCY_SCALE - EXPONENTS[currency])
    return divide_half_even(numerator, denominator * coin_units) * coin_units
