"""The position that an answer carries: sent back, nothing from before it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from interfaces.graphql import view
from projections.pages import Page
from tests.interfaces.graphql.memory import MemoryRuntime

GIFT = """mutation { adjustWallet(input: {idempotencyKey: "k", customerId: "ext:acme",
  asset: "CREDIT", amount: "5", reason: GIFT}) { __typename } }"""


def position_of(ledger: MemoryRuntime, text: str, **more: Any) -> int:
    context = ledger.context(**more)
    asyncio.run(view.run(text, None, None, context))
    return context.position


def test_a_mutation_carries_where_it_was_written() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    position = position_of(ledger, GIFT)
    # then
    assert position == len(ledger.log.all)


@pytest.mark.parametrize(
    "text",
    [
        '{ wallet(customerId: "ext:acme") { id } }',
        '{ holds(customerId: "ext:acme") { id } }',
        "{ customers { nodes { id } } }",
    ],
)
def test_a_query_carries_how_far_the_log_has_come(text: str) -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.read_models.pages["customers"] = Page([], None, has_next=False)
    # when, then
    assert position_of(ledger, text) == len(ledger.log.all)
    assert position_of(ledger, text, min_position=1_000) == 1_000


def test_what_reads_nothing_carries_what_came_with_it() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when, then
    assert position_of(ledger, "{ now }") == 0
    assert position_of(ledger, "{ now }", min_position=7) == 7
    assert position_of(ledger, "{ nothing }", min_position=7) == 7


def test_a_refusal_carries_no_position_of_its_own() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    refused = GIFT.replace("ext:acme", "ext:nobody")
    # when, then
    assert position_of(ledger, refused, min_position=3) == 3


def test_an_answer_does_not_fail_for_want_of_a_position(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    def gone(*_: object, **__: object) -> Any:
        raise psycopg.OperationalError

    monkeypatch.setattr(ledger.reader, "events", gone)
    # when, then
    assert ledger.ask('{ wallet(customerId: "ext:acme") { mode } }') == {
        "wallet": {"mode": "CONTROL"}
    }
