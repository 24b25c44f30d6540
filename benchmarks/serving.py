"""A server in a process of its own, as `counterfoil serve` runs it, with its database."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from application.storage.embedded import EmbeddedServer
from benchmarks.wire import JSON, KEY
from interfaces.runtime import Runtime
from interfaces.settings import Settings

_DEFINE = 'mutation { defineAsset(input: {key: "CREDIT", name: "Credits"}) { __typename } }'
_CUSTOMER = 'c%d: createCustomer(input: {externalId: "c%d"}) { __typename }'
_GRANT = """g%d: issueGrant(input: {idempotencyKey: "g%d", customerId: "ext:c%d", asset: "CREDIT",
    amount: "1000000000", source: PROMOTIONAL}) { __typename }"""
_AT_ONCE = 20


@dataclass(slots=True)
class Served:
    """process: the one that was started, or their supervisor."""

    port: int
    process: subprocess.Popen[bytes]
    data_dir: Path

    def ask(self, query: str) -> dict[str, Any]:
        """Return the data of a GraphQL operation; there must be no errors."""
        body = json.loads(self.send("/graphql", json.dumps({"query": query}).encode()))
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def send(self, path: str, body: bytes, media_type: str = JSON) -> bytes:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            body,
            {"Authorization": f"Bearer {KEY}", "Content-Type": media_type},
        )
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
        return content

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            text: str = answer.read().decode()
        return text

    def fund(self, customers: int) -> None:
        """Make customers c0, c1, ... with more credits than a benchmark spends."""
        self.ask(_DEFINE)
        for start in range(0, customers, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, customers))
            self.ask("mutation {" + " ".join(_CUSTOMER % (n, n) for n in numbers) + "}")
            self.ask("mutation {" + " ".join(_GRANT % (n, n, n) for n in numbers) + "}")

    def resident_mib(self) -> float:
        """Return the memory that the server's processes hold, shared pages counted once each."""
        return sum(_resident_mib(pid) for pid in _with_children(self.process.pid))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(120)


@contextmanager
def serving(*options: str, data_dir: Path | None = None) -> Iterator[Served]:
    """Serve a ledger in a directory that goes away, or in `data_dir`, which stays."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as directory:
        place = data_dir or Path(directory) / "ledger"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            "COUNTERFOIL_DATA_DIR": str(place),
            "COUNTERFOIL_ADMIN_KEY": KEY,
            "COUNTERFOIL_LOG_LEVEL": "error",
        }
        command = [str(Path(sys.executable).with_name("counterfoil")), "serve", *options]
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL
        )
        served = Served(port, server, place)
        try:
            _await_ready(served)
            yield served
        finally:
            served.stop()
            if data_dir is None:
                EmbeddedServer(place).remove()


@contextmanager
def opened(data_dir: Path) -> Iterator[Runtime]:
    """Open a ledger that no server serves, to look at its database or to prepare it."""
    with Runtime.open(Settings(data_dir=data_dir), tasks=()) as runtime:
        yield runtime


def _await_ready(served: Served) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            served.get("/readyz")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server did not become ready")


def _with_children(pid: int) -> Sequence[int]:
    """Return a process and all that its threads have begun."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for each in threads for child in each.read_text("utf-8").split()]
    return [pid, *(each for child in children for each in _with_children(int(child)))]


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1_024
    return 0.0
