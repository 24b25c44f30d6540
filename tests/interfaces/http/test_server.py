"""The server as a process: it starts, it stops when told, and it finishes what it took."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from interfaces.http.app import create_app
from interfaces.http.server import AddressUnavailable, listen, serve_while_opening, server_for
from interfaces.http.starting import Opened, Progress, StartingApp
from interfaces.keys.keyring import Keyring
from tests.interfaces.http.small_api import (
    ADMIN_KEY,
    PEPPER,
    Keys,
    eventually,
    operations,
    ready,
    served,
)

ROOT = Path(__file__).parents[3]
AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}
PROGRAM = """
from interfaces.http.app import create_app
from interfaces.http.server import serve
from interfaces.keys.keyring import Keyring
from tests.interfaces.http import small_api
from tests.interfaces.http.small_api import PEPPER, Keys, operations, ready

def tell(text):
    print(text, flush=True)

class Told(list):
    def append(self, event):
        tell(event)

small_api.EVENTS = Told()
app = create_app(operations(), Keyring(PEPPER, [Keys()]), ready)
serve(app, "127.0.0.1", 0, listening=tell)
tell("over")
"""


@contextmanager
def process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own, and its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_peace_once_what_was_accepted_is_done(sign: signal.Signals) -> None:
    with process() as (running, url):
        # given
        assert running.stdout is not None
        slow = {"query": "mutation { advanceClock(seconds: 0.5) }"}
        responses: list[httpx.Response] = []

        def ask() -> None:
            responses.append(httpx.post(f"{url}/graphql", json=slow, headers=AUTHORIZED))

        asking = threading.Thread(target=ask)
        idle = socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0))
        asking.start()
        assert running.stdout.readline() == "advancing\n"
        # when
        os.kill(running.pid, sign)
        asking.join(10)
        # then
        assert responses[0].json() == {"data": {"advanceClock": "advanced"}}
        assert running.wait(10) == 0
        assert running.stdout.read().splitlines()[-1] == "over"
        idle.close()


def test_an_address_in_use_is_named() -> None:
    with served() as port, pytest.raises(AddressUnavailable, match=f"127.0.0.1 port {port}: Addr"):
        listen("127.0.0.1", port)


def test_it_listens_on_ipv6_too() -> None:
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


# --- while the ledger is being opened ------------------------------------------------


@contextmanager
def starting(open_app: Callable[[Progress], Opened]) -> Iterator[tuple[StartingApp, str]]:
    app = StartingApp(open_app)
    listener = listen("127.0.0.1", 0)
    started = threading.Event()

    def begin(_: str) -> None:
        started.set()
        app.begin()

    server = server_for(app, listening=begin)
    app.stop_server = server.stop
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        assert started.wait(10)
        yield app, f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def test_while_the_database_recovers_the_server_says_so() -> None:
    # given
    told, recovered = threading.Event(), threading.Event()
    closed: list[str] = []

    def open_app(progress: Progress) -> Opened:
        progress("recovering: replaying the log")
        told.set()
        assert recovered.wait(10)
        app = create_app(operations(), Keyring(PEPPER, [Keys()]), ready)
        return Opened(app, lambda: closed.append("closed"))

    with starting(open_app) as (_, url):
        assert told.wait(10)
        # when
        alive, unready = httpx.get(f"{url}/healthz"), httpx.get(f"{url}/readyz")
        asked = httpx.post(f"{url}/graphql", json={"query": "{ now }"}, headers=AUTHORIZED)
        # then
        assert alive.status_code == 200
        assert unready.status_code == 503
        assert unready.json()["status"] == "recovering"
        assert unready.json()["message"] == "recovering: replaying the log"
        assert asked.status_code == 503
        assert asked.headers["retry-after"] == "2"
        assert asked.headers["x-request-id"]
        assert asked.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
        # when
        recovered.set()
        eventually(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        # then
        asked = httpx.post(f"{url}/graphql", json={"query": "{ now }"}, headers=AUTHORIZED)
        assert asked.json() == {"data": {"now": "2026-01-31T09:30:00Z"}}
        assert closed == []
    assert closed == ["closed"]


def test_the_address_is_told_before_the_ledger_is_opened() -> None:
    # given
    happened: list[str] = []

    def open_app(_: Progress) -> Opened:
        happened.append("opening")
        raise LookupError("no database")

    # when
    with pytest.raises(LookupError, match="no database"):
        serve_while_opening(open_app, listen("127.0.0.1", 0), listening=happened.append)
    # then
    url, opening = happened
    assert url.startswith("http://127.0.0.1:")
    assert opening == "opening"


def test_a_ledger_that_cannot_be_opened_stops_the_server() -> None:
    def open_app(_: Progress) -> Opened:
        raise LookupError("no database")

    with starting(open_app) as (app, _):
        eventually(lambda: app.failure is not None)
    assert str(app.failure) == "no database"
