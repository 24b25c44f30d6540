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

CUSTOMERS = 100
FORMATS = ("csv", "parquet", "beancount")
FLAT = 1.25


def measure(lines: int) -> list[Figure]:
    """Export a month of so many lines, and as of a position at which it had a tenth."""
    figures: list[Figure] = []
    with ledger() as runtime, tempfile.TemporaryDirectory() as directory:
        names = [f"c{number}" for number in range(CUSTOMERS)]
        execute(runtime, [CreateCustomer(name) for name in names])
        paid = Money("1000000", "USD")
        execute(
            runtime,
            [IssueGrant(name, f"ext:{name}", "USD", "1000000", paid=paid) for name in names],
        )
        few = _spend(runtime, 0, lines // 20)
        all_of_it = _spend(runtime, lines // 20, lines // 2)
        runtime.catch_up()
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


def _spend(runtime: Runtime, start: int, end: int) -> int:
    """Make charges of a cent each, two lines of the journal; return the log's position."""
    for first in range(start, end, 1_000):
        execute(
            runtime,
            [
                RecordUsage(f"e{n}", f"ext:c{n % CUSTOMERS}", "tokens", amount="0.01", asset="USD")
                for n in range(first, min(first + 1_000, end))
            ],
        )
    return runtime.reader.events(runtime.tenant_id, limit=1)[0].position


def _run(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds that a command took, and the most MiB that it held."""
    program = str(Path(sys.executable).with_name("counterfoil"))
    began = perf_counter()
    started = subprocess.Popen([program, *arguments], env=environment)
    _, status, used = os.wait4(started.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, arguments
    return perf_counter() - began, used.ru_maxrss / 1024
