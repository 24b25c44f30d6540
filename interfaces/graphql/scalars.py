"""The scalars of the contract.

Going in, a decimal or a time passes as the text that it is: what is wrong with it becomes
a typed problem where the command is made. Only a JSON value of another kind is refused here.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import (
    FloatValueNode,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    value_from_ast_untyped,
)
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from domain.money.decimals import decimal_of
from interfaces.graphql.errors import WrongKind
from interfaces.graphql.times import rfc3339

ExactDecimal = NewType("ExactDecimal", str)
InstantText = NewType("InstantText", str)
"""A time as it is sent; a `datetime` is one as it is answered."""
Long = NewType("Long", int)

LARGEST_LONG = 2**53 - 1


def exact(units: int, scale: int) -> ExactDecimal:
    """Return units of 10^-scale as the shortest decimal."""
    return ExactDecimal(decimal_of(units, scale))


def optional_exact(units: int | None, scale: int) -> ExactDecimal | None:
    return None if units is None else exact(units, scale)


def _decimal_text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongKind('a Decimal is sent as a string, such as "12.50": numbers lose digits')
    return value


def _time_text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongKind('a DateTime is sent as a string, such as "2026-01-31T09:30:00Z"')
    return value


def _long(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > LARGEST_LONG:
        raise WrongKind("a Long is a whole number below 2^53")
    return value


def _literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """Return a JSON value written in the query itself; a number of it exactly."""
    match node:
        case FloatValueNode():
            return Decimal(node.value)
        case ListValueNode():
            return [_literal(each, variables) for each in node.values]
        case ObjectValueNode():
            return {each.name.value: _literal(each.value, variables) for each in node.fields}
        case _:
            return value_from_ast_untyped(node, variables)


def _same(value: object) -> object:
    return value


_DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="RFC 3339, in UTC: 2026-01-31T09:30:00Z. Cut to microseconds.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    serialize=rfc3339,
    parse_value=_time_text,
)

SCALARS: dict[object, ScalarDefinition] = {
    datetime: _DATE_TIME,
    InstantText: _DATE_TIME,
    ExactDecimal: strawberry.scalar(
        name="Decimal",
        description=(
            "An exact decimal as a string: at most 30 digits before the point and 18 after, "
            "no exponent."
        ),
        serialize=_same,
        parse_value=_decimal_text,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A whole number below 2^53.",
        serialize=_same,
        parse_value=_long,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=_same,
        parse_value=_same,
        parse_literal=_literal,
    ),
}
