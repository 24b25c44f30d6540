"""Exporting the journal: lines a second, and the memory of the program that does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from application.commands.requests import CreateCustomer, IssueGrant, Money, RecordUsage
from benchmarks.ground import execute, ledger
from benchmarks.report import Figure, promise
from interfaces.runtime import Runtime

FORMATS = ("csv", "parquet", "beancount")
FLAT = 1.25
TENTH = 10

_COLUMNS = (
    "kind, fact, period, service_period, currency, exchange_rate, customer_id, grant_id,"
    " obligation_id, from_grant_id, charge_id, invoice_id, meter, product, reverses, accounts,"
    " amounts, functional"
)


def measure(lines: int) -> list[Figure]:
    """Export a month of so many lines, and as of a position at which it had a tenth.

    Most lines are copies of a charge's, put straight into the read model.
    """
    figures: list[Figure] = []
    with ledger() as runtime, tempfile.TemporaryDirectory() as directory:
        execute(runtime, [CreateCustomer("acme")])
        paid = Money("1000000", "USD")
        execute(runtime, [IssueGrant("g", "ext:acme", "USD", "1000000", paid=paid)])
        few = _fill(runtime, "e1", lines // 2 // TENTH)
        all_of_it = _fill(runtime, "e2", lines // 2 - lines // 2 // TENTH)
        month = runtime.reader.now(runtime.tenant_id).strftime("%Y-%m")
        environment = {**os.environ, "COUNTERFOIL_DATA_DIR": str(runtime.settings.data_dir)}
        for name in FORMATS:
            path = Path(directory) / name
            command = ["export", "journal", "--format", name, "--month", month, "--quiet"]
            runs = []
            for position in (few, all_of_it):
                where = ["--position", str(position), "-o", str(path)]
                seconds, mib = _run([*command, *where], environment)
                manifest = json.loads(path.with_name(f"{name}.manifest.json").read_bytes())
                runs.append((seconds, mib, int(manifest["rows"]), int(manifest["bytes"])))
            (_, little, _, _), (seconds, much, rows, size) = runs
            figures.append(
                {
                    "what": "Export of the journal, and the most memory of its program",
                    "format": name,
                    "lines": rows,
                    "MB": round(size / 1e6, 1),
                    "seconds": round(seconds, 1),
                    "lines/s": round(rows / seconds),
                    "MiB": round(much),
                    "MiB of a tenth": round(little),
                    **promise(f"below {FLAT} x", kept=much < FLAT * little),
                }
            )
    return figures


def _fill(runtime: Runtime, event_id: str, copies: int) -> int:
    """Charge once, and copy its entry so often; return the log's position."""
    execute(runtime, [RecordUsage(event_id, "ext:acme", "tokens", amount="1", asset="USD")])
    runtime.catch_up()
    with runtime.owner.connect() as connection:
        connection.execute("ALTER TABLE ledger_00.journal NO FORCE ROW LEVEL SECURITY")
        connection.execute(
            "INSERT INTO ledger_00.journal"
            f" (tenant, number, position, recorded_at, date, {_COLUMNS})"
            " SELECT tenant, number * 100000000 + copy, position, recorded_at, date,"
            f" {_COLUMNS} FROM ledger_00.journal, generate_series(1, %s) AS copy"
            " WHERE number = (SELECT max(number) FROM ledger_00.journal WHERE number < 1000000)",
            (copies,),
        )
        connection.execute("ANALYZE ledger_00.journal")
        connection.execute("ALTER TABLE ledger_00.journal FORCE ROW LEVEL SECURITY")
    return runtime.reader.events(runtime.tenant_id, limit=1)[0].position


def _run(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds that a command took, and the most MiB that it held."""
    program = str(Path(sys.executable).with_name("counterfoil"))
    began = perf_counter()
    started = subprocess.Popen([program, *arguments], env=environment)
    _, status, used = os.wait4(started.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, arguments
    return perf_counter() - began, used.ru_maxrss / 1024
