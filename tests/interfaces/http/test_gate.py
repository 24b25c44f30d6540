"""The gate: each text is counted once, whoever sends it and however often."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, build_schema, parse, specified_rules, validate
from graphql.validation.rules import overlapping_fields_can_be_merged

from interfaces.graphql import schema as served
from interfaces.graphql.documents import MOST_TOKENS
from interfaces.http import gate as gate_module
from interfaces.http.complexity import complexity_of
from interfaces.http.gate import MOST_REMEMBERED, Gate, Passage

SCHEMA = build_schema("""
    type Query { now: String people(first: Int = 50): [Person!]! }
    type Person { name: String }
    type Mutation { advanceClock: String record: String }
    type Subscription { ticks: Int }
""")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[DocumentNode]:
    """Every document that was counted, in order."""
    counted: list[DocumentNode] = []

    def noting(document: DocumentNode, *rest: Any) -> Any:
        counted.append(document)
        return complexity_of(document, *rest)

    monkeypatch.setattr(gate_module, "complexity_of", noting)
    return counted


def passed(
    text: str, *, gate: Gate | None = None, name: str | None = None, introspection: bool = False
) -> Passage:
    passage = (gate or Gate(SCHEMA)).passage(name, introspection=introspection)
    passage(parse(text), None, name)
    return passage


def refused(text: str, **options: Any) -> GraphQLError:
    with pytest.raises(GraphQLError) as refusal:
        passed(text, **options)
    return refusal.value


def test_a_document_is_counted_once(counts: list[DocumentNode]) -> None:
    # given
    gate, document = Gate(SCHEMA), parse("{ now }")
    # when
    figures = {id(gate.complexity(document, {})) for _ in range(5)}
    # then
    assert len(figures) == 1
    assert counts == [document]


def test_a_document_is_counted_once_for_each_page_size(counts: list[DocumentNode]) -> None:
    # given
    gate = Gate(SCHEMA)
    document = parse("query($n: Int, $x: Int) { people(first: $n) { name } }")
    # when
    costs = [
        gate.complexity(document, {"n": size, "x": other}).cost
        for size, other in [(10, 1), (20, 2), (10, 3), (20, 4)]
    ]
    # then
    assert costs == [11, 21, 11, 21]
    assert len(counts) == 2


def test_no_size_a_null_and_a_number_are_not_taken_for_each_other() -> None:
    gate = Gate(SCHEMA)
    document = parse("query($n: Int) { people(first: $n) { name } }")

    def cost(variables: dict[str, Any]) -> int:
        return gate.complexity(document, variables).cost

    for _ in range(2):
        assert cost({}) == 51
        assert cost({"n": None}) == 1001
        assert cost({"n": "x"}) == 1001
        assert cost({"n": 1}) == 2


def test_what_is_remembered_is_bounded(counts: list[DocumentNode]) -> None:
    # given
    gate = Gate(SCHEMA)
    documents = [parse("{ now }") for _ in range(MOST_REMEMBERED + 1)]
    for document in documents:
        gate.complexity(document, {})
    # when
    gate.complexity(documents[-1], {})
    gate.complexity(documents[0], {})
    # then
    assert len(counts) == MOST_REMEMBERED + 2
    assert counts[-1] is documents[0]
    assert len(gate._remembered) == MOST_REMEMBERED


def test_a_refusal_says_what_there_is_too_much_of() -> None:
    refusal = refused("{ " + "now " * 1001 + "}")

    assert refusal.extensions == {"code": "QUERY_TOO_COMPLEX"}
    assert refusal.message == (
        "the query is too complex: it has more than 1000 fields: ask in several requests"
    )


def test_the_schema_is_told_to_keys_that_may_ask_for_it() -> None:
    text = "{ __schema { types { name } } }"

    assert refused(text).extensions == {"code": "FORBIDDEN"}
    assert passed(text, introspection=True).operation is not None


def test_of_several_operations_one_is_named() -> None:
    # given
    text = "query a { now } mutation b { record }"
    # then
    assert passed(text, name="b").is_mutation
    assert not passed(text, name="a").is_mutation
    assert refused(text).extensions == {"code": "BAD_USER_INPUT"}
    assert refused(text, name="c").extensions == {"code": "BAD_USER_INPUT"}


def test_the_kind_and_the_fields_of_what_is_executed_are_known() -> None:
    assert passed("subscription { ticks }").is_subscription
    assert passed("mutation { clock: advanceClock }").asks_for("advanceClock")
    assert not passed("mutation { advanceClock: record }").asks_for("advanceClock")


def test_who_is_admitted_is_told_so_and_who_is_not_is_not() -> None:
    # given
    admitted = []
    gate = Gate(SCHEMA)
    for text in ("{ now }", "{ ...A } fragment A on Query { ...A }"):
        passage = gate.passage(None, introspection=False)
        passage.when_admitted = lambda text=text: admitted.append(text)
        # when
        try:
            passage(parse(text), {}, None)
        except GraphQLError:
            continue
    # then
    assert admitted == ["{ now }"]


# --- the limits of graphql-core that the gate relies on --------------------------------


def test_comparisons_are_limited() -> None:
    # The module's own constant, set by ours, read when each validation starts.
    assert served.MOST_COMPARISONS == 20_000
    assert overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET == 20_000


def test_repeated_fields_that_pass_the_count_are_stopped_by_the_comparisons() -> None:
    # given
    text = "{ " + "people { name } " * 240 + "}"
    document = parse(text, max_tokens=MOST_TOKENS)
    # when
    passed(text)
    errors = validate(SCHEMA, document, specified_rules)
    # then
    assert [error.message for error in errors] == ["Validation aborted."]


def test_tokens_are_limited_comments_included() -> None:
    with pytest.raises(GraphQLError, match="more than 1000 tokens"):
        parse("{ " + "now " * 1_000 + "}", max_tokens=MOST_TOKENS)
    with pytest.raises(GraphQLError, match="more than 1000 tokens"):
        parse("#\n" * 1_001 + "{ now }", max_tokens=MOST_TOKENS)
