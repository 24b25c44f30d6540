"""What so many units of a cycle cost: one function a price, compiled to integers.

cost(q) = min(cap, (1 - discount) x tiers(max(q - free, 0))), in units of the asset. All of
a price's numbers stand over one denominator, and the only rounding is half-even, of the
cycle's cost: what an event costs is the difference of two such figures, so that the lines
of a cycle sum to round(cost(total)) in whatever parts and order they come.

Example: $0.0000000125 a token at scale 9 is 12.5 units. cost(1) = 12, cost(2) = 25,
cost(3) = 38: three events of one token cost 12, 13 and 13.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from math import lcm

from domain.catalog.price import Price, PriceModel
from domain.metering.quantity import ONE, quantity_of
from domain.money.decimals import decimal_text
from domain.money.rounding import divide_half_even
from domain.rating.dimensions import Exact, Table

NO_DISCOUNT = "0"


class CostFunction:
    """A price at a discount. Quantities are counts of 10^-18, amounts units of the asset.

    table: of a price by dimensions, whose cost depends on more than the quantity. unit_price:
    of one by the unit, what one unit costs after the discount, where a decimal says it.
    per_event: whether each event is priced alone, whatever the cycle's total. adds_to_events:
    whether a line may be more or less than what it moves its cycle's cost by.
    """

    __slots__ = (
        "_cap",
        "_fixed_fee",
        "_maximum",
        "_minimum",
        "_numerator",
        "_rate",
        "adds_to_events",
        "denominator",
        "free",
        "per_event",
        "table",
        "unit_price",
    )

    def __init__(self, price: Price, discount: str = NO_DISCOUNT) -> None:
        self.per_event = price.model == PriceModel.PERCENTAGE
        self.free = quantity_of(price.free) if price.free is not None else 0
        paid_share = 1 - Fraction(discount)
        units = Fraction(10**price.scale)
        # What a unit price of 1 comes to for one unit of quantity, in the asset.
        one_unit = paid_share / Fraction(price.per)
        self.table = Table(price, one_unit * units, one_unit) if price.rows else None
        self.unit_price = None
        if price.model == PriceModel.UNIT and price.unit_price is not None:
            self.unit_price = decimal_text(Fraction(price.unit_price) * one_unit)
        numbers = _numbers(price, one_unit * units / ONE, paid_share * units)
        cap = Fraction(price.cap) * units if price.cap is not None else None
        self.denominator = lcm(
            *(number.denominator for number in numbers), cap.denominator if cap is not None else 1
        )
        scaled = [int(number * self.denominator) for number in numbers]
        self._cap = int(cap * self.denominator) if cap is not None else None
        self._numerator = _MODELS[price.model](price, scaled)
        self._rate = Fraction(0)
        if price.rate is not None:
            self._rate = Fraction(price.rate) * paid_share * units / ONE
        self._fixed_fee = _amount(price.fixed_fee, units)
        self._minimum = _amount(price.minimum, units)
        self._maximum = _amount(price.maximum, units)
        own = (self._fixed_fee, self._minimum, self._maximum)
        self.adds_to_events = any(each is not None for each in own)

    def priced(self, quantity: int) -> int:
        """Return what of a cycle's quantity is not free."""
        return quantity - self.free if quantity > self.free else 0

    def cost(self, quantity: int) -> int:
        """Return what a cycle's quantity costs. Rounded half-even; cost(0) is 0."""
        return self.rounded((self._numerator(self.priced(quantity)), self.denominator))

    def between(self, before: Exact, after: Exact) -> int:
        """Return what lies between two exact costs of a cycle, each capped and rounded."""
        if before[1] == after[1] == 1 and self._cap is None:
            return after[0] - before[0]
        return self.rounded(after) - self.rounded(before)

    def rounded(self, exact: Exact) -> int:
        """Return an exact cost, capped and rounded: the one place where rating rounds."""
        numerator, denominator = exact
        cap = self._cap
        if cap is not None and numerator * self.denominator > cap * denominator:
            return divide_half_even(cap, self.denominator)
        return divide_half_even(numerator, denominator)

    def of_event(self, moved_units: int, priced_quantity: int) -> int:
        """Return an event's line from what it moves its cycle's cost by.

        priced_quantity: of the event, free units taken off. Adds the fixed fee, then keeps
        within minimum and maximum; of nothing priced only the maximum holds.
        """
        units = moved_units
        if priced_quantity > 0:
            if self._fixed_fee is not None:
                units += _round(self._fixed_fee)
            if self._minimum is not None:
                units = max(units, _round(self._minimum))
        if self._maximum is not None:
            units = min(units, _round(self._maximum))
        return units

    def percentage(self, quantity: int) -> int:
        """Return rate x amount + fixed fee within minimum and maximum; rounds this event alone."""
        exact = self._rate * quantity
        if quantity > 0:
            exact += self._fixed_fee or 0
            if self._minimum is not None:
                exact = max(exact, self._minimum)
        if self._maximum is not None:
            exact = min(exact, self._maximum)
        return _round(exact)


