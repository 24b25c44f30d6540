"""How commands wait, are decided together and are answered, each in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from application.caller import Caller
from application.commands.handlers import HANDLERS
from application.commands.requests import (
    AdvanceClock,
    Command,
    CreateCustomer,
    FreezeWallet,
    RecordUsage,
    ReleaseHold,
)
from application.errors import NotASandbox
from application.ledger import Ledger, Outcome
from application.storage.recorder import MovedOn, Rows
from domain.refusals import InsufficientFunds, InvalidInput, NotFound, Overloaded
from tests.application.conftest import Serve
from tests.application.engine import Engine, replayed, settled, usage

pytestmark = pytest.mark.storage


@pytest.fixture
def waiting(engine: Engine) -> Iterator[Ledger]:
    """A ledger that decides nothing before it is started: what is sent waits together."""
    engine.funded("100")
    ledger = Ledger(engine.recorder, engine.clock, most_waiting=10)
    yield ledger
    ledger.stop()


async def send(ledger: Ledger, caller: Caller, *commands: Command) -> list[Outcome]:
    """Send each command by itself; start the writer once all wait."""
    sent = [asyncio.create_task(ledger.submit_many(caller, [command])) for command in commands]
    await asyncio.sleep(0)
    assert ledger.waiting == len(commands)
    ledger.start()
    return [outcome for task in sent for outcome in await task]


# Answers


def test_every_command_has_its_answer_in_its_place(engine: Engine) -> None:
    # given
    engine.funded("100")
    # when
    outcomes = engine.do(
        usage("e1", "60"),
        usage("e2", "-1"),
        usage("e3", "60"),
        usage("e1", "60"),
        usage("e4", "1", "nobody"),
        usage("e5", "40"),
    )
    # then
    assert [type(outcome.refusal) for outcome in outcomes] == [
        type(None), InvalidInput, InsufficientFunds, type(None), NotFound, type(None),
    ]  # fmt: skip
    assert (settled(outcomes), replayed(outcomes)) == (2, 1)
    last = engine.reader.events(engine.tenant_id, limit=1)[0].position
    assert [outcome.position for outcome in outcomes] == [last, 0, last, last, last, last]
    assert engine.available() == 0


def test_more_than_a_batch_keeps_its_order(engine: Engine) -> None:
    engine.funded("2500")
    commands = [usage(f"e{number}") for number in range(2_500)]
    answers = asyncio.run(engine.ledger.submit_many(engine.caller, commands))
    assert [
        outcome.answer.charge.balance_after_units // 10**6  # type: ignore[union-attr]
        for outcome in answers
    ] == list(range(2_499, -1, -1))


def test_what_waits_together_shares_a_commit(engine: Engine, waiting: Ledger) -> None:
    outcomes = asyncio.run(
        send(waiting, engine.caller, *(usage(f"e{number}", "10") for number in range(5)))
    )
    assert settled(outcomes) == 5
    assert len({outcome.position for outcome in outcomes}) == 1
    assert engine.topics(engine.wallet_id())[-1] == "wallet.usage_debited"
    assert engine.topics(engine.wallet_id()).count("wallet.usage_debited") == 1
    assert engine.available() == 50


def test_callers_of_one_commit_stay_apart(engine: Engine, waiting: Ledger) -> None:
    async def both() -> None:
        ledger_caller = Caller(engine.tenant_id, "one", "first")
        first = asyncio.create_task(waiting.submit(ledger_caller, CreateCustomer("a")))
        ledger_caller = Caller(engine.tenant_id, "other", "second")
        second = asyncio.create_task(waiting.submit(ledger_caller, CreateCustomer("b")))
        await asyncio.sleep(0)
        waiting.start()
        assert (await first).position == (await second).position

    asyncio.run(both())
    newest = engine.reader.events(engine.tenant_id, limit=4)
    assert [(event.actor, event.request_id, event.topic) for event in reversed(newest)] == [
        ("one", "first", "customer.created"),
        ("one", "first", "wallet.opened"),
        ("other", "second", "customer.created"),
        ("other", "second", "wallet.opened"),
    ]


def test_charges_of_callers_of_one_commit_stay_apart(engine: Engine, waiting: Ledger) -> None:
    """On one wallet: each caller's charges are one row of the wallet, under its own name."""

    async def alternate() -> None:
        one = Caller(engine.tenant_id, "one", "first")
        other = Caller(engine.tenant_id, "one", "second")
        turns = [
            asyncio.create_task(waiting.submit_many(caller, commands))
            for caller, commands in (
                (one, [usage("a1", "1"), usage("a2", "2")]),
                (other, [usage("b1", "4")]),
                (one, [usage("a3", "8")]),
            )
        ]
        await asyncio.sleep(0)
        waiting.start()
        assert len({outcome.position for turn in turns for outcome in await turn}) == 1

    asyncio.run(alternate())
    newest = engine.reader.events(engine.tenant_id, limit=7)
    assert [(event.request_id, event.topic) for event in reversed(newest)] == [
        ("first", "charge.settled"),
        ("first", "charge.settled"),
        ("first", "wallet.usage_debited"),
        ("second", "charge.settled"),
        ("second", "wallet.usage_debited"),
        ("first", "charge.settled"),
        ("first", "wallet.usage_debited"),
    ]
    assert engine.available() == 85


