"""Charges a second of the engine beside raw inserts of the very rows of the run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from application.commands.requests import RecordUsage
from application.storage.recorder import Rows
from application.writer import LARGEST_BATCH
from benchmarks.ground import execute, fund, ledger, middle, seconds_of, usage
from benchmarks.raw import raw_seconds
from benchmarks.report import Figure, promise, rounds
from interfaces.runtime import Runtime

ROUNDS = 5
SENDERS = 3
WALLETS = 1_000


def measure(charges: int) -> list[Figure]:
    """Measure at 1, 100 and 1 000 charges a transaction, over 1 000 wallets."""
    with ledger() as runtime:
        fund(runtime, WALLETS)
        written: list[Rows] = []
        runtime.ledger.on_commit.append(lambda rows, _: written.append(rows))
        return [
            _at(runtime, written, size, max(size, min(charges, size * 400)))
            for size in (1, 100, 1_000)
        ]


def _at(runtime: Runtime, written: list[Rows], size: int, charges: int) -> Figure:
    charges -= charges % size
    rates: list[float] = []
    row_rates: list[float] = []
    raw_rates: list[float] = []
    charges_a_second(runtime, f"warm-{size}", size, size * 5)
    for round_ in range(ROUNDS):
        written.clear()
        rate = charges_a_second(runtime, f"{size}-{round_}", size, charges)
        rows = sum(map(len, written))
        rates.append(rate)
        row_rates.append(rows * rate / charges)
        raw_rates.append(rows / raw_seconds(runtime, list(written)))
    ratios = [ours / raw for ours, raw in zip(row_rates, raw_rates, strict=True)]
    ratio = middle(ratios)
    return {
        "what": "The engine beside raw inserts of its rows, over 1 000 wallets",
        "charges a transaction": size,
        "charges/s": round(middle(rates)),
        "rows/s": round(middle(row_rates)),
        "raw rows/s": round(middle(raw_rates)),
        "ratio of rows/s": round(ratio, 3),
        "ratios": rounds(ratios),
        **(promise("at least 0.5", kept=ratio >= 0.5) if size == 1_000 else {}),
    }


def charges_a_second(runtime: Runtime, name: str, size: int, charges: int) -> float:
    """Return the rate of so many charges, `size` a command, over 1 000 wallets."""
    batches = [
        [usage(f"{name}-{number}", number % WALLETS) for number in range(start, start + size)]
        for start in range(0, charges, size)
    ]
    return charges / seconds_of(partial(_send, runtime, batches))


def _send(runtime: Runtime, batches: list[list[RecordUsage]]) -> None:
    """Send batches that fill a commit from several threads, so that the next one waits."""
    if len(batches[0]) < LARGEST_BATCH:
        for batch in batches:
            execute(runtime, batch)
        return
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(partial(execute, runtime), batches))
