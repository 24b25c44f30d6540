"""Usage in bulk over HTTP, sustained: server, PostgreSQL and read models share the machine."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from psycopg.rows import tuple_row

from application.storage.recorder import Rows
from benchmarks.engine import raw_seconds
from benchmarks.ground import middle
from benchmarks.report import Figure, promise, rounds
from benchmarks.serving import Served, opened, serving
from benchmarks.wire import post
from interfaces.runtime import Runtime

CUSTOMERS = 1_000
SENDERS = 2
BATCH = 1_000
ROUNDS_OF_RAW = 5
ROWS_OF_RAW = 100_000
ROWS_A_COMMIT = 2_000  # of 1 000 charges over 1 000 wallets
WARM_SECONDS = 6
MOST_LAG_SECONDS = 2.0
LEAST_RATIO = 0.2
MOST_GROWTH = 1.25


def measure(seconds: int) -> list[Figure]:
    """Send NDJSON of 1 000 events from two clients for so long, then insert rows of the run raw."""
    with serving() as served:
        served.fund(CUSTOMERS)
        taken = sustained(served, seconds)
        data_dir = served.data_dir
        served.stop()
        with opened(data_dir) as runtime:
            rows = list(_rows(runtime, ROWS_OF_RAW))
            several = sum(map(len, rows))
            raw = [several / raw_seconds(runtime, rows) for _ in range(ROUNDS_OF_RAW)]
    rate = taken.charges / taken.seconds
    ratios = [rate / each for each in raw]
    ratio = middle(ratios)
    lag, grown = max(taken.lags), taken.resident_mib[-1] / taken.resident_mib[0]
    kept = ratio >= LEAST_RATIO and lag < MOST_LAG_SECONDS and grown <= MOST_GROWTH
    return [
        {
            "what": "POST /v1/usage, sustained, read models following, beside raw rows of the run",
            "seconds": round(taken.seconds),
            "charges/s": round(rate),
            "raw rows/s": round(middle(raw)),
            "ratio": round(ratio, 3),
            "ratios": rounds(ratios),
            "lag s, most": round(lag, 2),
            "lag s, median": round(middle(taken.lags), 2),
            "MiB": " ".join(str(round(each)) for each in _spread(taken.resident_mib)),
            **promise("0.2, lag below 2 s, memory flat", kept=kept),
        }
    ]


@dataclass(slots=True)
class Sustained:
    """lags: of the read model furthest behind, a second apart; memory: after warming up."""

    charges: int
    seconds: float
    lags: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


def sustained(served: Served, seconds: int) -> Sustained:
    """Send for so long; look at lag and memory once a second, after a tenth of the time, and
    once what folds apart has begun.
    """
    taken = Sustained(0, 0.0)
    began = perf_counter()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        sent: Future[int] = process.submit(send, served.port, seconds)
        while not sent.done():
            time.sleep(1)
            if perf_counter() - began > seconds / 10 + WARM_SECONDS:
                taken.lags.append(lag_seconds(served))
                taken.resident_mib.append(served.resident_mib())
        taken.charges = sent.result()
    taken.seconds = seconds
    return taken


def lag_seconds(served: Served) -> float:
    """Return how far the read model furthest behind is."""
    name = "counterfoil_projection_lag_seconds{"
    lines = served.get("/metrics").splitlines()
    return max(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def send(port: int, seconds: float) -> int:
    """Send from several connections until the time is over; return how many were settled."""
    settled = [0] * SENDERS

    def sender(number: int) -> None:
        until = perf_counter() + seconds
        with socket.create_connection(("127.0.0.1", port)) as sock:
            turn = 0
            while perf_counter() < until:
                sock.sendall(_batch(f"{number}-{turn}", turn))
                answer = _received(sock)
                settled[number] += answer.count(b'"settled"')
                turn += 1

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(settled)


def _batch(name: str, turn: int) -> bytes:
    line = (
        b'{"eventId":"%b-%d","customer":"c%d","meter":"tokens","quantity":"1250",'
        b'"amount":"0.0125","asset":"CREDIT",'
        b'"properties":{"model":"large","direction":"output"}}\n'
    )
    prefix = name.encode()
    first = turn * BATCH
    lines = [line % (prefix, n, (first + n) % CUSTOMERS) for n in range(BATCH)]
    return post("/v1/usage", b"".join(lines), "application/x-ndjson")


def _received(sock: socket.socket) -> bytes:
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += _more(sock)
    head, _, _ = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), bytes(head)
    at = head.index(b"content-length: ") + 16
    length = int(head[at:].split(b"\r\n")[0])
    while len(received) < len(head) + 4 + length:
        received += _more(sock)
    return bytes(received)


def _more(sock: socket.socket) -> bytes:
    more = sock.recv(1 << 20)
    assert more, "the server hung up"
    return more


def _rows(runtime: Runtime, most: int) -> Iterator[Rows]:
    """Return the last rows of the log, as many a commit as the run had."""
    with runtime.owner.connect() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        found: Any = cursor.execute(
            "SELECT tenant::text, originator_id::text, originator_version, topic, state,"
            " recorded_at, actor, request_id FROM ledger_00.events"
            " ORDER BY notification_id DESC LIMIT %s",
            (most,),
        ).fetchall()
    for start in range(0, len(found), ROWS_A_COMMIT):
        yield Rows(
            *(list(column) for column in zip(*found[start : start + ROWS_A_COMMIT], strict=True))
        )


def _spread(values: list[float]) -> list[float]:
    """Return the first, three between, and the last."""
    return [values[round(place * (len(values) - 1) / 4)] for place in range(5)]
