"""The next batch is decided while the last one commits; what rests on a failed one does not
stand.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from application.batch import Batch
from application.commands.requests import Command, FreezeWallet, IssueGrant
from application.commands.spend_requests import SetBudgetTemplate
from application.ledger import Ledger, Outcome
from application.storage.recorder import CommitUnknown, NotRecorded, Rows
from application.storage.wallets import WalletCache
from application.writer import LARGEST_BATCH
from domain.refusals import InsufficientFunds, InvalidState, SpendLimitReached
from tests.application.engine import Engine, replayed, settled, usage

pytestmark = pytest.mark.storage

Append = Callable[..., list[int]]
FAILURES = ["before the commit", "after the commit", "by another server", "unwritable"]


@pytest.fixture(params=[None, 0], ids=["cached", "without a cache"])
def ledger(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """A ledger that begins when a test starts it, so that what is sent waits together."""
    engine.funded("10000")
    cache = WalletCache() if request.param is None else WalletCache(request.param)
    ledger = Ledger(engine.recorder, engine.clock, cache=cache)
    yield ledger
    ledger.stop()


def queued(ledger: Ledger, engine: Engine, *batches: list[Command]) -> list[Future[list[Outcome]]]:
    """Send each batch from a thread of its own, one after the other; then start."""
    pool = ThreadPoolExecutor(len(batches))
    sent = []
    for batch in batches:
        before = ledger.waiting
        sent.append(pool.submit(ledger.execute, engine.caller, batch))
        while ledger.waiting != before + len(batch):
            pass
    ledger.start()
    return sent


def charges(name: str, count: int = LARGEST_BATCH) -> list[Command]:
    return [usage(f"{name}-{number}") for number in range(count)]


def first_append(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, instead: Callable[[Append, Rows, Any], Any]
) -> list[int]:
    """Let something happen at the first commit; return the sizes of all commits tried."""
    append: Append = engine.recorder.append
    sizes: list[int] = []

    def watched(rows: Rows, *relied_on: Any, **options: Any) -> list[int]:
        sizes.append(len(rows))
        if len(sizes) == 1:
            return instead(append, rows, relied_on)  # type: ignore[no-any-return]
        return append(rows, *relied_on, **options)

    monkeypatch.setattr(engine.recorder, "append", watched)
    return sizes


def test_the_next_batch_is_decided_meanwhile_and_answered_after_its_own_commit(
    engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a commit that waits until a second batch is decided upon it
    decided = threading.Semaphore(0)
    ledger.on_stage.append(lambda stage, *_: decided.release() if stage == "decide" else None)
    answered: list[bool] = []

    def slow(append: Append, rows: Rows, relied_on: Any) -> list[int]:
        if ledger.cache.most_bytes:
            assert decided.acquire(timeout=20)
            assert decided.acquire(timeout=20)
        answered.append(any(future.done() for future in sent))
        return append(rows, *relied_on)

    sent: list[Future[list[Outcome]]] = []
    first_append(engine, monkeypatch, slow)
    # when
    sent += queued(ledger, engine, charges("a"), charges("b"))
    first, second = (future.result(60) for future in sent)
    # then
    assert answered == [False]
    assert settled(first) == settled(second) == LARGEST_BATCH
    assert first[-1].position < second[0].position
    assert engine.available() == 8_000


def test_no_batch_keeps_those_before_it_in_memory(
    engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: batches that follow each other without a pause
    gc.collect()
    before = in_memory(Batch)
    alive: list[int] = []
    append: Append = engine.recorder.append

    def counting(rows: Rows, *relied_on: Any, **options: Any) -> list[int]:
        alive.append(in_memory(Batch) - before)
        return append(rows, *relied_on, **options)

    monkeypatch.setattr(engine.recorder, "append", counting)
    # when
    for future in queued(ledger, engine, *(charges(name) for name in "abcdef")):
        future.result(60)
    # then: those of the one that commits, of the next, and of the one just answered
    assert len(alive) == 6
    assert max(alive) <= 3


def in_memory(kind: type) -> int:
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.mark.parametrize("failure", FAILURES)
def test_what_rests_on_a_failed_commit_is_decided_again(
    engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    """Another server empties all but 1 500 first, where the failure is one of its making."""

    # given
    def fail(append: Append, rows: Rows, relied_on: Any) -> list[int]:
        if failure == "before the commit":
            raise NotRecorded("no connection")
        if failure == "after the commit":
            append(rows, *relied_on)
            raise CommitUnknown("no answer")
        if failure == "unwritable":
            raise ValueError("a row that cannot be sent")
        engine.recorder.append = append  # type: ignore[method-assign]
        engine.done(usage("other", "8500"))
        return append(rows, *relied_on)

    first_append(engine, monkeypatch, fail)
    # when
    first, second = (
        future.result(100) for future in queued(ledger, engine, charges("a"), charges("b"))
    )
    # then
    assert settled(first) == LARGEST_BATCH
    left = 10_000 - (8_500 if failure == "by another server" else 0)
    assert settled(second) == min(LARGEST_BATCH, left - LARGEST_BATCH)
    refused = [outcome.refusal for outcome in second if outcome.refusal is not None]
    assert {type(refusal) for refusal in refused} <= {InsufficientFunds}
    balances = [
        outcome.answer.charge.balance_after_units // 10**6  # type: ignore[union-attr]
        for outcome in [*first, *second]
        if outcome.answer is not None
    ]
    assert balances == list(range(left - 1, left - 1 - len(balances), -1))
    assert engine.available() == balances[-1]


def test_an_event_on_its_way_is_a_replay(
    engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = first_append(
        engine, monkeypatch, lambda append, rows, relied_on: append(rows, *relied_on)
    )
    first, second = (
        future.result(60) for future in queued(ledger, engine, charges("a"), charges("a"))
    )
    assert (settled(first), replayed(second)) == (LARGEST_BATCH, LARGEST_BATCH)
    assert sizes == [LARGEST_BATCH + 1]
    assert engine.available() == 9_000


def test_a_batch_sees_what_the_one_before_it_did(engine: Engine, ledger: Ledger) -> None:
    """A grant, a refusal and a freeze of the batch that still commits."""
    grant = IssueGrant("more", "ext:acme", "CREDIT", "50", "PROMOTIONAL")
    first, second, third = (
        future.result(60)
        for future in queued(
            ledger,
            engine,
            [usage("all", "10000"), grant, *charges("a", LARGEST_BATCH - 2)],
            [grant, usage("all", "10000"), FreezeWallet("ext:acme", "test"), *charges("b", 997)],
            charges("c", 500),
        )
    )
    assert settled(first) == 52
    assert [getattr(outcome.answer, "replayed", None) for outcome in second[:3]] == [
        True, True, None,
    ]  # fmt: skip
    assert settled(second[3:]) == 0
    assert {type(outcome.refusal) for outcome in third} == {InvalidState}
    assert engine.available() == 0


def test_a_template_and_what_its_budget_has_spent_are_seen_on_their_way(
    engine: Engine, ledger: Ledger
) -> None:
    template = SetBudgetTemplate("agent-*", "CREDIT", "1500", "DAY")
    first, second = (
        future.result(60)
        for future in queued(
            ledger,
            engine,
            [template, *(usage(f"a-{number}", subject="agent-1") for number in range(999))],
            [usage(f"b-{number}", subject="agent-1") for number in range(LARGEST_BATCH)],
        )
    )
    assert (settled(first), settled(second)) == (LARGEST_BATCH, 501)
    assert {type(outcome.refusal) for outcome in second[501:]} == {SpendLimitReached}
    assert engine.available() == 8_500
