"""A ledger in several processes: two APIs, a projector, two schedulers; and workers on one port."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from click.testing import CliRunner

from application.storage.database import Login
from interfaces.cli.main import cli
from tests.processes.commands import (
    COUNTERFOIL,
    KEY,
    client_of,
    command,
    environment,
    eventually,
    free_port,
    stopped,
    told,
)
from tests.scenarios.server import Client

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("processes")]

WATCH = """subscription { walletChanged(customerId: "ext:acme") {
  account(asset: "CREDIT") { available } } }"""
CHARGE = """mutation { recordUsage(input: {eventId: "e%d", customerId: "ext:acme", meter: "m",
  amount: "1", asset: "CREDIT"}) { __typename } }"""
_PROTOCOL = websockets.Subprotocol("graphql-transport-ws")
LAPSES = "{ events(first: 50) { nodes { type } } }"


def test_roles_in_processes_of_their_own_are_one_ledger(database: Login, tmp_path: Path) -> None:
    settings = environment(database, tmp_path)
    ports = [free_port(), free_port()]
    probe = free_port()
    with ExitStack() as stack:
        # given
        processes = [
            stack.enter_context(command(settings, *arguments))
            for arguments in (
                ("--role", "api", "--port", str(ports[0])),
                ("--role", "api", "--port", str(ports[1])),
                ("--role", "projector", "--port", str(probe)),
                ("--role", "scheduler"),
                ("--role", "scheduler"),
            )
        ]
        assert [told(process) for process in processes] == [
            f"Serving on http://127.0.0.1:{ports[0]}",
            f"Serving on http://127.0.0.1:{ports[1]}",
            "Running as projector",
            "Running as scheduler",
            "Running as scheduler",
        ]
        first, second = (stack.enter_context(_closing(port)) for port in ports)
        first.define_credit()
        first.customer()
        first.grant("g", "10")
        # when: one process decides, another answers; a third has folded it
        first.charge("e1", "3")
        assert second.charge("e1", "3")["replayed"]
        # then
        assert second.account()["available"] == "7"
        eventually(lambda: len(_charges(second)) == 1, "the projector folds what an API records")
        # when: a change by one process is watched at another
        seen = asyncio.run(_watch_while(second.url, lambda: first.charge("e2", "2")))
        # then
        assert seen == ["7", "5"]
        # when: a hold lapses, with two schedulers about
        first.authorize("e3", "4", ttlSeconds=1)
        eventually(lambda: _lapses(first) == 1, "a scheduler writes the lapse")
        # then
        assert second.account()["available"] == "5"
        ready = httpx.get(f"http://127.0.0.1:{probe}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert (
            "counterfoil_projection_lag_events"
            in httpx.get(f"http://127.0.0.1:{probe}/metrics").text
        )
        assert httpx.post(f"http://127.0.0.1:{probe}/graphql", json={}).status_code == 404
        # then: each ends in peace, and the lapse was written once
        assert _lapses(first) == 1
        assert [stopped(process) for process in processes] == [0] * 5


def test_workers_share_a_port_are_replaced_and_stop_together(
    database: Login, tmp_path: Path
) -> None:
    settings = environment(database, tmp_path)
    with command(settings, "--port", "0", "--workers", "2") as supervisor:
        # given
        url = told(supervisor).removeprefix("Serving on ")
        with _closing(httpx.URL(url).port or 0) as client:
            client.define_credit()
            client.customer()
            client.grant("g", "10")
        workers = _workers_of(supervisor)
        assert sorted(workers.values()) == ["api", "api", "background"]
        # when one of them dies
        victim = next(pid for pid, role in workers.items() if role == "api")
        os.kill(victim, signal.SIGKILL)
        # then another takes its place, and no request is sent away
        eventually(
            lambda: len(_workers_of(supervisor)) == 3 and victim not in _workers_of(supervisor),
            "the worker is replaced",
        )
        for number in range(6):
            with Client(url, KEY).http as connection:
                answer = connection.post("/graphql", json={"query": CHARGE % number}, timeout=60)
            assert answer.json()["data"]["recordUsage"]["__typename"] == "UsageCharge"
        # then figures are those of all workers together, whoever is asked
        assert _charged(url) == 6
        # when, then
        assert stopped(supervisor) == 0
        eventually(lambda: _workers_of(supervisor) == {}, "no worker is left behind")


def test_workers_end_when_their_supervisor_is_killed(database: Login, tmp_path: Path) -> None:
    settings = environment(database, tmp_path)
    with command(settings, "--port", "0", "--workers", "2", "--role", "api") as supervisor:
        # given
        told(supervisor)
        workers = _workers_of(supervisor)
        assert sorted(workers.values()) == ["api", "api"]
        # when
        supervisor.kill()
        # then
        eventually(lambda: not any(_is_running(pid) for pid in workers), "the workers end")


def test_a_ledger_that_cannot_be_opened_ends_the_workers_with_the_reason(
    database: Login, tmp_path: Path
) -> None:
    settings = environment(database, tmp_path)
    settings["COUNTERFOIL_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    # when
    ended = subprocess.run(
        [COUNTERFOIL, "serve", "--port", "0", "--workers", "2"],
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # then
    assert ended.returncode == 3
    assert "The database cannot be reached" in ended.stderr


def test_a_projector_is_one_process() -> None:
    result = CliRunner().invoke(cli, ["serve", "--role", "projector", "--workers", "2"])
    assert (result.exit_code, "start it again for more" in result.output) == (2, True)


@contextmanager
def _closing(port: int) -> Iterator[Client]:
    client = client_of(port)
    with client.http:
        yield client


def _charges(client: Client) -> list[Any]:
    found: list[Any] = client.ask("{ charges { nodes { id } } }")["charges"]["nodes"]
    return found


def _lapses(client: Client) -> int:
    nodes = client.ask(LAPSES)["events"]["nodes"]
    return sum(node["type"] == "wallet.hold_lapsed" for node in nodes)


async def _watch_while(url: str, change: Callable[[], object]) -> list[str]:
    """Return what a watcher of the wallet is told at first, and after a change."""
    address = url.replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(address, subprotocols=[_PROTOCOL]) as socket:
        key = {"authorization": f"Bearer {KEY}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": key}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        subscribe = {"id": "1", "type": "subscribe", "payload": {"query": WATCH}}
        await socket.send(json.dumps(subscribe))
        seen = [await _told_available(socket)]
        await asyncio.to_thread(change)
        seen.append(await asyncio.wait_for(_told_available(socket), 30))
        return seen


async def _told_available(socket: websockets.ClientConnection) -> str:
    message = json.loads(await socket.recv())
    assert message["type"] == "next", message
    available: str = message["payload"]["data"]["walletChanged"]["account"]["available"]
    return available


def _workers_of(supervisor: subprocess.Popen[str]) -> dict[int, str]:
    """Return the roles of its workers by process id."""
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            command_line = (place / "cmdline").read_bytes().split(b"\0")
            if parent == supervisor.pid and b"interfaces.processes.worker" in command_line:
                found[int(place.name)] = json.loads(command_line[-2])["role"]
    return found


def _is_running(pid: int) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def _charged(url: str) -> float:
    found = re.findall(
        r'^counterfoil_charges_total\{command="record",outcome="settled"\} (.*)$',
        httpx.get(f"{url}/metrics").text,
        re.MULTILINE,
    )
    return sum(map(float, found))
