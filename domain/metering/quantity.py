"""Quantities: exact, as counts of 10^-18, which is as fine as a decimal can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from domain.metering.meter import Aggregation, Meter
from domain.money.decimals import NotADecimal, TooFine, decimal_of, units_of
from domain.refusals import InvalidInput

SCALE = 18
ONE: int = 10**SCALE


@lru_cache(maxsize=10_000)
def quantity_of(text: str) -> int:
    """Return a decimal's count of 10^-18. Raises NotADecimal."""
    return units_of(text, SCALE)


def text_of(quantity: int) -> str:
    """Return the shortest decimal."""
    whole, part = divmod(quantity, ONE)
    return _fine_text(quantity) if part else str(whole)


@lru_cache(maxsize=10_000)
def _fine_text(quantity: int) -> str:
    """What a total is after one event it is before the next."""
    return decimal_of(quantity, SCALE)


def selects(meter: Meter, properties: Mapping[str, Any]) -> bool:
    """Whether an event with these properties feeds the meter."""
    for each in meter.filters:
        if each.property not in properties:
            return False
        said = comparable(properties[each.property])
        if all(said != comparable(value) for value in each.values):
            return False
    return True


def comparable(value: object) -> object:
    """Return a property's value so that it equals only its like: 1 and true differ, 1 and
    1.0 do not. What is no scalar equals nothing.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return ("json", value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, (int, Decimal)):
        return value
    return object()


def measured(meter: Meter, quantity: str | None, properties: Mapping[str, Any]) -> int:
    """Return what one event tells the meter: for SUM and COUNT what it adds, for MAX and
    LATEST the value. UNIQUE has `distinct_value`.

    Raises InvalidInput naming the property, or `quantity`, that is missing or no number.
    """
    if meter.aggregation == Aggregation.COUNT:
        return ONE
    if meter.property is None:
        if quantity is None:
            raise InvalidInput(field="quantity", reason=f"meter {meter.key} counts it: say it")
        return quantity_of(quantity)
    total = _number(meter, meter.property, properties)
    for name in meter.less:
        total -= _number(meter, name, properties)
    if total < 0:
        raise InvalidInput(
            field=f"properties.{meter.property}",
            reason=f"less {', '.join(meter.less)} is below zero: meter {meter.key} takes them off",
        )
    return total


def distinct_value(meter: Meter, properties: Mapping[str, Any]) -> str:
    """Return the value by which UNIQUE tells events apart, as text. Raises InvalidInput."""
    assert meter.property is not None
    value = properties.get(meter.property)
    if isinstance(value, str) and value:
        return f"s{value}"
    if isinstance(value, bool):
        return f"b{value}"
    if isinstance(value, int | float | Decimal):
        return f"n{text_of(_exact(meter, meter.property, value))}"
    raise _missing(meter, meter.property, "say a text or a number")


def _number(meter: Meter, name: str, properties: Mapping[str, Any]) -> int:
    value = properties.get(name)
    if type(value) is int and 0 <= value < 10**30:
        return value * ONE
    if value is None:
        raise _missing(meter, name, "an explicit 0 is 0, a missing property is not")
    quantity = _exact(meter, name, value)
    if quantity < 0:
        raise InvalidInput(field=f"properties.{name}", reason="must not be negative")
    return quantity


def _exact(meter: Meter, name: str, value: object) -> int:
    """Return a JSON number, as it was written, or a decimal in a string."""
    text = json_decimal(value)
    try:
        if text is not None:
            return quantity_of(text)
    except (NotADecimal, TooFine):
        pass
    raise InvalidInput(
        field=f"properties.{name}",
        reason=f"meter {meter.key} needs a number: a JSON number or an exact decimal in a string,"
        " at most 18 places",
    )


def json_decimal(value: object) -> str | None:
    """Return a JSON number as it was written, a text as it is; None for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    return None


def _missing(meter: Meter, name: str, remedy: str) -> InvalidInput:
    return InvalidInput(field=f"properties.{name}", reason=f"meter {meter.key} needs it: {remedy}")
