"""`make bench`: prints the figures of one run; `--keep` writes them to benchmarks/results/."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import (
    budgets,
    closing,
    cycle_roll,
    drafts,
    due_work,
    duplicates,
    engine,
    exports,
    growth,
    ingest,
    journal,
    latency,
    pricing,
    rating,
    replay,
    report,
    stock,
    wallet_load,
    wallets,
)
from benchmarks.report import Figure

SMALL_LOGS = (0, 200_000)
LARGE_LOGS = (0, 1_000_000, 10_000_000)

PARTS: dict[str, Callable[[bool], list[Figure]]] = {
    "engine": lambda small: engine.measure(10_000 if small else 50_000),
    "stock": lambda small: stock.measure(10_000 if small else 50_000, 500 if small else 3_000),
    "wallets": lambda small: wallets.measure(4_000, 1_000 if small else 10_000, 10_000),
    "duplicates": lambda small: duplicates.measure(10_000 if small else 50_000),
    "load": lambda small: wallet_load.measure(10_000 if small else 1_000_000),
    "replay": lambda small: replay.measure(20_000 if small else 100_000),
    "due-work": lambda small: due_work.measure(60 if small else 181),
    "cycle-roll": lambda small: cycle_roll.measure(1_000 if small else 10_000),
    "journal": lambda small: journal.measure(20_000 if small else 100_000),
    "closing": lambda small: closing.measure(20_000 if small else 1_000_000),
    "latency": lambda small: latency.measure(400 if small else 4_000),
    "pricing": lambda small: pricing.measure(10_000 if small else 100_000),
    "ingest": lambda small: ingest.measure(20 if small else 300),
    "growth": lambda small: growth.measure(
        SMALL_LOGS if small else LARGE_LOGS, 10 if small else 60
    ),
    "budgets": lambda small: budgets.measure(1_000 if small else 10_000),
    "rating": lambda small: rating.measure(3_000 if small else 10_000),
    "exports": lambda small: exports.measure(60_000 if small else 1_000_000),
    "drafts": lambda small: drafts.measure(20_000 if small else 1_000_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="an hour instead of minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--keep", action="store_true", help="write the figures to results/")
    wish = parser.parse_args()
    print(report.circumstances())
    figures: list[Figure] = []
    for name, measure in PARTS.items():
        if wish.only is None or name in wish.only:
            measured = measure(not wish.full)
            print(f"\n{report.table(measured)}", flush=True)
            figures += measured
    if wish.keep:
        print(f"\nkept in {report.keep(figures)}")


if __name__ == "__main__":
    main()