def _amount(text: str | None, units: Fraction) -> Fraction | None:
    return Fraction(text) * units if text is not None else None


def _round(exact: Fraction) -> int:
    return divide_half_even(exact.numerator, exact.denominator)


def _numbers(price: Price, unit_factor: Fraction, amount_factor: Fraction) -> list[Fraction]:
    """Return the price's unit prices and fees, in the order in which its model takes them."""
    if price.model in (PriceModel.GRADUATED, PriceModel.VOLUME):
        pairs = [
            (Fraction(tier.unit_price) * unit_factor, Fraction(tier.flat_fee) * amount_factor)
            for tier in price.tiers
        ]
        return [number for pair in pairs for number in pair]
    if price.model == PriceModel.PACKAGE:
        return [Fraction(price.unit_price or 0) * amount_factor]
    if price.model == PriceModel.UNIT:
        return [Fraction(price.unit_price or 0) * unit_factor]
    return [Fraction(0)]


Numerator = Callable[[int], int]


def _unit(_price: Price, numbers: list[int]) -> Numerator:
    (unit,) = numbers
    return lambda quantity: quantity * unit


def _package(price: Price, numbers: list[int]) -> Numerator:
    (package,) = numbers
    assert price.package_size is not None
    size = quantity_of(price.package_size)
    return lambda quantity: -(-quantity // size) * package


def _graduated(price: Price, numbers: list[int]) -> Numerator:
    """Each tier's units at its price, and the flat fee of each tier entered."""
    ends = _ends(price)
    units, fees = numbers[::2], numbers[1::2]
    starts = [0, *ends]
    below = [0]  # what all tiers before one cost when they are full, and their fees
    for place, end in enumerate(ends):
        below.append(below[-1] + fees[place] + (end - starts[place]) * units[place])

    def numerator(quantity: int) -> int:
        if not quantity:
            return 0
        place = bisect_left(ends, quantity)
        return below[place] + fees[place] + (quantity - starts[place]) * units[place]

    return numerator


def _volume(price: Price, numbers: list[int]) -> Numerator:
    """All units at the price of the tier that they reach, and its flat fee."""
    ends = _ends(price)
    units, fees = numbers[::2], numbers[1::2]

    def numerator(quantity: int) -> int:
        if not quantity:
            return 0
        place = bisect_left(ends, quantity)
        return quantity * units[place] + fees[place]

    return numerator


def _nothing(_price: Price, _numbers: list[int]) -> Numerator:
    return lambda _quantity: 0


def _ends(price: Price) -> list[int]:
    """Return where each tier but the last ends; a tier takes its end too."""
    return [quantity_of(tier.up_to) for tier in price.tiers if tier.up_to is not None]


_MODELS: dict[PriceModel, Callable[[Price, list[int]], Numerator]] = {
    PriceModel.UNIT: _unit,
    PriceModel.PACKAGE: _package,
    PriceModel.GRADUATED: _graduated,
    PriceModel.VOLUME: _volume,
    PriceModel.PERCENTAGE: _nothing,
    PriceModel.FLAT: _nothing,
    PriceModel.SEAT: _nothing,
}
