"""The rows of a CSV or NDJSON file, one at a time. Numbers stay as exact as they are written."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TextIO

from interfaces.cli.failures import WrongUsage
from interfaces.cli.usage_import.bad_row import BadRow

Format = Literal["csv", "tsv", "ndjson"]
EXTENSIONS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".ndjson": "ndjson", ".jsonl": "ndjson",
}  # fmt: skip
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What makes a file the same file again: its digest. lines: about as many rows."""

    sha256: str
    lines: int


@dataclass(frozen=True, slots=True)
class Row:
    """number: as an editor or a spreadsheet counts, the header being row 1. Values by column;
    what is wrong with the row instead.
    """

    number: int
    values: dict[str, Any]
    bad: BadRow | None = None

    def get(self, column: str) -> Any:
        """Return a value; in JSON a dot leads into an object. None when there is none."""
        if column in self.values:
            return self.values[column]
        found: Any = self.values
        for part in column.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found


def content_of(path: Path) -> Content:
    digest = hashlib.sha256()
    lines = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            lines += chunk.count(b"\n")
    return Content(digest.hexdigest(), lines)


def format_of(path: Path) -> Format:
    """Return the format that a file's name tells. Raises WrongUsage."""
    found = EXTENSIONS.get(path.suffix.lower())
    if found is None:
        raise WrongUsage(f"{path.name}: say --format csv, tsv or ndjson")
    return found


def header_of(path: Path, file_format: Format) -> list[str] | None:
    """Return a file's columns; None for NDJSON, whose rows each name their own.

    Raises WrongUsage.
    """
    if file_format == "ndjson":
        return None
    with _text(path) as file:
        header = next(csv.reader(file, delimiter=_DELIMITERS[file_format]), None)
    if not header:
        raise WrongUsage(f"{path.name} is empty: its first row must name the columns")
    for name in header:
        if header.count(name) > 1:
            raise WrongUsage(f"{path.name}: two columns are named {name!r}")
    return header


def rows_of(path: Path, file_format: Format) -> Iterator[Row]:
    """Yield the rows that are not blank."""
    with _text(path) as file:
        if file_format == "ndjson":
            yield from _json_rows(file)
        else:
            yield from _separated_rows(file, _DELIMITERS[file_format])


def _text(path: Path) -> TextIO:
    # What is no UTF-8 arrives as a surrogate, which the ledger refuses: one bad row.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _separated_rows(file: TextIO, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=delimiter)
    header = next(reader)
    number = 1
    while True:
        number += 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(number, {}, BadRow(None, f"cannot be read: {error}"))
            continue
        if not fields:
            continue
        if len(fields) != len(header):
            reason = f"has {len(fields)} fields, the header {len(header)}"
            yield Row(number, {}, BadRow(None, reason))
            continue
        yield Row(number, dict(zip(header, fields, strict=True)))


def _json_rows(file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line, parse_float=Decimal, parse_constant=_no_number)
        except (ValueError, RecursionError):
            yield Row(number, {}, BadRow(None, "is no JSON"))
            continue
        if isinstance(values, dict):
            yield Row(number, values)
        else:
            yield Row(number, {}, BadRow(None, "is no JSON object"))


def _no_number(name: str) -> None:
    raise ValueError(name)
