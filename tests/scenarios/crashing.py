"""A server in a process of its own that a test kills, and the database under it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import httpx

from tests.scenarios.server import Client

COUNTERFOIL = str(Path(sys.executable).with_name("counterfoil"))
KEY = "a-key-for-the-kill-tests"
NO_MORE: Mapping[str, str] = MappingProxyType({})


@contextmanager
def served(
    directory: Path, settings: Mapping[str, str] = NO_MORE, port: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """Run `counterfoil serve`, on a free port unless said, until it is killed or the block ends."""
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    environment = {
        **os.environ,
        **settings,
        "COUNTERFOIL_DATA_DIR": str(directory),
        "COUNTERFOIL_ADMIN_KEY": KEY,
        "COUNTERFOIL_LOG_LEVEL": "error",
    }
    command = [COUNTERFOIL, "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    client = Client(f"http://127.0.0.1:{port}", KEY)
    try:
        _await_ready(client, process)
        yield process, client
    finally:
        client.http.close()
        process.terminate()
        process.wait(60)


def _await_ready(client: Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with suppress(httpx.TransportError):
            if client.http.get("/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def kill_postgres(directory: Path) -> None:
    """Kill the postmaster of a data directory, if it still runs."""
    pid_file = (directory / "postgres").resolve() / "postmaster.pid"
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(pid_file.read_text("utf-8").split("\n", 1)[0]), signal.SIGKILL)


def check_replay(directory: Path, settings: Mapping[str, str] = NO_MORE) -> None:
    """Every read model is what the log folds to."""
    check = subprocess.run(
        [COUNTERFOIL, "replay", "--check"],
        env={**os.environ, **settings, "COUNTERFOIL_DATA_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr
