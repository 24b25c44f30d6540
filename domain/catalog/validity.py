"""What a version may not say. Each raises InvalidInput naming the field and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from domain.calendar.cycles import CyclePeriod
from domain.catalog.price import RECURRING, TIERED, Price, PriceModel
from domain.catalog.product import IncludedGrant, VersionTerms
from domain.metering.meter import Aggregation, Meter
from domain.metering.quantity import comparable
from domain.refusals import InvalidInput

MOST_PRICES, MOST_TIERS, MOST_ROWS, MOST_DIMENSIONS = 200, 100, 2_000, 8

# Which of these a model reads; one that it does not read would be ignored in silence.
_READ_BY: dict[str, tuple[PriceModel, ...]] = {
    "unit_price": (PriceModel.UNIT, PriceModel.PACKAGE, *RECURRING),
    "package_size": (PriceModel.PACKAGE,),
    "tiers": TIERED,
    "rate": (PriceModel.PERCENTAGE,),
    "free": (PriceModel.UNIT, PriceModel.PACKAGE, *TIERED),
    "cap": (PriceModel.UNIT, PriceModel.PACKAGE, *TIERED),
    "rows": (PriceModel.UNIT,),
    "dimensions": (PriceModel.UNIT,),
    "fixed_fee": (PriceModel.UNIT, PriceModel.PACKAGE, *TIERED, PriceModel.PERCENTAGE),
    "minimum": (PriceModel.UNIT, PriceModel.PACKAGE, *TIERED, PriceModel.PERCENTAGE),
    "maximum": (PriceModel.UNIT, PriceModel.PACKAGE, *TIERED, PriceModel.PERCENTAGE),
}
_NEEDED: dict[PriceModel, tuple[str, ...]] = {
    PriceModel.UNIT: (),
    PriceModel.PACKAGE: ("unit_price", "package_size"),
    PriceModel.GRADUATED: ("tiers",),
    PriceModel.VOLUME: ("tiers",),
    PriceModel.PERCENTAGE: ("rate",),
    PriceModel.FLAT: ("unit_price",),
    PriceModel.SEAT: ("unit_price",),
}
_NAMES = {
    "unit_price": "unitPrice",
    "package_size": "packageSize",
    "fixed_fee": "fixedFee",
}


def check_meter(meter: Meter) -> None:
    """Refuse a meter that could not be read."""
    if meter.aggregation == Aggregation.UNIQUE and meter.property is None:
        raise InvalidInput(field="property", reason="UNIQUE counts the values of a property")
    if meter.aggregation == Aggregation.COUNT and meter.property is not None:
        raise InvalidInput(field="property", reason="COUNT reads none: leave it out")
    if meter.less and meter.property is None:
        raise InvalidInput(field="less", reason="is taken off `property`: name that too")
    if meter.less and meter.aggregation == Aggregation.UNIQUE:
        raise InvalidInput(field="less", reason="UNIQUE counts values: there is nothing to take")
    if meter.property in meter.less or len(set(meter.less)) < len(meter.less):
        raise InvalidInput(field="less", reason="a property stands twice")
    names = [each.property for each in meter.filters]
    if len(set(names)) < len(names):
        raise InvalidInput(field="filters", reason="a property stands twice")


def check_terms(terms: VersionTerms, meters: Mapping[str, Meter]) -> None:
    """Refuse what could not be charged, whenever it is published."""
    if len(terms.prices) > MOST_PRICES:
        raise InvalidInput(field="prices", reason=f"at most {MOST_PRICES}")
    check_prices(terms.prices, "prices", meters)
    for place, included in enumerate(terms.includes):
        _check_included(included, f"includes[{place}]", terms.period)


def check_prices(prices: Iterable[Price], field: str, meters: Mapping[str, Meter]) -> None:
    """Refuse prices, of a version or agreed with one customer, that are none."""
    keys: set[str] = set()
    for place, price in enumerate(prices):
        at = f"{field}[{place}]"
        if price.key in keys:
            raise InvalidInput(field=f"{at}.key", reason=f"{price.key} stands twice")
        keys.add(price.key)
        _check_price(price, at, meters)


def check_one_asset_an_event_type(prices: Iterable[Price], meters: Mapping[str, Meter]) -> None:
    """Refuse prices that would charge one event in two assets: no charge is in two."""
    first: dict[str, Price] = {}
    for price in prices:
        if price.meter is None:
            continue
        event_type = meters[price.meter].event_type
        other = first.setdefault(event_type, price)
        if other.asset != price.asset:
            raise InvalidInput(
                field="prices",
                reason=f"{event_type} would cost {other.asset} by {other.key} and {price.asset}"
                f" by {price.key}: report an event for each, or price both in one asset",
            )


def _check_price(price: Price, at: str, meters: Mapping[str, Meter]) -> None:
    if price.recurring and price.meter is not None:
        raise InvalidInput(field=f"{at}.meter", reason=f"{price.model} recurs and measures nothing")
    if not price.recurring and price.meter is None:
        raise InvalidInput(field=f"{at}.meter", reason=f"{price.model} needs one")
    if price.meter is not None and price.meter not in meters:
        raise InvalidInput(field=f"{at}.meter", reason=f"no meter {price.meter!r}: define it first")
    _check_fields(price, at)
    _check_numbers(price, at)
    if price.model in TIERED:
        _check_tiers(price, f"{at}.tiers")
    if price.model == PriceModel.UNIT:
        _check_rows(price, at)


def _check_fields(price: Price, at: str) -> None:
    """A model has what it needs, and nothing that it would ignore."""
    for name in _NEEDED[price.model]:
        if not getattr(price, name):
            raise InvalidInput(field=f"{at}.{_named(name)}", reason=f"{price.model} needs it")
    for name, models in _READ_BY.items():
        if getattr(price, name) and price.model not in models:
            raise InvalidInput(
                field=f"{at}.{_named(name)}", reason=f"{price.model} does not read it: leave it out"
            )
    if price.per != "1" and price.model not in (PriceModel.UNIT, *TIERED):
        raise InvalidInput(field=f"{at}.per", reason=f"{price.model} has no price per unit")


def _check_numbers(price: Price, at: str) -> None:
    for name in ("unit_price", "rate", "fixed_fee", "minimum", "maximum", "free", "cap"):
        _not_negative(getattr(price, name), f"{at}.{_named(name)}")
    _positive(price.per, f"{at}.per")
    if price.package_size is not None:
        _positive(price.package_size, f"{at}.packageSize")
    if price.minimum and price.maximum and Fraction(price.minimum) > Fraction(price.maximum):
        raise InvalidInput(field=f"{at}.minimum", reason="is above the maximum")


def _check_tiers(price: Price, at: str) -> None:
    """Tiers ascend and the last one is open, so that every quantity lies in exactly one."""
    if len(price.tiers) > MOST_TIERS:
        raise InvalidInput(field=at, reason=f"at most {MOST_TIERS}")
    below = Fraction(0)
    for place, tier in enumerate(price.tiers):
        _not_negative(tier.unit_price, f"{at}[{place}].unitPrice")
        _not_negative(tier.flat_fee, f"{at}[{place}].flatFee")
        last = place == len(price.tiers) - 1
        if tier.up_to is None:
            if not last:
                raise InvalidInput(
                    field=f"{at}[{place}].upTo", reason="only the last tier has no end"
                )
            continue
        if last:
            raise InvalidInput(
                field=f"{at}[{place}].upTo", reason="the last tier has no upTo: it takes the rest"
            )
        if Fraction(tier.up_to) <= below:
            raise InvalidInput(
                field=f"{at}[{place}].upTo", reason="must be above the tier before: tiers ascend"
            )
        below = Fraction(tier.up_to)


def _check_rows(price: Price, at: str) -> None:
    if price.unit_price is None and not price.rows:
        raise InvalidInput(field=f"{at}.unitPrice", reason="UNIT needs it, or rows")
    if len(price.rows) > MOST_ROWS:
        raise InvalidInput(field=f"{at}.rows", reason=f"at most {MOST_ROWS}")
    if price.dimensions and not price.rows:
        raise InvalidInput(field=f"{at}.rows", reason="dimensions without a row price nothing")
    dimensions = price.dimensions
    if len(dimensions) > MOST_DIMENSIONS or len(set(dimensions)) < len(dimensions):
        raise InvalidInput(field=f"{at}.dimensions", reason=f"at most {MOST_DIMENSIONS}, each once")
    met: set[frozenset[tuple[str, object]]] = set()
    for place, row in enumerate(price.rows):
        _not_negative(row.unit_price, f"{at}.rows[{place}].unitPrice")
        for name, _ in row.match:
            if name not in dimensions:
                raise InvalidInput(
                    field=f"{at}.rows[{place}].match",
                    reason=f"{name} is no dimension of this price: add it to dimensions",
                )
        said = frozenset((name, comparable(value)) for name, value in row.match if value != "*")
        if said in met:
            raise InvalidInput(
                field=f"{at}.rows[{place}].match", reason="the same combination stands twice"
            )
        met.add(said)


def _check_included(included: IncludedGrant, at: str, period: CyclePeriod) -> None:
    longest = list(CyclePeriod).index(period)
    if included.period is not None and list(CyclePeriod).index(included.period) > longest:
        raise InvalidInput(field=f"{at}.period", reason=f"is longer than the plan's, {period}")


def _not_negative(number: str | None, field: str) -> None:
    if number is not None and number.startswith("-"):
        raise InvalidInput(field=field, reason="must not be negative")


def _positive(number: str, field: str) -> None:
    if number == "0" or number.startswith("-"):
        raise InvalidInput(field=field, reason="must be above zero")


def _named(attribute: str) -> str:
    return _NAMES.get(attribute, attribute)
