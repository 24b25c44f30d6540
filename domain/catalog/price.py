"""A price: how the quantity of a meter, or a recurring interval, becomes an amount.

Numbers are exact decimals as text: a price may be finer than its asset. Only what it comes
to is rounded (`domain.rating`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.calendar.cycles import CyclePeriod
from domain.metering.meter import PropertyValue


class PriceModel(StrEnum):
    UNIT = "UNIT"
    PACKAGE = "PACKAGE"
    GRADUATED = "GRADUATED"
    VOLUME = "VOLUME"
    PERCENTAGE = "PERCENTAGE"
    FLAT = "FLAT"
    SEAT = "SEAT"


RECURRING = (PriceModel.FLAT, PriceModel.SEAT)
TIERED = (PriceModel.GRADUATED, PriceModel.VOLUME)


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and with `up_to`; None: all the rest."""

    up_to: str | None
    unit_price: str
    flat_fee: str = "0"


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """match: (property, value) pairs; a dimension that is not among them matches anything."""

    match: tuple[tuple[str, PropertyValue], ...]
    unit_price: str


@dataclass(frozen=True, slots=True)
class Price:
    """`asset` and its scale; `meter` is None for FLAT and SEAT.

    per: unit prices are for so many units. free, cap: units and amount of a cycle. minimum,
    maximum, fixed_fee: of one event. in_advance, period: of what recurs; period None is the
    version's.
    """

    key: str
    meter: str | None
    model: PriceModel
    asset: str
    scale: int
    unit_price: str | None = None
    package_size: str | None = None
    tiers: tuple[Tier, ...] = ()
    per: str = "1"
    rate: str | None = None
    fixed_fee: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    free: str | None = None
    cap: str | None = None
    dimensions: tuple[str, ...] = ()
    rows: tuple[DimensionRow, ...] = ()
    in_advance: bool = True
    period: CyclePeriod | None = None

    @property
    def recurring(self) -> bool:
        return self.model in RECURRING
