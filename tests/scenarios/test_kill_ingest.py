"""kill -9 under bulk ingest and single charges at once: nothing acknowledged is lost."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from interfaces.runtime import DATABASE
from tests.scenarios.crashing import KEY, check_replay, kill_postgres, served
from tests.scenarios.server import RECORD, Client

ROUNDS, ROUNDS_OF_SOAK = 5, 50
IN_BULK, IN_BULK_OF_SOAK = 1, 3
ONE_BY_ONE = 3
EVENTS = 10_000
LINES_A_CHUNK = 500
FUNDS = 10_000_000
# Every so many events one is for a customer who has nothing, and is refused.
POOR = 50


@dataclass(slots=True)
class Told:
    """What clients know of their events: each is in one of the three."""

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def take_in(self, other: Told) -> None:
        self.acknowledged |= other.acknowledged
        self.refused |= other.refused
        self.unknown |= other.unknown


class Load:
    """Senders of charges of 1, until told to stop or the server is gone."""

    def __init__(self, url: str, name: str, in_bulk: int) -> None:
        self.told = Told()
        self._client = Client(url, KEY)
        self._name = name
        self._stop = threading.Event()
        self._in_bulk = threading.Semaphore(0)
        sends: list[Callable[[str], bool]] = [self._bulk for _ in range(in_bulk)]
        sends += [self._single for _ in range(ONE_BY_ONE)]
        self._threads = [
            threading.Thread(target=self._run, args=(send, f"{name}-{number}"))
            for number, send in enumerate(sends)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.http.close()

    def await_bulk(self) -> None:
        """Wait until a batch was answered: then others are on their way."""
        assert self._in_bulk.acquire(timeout=60), "no batch was answered"

    def _run(self, send: Callable[[str], bool], name: str) -> None:
        turn = 0
        while not self._stop.is_set() and send(f"{name}-{turn}"):
            turn += 1

    def _bulk(self, name: str) -> bool:
        """Stream a batch; what its answer does not tell is unknown."""
        events = [_event(f"{name}-{number}", number) for number in range(EVENTS)]
        told = _send_all(self._client, events)
        self.told.take_in(told)
        if not told.acknowledged:
            return False
        self._in_bulk.release()
        return True

    def _single(self, name: str) -> bool:
        report = _event(name, 1)
        report["customerId"] = f"ext:{report.pop('customer')}"
        try:
            body = {"query": RECORD, "variables": {"input": report}}
            answer = self._client.http.post("/graphql", json=body).json()
            kind = answer["data"]["answer"]["__typename"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            self.told.unknown.add(name)
            return False
        (self.told.acknowledged if kind == "UsageCharge" else self.told.refused).add(name)
        return True


def _event(event_id: str, number: int) -> dict[str, Any]:
    customer = "poor" if number % POOR == 0 else f"c{number % 2}"
    return {
        "eventId": event_id, "customer": customer, "meter": "tokens", "amount": "1", "asset": "USD",
    }  # fmt: skip


def _send_all(client: Client, events: list[dict[str, Any]]) -> Told:
    """Stream events as NDJSON."""

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(events), LINES_A_CHUNK):
            lines = [json.dumps(each) for each in events[start : start + LINES_A_CHUNK]]
            yield ("\n".join(lines) + "\n").encode()

    told = Told()
    try:
        answer = client.http.post(
            "/v1/usage", content=chunks(), headers={"Content-Type": "application/x-ndjson"}
        )
        results = answer.json()["results"]
    except (httpx.HTTPError, ValueError, KeyError):
        told.unknown.update(each["eventId"] for each in events)
        return told
    places = {"settled": told.acknowledged, "replayed": told.acknowledged, "refused": told.refused}
    assert [result["eventId"] for result in results] == [each["eventId"] for each in events]
    for result in results:
        places.get(result["outcome"], told.unknown).add(result["eventId"])
    return told


def _kill_rounds(directory: Path, rounds: int, in_bulk: int) -> None:
    told = Told()
    with served(directory) as (_, client):
        for name in ("c0", "c1", "poor"):
            client.customer(name)
        for name in ("c0", "c1"):
            client.grant(f"g-{name}", str(FUNDS), asset="USD", customerId=f"ext:{name}")
    for number in range(rounds):
        with served(directory) as (process, client):
            with Load(client.url, f"r{number}", in_bulk) as load:
                load.await_bulk()
                time.sleep(0.07 * number % 0.4)
                if number % 3 != 0:
                    kill_postgres(directory)  # and where it is alone, the server brings it back
                if number % 3 != 1:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kill_postgres(directory)
            told.take_in(load.told)
    assert told.acknowledged
    assert told.refused
    with served(directory) as (_, client):
        recorded = Counter(_recorded(directory))
        assert set(recorded.values()) == {1}
        assert told.acknowledged <= recorded.keys()
        assert not told.refused & recorded.keys()
        assert recorded.keys() <= told.acknowledged | told.unknown
        # An unknown one is settled by sending it again: once, if it was not already.
        again = [_event(each, _number(each)) for each in sorted(told.unknown)]
        for start in range(0, len(again), EVENTS):
            resolved = _send_all(client, again[start : start + EVENTS])
            assert not resolved.unknown
            assert not resolved.refused & recorded.keys()
            told.acknowledged |= resolved.acknowledged
        recorded = Counter(_recorded(directory))
        assert set(recorded.values()) == {1}
        assert recorded.keys() == told.acknowledged
        left = sum(int(client.account(f"ext:{each}", "USD")["available"]) for each in ("c0", "c1"))
        assert left == 2 * FUNDS - len(recorded)
        client.await_lists()
    check_replay(directory)


def _number(event_id: str) -> int:
    """Return the number that an event was made of: of a batch its last part, else 1."""
    parts = event_id.split("-")
    return int(parts[-1]) if len(parts) == 4 else 1


def _recorded(directory: Path) -> list[str]:
    """Return the event id of every charge in the log."""
    server = EmbeddedServer(directory)
    server.start()
    try:
        with Login(dict(server.conninfo(DATABASE))).connect() as connection:
            rows = connection.execute(
                "SELECT convert_from(state, 'UTF8')::json #>> '{reported,event_id}'"
                " FROM ledger_00.events WHERE topic = 'charge.settled'"
            ).fetchall()
    finally:
        server.stop()
    return [event_id for (event_id,) in rows]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "ledger"
    EmbeddedServer(tmp_path / "ledger").remove()


def test_five_rounds_of_kill_9_under_bulk_ingest(directory: Path) -> None:
    _kill_rounds(directory, ROUNDS, IN_BULK)


@pytest.mark.soak
def test_fifty_rounds_of_kill_9_under_bulk_ingest(directory: Path) -> None:
    _kill_rounds(directory, ROUNDS_OF_SOAK, IN_BULK_OF_SOAK)
