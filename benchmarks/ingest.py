"""Usage in bulk over HTTP, sustained: server, PostgreSQL and read models share the machine."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from psycopg.rows import tuple_row

from application.storage.recorder import Rows
from benchmarks.ground import middle
from benchmarks.raw import raw_seconds, raw_table
from benchmarks.report import Figure, promise, rounds
from benchmarks.serving import Served, opened, serving
from benchmarks.wire import post
from interfaces.runtime import Runtime

CUSTOMERS = 1_000
SENDERS = 2
BATCH = 1_000
PARTS = 5
ROWS_OF_BURST = 100_000
ROWS_A_COMMIT = 2_000  # of 1 000 charges over 1 000 wallets
WARM_SECONDS = 6
MOST_LAG_SECONDS = 2.0
LEAST_RATIO = 0.2
MOST_GROWTH = 1.25


def measure(seconds: int) -> list[Figure]:
    """Send NDJSON of 1 000 events from two clients for so long, then insert all rows of the run
    raw, in their order: each fifth of the run beside its own rows.

    Both grow the same indexes over the same rows. A burst of raw rows into an empty table, which
    nothing sustains, is shown beside it.
    """
    with serving() as served:
        served.fund(CUSTOMERS)
        taken = sustained(served, seconds)
        data_dir = served.data_dir
        served.stop()
        with opened(data_dir) as runtime:
            parts = _parts(runtime)
            burst = list(_rows(runtime, last=ROWS_OF_BURST))
            several = sum(len(rows) for rows, _ in burst)
            at_once = several / raw_seconds(runtime, [rows for rows, _ in burst])
    rate = taken.charges / taken.seconds
    ratios = [part.charges_a_second / part.raw_rows_a_second for part in parts]
    ratio = middle(ratios)
    lag, grown = max(taken.lags), taken.resident_mib[-1] / taken.resident_mib[0]
    kept = ratio >= LEAST_RATIO and lag < MOST_LAG_SECONDS and grown <= MOST_GROWTH
    return [
        {
            "what": "POST /v1/usage, sustained, read models following, beside raw rows of the run",
            "seconds": round(taken.seconds),
            "charges/s": round(rate),
            "charges/s, by fifths": rounds(part.charges_a_second for part in parts),
            "raw rows/s, by fifths": rounds(part.raw_rows_a_second for part in parts),
            "ratio": round(ratio, 3),
            "ratios": " ".join(f"{each:.3f}" for each in ratios),
            "raw rows/s, a burst": round(at_once),
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


@dataclass(slots=True)
class _Part:
    """A part of the run's rows, in order."""

    charges: int = 0
    rows: int = 0
    raw_seconds: float = 0.0
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def charges_a_second(self) -> float:
        assert self.began is not None
        assert self.ended is not None
        return self.charges / (self.ended - self.began).total_seconds()

    @property
    def raw_rows_a_second(self) -> float:
        return self.rows / self.raw_seconds


def _parts(runtime: Runtime) -> list[_Part]:
    """Insert all rows since the first charge raw; return the fifths of the run."""
    commits = _rows(runtime)
    with runtime.owner.connect() as connection:
        row: Any = connection.execute(
            "SELECT count(*) FROM ledger_00.events WHERE notification_id >= " + _FIRST_CHARGE
        ).fetchone()
    rows_a_part = -(-row[0] // PARTS)
    parts = [_Part() for _ in range(PARTS)]
    number = 0
    with raw_table(runtime) as raw:
        for rows, charges in commits:
            part = parts[number // rows_a_part]
            part.raw_seconds += raw.seconds_of([rows])
            part.charges += charges
            part.rows += len(rows)
            part.began = part.began or rows.recorded_at[0]
            part.ended = rows.recorded_at[-1]
            number += len(rows)
    return parts


_FIRST_CHARGE = (
    "(SELECT notification_id FROM ledger_00.events WHERE topic = 'charge.settled'"
    " ORDER BY notification_id LIMIT 1)"
)
_ROWS = (
    "SELECT tenant::text, originator_id::text, originator_version, topic, state,"
    " recorded_at, actor, request_id FROM ledger_00.events WHERE notification_id >= "
)


def _rows(runtime: Runtime, *, last: int | None = None) -> Iterator[tuple[Rows, int]]:
    """Yield the rows since the first charge, or the last so many, as many a commit as the run
    had, with how many of them are charges. They are never all in memory.
    """
    first = (
        _FIRST_CHARGE
        if last is None
        else f"(SELECT max(notification_id) - {last} FROM ledger_00.events)"
    )
    with runtime.owner.connect() as connection:
        cursor = connection.cursor("rows", row_factory=tuple_row)
        cursor.execute(_ROWS + first + " ORDER BY notification_id")
        while found := cursor.fetchmany(ROWS_A_COMMIT):
            rows = Rows(*(list(column) for column in zip(*found, strict=True)))
            yield rows, rows.topics.count("charge.settled")


def _spread(values: list[float]) -> list[float]:
    """Return the first, three between, and the last."""
    return [values[round(place * (len(values) - 1) / 4)] for place in range(5)]
