"""What a balance is counted in: a currency or a custom unit, with a fixed scale."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from domain.aggregate import Aggregate, Event
from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.money.decimals import NotADecimal, TooFine, units_of
from domain.refusals import InvalidInput

AssetKind = Literal["CURRENCY", "CUSTOM"]

CUSTOM_SCALE = 6
LARGEST_SCALE = 12
LARGEST_UNITS = [10 ** (15 + scale) for scale in range(LARGEST_SCALE + 1)]
KEY = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """`scale`: decimal places of the smallest unit."""

    key: str
    name: str
    kind: AssetKind
    scale: int

    def units(self, amount: str, field: str) -> int:
        """Return the units in a decimal amount.

        Raises InvalidInput naming `field`: no exact decimal, finer than the scale, or
        beyond 10^15 whole units.
        """
        try:
            units = units_of(amount, self.scale)
        except NotADecimal:
            raise InvalidInput(field=field, reason="not an exact decimal such as 12.50") from None
        except TooFine:
            raise InvalidInput(
                field=field, reason=f"{self.key} has at most {self.scale} decimal places"
            ) from None
        if abs(units) > LARGEST_UNITS[self.scale]:
            raise InvalidInput(field=field, reason=f"more than 10^15 {self.key}")
        return units


def currency(key: str) -> Asset | None:
    """Return the ISO 4217 currency of that key as an asset, if there is one."""
    if key not in EXPONENTS:
        return None
    return Asset(key=key, name=key, kind="CURRENCY", scale=CURRENCY_SCALE)


@dataclass(frozen=True)
class AssetDefined(Event):
    TOPIC: ClassVar[str] = "asset.defined"
    key: str
    name: str
    scale: int

    def apply(self, aggregate: CustomAsset) -> None:
        aggregate.asset = Asset(self.key, self.name, "CUSTOM", self.scale)
        aggregate.rates = []


@dataclass(frozen=True)
class ExchangeRateSet(Event):
    """One unit of the asset costs `unit_price` (exact decimal) of `currency` from then on."""

    TOPIC: ClassVar[str] = "asset.exchange_rate_set"
    currency: str
    unit_price: str
    effective_at: datetime

    def apply(self, aggregate: CustomAsset) -> None:
        aggregate.rates.append(ExchangeRate(self.currency, self.unit_price, self.effective_at))


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    currency: str
    unit_price: str
    effective_at: datetime


def rate_at(rates: Iterable[ExchangeRate], at: datetime, preferred: str) -> ExchangeRate | None:
    """Return the rate that holds at `at`: in the `preferred` currency, else in the only one."""
    latest: dict[str, ExchangeRate] = {}
    for rate in rates:
        before = latest.get(rate.currency)
        if rate.effective_at <= at and (before is None or before.effective_at <= rate.effective_at):
            latest[rate.currency] = rate
    if preferred in latest:
        return latest[preferred]
    return next(iter(latest.values())) if len(latest) == 1 else None


class CustomAsset(Aggregate):
    """An asset that the tenant defined, and its exchange rates."""

    TOPIC = "asset"
    asset: Asset
    rates: list[ExchangeRate]

    def rate_at(self, at: datetime, preferred: str) -> ExchangeRate | None:
        """Return what a unit costs at `at`: in the `preferred` currency, else in the only one.

        Of rates of one time the last recorded holds.
        """
        return rate_at(self.rates, at, preferred)

    def set_exchange_rate(
        self, currency: str, unit_price: str, effective_at: datetime, at: datetime
    ) -> None:
        """Record a rate; `unit_price` is a canonical decimal above zero."""
        self.record(
            ExchangeRateSet(self.id, self.version + 1, at, currency, unit_price, effective_at)
        )