@pytest.mark.parametrize("moved", [False, True])
def test_what_is_relied_on_is_compared_as_it_is_written(engine: Engine, moved: bool) -> None:
    """A stream that nobody has begun, and one that is there."""
    # given
    (answer,) = engine.done(CreateCustomer("a"))
    relied_on = {answer.customer_id: 1, engine.wallet_id("nobody"): int(moved)}
    rows = Rows(
        [engine.tenant_id], [engine.wallet_id("new")], [1], ["asset.defined"], [b"{}"],
        [engine.clock.now()], ["test"], ["request"],
    )  # fmt: skip
    # when, then
    if moved:
        with pytest.raises(MovedOn):
            engine.recorder.append(rows, relied_on)
    else:
        assert len(engine.recorder.append(rows, relied_on)) == 1


def test_a_real_clock_cannot_be_advanced(engine: Engine) -> None:
    with pytest.raises(NotASandbox):
        asyncio.run(engine.ledger.submit(engine.caller, AdvanceClock(engine.clock.now())))


# Bounds


def test_a_full_queue_answers_at_once(engine: Engine, waiting: Ledger) -> None:
    async def overfill() -> tuple[Outcome, list[Outcome]]:
        sent = [
            asyncio.create_task(waiting.submit(engine.caller, usage(f"e{number}", "10")))
            for number in range(5)
        ]
        await asyncio.sleep(0)
        one_more = await waiting.submit(engine.caller, usage("one-more", "10"))
        waiting.start()
        return one_more, [await task for task in sent]

    one_more, outcomes = asyncio.run(overfill())
    assert isinstance(one_more.refusal, Overloaded)
    assert one_more.refusal.retry_after_ms > 0
    assert settled(outcomes) == 5
    assert engine.available() == 50


def test_what_was_accepted_is_finished_before_a_stop(engine: Engine, waiting: Ledger) -> None:
    async def stop() -> list[Outcome]:
        sent = [
            asyncio.create_task(waiting.submit(engine.caller, usage(f"e{number}", "10")))
            for number in range(3)
        ]
        await asyncio.sleep(0)
        waiting.start()
        waiting.stop()
        return [await task for task in sent]

    assert settled(asyncio.run(stop())) == 3
    (late,) = waiting.execute(engine.caller, [usage("late")])
    assert isinstance(late.refusal, Overloaded)
    (late,) = waiting.execute(engine.caller, [AdvanceClock(engine.clock.now())])
    assert isinstance(late.refusal, Overloaded)
    assert engine.available() == 70


# Our own faults


