"""GraphQL errors: each with a code, nothing of our inside; texts are read once."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from graphql import DocumentNode
from strawberry.types.execution import PreExecutionError
from structlog.testing import capture_logs

from application.errors import OutcomeUnknown, StorageUnavailable
from domain.refusals import IdempotencyConflict, NotFound
from interfaces.graphql import documents as reading
from interfaces.graphql import view
from interfaces.graphql.documents import LONGEST_KEPT, MOST_KEPT, Documents
from interfaces.graphql.errors import api_error
from tests.interfaces.graphql.memory import MemoryRuntime

RECORD = """mutation { recordUsage(input: {eventId: "e", customerId: "c", meter: "m"}) {
  __typename
} }"""


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> Documents:
    """Texts that nobody has sent yet."""
    fresh = Documents()
    monkeypatch.setattr(reading, "documents", fresh)
    return fresh


def broken(error: Exception) -> MemoryRuntime:
    runtime = MemoryRuntime()
    runtime.ledger.fails = error
    return runtime


@pytest.mark.parametrize(
    "text, code",
    [
        ("{ now", "GRAPHQL_PARSE_FAILED"),
        ("{ now } \x00", "GRAPHQL_PARSE_FAILED"),
        ("", "BAD_USER_INPUT"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ now { year } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($a: Int!) { customers(first: $a) { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ customers(first: 0) { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ customers(first: 1001) { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ customer { id } }", "BAD_USER_INPUT"),
        ('{ customer(id: "a", externalId: "b") { id } }', "BAD_USER_INPUT"),
        ('{ customer(id: "") { id } }', "BAD_USER_INPUT"),
        ('{ wallet(customerId: "ext:\\u0000") { id } }', "BAD_USER_INPUT"),
        ('{ wallet(customerId: "c", asOf: "yesterday") { id } }', "BAD_USER_INPUT"),
        ('{ charge(eventId: "a", id: "b") { id } }', "BAD_USER_INPUT"),
        ('{ charge(source: "a") { id } }', "BAD_USER_INPUT"),
        ('{ events(after: "x") { nodes { type } } }', "BAD_USER_INPUT"),
        ('{ events(actor: "") { nodes { type } } }', "BAD_USER_INPUT"),
        ('{ holds(customerId: "ext:nobody") { id } }', "NOT_FOUND"),
        ("query A { now } query B { now }", "BAD_USER_INPUT"),
        ("fragment F on Query { now }", "BAD_USER_INPUT"),
        ('subscription { walletChanged(customerId: "c") { id } }', "BAD_USER_INPUT"),
        ("{" + " now" * 1_000 + "}", "QUERY_TOO_COMPLEX"),
    ],
)
def test_every_error_has_a_code(text: str, code: str) -> None:
    assert MemoryRuntime().fail(text)["extensions"]["code"] == code


def test_repeated_fields_are_compared_within_bounds() -> None:
    # given: 249 repeats pass the limit of tokens, and took a second before
    text = "{ assets { " + "key name " * 240 + "} }"
    # when
    error = MemoryRuntime().fail(text)
    # then
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_our_own_fault_shows_a_request_id_and_nothing_else() -> None:
    # given
    secret = RuntimeError("password=hunter2")
    # when
    with capture_logs() as logs:
        error = broken(secret).fail(RECORD)
    # then
    assert error == {
        "message": "internal error, request request-1",
        "locations": [{"line": 1, "column": 12}],
        "path": ["recordUsage"],
        "extensions": {"code": "INTERNAL", "requestId": "request-1"},
    }
    (entry,) = [each for each in logs if each["log_level"] == "error"]
    assert entry["exc_info"] is secret
    assert entry["request_id"] == "request-1"


@pytest.mark.parametrize(
    "failure, code",
    [
        (OutcomeUnknown(), "OUTCOME_UNKNOWN"),
        (StorageUnavailable(), "UNAVAILABLE"),
        (psycopg.OperationalError("connection to 10.0.0.7 failed"), "UNAVAILABLE"),
        (psycopg.DataError("value a@b.example"), "INTERNAL"),
        (NotFound(what="meter", key="m"), "NOT_FOUND"),
    ],
)
def test_what_a_failure_is_told_as(failure: Exception, code: str) -> None:
    # when
    error = broken(failure).fail(RECORD)
    # then
    assert error["extensions"]["code"] == code
    assert "10.0.0.7" not in error["message"]
    assert "a@b.example" not in error["message"]


def test_a_failure_of_one_event_of_a_batch_fails_the_batch() -> None:
    # when
    error = broken(OutcomeUnknown()).fail(
        'mutation { recordUsageBatch(events: [{eventId: "e", customerId: "c", meter: "m"}]) '
        "{ __typename } }"
    )
    # then
    assert error["extensions"]["code"] == "OUTCOME_UNKNOWN"


def test_a_refusal_that_the_union_does_not_have_is_an_error_with_its_code() -> None:
    # given: setWalletMode has no idempotency key
    runtime = MemoryRuntime()
    runtime.ledger.refuses = IdempotencyConflict(key="k", field="f")
    # when
    error = runtime.fail('mutation { setWalletMode(customerId: "c", mode: SHADOW) { __typename } }')
    # then
    assert error["extensions"] == {"code": "IDEMPOTENCY_CONFLICT"}


def test_advancing_a_real_clock_is_forbidden() -> None:
    # when
    error = MemoryRuntime(clock_at=None).fail(
        'mutation { advanceClock(to: "2026-03-01T00:00:00Z") }'
    )
    # then
    assert error["extensions"] == {"code": "FORBIDDEN"}


def test_what_was_not_executed_has_no_data() -> None:
    for text in (
        "",
        "{ now",
        "{ nothing }",
        'subscription { walletChanged(customerId: "c") { id } }',
    ):
        assert isinstance(asyncio.run(MemoryRuntime().run(text)), PreExecutionError)
    # an error while it runs has
    assert not isinstance(
        asyncio.run(MemoryRuntime().run("{ customers(first: 0) { nodes { id } } }")),
        PreExecutionError,
    )


def test_of_several_operations_the_named_one_runs() -> None:
    # given
    context = MemoryRuntime().context()
    text = "query A { a: now } query B { b: now }"
    # when
    result = asyncio.run(view.run(text, None, "B", context))
    # then
    assert result.data == {"b": "2026-01-31T09:30:00Z"}


# Reading


def test_a_text_is_parsed_and_validated_once(documents: Documents) -> None:
    # given
    runtime = MemoryRuntime()
    # when
    for _ in range(3):
        assert runtime.ask("query Once { now }") == {"now": "2026-01-31T09:30:00Z"}
        runtime.fail("query Once { never }")
    # then
    assert (documents.parsed, documents.validated) == (2, 2)


def test_the_gate_looks_before_validation_each_time(documents: Documents) -> None:
    # given
    runtime = MemoryRuntime()
    seen: list[tuple[DocumentNode, Any, str | None]] = []

    def closed(document: DocumentNode, variables: Any, name: str | None) -> None:
        seen.append((document, variables, name))
        raise api_error("QUERY_TOO_COMPLEX", "too much")

    text = "query Much($n: Int) { customers(first: $n) { nothing } }"
    # when
    for n in (1, 2):
        result = asyncio.run(runtime.run(text, {"n": n}, gate=closed))
        assert result.errors is not None
        assert [each.message for each in result.errors] == ["too much"]
    # then
    assert [(variables, name) for _, variables, name in seen] == [
        ({"n": 1}, "Much"),
        ({"n": 2}, "Much"),
    ]
    assert seen[0][0] is seen[1][0]
    assert documents.validated == 0


def test_only_so_many_texts_are_kept_and_none_too_long(documents: Documents) -> None:
    # given
    runtime = MemoryRuntime()
    long = "{ now } #" + "x" * LONGEST_KEPT
    # when
    for _ in range(2):
        runtime.ask(long)
    for n in range(MOST_KEPT + 1):
        runtime.ask(f"query Q{n} {{ now }}")
    # then
    assert documents.find(long) is None
    assert documents.find("query Q0 { now }") is None
    assert documents.find(f"query Q{MOST_KEPT} {{ now }}") is not None


def test_extensions_of_the_context_are_answered() -> None:
    # given
    runtime = MemoryRuntime()
    context = runtime.context(extensions={"lists": {"behind": 2}})
    # when
    result = asyncio.run(view.run("{ now }", None, None, context))
    # then
    assert result.extensions == {"lists": {"behind": 2}}
