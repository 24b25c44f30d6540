"""Folding in a process of its own while much is recorded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest

from application.storage.database import Login
from interfaces.processes import folding
from interfaces.processes.folding import Folding, Projector, worth_a_process
from tests.processes.commands import client_of, command, environment, stopped, told
from tests.scenarios.server import Client

pytestmark = [
    pytest.mark.storage,
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(not worth_a_process(), reason="there is one core"),
]

EVENTS = 5_000
MOST_BATCHES = 60
EVENT = '{"eventId": "e%d", "customer": "acme", "meter": "m", "amount": "1", "asset": "CREDIT"}\n'
USED = """query ($from: DateTime!, $to: DateTime!) {
  usageSeries(from: $from, to: $to, bucket: DAY) { charges } }"""


def test_while_much_is_recorded_a_process_of_its_own_folds_each_charge_once(
    database: Login, tmp_path: Path
) -> None:
    with command(environment(database, tmp_path), "--port", "0") as server:
        url = told(server).removeprefix("Serving on ")
        client = client_of(httpx.URL(url).port or 0)
        with client.http:
            client.define_credit()
            client.customer()
            client.grant("g", "10000000")
            numbers = count()
            # when much is recorded, then a process of its own folds
            _send_until(lambda: _projector_of(server.pid) is not None, client, numbers)
            projector = _projector_of(server.pid)
            assert projector is not None
            # when it dies, and more is recorded
            os.kill(projector, signal.SIGKILL)
            _send(client, numbers)
            # then the server folds, and every charge was folded once
            today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            span = {"from": today - timedelta(days=1), "to": today + timedelta(days=2)}
            points = client.ask(USED, **{name: at.isoformat() for name, at in span.items()})
            assert sum(each["charges"] for each in points["usageSeries"]) == next(numbers)
        # when, then
        assert stopped(server) == 0


def test_a_projector_ends_once_its_line_is_closed(
    database: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(database, tmp_path).items():
        monkeypatch.setenv(name, value)
    # given
    with Projector() as projector:
        assert projector.becomes_ready(threading.Event())
        assert projector.status is None
    # then
    assert projector.status == 0


def test_where_no_process_can_be_started_the_server_goes_on_folding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried, folded_after = threading.Event(), threading.Event()

    def no_process() -> Projector:
        tried.set()
        raise OSError

    class Busy:
        def __init__(self) -> None:
            self.on_batch: list[Callable[[str, int, float], None]] = []

        def run(self, stop: threading.Event) -> None:
            while not stop.wait(0.01):
                for observe in self.on_batch:
                    observe("balances", EVENTS, 1.0)
                if tried.is_set():
                    folded_after.set()

    monkeypatch.setattr(folding, "Projector", no_process)
    stop = threading.Event()
    runs = threading.Thread(target=Folding(Busy()).run, args=(stop,))
    # when
    runs.start()
    # then
    assert tried.wait(30)
    assert folded_after.wait(30)
    stop.set()
    runs.join()


def _send_until(reached: Callable[[], bool], client: Client, numbers: count[int]) -> None:
    for _ in range(MOST_BATCHES):
        if reached():
            return
        _send(client, numbers)
    raise AssertionError("it was never reached")


def _send(client: Client, numbers: count[int]) -> None:
    lines = "".join(EVENT % next(numbers) for _ in range(EVENTS))
    answer = client.http.post(
        "/v1/usage", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    assert answer.text.count('"settled"') == EVENTS


def _projector_of(server: int) -> int | None:
    """Return the process id of a server's projector, if it has one."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server and b"interfaces.processes.projector" in (
                place / "cmdline"
            ).read_bytes().split(b"\0"):
                return int(place.name)
    return None
