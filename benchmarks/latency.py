"""Latency of single charges over HTTP, at 1, 8 and 32 clients."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from application.storage.embedded import EmbeddedServer
from benchmarks.report import Figure

KEY = "a-key-for-the-benchmark"
CLIENTS = (1, 8, 32)
MUTATION = """mutation ($input: UsageEventInput!) {
  recordUsage(input: $input) { ... on UsageCharge { id balanceAfter } ... on Problem { code } } }"""
SET_UP = (
    'mutation { defineAsset(input: {key: "CREDIT", name: "Credits"}) { __typename } }',
    'mutation { createCustomer(input: {externalId: "acme"}) { __typename } }',
    """mutation { issueGrant(input: {idempotencyKey: "g", customerId: "ext:acme", asset: "CREDIT",
    amount: "1000000000", source: PROMOTIONAL}) { __typename } }""",
)


def measure(requests: int) -> list[Figure]:
    """Serve in a process of its own; ask over kept-alive connections."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as directory:
        data_dir = Path(directory) / "ledger"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            "COUNTERFOIL_DATA_DIR": str(data_dir),
            "COUNTERFOIL_ADMIN_KEY": KEY,
            "COUNTERFOIL_LOG_LEVEL": "error",
        }
        command = [str(Path(sys.executable).with_name("counterfoil")), "serve"]
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            _await_ready(port)
            for query in SET_UP:
                asyncio.run(_run(port, 1, [{"query": query}]))
            asyncio.run(_run(port, 8, _charges("warm", 500)))
            figures = []
            for clients in CLIENTS:
                now = asyncio.run(_run(port, clients, [{"query": "{ now }"}] * requests))
                took = asyncio.run(_run(port, clients, _charges(f"c{clients}", requests)))
                figures.append(
                    {
                        "what": "recordUsage over HTTP, one charge a request, beside { now }",
                        "clients": clients,
                        "p50 ms": round(_percentile(took.latencies, 0.50), 2),
                        "p99 ms": round(_percentile(took.latencies, 0.99), 2),
                        "mutations/s": round(took.rate),
                        "{ now }/s": round(now.rate),
                        "ratio": round(took.rate / now.rate, 3),
                    }
                )
        finally:
            server.terminate()
            server.wait(60)
        EmbeddedServer(data_dir).remove()
    return figures


class _Taken:
    def __init__(self, latencies: list[float], seconds: float) -> None:
        self.latencies = latencies
        self.rate = len(latencies) / seconds


def _charges(name: str, count: int) -> list[dict[str, Any]]:
    return [
        {
            "query": MUTATION,
            "variables": {
                "input": {
                    "eventId": f"{name}-{number}",
                    "customerId": "ext:acme",
                    "meter": "tokens",
                    "amount": "0.0125",
                    "asset": "CREDIT",
                }
            },
        }
        for number in range(count)
    ]


async def _run(port: int, clients: int, bodies: list[dict[str, Any]]) -> _Taken:
    waiting = [json.dumps(body).encode() for body in reversed(bodies)]
    latencies: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            body = waiting.pop()
            began = time.perf_counter()
            writer.write(
                b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (KEY.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = [
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ]
            answer = await reader.readexactly(length)
            latencies.append(1_000 * (time.perf_counter() - began))
            assert b'"errors"' not in answer, answer
            assert b'"code"' not in answer, answer
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return _Taken(latencies, time.perf_counter() - began)


def _await_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not become ready")


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
