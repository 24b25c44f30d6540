"""How figures are shown and kept: tables, with the commit, the date and the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

Figure = dict[str, Any]
"""`what` names the table in which it is a row; `promised`, `kept`: what a figure must reach."""


def promise(promised: str, *, kept: bool) -> Figure:
    """Return what a figure is held to."""
    return {"promised": promised, "kept": "yes" if kept else "NO"}


def rounds(values: Iterable[float]) -> str:
    """Return the raw figures of all rounds, as measured."""
    return " ".join(f"{value:.2f}" if value < 100 else f"{value:.0f}" for value in values)


def table(figures: Iterable[Figure]) -> str:
    """Return figures as Markdown, a table for each thing measured."""
    several = groupby(figures, key=lambda figure: figure["what"])
    return "\n\n".join(_table(what, list(rows)) for what, rows in several)


def _table(what: str, rows: Sequence[Figure]) -> str:
    heads = [head for head in dict.fromkeys(head for row in rows for head in row) if head != "what"]
    lines = [heads, *([_shown(row.get(head, "")) for head in heads] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [_line(line, widths) for line in lines]
    ruled = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([f"{what}:", "", shown[0], ruled, *shown[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _shown(value: object) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


def circumstances() -> str:
    """Return on what, and of which version, figures are measured."""
    cores = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return f"{_now():%Y-%m-%d}, commit {_commit()}, {cores}, Python {platform.python_version()}"


def keep(figures: Sequence[Figure]) -> Path:
    """Write figures as JSON, and as a page to read; return where that is."""
    path = RESULTS / f"{_now():%Y-%m-%d}-{_commit()}.md"
    told = circumstances()
    page = f"# Benchmarks\n\n{told}.\n\n{table(figures)}\n"
    path.write_text(page, "utf-8")
    kept = {"circumstances": told, "figures": figures}
    path.with_suffix(".json").write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    return path


def _now() -> datetime:
    return datetime.now(UTC)


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"
