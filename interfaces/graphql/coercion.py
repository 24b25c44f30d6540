"""Inputs made of their values at once.

GraphQL has coerced the values by then; the library would walk the type of each anew, which
takes as long as deciding the charge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, TypeVar

from strawberry.types.arguments import InputContext
from strawberry.types.base import StrawberryList, StrawberryOptional, get_object_definition
from strawberry.utils.str_converters import to_camel_case

C = TypeVar("C", bound=type[Any])


def made_at_once(input_class: C) -> C:
    """Decorate an input class: its fields are scalars, enums, inputs, or lists of those."""
    definition = get_object_definition(input_class, strict=True)
    plan: list[_Plan] = []

    def make(_: type[Any], values: Mapping[str, Any], context: InputContext) -> Any:
        if not plan:
            plan.append(_Plan(input_class))
        return plan[0].make(values, context)

    definition.from_input = make
    return input_class


class _Plan:
    def __init__(self, input_class: type[Any]) -> None:
        self._class = input_class
        self._names: dict[str, str] = {}
        self._absent: dict[str, None] = {}
        self._nested: dict[str, Any] = {}
        for field in get_object_definition(input_class, strict=True).fields:
            name = to_camel_case(field.python_name)
            self._names[name] = field.python_name
            if field.default_value is MISSING:
                self._absent[field.python_name] = None
            type_ = field.type
            inner = type_.of_type if isinstance(type_, StrawberryOptional) else type_
            element = inner.of_type if isinstance(inner, StrawberryList) else inner
            if get_object_definition(element) is not None:
                self._nested[name] = inner

    def make(self, values: Mapping[str, Any], context: InputContext) -> Any:
        fields: dict[str, Any] = dict(self._absent)
        for name, value in values.items():
            inner = self._nested.get(name)
            if inner is None or value is None:
                fields[self._names[name]] = value
            else:
                fields[self._names[name]] = context.convert(value, inner, name)
        return self._class(**fields)
