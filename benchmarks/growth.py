"""Whether speed depends on how long the log is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection

from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from benchmarks import ingest
from benchmarks.engine import charges_a_second
from benchmarks.ground import execute, fund, middle, usage
from benchmarks.latency import charges
from benchmarks.report import Figure, promise, rounds
from benchmarks.serving import Served, opened, serving
from benchmarks.wire import Client
from interfaces.runtime import DATABASE, Runtime

ROUNDS = 5
CUSTOMERS = 1_000
CHARGES = 10_000
REQUESTS = 1_000
CLIENTS = 32
COPIES_AT_ONCE = 50
MOST_GROWTH = 1.5
MOST_IMAGES = 0.1  # images of whole pages a charge, once a checkpoint is past
MOST_WARMING = 40


# What a batch wrote, again and again for another tenant: charges under new random ids, as
# theirs are, wallets on at their next version. Rows of one size would leave the same gap in
# each page of the log, for rows that come later to fill.
_AGAIN = """
    INSERT INTO ledger_00.events (tenant, originator_id, originator_version, topic, state,
                                  recorded_at, actor, request_id)
    SELECT '7e57ab1e-0000-4000-8000-000000000000',
           CASE WHEN topic LIKE 'charge.%%' THEN gen_random_uuid()
                ELSE md5(originator_id::text)::uuid END,
           CASE WHEN topic LIKE 'charge.%%' THEN 1 ELSE n END,
           topic, state, '2020-01-01T00:00:00Z', 'benchmark', 'request ' || n
    FROM ledger_00.events, generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    WHERE notification_id > %(position)s AND notification_id <= %(position)s + %(rows)s
    ORDER BY n, notification_id
"""


def measure(logs: Sequence[int], seconds: int) -> list[Figure]:
    """Measure upon logs of so many events that are there before; ingest for so many seconds.

    They are another tenant's copies of what a batch wrote; read models are told that they
    have folded them.
    """
    checkpointed: list[list[float]] = []
    engine: list[list[float]] = []
    single: list[list[float]] = []
    bulk: list[list[float]] = []
    for events in logs:
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as directory:
            data_dir = Path(directory) / "ledger"
            with opened(data_dir) as runtime:
                _prepare(runtime, events)
                _checkpoint(runtime)
                checkpointed.append(_engine(runtime, "checkpointed"))
                _past_the_checkpoint(runtime)
                engine.append(_engine(runtime, "on"))
                runtime.catch_up()  # else usage in bulk waits for the read models
            with serving(data_dir=data_dir) as served:
                single.append(_single(served))
                taken = ingest.sustained(served, seconds)
                bulk.append([taken.charges / taken.seconds])
            EmbeddedServer(data_dir).remove()
    return [
        *_figures(
            "The engine right after a checkpoint, by the events there before",
            logs,
            checkpointed,
            promised=False,
        ),
        *_figures(
            "The engine, 1 000 charges a transaction, by the events there before", logs, engine
        ),
        *_figures(f"recordUsage of {CLIENTS} clients, by the events there before", logs, single),
        *_figures("POST /v1/usage, by the events there before", logs, bulk),
    ]


def _figures(
    what: str, logs: Sequence[int], rates: Sequence[list[float]], *, promised: bool = True
) -> list[Figure]:
    first = middle(rates[0])
    return [
        {
            "what": what,
            "events": events,
            "charges/s": round(middle(each)),
            "rounds": rounds(each),
            "times slower": round(first / middle(each), 2),
            **(
                promise("at most 1.5", kept=first <= MOST_GROWTH * middle(each)) if promised else {}
            ),
        }
        for events, each in zip(logs, rates, strict=True)
    ]


def _prepare(runtime: Runtime, events: int) -> None:
    """Fund customers, and let there be so many events before them, of charges and wallets."""
    fund(runtime, CUSTOMERS)
    funded = runtime.reader.last_position(runtime.tenant_id)
    execute(runtime, [usage(f"copied-{number}", number) for number in range(CUSTOMERS)])
    runtime.catch_up()
    rows = runtime.reader.last_position(runtime.tenant_id) - funded
    with _superuser(runtime) as superuser:
        for start in range(0, events // rows, COPIES_AT_ONCE):
            last = min(start + COPIES_AT_ONCE, events // rows)
            superuser.execute(
                _AGAIN, {"position": funded, "rows": rows, "first": start + 1, "last": last}
            )
        superuser.execute("VACUUM ANALYZE ledger_00.events")
        superuser.execute(
            "UPDATE ledger_00.projection_positions"
            " SET position = (SELECT max(notification_id) FROM ledger_00.events)"
        )


def _superuser(runtime: Runtime) -> Connection[Any]:
    assert runtime.server is not None
    return Login(dict(runtime.server.conninfo(DATABASE))).connect(autocommit=True)


def _checkpoint(runtime: Runtime) -> None:
    with _superuser(runtime) as superuser:
        superuser.execute("CHECKPOINT")


def _past_the_checkpoint(runtime: Runtime) -> None:
    """Charge until the random pages of a large index have their images in the WAL.

    That is seconds out of the half hour between two checkpoints.
    """
    for n in range(MOST_WARMING):
        before = _images(runtime)
        charges_a_second(runtime, f"warm-{n}", 1_000, CHARGES)
        if _images(runtime) - before < MOST_IMAGES * CHARGES:
            return


def _images(runtime: Runtime) -> int:
    time.sleep(1.1)  # a backend tells its counts at most once a second
    with _superuser(runtime) as superuser:
        row = superuser.execute("SELECT wal_fpi FROM pg_stat_wal").fetchone()
    assert row is not None
    return int(row[0])


def _engine(runtime: Runtime, name: str) -> list[float]:
    charges_a_second(runtime, f"{name}-first", 1_000, 5_000)
    return [charges_a_second(runtime, f"{name}-{n}", 1_000, CHARGES) for n in range(ROUNDS)]


def _single(served: Served) -> list[float]:
    with Client(served.port) as client:
        client.drive(CLIENTS, charges("single-warm", REQUESTS))
        return [client.drive(CLIENTS, charges(f"single-{n}", REQUESTS)).rate for n in range(ROUNDS)]
