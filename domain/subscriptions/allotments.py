"""A customer gets a product's included credits once until the end of the cycle in which they
were first given: through changes, other periods, cancelling and subscribing again.

Pure rules on values; the wallet keeps those allotments whose end has not come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Allotment:
    """Credits of a product's `slot`-th grant of an asset. Units of the asset.

    until: the end of the cycle in which they were first given. returned_units: what changes
    and ends of the plan took back since, to be restored to whoever comes back.
    """

    product_key: str
    asset: str
    slot: int
    until: datetime
    given_units: int
    returned_units: int

    @property
    def outstanding_units(self) -> int:
        return self.given_units - self.returned_units

    def of(self, product_key: str, asset: str, slot: int) -> bool:
        return (self.product_key, self.asset, self.slot) == (product_key, asset, slot)


def still_counting(allotments: Iterable[Allotment], at: datetime) -> list[Allotment]:
    """Return those whose end has not come."""
    return [each for each in allotments if each.until > at]


def outstanding_units(
    allotments: Iterable[Allotment], product_key: str, asset: str, slot: int
) -> int:
    """Return what was given and not taken back."""
    return sum(each.outstanding_units for each in allotments if each.of(product_key, asset, slot))


def give(
    allotments: list[Allotment],
    product_key: str,
    asset: str,
    slot: int,
    units: int,
    until: datetime,
) -> None:
    """Remember what was given; `until` counts for the first giving alone."""
    for place, each in enumerate(allotments):
        if each.of(product_key, asset, slot):
            allotments[place] = replace(each, given_units=each.given_units + units)
            return
    allotments.append(Allotment(product_key, asset, slot, until, units, 0))


def take_back(
    allotments: list[Allotment], product_key: str, asset: str, slot: int, units: int
) -> None:
    """Remember what was taken back, as far as it is of an allotment that still counts."""
    for place, each in enumerate(allotments):
        if each.of(product_key, asset, slot):
            returned_units = each.returned_units + min(units, each.outstanding_units)
            allotments[place] = replace(each, returned_units=returned_units)
