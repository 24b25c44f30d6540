"""The journal folded from the log, beside raw inserts of its very rows; a month closed."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from psycopg.sql import SQL

from application.caller import Caller
from application.codec import EventCodec
from application.commands.accounting_requests import BeginClose
from application.commands.requests import (
    AdvanceClock,
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    Money,
    RecordUsage,
)
from benchmarks.ground import execute, ledger
from benchmarks.report import Figure, promise
from interfaces.runtime import Runtime
from projections.database import Connection
from projections.engine import ProjectionEngine
from projections.journal import JOURNAL, Journal
from projections.tables import Location

CUSTOMERS = 1_000
AT_ONCE = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
NEXT_MONTH = datetime(2026, 2, 2, tzinfo=UTC)
LIVE = Location("ledger_00")


def measure(charges: int) -> list[Figure]:
    """Charge, fold the journal, insert its rows again as they are, close the month."""
    with ledger(test_clock=START) as runtime:
        _sell(runtime)
        for start in range(0, charges, AT_ONCE):
            many = min(AT_ONCE, charges - start)
            execute(runtime, [_usage(start + number) for number in range(many)])
        folding = _fold(runtime)
        raw, entries = _insert_again(runtime)
        runtime.catch_up()
        execute(runtime, [AdvanceClock(NEXT_MONTH)])
        closing = _close(runtime)
    ratio = raw / folding
    return [
        {
            "what": "Journal: entries folded from the log and written, beside their raw inserts",
            "entries": entries,
            "entries/s": round(entries / folding),
            "raw rows/s": round(entries / raw),
            "ratio": round(ratio, 3),
            **promise("at least 0.4", kept=ratio >= 0.4),
        },
        {"what": "A month closed, every check made", "entries": entries, "seconds": closing},
    ]


def _sell(runtime: Runtime) -> None:
    names = [f"c{number}" for number in range(CUSTOMERS)]
    execute(runtime, [DefineAsset("CREDIT", "Credits")])
    execute(runtime, [CreateCustomer(name) for name in names])
    paid = Money("1000000", "USD")
    execute(
        runtime,
        [IssueGrant(name, f"ext:{name}", "CREDIT", "1000000", paid=paid) for name in names],
    )


def _usage(number: int) -> RecordUsage:
    customer = f"ext:c{number % CUSTOMERS}"
    return RecordUsage(f"e{number}", customer, "tokens", amount="1", asset="CREDIT")


def _fold(runtime: Runtime) -> float:
    """Return the seconds that the journal's read model takes over the whole log."""
    engine = ProjectionEngine(
        runtime.projection_pool, EventCodec().decode, [Journal(LIVE)], batch_size=AT_ONCE
    )
    began = perf_counter()
    engine.catch_up()
    took = perf_counter() - began
    assert not engine.stopped()
    return took


def _insert_again(runtime: Runtime) -> tuple[float, int]:
    """Return the seconds that inserting the journal's rows takes, indexes and all, as the
    read model sends them; and how many.
    """
    copies = Location("ledger_00", before="copied_")
    seconds, inserted = 0.0, 0
    pool = runtime.projection_pool
    with runtime.owner.connect() as connection, pool.connection() as reading:
        connection.execute(
            LIVE.query("CREATE TABLE {copy} (LIKE {journal} INCLUDING ALL)", copy=_name(copies))
        )
        while rows := _page(reading, inserted):
            began = perf_counter()
            with connection.transaction():
                JOURNAL.insert(connection, copies, rows)
            seconds += perf_counter() - began
            inserted += len(rows)
        connection.execute(LIVE.query("DROP TABLE {copy}", copy=_name(copies)))
    return seconds, inserted


def _name(copies: Location) -> Any:
    return SQL("{}").format(copies.table("journal"))


def _page(connection: Connection, after: int) -> list[Any]:
    rows = connection.execute(
        LIVE.query(
            "SELECT {columns} FROM {journal} WHERE number > %s ORDER BY number LIMIT %s",
            columns=JOURNAL.selected(),
        ),
        (after, AT_ONCE),
    )
    return [JOURNAL.row_of(row) for row in rows]


def _close(runtime: Runtime) -> float:
    caller = Caller(runtime.tenant_id, "benchmark", "benchmark")
    began = perf_counter()
    outcome = runtime.closing.close(caller, BeginClose("2026-01"))
    took = perf_counter() - began
    assert outcome.answer is not None, outcome.refusal
    return round(took, 2)
