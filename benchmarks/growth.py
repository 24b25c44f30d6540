"""Whether speed depends on how long the log is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from benchmarks import ingest
from benchmarks.engine import charges_a_second
from benchmarks.ground import fund, middle
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
AT_ONCE = 100_000
MOST_GROWTH = 1.5


_SYNTHETIC = """
    INSERT INTO ledger_00.events (tenant, originator_id, originator_version, topic, state,
                                  recorded_at, actor, request_id)
    SELECT '7e57ab1e-0000-4000-8000-000000000000', gen_random_uuid(), 1, 'charge.settled',
           convert_to(repeat('-', 420), 'UTF8'), '2020-01-01T00:00:00Z', 'benchmark',
           'request ' || n / 1000
    FROM generate_series(1, %s) AS n
"""


def measure(logs: Sequence[int], seconds: int) -> list[Figure]:
    """Measure upon logs of so many events that are there before; ingest for so many seconds.

    They are another tenant's, each of a stream of its own under a random id, as charges
    are; read models are told that they have folded them.
    """
    engine: list[list[float]] = []
    single: list[list[float]] = []
    bulk: list[list[float]] = []
    for events in logs:
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as directory:
            data_dir = Path(directory) / "ledger"
            with opened(data_dir) as runtime:
                _prepare(runtime, events)
                engine.append(_engine(runtime))
            with serving(data_dir=data_dir) as served:
                single.append(_single(served))
                taken = ingest.sustained(served, seconds)
                bulk.append([taken.charges / taken.seconds])
            EmbeddedServer(data_dir).remove()
    return [
        *_figures(
            "The engine, 1 000 charges a transaction, by the events there before", logs, engine
        ),
        *_figures(f"recordUsage of {CLIENTS} clients, by the events there before", logs, single),
        *_figures("POST /v1/usage, by the events there before", logs, bulk),
    ]


def _figures(what: str, logs: Sequence[int], rates: Sequence[list[float]]) -> list[Figure]:
    first = middle(rates[0])
    return [
        {
            "what": what,
            "events": events,
            "charges/s": round(middle(each)),
            "rounds": rounds(each),
            "times slower": round(first / middle(each), 2),
            **promise("at most 1.5", kept=first <= MOST_GROWTH * middle(each)),
        }
        for events, each in zip(logs, rates, strict=True)
    ]


def _prepare(runtime: Runtime, events: int) -> None:
    runtime.catch_up()  # so that each read model has a position
    assert runtime.server is not None
    with Login(dict(runtime.server.conninfo(DATABASE))).connect(autocommit=True) as superuser:
        for start in range(0, events, AT_ONCE):
            superuser.execute(_SYNTHETIC, (min(AT_ONCE, events - start),))
        superuser.execute("VACUUM ANALYZE ledger_00.events")
        superuser.execute(
            "UPDATE ledger_00.projection_positions"
            " SET position = (SELECT max(notification_id) FROM ledger_00.events)"
        )
        superuser.execute("CHECKPOINT")


def _engine(runtime: Runtime) -> list[float]:
    fund(runtime, CUSTOMERS)
    charges_a_second(runtime, "warm", 1_000, 5_000)
    return [charges_a_second(runtime, str(n), 1_000, CHARGES) for n in range(ROUNDS)]


def _single(served: Served) -> list[float]:
    with Client(served.port) as client:
        client.drive(CLIENTS, charges("single-warm", REQUESTS))
        return [client.drive(CLIENTS, charges(f"single-{n}", REQUESTS)).rate for n in range(ROUNDS)]
