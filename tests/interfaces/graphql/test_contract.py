"""The contract is a subset of what is served: names, types, nullability, defaults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_non_null_type,
    print_ast,
)

from interfaces.graphql import snapshot
from interfaces.graphql.schema import schema

WITH_FIELDS = (GraphQLObjectType, GraphQLInterfaceType)
CONTRACT = Path(__file__).parents[2] / "contract"


def differences(contract: GraphQLSchema, served: GraphQLSchema) -> Iterator[str]:
    """Name what the contract has and the served schema has not, or has otherwise."""
    for name, wanted in contract.type_map.items():
        if name.startswith("__"):
            continue
        found = served.type_map.get(name)
        if found is None:
            yield f"{name}: missing"
        elif type(found) is not type(wanted):
            yield f"{name}: another kind of type"
        else:
            yield from _in_type(wanted, found)


def _in_type(wanted: GraphQLNamedType, found: GraphQLNamedType) -> Iterator[str]:
    name = wanted.name
    if isinstance(wanted, GraphQLEnumType) and isinstance(found, GraphQLEnumType):
        yield from (f"{name}.{value}: missing" for value in wanted.values.keys() - found.values)
    if isinstance(wanted, GraphQLUnionType) and isinstance(found, GraphQLUnionType):
        members = {each.name for each in found.types}
        missing = [each.name for each in wanted.types if each.name not in members]
        yield from (f"{name} | {member}: missing" for member in missing)
    if isinstance(wanted, GraphQLInputObjectType) and isinstance(found, GraphQLInputObjectType):
        yield from _in_inputs(name, wanted.fields, found.fields)
    if isinstance(wanted, WITH_FIELDS) and isinstance(found, WITH_FIELDS):
        implemented = {each.name for each in found.interfaces}
        lost = [each.name for each in wanted.interfaces if each.name not in implemented]
        yield from (f"{name} implements {interface}: missing" for interface in lost)
        for field_name, field in wanted.fields.items():
            served = found.fields.get(field_name)
            if served is None:
                yield f"{name}.{field_name}: missing"
                continue
            if str(served.type) != str(field.type):
                yield f"{name}.{field_name}: {served.type}, not {field.type}"
            yield from _in_inputs(f"{name}.{field_name}", field.args, served.args)


def _in_inputs(
    name: str,
    wanted: dict[str, GraphQLArgument] | dict[str, GraphQLInputField],
    found: dict[str, GraphQLArgument] | dict[str, GraphQLInputField],
) -> Iterator[str]:
    for key, each in wanted.items():
        served = found.get(key)
        if served is None:
            yield f"{name}({key}): missing"
            continue
        if str(served.type) != str(each.type):
            yield f"{name}({key}): {served.type}, not {each.type}"
        if _default(served) != _default(each):
            yield f"{name}({key}): default {_default(served)}, not {_default(each)}"
    for key in found.keys() - wanted.keys():
        if is_non_null_type(found[key].type) and _default(found[key]) is None:
            yield f"{name}({key}): required, but not in the contract"


def _default(each: GraphQLArgument | GraphQLInputField) -> str | None:
    node = each.ast_node
    assert node is not None
    return None if node.default_value is None else print_ast(node.default_value)


def served_schema() -> GraphQLSchema:
    return build_schema(schema.as_str())


def test_the_contract_is_a_subset_of_what_is_served() -> None:
    # given
    parts = sorted(CONTRACT.glob("schema*.graphql"))
    contract = build_schema("\n".join(part.read_text("utf-8") for part in parts))
    # when
    found = list(differences(contract, served_schema()))
    # then
    assert found == []


@pytest.mark.parametrize(
    "contract, difference",
    [
        ("type Query { later: Int }", "Query.later: missing"),
        ("type Query { now: Int } ", "Query.now: DateTime!, not Int"),
        ("enum Bucket { DAY YEAR }", "Bucket.YEAR: missing"),
        (
            "type Query { customers(first: Int = 51): Int }",
            "Query.customers(first): default 50, not 51",
        ),
        (
            "type Query { node(ids: [ID!]): Node } interface Node { id: ID! }",
            "Query.node(ids): missing",
        ),
        ("input MoneyInput { amount: Int! }", "MoneyInput(amount): Decimal!, not Int!"),
        (
            "input MoneyInput { amount: Int! }",
            "MoneyInput(currency): required, but not in the contract",
        ),
        (
            "interface Node { id: ID! } type Money implements Node { id: ID! }",
            "Money implements Node: missing",
        ),
        ("union WalletResult = Money type Money { amount: Int }", "WalletResult | Money: missing"),
        ("scalar Money", "Money: another kind of type"),
        ("type Unheard { of: Int }", "Unheard: missing"),
    ],
)
def test_a_difference_is_found(contract: str, difference: str) -> None:
    # given
    other = build_schema(contract, assume_valid=True)
    # when
    found = list(differences(other, served_schema()))
    # then
    assert difference in found


def test_the_snapshot_is_what_is_served() -> None:
    # when
    kept = snapshot.PATH.read_text("utf-8")
    # then
    assert kept == snapshot.served(), "run: python -m interfaces.graphql.snapshot"
