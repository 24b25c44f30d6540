"""The count before validation: exact, in proportion to the text, and never fooled."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema, get_introspection_query, parse

from interfaces.http import complexity
from interfaces.http.complexity import MOST_DEPTH, Complexity, TooComplex, complexity_of

SCHEMA = build_schema("""
    type Query {
      now: String
      node(id: ID): Person
      people(first: Int = 50, after: String): PersonConnection
      everybody: [Person!]!
    }
    type PersonConnection { nodes: [Person!]! edges: [Edge] pageInfo: PageInfo }
    type Edge { node: Person }
    type PageInfo { endCursor: String }
    type Person {
      id: ID
      name: String
      friends(first: Int = 10): PersonConnection
      friend: Person
      children: [Person!]!
    }
    type Mutation { rename(id: ID, name: String): Person }
""")


def counted(text: str, variables: dict[str, Any] | None = None) -> Complexity:
    return complexity_of(parse(text), SCHEMA, variables or {})


def doubling(links: int, leaf: str = "now") -> str:
    """A chain of fragments, each spreading the next twice: 2^links leaves."""
    chain = "".join(
        f"fragment f{link} on Query{{...f{link + 1} ...f{link + 1}}}" for link in range(links)
    )
    return f"{{...f0}}{chain}fragment f{links} on Query{{{leaf}}}"


@pytest.mark.parametrize(
    "text,cost",
    [
        ("{ now }", 1),
        ("{ now again: now }", 2),
        ("{ people(first: 100) { nodes { id friend { id } } } }", 401),
        ("{ people(first: 100) { nodes { id } pageInfo { endCursor } } }", 401),
        ("{ people { nodes { id } } }", 1 + 50 * 2),
        ("{ people(first: 20) { edges { node { id } } } }", 1 + 20 * 3),
        ("{ people(first: 2) { nodes { friends(first: 3) { nodes { id } } } } }", 1 + 2 * (2 + 6)),
        ("{ people(first: 2) { nodes { friends { nodes { id } } } } }", 1 + 2 * (2 + 20)),
        ("{ everybody { id } }", 1 + 5),
        ("{ everybody { children { id } } }", 1 + 5 * (1 + 5)),
        ("{ people(first: 2) { ...P } } fragment P on PersonConnection { nodes { id } }", 5),
        ("{ people(first: 2) { ... on PersonConnection { nodes { id } } } }", 5),
        ("mutation { rename(id: 1) { id name } }", 3),
        ("{ unknown(first: 7) { some { thing } } }", 1 + 7 * 2),
        ("{ people(first: 0) { nodes { id } } }", 3),
        ("{ people(first: -5) { nodes { id } } }", 3),
        ("{ people(first: 9999999999999) { nodes { id } } }", 2001),
        ('{ people(first: "many") { nodes { id } } }', 2001),
        ("query a { now } query b { people(first: 4) { nodes { id } } }", 9),
    ],
)
def test_cost_is_fields_times_items(text: str, cost: int) -> None:
    assert counted(text).cost == cost


@pytest.mark.parametrize(
    "declared,variables,items",
    [
        ("$n: Int", {"n": 7}, 7),
        ("$n: Int", {}, 50),
        ("$n: Int = 3", {}, 3),
        ("$n: Int = 3", {"n": 7}, 7),
        ("$n: Int", {"n": None}, 1_000),
        ("$n: Int", {"n": "seven"}, 1_000),
        ("$n: Int", {"n": 10**9}, 1_000),
    ],
)
def test_a_page_size_may_be_a_variable(
    declared: str, variables: dict[str, Any], items: int
) -> None:
    inline = f"query({declared}) {{ people(first: $n) {{ nodes {{ id }} }} }}"
    fragment = "fragment F on Query { people(first: $n) { nodes { id } } }"
    spread = f"query({declared}) {{ ...F }} {fragment}"
    for text in (inline, spread):
        complexity = counted(text, variables)
        assert complexity.cost == 1 + items * 2
        assert complexity.sized_by == {"n"}


def test_of_several_operations_the_largest_default_counts() -> None:
    text = """
        query small($n: Int = 1) { ...F }
        query large($n: Int = 400) { ...F }
        fragment F on Query { people(first: $n) { nodes { id } } }
    """
    assert counted(text).cost == 801


def test_fields_aliases_directives_and_depth_are_counted_with_fragments_spread_out() -> None:
    # given
    text = """
        query q($on: Boolean = true @d) @d { ...F @skip(if: $on) again: now ...F }
        fragment F on Query @d { a: node { id @include(if: $on) } }
    """
    # when
    complexity = counted(text)
    # then
    assert complexity == Complexity(
        depth=3,
        fields=5,
        aliases=3,
        directives=7,
        cost=5,
        introspects=False,
        sized_by=frozenset(),
    )


def test_the_usual_introspection_passes() -> None:
    complexity = counted(get_introspection_query())

    assert complexity.introspects
    assert complexity.depth <= MOST_DEPTH


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { types { name } } }",
        '{ ...F } fragment F on Query { __type(name: "Q") { name } }',
    ],
)
def test_asking_for_the_schema_is_noticed(text: str) -> None:
    assert counted(text).introspects


def test_the_name_of_a_type_is_no_introspection() -> None:
    assert not counted("{ __typename node { __typename } }").introspects


@pytest.mark.parametrize("links", [10, 18, 60, 100])
def test_a_bomb_of_fragments_is_refused(links: int) -> None:
    # 2^100 fields take as long as 200 do: spread out one by one this test would not end.
    with pytest.raises(TooComplex, match=r"more than 1000 fields|25 levels"):
        counted(doubling(links))


def test_each_fragment_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: without fields no limit but that of depth applies, so 2^20 spreads are followed
    visited = 0
    original = complexity._Counter._selections

    def noting(self: Any, *arguments: Any) -> Any:
        nonlocal visited
        visited += 1
        assert visited < 1_000
        return original(self, *arguments)

    monkeypatch.setattr(complexity._Counter, "_selections", noting)
    # when
    figures = counted(doubling(20, leaf="...{}"))
    # then
    assert (figures.fields, figures.depth) == (0, 23)
    assert visited == 23


def test_a_bomb_without_fields_is_refused_by_its_depth() -> None:
    with pytest.raises(TooComplex, match="25 levels"):
        counted(doubling(100, leaf="...{}"))


@pytest.mark.parametrize(
    "text",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { now ...A }",
        "{ now } fragment A on Query { node { ...B } } fragment B on Person { ...A }",
    ],
)
def test_fragments_in_a_circle_are_refused(text: str) -> None:
    with pytest.raises(TooComplex, match="spreads itself"):
        counted(text)


@pytest.mark.parametrize(
    "text,told",
    [
        ("{" + "node{friend" + "{friend" * 30 + "{id}" + "}" * 31 + "}", "25 levels"),
        ("{" + "...{" * 40 + "now" + "}" * 40 + "}", "25 levels"),
        ("{" + "now " * 1001 + "}", "1000 fields"),
        ("{" + "".join(f"a{n}: now " for n in range(101)) + "}", "100 aliases"),
        ("{" + "now @skip(if: false) " * 51 + "}", "50 directives"),
        ("{now" + " @a" * 51 + "}", "50 directives"),
        ("query" + " @a" * 51 + "{now}", "50 directives"),
        ("query($a: Int" + " @a" * 51 + "){now}", "50 directives"),
        ("{ now } fragment F on Query" + " @a" * 51 + " { now }", "50 directives"),
        ("{people(first:1000){nodes{friends(first:1000){nodes{id}}}}}", "it costs 2002001"),
        ("{ now } fragment F on Query {" + "now " * 1001 + "}", "1000 fields"),
    ],
)
def test_each_limit_is_named(text: str, told: str) -> None:
    with pytest.raises(TooComplex, match=told):
        counted(text)


def test_what_is_not_there_is_left_to_validation() -> None:
    assert counted("{ ...Missing nope { nope } }").fields == 2
    assert counted("subscription { ticks }").fields == 1
    assert counted("{ now } fragment F on Nothing { a { b } }").depth == 2
