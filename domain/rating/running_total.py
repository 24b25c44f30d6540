"""How far a price has come in a cycle: what the next event is rated from."""

from __future__ import annotations

from datetime import datetime

from domain.struct import struct

SEVERAL = -1

TotalKey = tuple[str, str, datetime]
"""A product, the key of a price, and the start of the cycle."""


@struct(frozen=True, slots=True)
class RunningTotal:
    """quantity: a count of 10^-18; under MAX and LATEST the cycle's value, under UNIQUE how
    many there are. amount_units: of `asset`, the sum of the lines. exact: of a price by
    dimensions its cost before rounding, as a fraction. latest_at: of the value of LATEST.
    version: of the product, by which all of it was rated; SEVERAL where there were more.
    """

    product: str
    price: str
    starts_at: datetime
    ends_at: datetime
    asset: str
    quantity: int = 0
    amount_units: int = 0
    exact: tuple[int, int] | None = None
    latest_at: datetime | None = None
    version: int = 0

    @property
    def key(self) -> TotalKey:
        return (self.product, self.price, self.starts_at)
