"""What several processes on one database share: the lease of due work, and news of wallets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from application.clock import SetClock
from application.due_work import DueWork
from application.storage.database import Login, Pool, Role
from application.storage.lease import Lease
from application.wallet_feed import WalletFeed
from tests.application.conftest import Serve
from tests.application.engine import Engine, hold, settled, usage

pytestmark = pytest.mark.storage

KEY = 4711


@contextmanager
def feed_of(engine: Engine, logins: dict[Role, Login]) -> Iterator[WalletFeed]:
    """The feed of a process, listening."""
    pool = Pool(logins["proj"], f"feed-{id(engine)}", 2)
    pool.open()
    feed = WalletFeed(pool)
    engine.ledger.on_commit.append(feed.tell)
    stop = threading.Event()
    thread = threading.Thread(target=feed.run, args=(stop,))
    thread.start()
    try:
        yield feed
    finally:
        stop.set()
        thread.join(10)
        pool.close()


def test_a_lease_has_one_holder_and_passes_on(logins: dict[Role, Login]) -> None:
    # given
    first, second = Lease(logins["app"], KEY), Lease(logins["app"], KEY)
    # then
    assert [first.held(), second.held(), first.held()] == [True, False, True]
    # when
    first.release()
    # then
    assert [second.held(), first.held()] == [True, False]
    first.release()
    second.release()


def test_a_lease_ends_with_its_connection(own_logins: dict[Role, Login], database: Login) -> None:
    # given
    first, second = Lease(own_logins["app"], KEY), Lease(own_logins["app"], KEY)
    assert [first.held(), second.held()] == [True, False]
    # when
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND granted AND objid = %s", (KEY,),
        )  # fmt: skip
    # then
    with pytest.raises(psycopg.OperationalError):
        first.held()
    assert [second.held(), first.held()] == [True, False]
    first.release()
    second.release()


def test_two_schedulers_without_a_lease_write_what_falls_due_once(serve: Serve) -> None:
    # given eight wallets, each with a hold that has lapsed
    clock = SetClock(datetime(2026, 1, 1, tzinfo=UTC))
    first, second = serve(clock), serve(clock)
    names = [f"c{number}" for number in range(8)]
    for name in names:
        first.funded("10", name)
        assert settled(first.do(hold(f"h-{name}", "5", name, ttl_seconds=60))) == 1
    clock.at += timedelta(minutes=2)
    wallets = [first.wallet_id(name) for name in names]
    together = threading.Barrier(2)

    def run(engine: Engine) -> None:
        due = DueWork(
            engine.ledger,
            engine.reader,
            lambda *_: wallets,
            lambda: None,
            lambda: [engine.tenant_id],
        )
        together.wait()
        assert due.run_once(engine.tenant_id) == len(wallets)

    # when
    with ThreadPoolExecutor() as threads:
        list(threads.map(run, (first, second)))
    # then
    for wallet in wallets:
        assert first.topics(wallet).count("wallet.hold_lapsed") == 1


def test_a_watcher_hears_at_once_then_of_every_process(
    serve: Serve, logins: dict[Role, Login]
) -> None:
    # given
    here, there = serve(), serve()
    here.funded("10")
    wallet = here.wallet_id()

    async def scene() -> list[int]:
        changes = feed.changes(wallet)
        seen = [await anext(changes)]
        for event_id, engine in (("e1", there), ("e2", here), ("e3", there)):
            await asyncio.to_thread(engine.done, usage(event_id))
            seen.append(await asyncio.wait_for(anext(changes), 30))
        await changes.aclose()
        return seen

    # when
    with feed_of(here, logins) as feed:
        seen = asyncio.run(scene())
    # then: the position of the wallet's latest event, each later than the one before
    positions = [
        row.id for row in here.recorder.select_notifications(seen[0], 10_000)
        if str(row.originator_id) == wallet
    ]  # fmt: skip
    assert seen == sorted(set(seen))
    assert seen[-1] >= positions[-1]
    assert len(seen) == 4


def test_a_watcher_of_one_wallet_does_not_hear_of_another(
    serve: Serve, logins: dict[Role, Login]
) -> None:
    # given
    here, there = serve(), serve()
    here.funded("10", "acme")
    here.funded("10", "other")

    async def scene() -> bool:
        changes = feed.changes(here.wallet_id("acme"))
        first = await anext(changes)
        await asyncio.to_thread(there.done, usage("e1", customer="other"))
        await asyncio.to_thread(there.done, usage("e2", customer="acme"))
        second = await asyncio.wait_for(anext(changes), 30)
        await changes.aclose()
        (event,) = here.reader.events(here.tenant_id, aggregate_id=here.wallet_id("acme"), limit=1)
        return first < second == event.position

    # when, then
    with feed_of(here, logins) as feed:
        assert asyncio.run(scene())
