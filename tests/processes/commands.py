"""`counterfoil serve` as real processes on one database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from psycopg.conninfo import make_conninfo

from application.storage.database import Login
from tests.scenarios.server import Client

COUNTERFOIL = str(Path(sys.executable).with_name("counterfoil"))
KEY = "a-key-for-several-processes"
PATIENCE_SECONDS = 90.0


def environment(database: Login, directory: Path) -> dict[str, str]:
    return {
        **os.environ,
        "COUNTERFOIL_DATABASE_URL": make_conninfo("", **database.arguments),
        "COUNTERFOIL_DATA_DIR": str(directory),
        "COUNTERFOIL_ADMIN_KEY": KEY,
        "COUNTERFOIL_LOG_LEVEL": "error",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def command(settings: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `counterfoil serve` with these arguments; stopped, if it still runs, at the end."""
    process = subprocess.Popen(
        [COUNTERFOIL, "serve", *arguments], env=settings, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def told(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process tells."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stopped(process: subprocess.Popen[str]) -> int:
    """Ask a process to stop; return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def client_of(port: int) -> Client:
    return Client(f"http://127.0.0.1:{port}", KEY)


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if holds():
                return
        time.sleep(0.05)
    raise AssertionError(f"it never came about: {what}")
