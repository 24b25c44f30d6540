"""What a product version asks and gives each cycle, as one customer has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from domain.calendar.cycles import CyclePeriod
from domain.catalog.catalog import Catalog
from domain.catalog.price import Price, PriceModel
from domain.catalog.product import ProductVersion
from domain.grants.events import Recognition
from domain.money.currencies import CURRENCY_SCALE
from domain.money.rounding import divide_half_even


@dataclass(frozen=True, slots=True)
class Fee:
    """A recurring price, FLAT or SEAT. unit_price: an exact fraction of the asset for
    one whole period, what the customer pays: after overrides and discount.
    """

    key: str
    per_seat: bool
    asset: str
    scale: int
    unit_price: str
    in_advance: bool
    period: CyclePeriod

    def units(self, quantity: int, length: int, whole_length: int) -> int:
        """Return the fee of so many seats for a part of its period, rounded half-even."""
        seats = quantity if self.per_seat else 1
        exact = Fraction(self.unit_price) * 10**self.scale * seats * length / whole_length
        return divide_half_even(exact.numerator, exact.denominator)


@dataclass(frozen=True, slots=True)
class Included:
    """Credits that come with each period. Units of the asset: per seat, or in all.

    slot: its place among the plan's grants of the asset. limit_units: of what rolls over, on
    the sum; times: how often what rolled may roll again; None: without limit.
    """

    asset: str
    slot: int
    scale: int
    amount_units: int
    per_seat: bool
    rollover: bool
    limit_units: int | None
    times: int | None
    recognition: Recognition
    priority: int
    period: CyclePeriod

    def units(self, quantity: int, length: int = 1, whole_length: int = 1) -> int:
        """Return the credits for a part of the period, rounded half-even."""
        seats = quantity if self.per_seat else 1
        return divide_half_even(self.amount_units * seats * length, whole_length)


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a cycle costs at least. Units of the currency."""

    currency: str
    scale: int
    units: int

    def part(self, length: int, whole_length: int) -> int:
        """Return it for a part of a cycle, by the second of the whole, rounded half-even."""
        return divide_half_even(self.units * length, whole_length)


@dataclass(frozen=True, slots=True)
class Plan:
    """A product's version; immutable."""

    product_key: str
    version: int
    period: CyclePeriod
    trial_days: int
    fees: tuple[Fee, ...]
    includes: tuple[Included, ...]
    commitment: Commitment | None

    def periods(self) -> tuple[CyclePeriod, ...]:
        """Return every period that something of it recurs in, its own first."""
        recurring: Sequence[Fee | Included] = (*self.fees, *self.includes)
        return tuple(dict.fromkeys([self.period, *(each.period for each in recurring)]))


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """Which prices a subscription has: `pinned` of a product, None follows its versions.

    discount: a fraction as an exact decimal.
    """

    product_key: str
    pinned: int | None
    overrides: tuple[Price, ...]
    discount: str | None


def plan_of(catalog: Catalog, terms: PlanTerms, at: datetime) -> Plan | None:
    """Return the plan that these terms have at a time; None if nothing is published for it."""
    product = catalog.products.get(terms.product_key)
    version = product.version(terms.pinned, at) if product is not None else None
    return plan_of_version(version, terms) if version is not None else None


def plan_of_version(version: ProductVersion, terms: PlanTerms) -> Plan:
    """Return what a version asks and gives, with what was agreed with this customer."""
    said = version.terms
    agreed = {price.key: price for price in terms.overrides}
    prices = [agreed.get(price.key, price) for price in said.prices]
    commitment = said.minimum_commitment
    return Plan(
        product_key=terms.product_key,
        version=version.number,
        period=said.period,
        trial_days=said.trial_days,
        fees=tuple(_fee(price, said.period, terms.discount) for price in prices if price.recurring),
        includes=tuple(
            Included(
                asset=each.asset,
                slot=sum(other.asset == each.asset for other in said.includes[:place]),
                scale=each.scale,
                amount_units=each.amount_units,
                per_seat=each.per_seat,
                rollover=each.rollover,
                limit_units=each.rollover_limit_units,
                times=each.rollover_times,
                recognition=each.recognition or ("ON_USAGE" if each.rollover else "RATABLE"),
                priority=each.priority,
                period=each.period or said.period,
            )
            for place, each in enumerate(said.includes)
        ),
        commitment=(
            Commitment(commitment.currency, CURRENCY_SCALE, commitment.units)
            if commitment is not None
            else None
        ),
    )


def _fee(price: Price, period: CyclePeriod, discount: str | None) -> Fee:
    assert price.unit_price is not None
    exact = Fraction(price.unit_price) * (1 - Fraction(discount or 0))
    return Fee(
        key=price.key,
        per_seat=price.model is PriceModel.SEAT,
        asset=price.asset,
        scale=price.scale,
        unit_price=f"{exact.numerator}/{exact.denominator}",
        in_advance=price.in_advance,
        period=price.period or period,
    )
