"""Who waits for read models is told at once: by this process's engine, or by another's news."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from application.wallet_feed import WalletFeed
from projections import arrivals
from projections.arrivals import Arrivals
from projections.positions import Standing
from projections.stops import Stopped
from tests.projections.shop import Shop
from tests.projections.test_engine import PATIENCE_SECONDS, head, running

LONG = 1_000.0
STOPPED = Stopped("a", 4, "b.c", "KeyError", "KeyError in here", datetime(2026, 1, 1, tzinfo=UTC))


class Database:
    """Where read models stand, as `look` finds it; `asked` is set when it has been asked."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.asked = threading.Event()
        self.looks = 0

    def look(self) -> Mapping[str, Standing]:
        self.looks += 1
        found = dict(self.standings)
        self.asked.set()
        return found


@pytest.fixture(autouse=True)
def news_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks by the clock."""
    monkeypatch.setattr(arrivals, "ASKED_SELDOM_SECONDS", LONG)
    monkeypatch.setattr(arrivals, "ASKED_EVERY_SECONDS", LONG)


def woken(database: Database, waiting: Arrivals, tell: Callable[[], None]) -> bool:
    """Return what who waits for position 5 of `a` hears, told once he waits."""
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(waiting.wait_for, 5, ["a"], PATIENCE_SECONDS)
        assert database.asked.wait(PATIENCE_SECONDS)
        tell()
        return heard.result(PATIENCE_SECONDS)


def test_news_of_another_process_wakes_who_waits() -> None:
    # given
    database = Database()
    waiting = Arrivals(database.look)
    waiting.hearing(True)

    def fold() -> None:
        database.standings["a"] = Standing(5)
        waiting.hear()

    # when, then
    assert woken(database, waiting, fold)
    assert database.looks == 2


def test_who_waits_for_what_has_stopped_elsewhere_waits_no_longer() -> None:
    # given
    database = Database()
    waiting = Arrivals(database.look)

    def stop() -> None:
        database.standings["a"] = Standing(3, STOPPED)
        waiting.hear()

    # when, then
    assert not woken(database, waiting, stop)
    # when it goes on
    database.standings["a"] = Standing(6)
    # then
    assert waiting.wait_for(6, ["a"], PATIENCE_SECONDS)


def test_news_that_nobody_waits_for_asks_nothing() -> None:
    database = Database()
    waiting = Arrivals(database.look)
    waiting.hear()
    assert database.looks == 0


def test_where_an_engine_folds_nobody_asks() -> None:
    # given
    database = Database()
    waiting = Arrivals(database.look)
    waiting.folding(begins=True)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(waiting.wait_for, 5, ["a"], PATIENCE_SECONDS)
        # when
        waiting.tell("a", Standing(4))
        waiting.tell("a", Standing(5))
        # then
        assert heard.result(PATIENCE_SECONDS)
    assert database.looks == 0


@pytest.mark.storage
@pytest.mark.xdist_group("projections")
def test_an_engine_that_runs_tells_a_process_that_only_reads(shop: Shop) -> None:
    # given a process that reads, and hears what is told
    reading, hearing, stop = shop.engine(), threading.Event(), threading.Event()
    feed = WalletFeed(shop.proj)
    feed.on_folded.append(reading.arrivals.hear)
    feed.on_hearing += [reading.arrivals.hearing, lambda heard: hearing.set() if heard else None]
    listener = threading.Thread(target=feed.run, args=(stop,))
    listener.start()
    try:
        assert hearing.wait(PATIENCE_SECONDS)
        with running(shop.engine()), ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                # when
                shop.customer()
                heard = pool.submit(reading.wait_for, head(shop), PATIENCE_SECONDS)
                # then
                assert heard.result(PATIENCE_SECONDS)
    finally:
        stop.set()
        listener.join(PATIENCE_SECONDS)