def test_a_command_that_fails_leaves_the_others(
    engine: Engine, waiting: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a rule with a bug
    def broken(work: Any, command: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(HANDLERS, ReleaseHold, broken)
    # when
    before, failed, after = asyncio.run(
        send(waiting, engine.caller, usage("e1", "10"), ReleaseHold("h"), usage("e2", "20"))
    )
    # then
    assert isinstance(failed.error, ZeroDivisionError)
    assert settled([before, after]) == 2
    assert engine.available() == 70


def test_a_command_that_cannot_be_written_leaves_the_others(
    engine: Engine, waiting: Ledger
) -> None:
    # given: text that PostgreSQL does not take, past every check of input
    async def both() -> tuple[list[Outcome], list[Outcome]]:
        unwritable = Caller(engine.tenant_id, "test", "\ud800")
        good = asyncio.create_task(waiting.submit_many(engine.caller, [usage("e1", "10")]))
        bad = asyncio.create_task(waiting.submit_many(unwritable, [usage("e2", "20")]))
        await asyncio.sleep(0)
        waiting.start()
        return await good, await bad

    # when
    (good,), (bad,) = asyncio.run(both())
    # then
    assert settled([good]) == 1
    assert isinstance(bad.error, UnicodeEncodeError)
    assert engine.available() == 90
    engine.done(usage("e2", "20"))
    assert engine.available() == 70


def test_a_listener_that_fails_does_not_undo_a_commit(serve: Serve) -> None:
    def listener(rows: Rows, positions: list[int]) -> None:
        raise ZeroDivisionError

    engine = serve()
    engine.funded("100")
    engine.ledger.on_commit.append(listener)
    engine.done(usage("e1", "10"))
    engine.done(usage("e2", "10"))
    (again,) = engine.done(usage("e1", "10"))
    assert again.replayed
    assert engine.available() == 80


def test_a_row_that_is_never_free_ends_in_an_error(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries are bounded: were a bug to state a version twice, the writer must not hang."""
    engine = serve()
    engine.funded("100")
    append = engine.recorder.append

    def doubled(rows: Rows, *_: Any, **options: Any) -> list[int]:
        decide = options.get("decide")
        if decide is None:
            return append(twice(rows))
        return append(rows, decide=lambda cursor: twice(decide(cursor)))

    monkeypatch.setattr(engine.recorder, "append", doubled)
    (outcome,) = engine.do(usage("e1", "10"))
    assert type(outcome.error).__name__ == "AlreadyRecorded"
    monkeypatch.undo()
    engine.done(usage("e1", "10"))
    assert engine.available() == 90


def twice(rows: Rows) -> Rows:
    return Rows(*(getattr(rows, column) * 2 for column in Rows.__slots__))


def test_a_client_that_is_gone_stops_nobody(engine: Engine, waiting: Ledger) -> None:
    # given: a client whose event loop ends before its answer comes
    async def hang_up() -> None:
        task = asyncio.create_task(waiting.submit(engine.caller, usage("e1", "10")))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(hang_up())
    # when
    waiting.start()
    (outcome,) = waiting.execute(engine.caller, [usage("e2", "20")])
    # then
    assert settled([outcome]) == 1
    assert engine.available() == 70


# What is recorded


def test_the_log_reads_in_psql(engine: Engine) -> None:
    engine.done(CreateCustomer("zoë", name="Zoë, née Müller"))
    with engine.pool.transaction(engine.tenant_id) as connection:
        rows = connection.execute(
            "SELECT topic, state::jsonb->>'external_id', state::jsonb->'private'->>'name', actor"
            " FROM ledger_00.log ORDER BY position"
        ).fetchall()
    assert rows == [
        ("tenant.opened", None, None, "counterfoil"),
        ("customer.created", "zoë", "Zoë, née Müller", "test"),
        ("wallet.opened", None, None, "test"),
    ]


def test_a_refusal_writes_nothing(engine: Engine) -> None:
    engine.funded("10")
    before = engine.reader.events(engine.tenant_id, limit=100)
    outcomes = engine.do(
        usage("e1", "11"),
        usage("e2", "1", "nobody"),
        RecordUsage("", "ext:acme", "tokens", amount="1", asset="CREDIT"),
        FreezeWallet("ext:nobody", "fraud"),
    )
    assert [outcome.answer for outcome in outcomes] == [None] * 4
    assert engine.reader.events(engine.tenant_id, limit=100) == before


def test_every_commit_is_told_to_listeners(engine: Engine) -> None:
    with engine.pool.connection() as connection:
        connection.autocommit = True
        connection.execute("LISTEN ledger_00")
        engine.done(CreateCustomer("acme"))
        heard = [notice.channel for notice in connection.notifies(timeout=10, stop_after=1)]
        connection.execute("UNLISTEN *")
        connection.autocommit = False
    assert heard == ["ledger_00"]
