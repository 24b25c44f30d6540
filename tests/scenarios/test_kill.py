"""kill -9 of the server under load, then of PostgreSQL: nothing acknowledged is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from application.storage.embedded import EmbeddedServer
from tests.scenarios.crashing import check_replay, kill_postgres, served
from tests.scenarios.server import RECORD, Client

ROUNDS, ROUNDS_OF_SOAK = 10, 50
SENDERS = 6


class Load:
    """Senders of charges of 1; each remembers what was acknowledged and what is unknown."""

    def __init__(self, client: Client, name: str) -> None:
        self.acknowledged: set[str] = set()
        self.unknown: set[str] = set()
        self._client = client
        self._name = name
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            event_id = f"{self._name}-{sender}-{number}"
            report = {
                "eventId": event_id,
                "customerId": f"ext:c{sender % 2}",
                "meter": "tokens",
                "amount": "1",
                "asset": "USD",
            }
            try:
                body = {"query": RECORD, "variables": {"input": report}}
                answer = self._client.http.post("/graphql", json=body).json()
                assert answer["data"]["answer"]["__typename"] == "UsageCharge", answer
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                self.unknown.add(event_id)
                return
            self.acknowledged.add(event_id)


def _kill_rounds(directory: Path, rounds: int) -> None:
    acknowledged: set[str] = set()
    unknown: set[str] = set()
    with served(directory) as (_, client):
        for number in range(2):
            client.customer(f"c{number}")
            client.grant(f"g{number}", "1000000", asset="USD", customerId=f"ext:c{number}")
    for number in range(rounds):
        with served(directory) as (process, client):
            with Load(client, f"r{number}") as load:
                time.sleep(0.3 + 0.05 * number % 0.4)
                if number % 2:
                    kill_postgres(directory)
                    time.sleep(0.2)
                process.send_signal(signal.SIGKILL)
                process.wait()
                if not number % 2:
                    kill_postgres(directory)
            assert load.acknowledged
            acknowledged |= load.acknowledged
            unknown |= load.unknown
    with served(directory) as (_, client):
        client.await_lists()
        recorded = _recorded(client)
        assert len(recorded) == len(set(recorded))
        assert acknowledged <= set(recorded)
        assert set(recorded) <= acknowledged | unknown
        spent = len(recorded)
        # An unknown one is settled by sending it again: once.
        for event_id in sorted(unknown - set(recorded)):
            sender = int(event_id.split("-")[1])
            answer = client.charge(event_id, "1", customerId=f"ext:c{sender % 2}", asset="USD")
            assert (answer["status"], answer["replayed"]) == ("SETTLED", False)
            spent += 1
        left = sum(int(client.account(f"ext:c{number}", "USD")["available"]) for number in range(2))
        assert left == 2_000_000 - spent
    check_replay(directory)


def _recorded(client: Client) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = client.ask(
            """query ($after: String) { charges(first: 1000, after: $after) {
              nodes { eventId } pageInfo { hasNextPage endCursor } } }""",
            after=after,
        )["charges"]
        found += [node["eventId"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "ledger"
    EmbeddedServer(tmp_path / "ledger").remove()


def test_ten_rounds_of_kill_9(directory: Path) -> None:
    _kill_rounds(directory, ROUNDS)


@pytest.mark.soak
def test_fifty_rounds_of_kill_9(directory: Path) -> None:
    _kill_rounds(directory, ROUNDS_OF_SOAK)
