"""The journal folded from the log, beside raw inserts of its very rows."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from time import perf_counter
from typing import Any

from psycopg.sql import SQL, Identifier

from application.codec import EventCodec
from application.commands.requests import (
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    Money,
    RecordUsage,
)
from benchmarks.ground import execute, ledger, middle
from benchmarks.report import Figure, promise, rounds
from interfaces.runtime import Runtime
from projections import positions
from projections.database import Connection
from projections.engine import ProjectionEngine
from projections.journal import JOURNAL, Journal
from projections.tables import Location

CUSTOMERS = 1_000
AT_ONCE = 10_000
ROUNDS = 5
START = datetime(2026, 1, 1, tzinfo=UTC)
NEXT_MONTH = datetime(2026, 2, 2, tzinfo=UTC)
LIVE = Location("ledger_00")


def measure(charges: int, turns: int = ROUNDS) -> list[Figure]:
    """Charge, fold the journal, insert its rows again as they are; a few times, in turns."""
    with ledger(test_clock=START) as runtime:
        sell(runtime)
        charge(runtime, charges)
        folds: list[float] = []
        raws: list[float] = []
        entries = 0
        for _ in range(turns):
            _forget(runtime)
            folds.append(_fold(runtime))
            raw, entries = _insert_again(runtime)
            raws.append(raw)
    ratios = [raw / fold for raw, fold in zip(raws, folds, strict=True)]
    ratio = middle(ratios)
    return [
        {
            "what": "Journal: entries folded from the log and written, beside their raw inserts",
            "entries": entries,
            "entries/s": round(entries / middle(folds)),
            "raw rows/s": round(entries / middle(raws)),
            "ratio": round(ratio, 3),
            "ratios": rounds(ratios),
            **promise("at least 0.4", kept=ratio >= 0.4),
        }
    ]


def sell(runtime: Runtime) -> None:
    """Make customers with paid credits."""
    names = [f"c{number}" for number in range(CUSTOMERS)]
    execute(runtime, [DefineAsset("CREDIT", "Credits")])
    execute(runtime, [CreateCustomer(name) for name in names])
    paid = Money("1000000", "USD")
    execute(
        runtime,
        [IssueGrant(name, f"ext:{name}", "CREDIT", "1000000", paid=paid) for name in names],
    )


def charge(runtime: Runtime, charges: int) -> float:
    """Charge them by turns; return the seconds that it took."""
    began = perf_counter()
    for start in range(0, charges, AT_ONCE):
        execute(runtime, [_usage(each) for each in range(start, min(start + AT_ONCE, charges))])
    return perf_counter() - began


def _usage(number: int) -> RecordUsage:
    customer = f"ext:c{number % CUSTOMERS}"
    return RecordUsage(f"e{number}", customer, "tokens", amount="1", asset="CREDIT")


def _forget(runtime: Runtime) -> None:
    """Let the journal begin at zero again."""
    with runtime.owner.connect() as connection:
        tables = SQL(", ").join(LIVE.table(table.name) for table in Journal.tables)
        connection.execute(SQL("TRUNCATE {}").format(tables))
        positions.forget(connection, LIVE, Journal.name)


def _fold(runtime: Runtime) -> float:
    """Return the seconds that the journal's read model takes over the whole log."""
    engine = ProjectionEngine(
        runtime.projection_pool, EventCodec().decode_all, [Journal(LIVE)], batch_size=AT_ONCE
    )
    began = perf_counter()
    engine.catch_up()
    took = perf_counter() - began
    assert not engine.stopped()
    return took


def _insert_again(runtime: Runtime) -> tuple[float, int]:
    """Return the seconds that inserting the journal's rows takes, indexes and all, each column
    an array as the read model makes it; and how many.
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
                _unnest(connection, copies, rows)
            seconds += perf_counter() - began
            inserted += len(rows)
        connection.execute(LIVE.query("DROP TABLE {copy}", copy=_name(copies)))
    return seconds, inserted


def _unnest(connection: Connection, copies: Location, rows: list[Any]) -> None:
    columns = zip(*map(attrgetter(*JOURNAL.columns), rows), strict=True)
    arrays = [kind.array(column) for kind, column in zip(JOURNAL.kinds, columns, strict=True)]
    names = [Identifier(name) for name in JOURNAL.columns]
    casts = [SQL(kind.cast or kind.sql) for kind in JOURNAL.kinds]
    statement = SQL(
        "INSERT INTO {copy} ({names}) SELECT {values} FROM unnest({arrays}) AS u ({names})"
    ).format(
        copy=_name(copies),
        names=SQL(", ").join(names),
        values=SQL(", ").join(
            SQL("{}::{}").format(name, cast) for name, cast in zip(names, casts, strict=True)
        ),
        arrays=SQL(", ").join(SQL("%s::{}[]").format(SQL(kind.sql)) for kind in JOURNAL.kinds),
    )
    connection.execute(statement, arrays)


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
