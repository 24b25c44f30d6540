"""`make bench`: prints the figures of one run; `--keep` writes them to benchmarks/results/."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import (
    budgets,
    cycle_roll,
    drafts,
    due_work,
    engine,
    exports,
    journal,
    latency,
    replay,
    report,
    wallet_load,
)
from benchmarks.report import Figure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a minute instead of several")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[
            "engine",
            "load",
            "replay",
            "due-work",
            "cycle-roll",
            "journal",
            "latency",
            "budgets",
            "exports",
            "drafts",
        ],
        metavar="PART",
        help="engine, load, replay, due-work, cycle-roll, journal, latency, budgets, exports, "
        "drafts",
    )
    parser.add_argument("--keep", action="store_true", help="write the figures to results/")
    wish = parser.parse_args()
    parts: dict[str, Callable[[], list[Figure]]] = {
        "engine": lambda: engine.measure(5_000 if wish.small else 20_000),
        "load": lambda: wallet_load.measure(10_000 if wish.small else 1_000_000),
        "replay": lambda: replay.measure(20_000 if wish.small else 100_000),
        "due-work": lambda: due_work.measure(60 if wish.small else 181),
        "cycle-roll": lambda: cycle_roll.measure(1_000 if wish.small else 10_000),
        "journal": lambda: journal.measure(20_000 if wish.small else 1_000_000),
        "latency": lambda: latency.measure(500 if wish.small else 4_000),
        "budgets": lambda: budgets.measure(1_000 if wish.small else 10_000),
        "exports": lambda: exports.measure(60_000 if wish.small else 1_000_000),
        "drafts": lambda: drafts.measure(20_000 if wish.small else 1_000_000),
    }
    print(report.circumstances())
    figures: list[Figure] = []
    for name, measure in parts.items():
        if wish.only is None or name in wish.only:
            measured = measure()
            print(f"\n{report.table(measured)}", flush=True)
            figures += measured
    if wish.keep:
        print(f"\nkept in {report.keep(figures)}")


if __name__ == "__main__":
    main()
