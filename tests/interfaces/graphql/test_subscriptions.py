"""walletChanged: the wallet as it is, then at each change of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from strawberry.types.execution import PreExecutionError

from interfaces.graphql.errors import api_error
from interfaces.graphql.schema import schema
from tests.interfaces.graphql.memory import MemoryRuntime

WATCH = """subscription { walletChanged(customerId: "ext:acme") {
  account(asset: "CREDIT") { available grants { remaining } } } }"""


async def watch(ledger: MemoryRuntime, text: str = WATCH) -> AsyncIterator[Any]:
    results = await schema.stream(text, context_value=ledger.context())
    async for result in results:
        yield result.data if result.errors is None else result.errors[0].extensions


async def change(ledger: MemoryRuntime, key: str) -> None:
    await ledger.run(
        f"""mutation {{ issueGrant(input: {{idempotencyKey: "{key}", customerId: "ext:acme",
              asset: "CREDIT", amount: "1", source: PROMOTIONAL}}) {{ __typename }} }}"""
    )


def available(told: Any) -> Any:
    account = told["walletChanged"]["account"]
    return account and account["available"]


def test_the_state_comes_at_once_then_each_change() -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    async def scene() -> list[Any]:
        watching = watch(ledger)
        seen = [await anext(watching)]
        for n in (1, 2):
            await change(ledger, str(n))
            ledger.changes.put_nowait(len(ledger.log.all))
            seen.append(await anext(watching))
        return seen

    # when
    seen = asyncio.run(scene())
    # then
    assert [available(each) for each in seen] == [None, "1", "2"]
    assert seen[-1]["walletChanged"]["account"]["grants"] == [{"remaining": "1"}] * 2


def test_several_changes_at_once_are_told_once() -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    async def scene() -> list[Any]:
        watching = watch(ledger)
        seen = [await anext(watching)]
        for n in (1, 2, 3):
            await change(ledger, str(n))
            ledger.changes.put_nowait(len(ledger.log.all))
        seen.append(await anext(watching))
        await change(ledger, "4")
        ledger.changes.put_nowait(len(ledger.log.all))
        seen.append(await anext(watching))
        return seen

    # when
    seen = asyncio.run(scene())
    # then
    assert [available(each) for each in seen] == [None, "3", "4"]


def test_a_customer_that_does_not_exist_ends_it_with_an_error() -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    async def scene() -> list[Any]:
        return [
            each
            async for each in watch(
                ledger, 'subscription { walletChanged(customerId: "ext:nobody") { id } }'
            )
        ]

    # when, then
    assert asyncio.run(scene()) == [{"code": "NOT_FOUND"}]


def test_a_failing_feed_ends_it_without_showing_why() -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    ledger.feed_fails = RuntimeError("password=hunter2")

    async def scene() -> list[Any]:
        return [each async for each in watch(ledger)]

    # when
    seen = asyncio.run(scene())
    # then
    assert seen[1:] == [{"code": "INTERNAL", "requestId": "request-1"}]


def test_leaving_stops_the_feed() -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    async def scene() -> None:
        results = await schema.stream(WATCH, context_value=ledger.context())
        await anext(results)
        await results.aclose()
        for _ in range(5):
            await asyncio.sleep(0)

    # when
    asyncio.run(scene())
    # then
    assert ledger.feeds_left == 1


@pytest.mark.parametrize(
    "failure, code",
    [(api_error("QUERY_TOO_COMPLEX", "too much"), "QUERY_TOO_COMPLEX"), (KeyError(), "INTERNAL")],
)
def test_the_gate_stands_before_subscriptions_too(failure: Exception, code: str) -> None:
    # given
    ledger = MemoryRuntime().with_customer()

    def closed(*_: object) -> None:
        raise failure

    async def scene() -> list[Any]:
        results = await schema.stream(WATCH, context_value=ledger.context(gate=closed))
        return [result async for result in results]

    # when
    (result,) = asyncio.run(scene())
    # then
    assert isinstance(result, PreExecutionError)
    assert result.errors is not None
    assert [(error.extensions or {})["code"] for error in result.errors] == [code]


@pytest.mark.parametrize("text", ["subscription {", "subscription { nothing }", ""])
def test_what_cannot_be_read_is_one_answer_without_data(text: str) -> None:
    # given
    ledger = MemoryRuntime()

    async def scene() -> list[Any]:
        results = await schema.stream(text, context_value=ledger.context())
        return [result async for result in results]

    # when
    (result,) = asyncio.run(scene())
    # then
    assert isinstance(result, PreExecutionError)
    assert result.errors is not None
    assert all((error.extensions or {}).get("code") for error in result.errors)
