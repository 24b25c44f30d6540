"""What came of an import: counts, sums, and every row that was not charged."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import click

from domain.money.decimals import decimal_of
from interfaces.cli.figures import counted, decimal, lines_of

MOST_SHOWN = 20

Told = Callable[[str], None]


@dataclass(slots=True)
class ImportTally:
    """amounts: units charged by this import, by asset key and scale; reasons: of the rows that
    were not charged, by code, column and reason.
    """

    rows: int = 0
    settled: int = 0
    observed: int = 0
    replayed: int = 0
    customers: int = 0
    created: int = 0
    amounts: Counter[tuple[str, int]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def not_charged(self) -> int:
        return sum(self.reasons.values())


class Rejections:
    """Tells the first rows that were not charged, and writes all of them to a file if asked."""

    def __init__(self, tally: ImportTally, file: TextIO | None) -> None:
        self._tally = tally
        self._shown = 0
        self._writer = csv.writer(file) if file is not None else None
        if self._writer is not None:
            self._writer.writerow(("row", "column", "code", "reason"))

    def add(
        self, row: int, code: str, column: str | None, reason: str, kind: str | None = None
    ) -> None:
        """kind: the reason without this row's own figures, by which rows are counted."""
        self._tally.reasons[code, column or "", kind or reason] += 1
        if self._writer is not None:
            self._writer.writerow((row, column or "", code, reason))
        if self._shown < MOST_SHOWN:
            place = f"row {row}, {column}" if column else f"row {row}"
            click.echo(f"{place}: {code} {reason}", err=True)
        elif self._shown == MOST_SHOWN:
            click.echo("... (--errors FILE lists all)", err=True)
        self._shown += 1


def errors_file(path: Path | None) -> AbstractContextManager[TextIO | None]:
    return nullcontext() if path is None else path.open("w", encoding="utf-8", newline="")


def summary(tally: ImportTally, seconds: float) -> str:
    charged = [
        f"{decimal(decimal_of(units, scale), scale)} {asset}"
        for (asset, scale), units in sorted(tally.amounts.items())
    ]
    speed = round(tally.rows / seconds) if seconds else 0
    rows = [
        ("rows", counted(tally.rows)),
        ("settled", counted(tally.settled)),
        ("observed", counted(tally.observed)),
        ("replayed", f"{counted(tally.replayed)} (they were in already)"),
        ("not charged", counted(tally.not_charged)),
        *(
            ("", f"{counted(count):>7}  {_reason(*reason)}")
            for reason, count in tally.reasons.most_common()
        ),
        ("charged", " and ".join(charged) or "nothing"),
        ("customers", f"{counted(tally.customers)}, {counted(tally.created)} of them new"),
        ("took", f"{seconds:.1f} s ({counted(speed)} rows/s)"),
    ]
    return lines_of(rows)


def _reason(code: str, column: str, reason: str) -> str:
    return f"{code} {column}: {reason}" if column else f"{code}: {reason}"
