"""A month of many charges closed: due work, read models, every check, its two events."""

from __future__ import annotations

import resource
from time import perf_counter

from application.caller import Caller
from application.commands.accounting_requests import BeginClose
from application.commands.requests import AdvanceClock
from benchmarks.ground import execute, ledger, seconds_of
from benchmarks.journal import LIVE, NEXT_MONTH, START, charge, sell
from benchmarks.report import Figure
from interfaces.runtime import Runtime

AT_ONCE = 10_000
MONTH = "2026-01"


def measure(charges: int) -> list[Figure]:
    """Charge for so long in one month, let the read models come, advance the clock, close."""
    with ledger(test_clock=START) as runtime:
        sell(runtime)
        charging = charge(runtime, charges)
        folding = seconds_of(runtime.catch_up)
        execute(runtime, [AdvanceClock(NEXT_MONTH)])
        runtime.catch_up()
        before = _peak_mib()
        closing = _close(runtime)
        after = _peak_mib()
        entries = _entries(runtime)
    return [
        {
            "what": "A month closed, every check made",
            "charges": charges,
            "entries": entries,
            "seconds": round(closing, 2),
            "µs an entry": round(1e6 * closing / entries, 1),
            "peak MiB": round(after),
            "peak MiB before": round(before),
            "charged in s": round(charging),
            "folded in s": round(folding),
        }
    ]


def _close(runtime: Runtime) -> float:
    caller = Caller(runtime.tenant_id, "benchmark", "benchmark")
    began = perf_counter()
    outcome = runtime.closing.close(caller, BeginClose(MONTH))
    took = perf_counter() - began
    assert outcome.answer is not None, outcome.refusal
    return took


def _entries(runtime: Runtime) -> int:
    with runtime.projection_pool.connection() as connection:
        row = connection.execute(
            LIVE.query("SELECT count(*) FROM {journal} WHERE period = %s"), (MONTH,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def _peak_mib() -> float:
    """Return the most memory that this process, without its database, ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
