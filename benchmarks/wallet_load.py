"""How long a cold load of a wallet takes, by the charges behind it."""

from __future__ import annotations

from psycopg.rows import tuple_row

from application.codec import EventCodec
from application.storage.streams import StreamReader
from benchmarks.ground import execute, fund, ledger, middle, seconds_of, usage
from benchmarks.report import Figure, promise
from domain import identity
from interfaces.runtime import Runtime

LOADS = 51


def measure(most: int) -> list[Figure]:
    """Measure at 10, 10 000 and 1 000 000 charges, as far as `most`; snapshots as they come."""
    sizes = [size for size in (10, 10_000, 1_000_000) if size <= most]
    with ledger() as runtime:
        fund(runtime, len(sizes))
        for customer, size in enumerate(sizes):
            _live(runtime, customer, size)
        # Snapshots are written off the write path; stopped, all are.
        runtime.ledger.stop()
        loads: list[list[float]] = [[] for _ in sizes]
        for _ in range(LOADS):
            for customer, took in enumerate(loads):
                took.append(1_000 * _load(runtime, customer))
        events = [_folded(runtime, customer) for customer in range(len(sizes))]
    least = middle(loads[0])
    return [
        {
            "what": "Cold load of a wallet",
            "charges behind it": size,
            "events of the wallet": several,
            "folded": folded,
            "ms": round(middle(took), 3),
            "ratio to the first": round(middle(took) / least, 2),
            **promise("at most 2", kept=middle(took) <= 2 * least),
        }
        for size, took, (several, folded) in zip(sizes, loads, events, strict=True)
    ]


def _live(runtime: Runtime, customer: int, charges: int) -> None:
    """A wallet's life: commits of a few charges, and of many."""
    step = 10 if charges <= 10_000 else 1_000
    for start in range(0, charges, step):
        execute(runtime, [usage(f"{customer}-{start + n}", customer) for n in range(step)])


def _wallet_id(runtime: Runtime, customer: int) -> str:
    customer_id = identity.customer_id(runtime.tenant_id, f"c{customer}")
    return identity.wallet_id(runtime.tenant_id, customer_id)


def _load(runtime: Runtime, customer: int) -> float:
    wallet_id = _wallet_id(runtime, customer)
    return seconds_of(lambda: runtime.reader.wallets(runtime.tenant_id, [wallet_id]))


def _folded(runtime: Runtime, customer: int) -> tuple[int, int]:
    """Return how many events a wallet has, and how many of them a load folds."""
    wallet_id = _wallet_id(runtime, customer)
    tails: dict[str, int] = {}
    recorder = runtime.ledger.recorder
    with recorder.connection() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        streams = StreamReader(recorder.shard, EventCodec())
        wallets = streams.wallets(cursor, runtime.tenant_id, [wallet_id], tails=tails)
    return wallets[wallet_id].version, tails.get(wallet_id, 0)
