"""Making a file: what is asked for, written into it, and what the file turned out to be.

Nothing but the request and the books up to its position goes in, so that the same request
gives the same bytes, whoever makes it and whenever.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from interfaces.exports.beancount import beancount
from interfaces.exports.entries import ExportEntry
from interfaces.exports.hledger import hledger, ledger
from interfaces.exports.journal_entries import in_functional_currency, with_amounts
from interfaces.exports.journal_sheet import journal_sheet
from interfaces.exports.layouts import netsuite, quickbooks, xero_files
from interfaces.exports.reports import SHEETS
from interfaces.exports.request import ExportRequest, Format
from interfaces.exports.sheets import Cell, Sheet, csv_parts, write_parquet
from interfaces.exports.source import Source

CSV, TEXT, ZIP = "text/csv; charset=utf-8", "text/plain; charset=utf-8", "application/zip"
PARQUET = "application/vnd.apache.parquet"

_ENDINGS: dict[Format, tuple[str, str]] = {
    "CSV": (".csv", CSV),
    "PARQUET": (".parquet", PARQUET),
    "NETSUITE_CSV": ("-netsuite.csv", CSV),
    "QUICKBOOKS_CSV": ("-quickbooks.csv", CSV),
    "XERO_CSV": ("-xero.csv", CSV),
    "HLEDGER": (".hledger", TEXT),
    "LEDGER": (".ledger", TEXT),
    "BEANCOUNT": (".beancount", TEXT),
}
_FUNCTIONAL_ONLY: tuple[Format, ...] = ("QUICKBOOKS_CSV", "XERO_CSV")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Made:
    """rows: of data; of a journal, lines of entries. size: in bytes."""

    name: str
    media_type: str
    rows: int
    size: int
    sha256: str

    def manifest(self, request: ExportRequest) -> bytes:
        """Return what a file is, as JSON."""
        told = {
            "file": self.name,
            "report": request.report,
            "format": request.format,
            "fromMonth": request.from_month,
            "toMonth": request.to_month,
            "detail": request.detail,
            "position": request.position,
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
        }
        return json.dumps(told, indent=2).encode() + b"\n"


def make(request: ExportRequest, source: Source, file: IO[bytes]) -> Made:
    """Write a report into an empty file that can be read again. Raises InvalidInput."""
    count = _Count()
    media_type = _ENDINGS[request.format][1]
    if request.report != "JOURNAL":
        _write_sheet(request, count.rows(SHEETS[request.report](source)), file)
    elif request.format in ("CSV", "PARQUET"):
        entries = source.entries(request.detail)
        _write_sheet(request, count.rows(journal_sheet(entries, source.names)), file)
    else:
        entries = source.entries(request.detail)
        if request.format in _FUNCTIONAL_ONLY:
            entries = in_functional_currency(entries, request.format)
        entries = count.lines(with_amounts(entries))
        if request.format == "XERO_CSV":
            media_type = _write_xero(request, source, entries, file)
        else:
            _write(file, _TEXTS[request.format](source, entries))
    name = file_name(request)
    if media_type == ZIP:
        name = f"{name.removesuffix('.csv')}.zip"
    file.flush()
    size = file.tell()
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    return Made(name, media_type, count.counted, size, sha256)


def file_name(request: ExportRequest) -> str:
    """Return what the file is called: "journal-2026-01-daily.beancount"."""
    months = request.from_month
    if request.to_month != request.from_month:
        months = f"{months}-to-{request.to_month}"
    detail = "" if request.detail == "FULL" else f"-{request.detail.lower()}"
    report = request.report.lower().replace("_", "-")
    return f"{report}-{months}{detail}{_ENDINGS[request.format][0]}"


@dataclass(slots=True)
class _Count:
    counted: int = 0

    def rows(self, sheet: Sheet) -> Sheet:
        return Sheet(sheet.columns, self._each(sheet.rows))

    def lines(self, entries: Iterator[ExportEntry]) -> Iterator[ExportEntry]:
        for entry in entries:
            self.counted += len(entry.lines)
            yield entry

    def _each(self, rows: Iterable[Iterable[Cell]]) -> Iterator[tuple[Cell, ...]]:
        for row in rows:
            self.counted += 1
            yield tuple(row)


def _write_sheet(request: ExportRequest, sheet: Sheet, file: IO[bytes]) -> None:
    if request.format == "PARQUET":
        write_parquet(sheet, file, request.said())
    else:
        _write(file, csv_parts(sheet))


def _write(file: IO[bytes], parts: Iterable[str]) -> None:
    for part in parts:
        file.write(part.encode())


_TEXTS: dict[Format, Callable[[Source, Iterator[ExportEntry]], Iterable[str]]] = {
    "HLEDGER": lambda source, entries: hledger(
        source.chapter(entries), source.names, source.currencies()
    ),
    "LEDGER": lambda source, entries: ledger(
        source.chapter(entries), source.names, source.currencies()
    ),
    "BEANCOUNT": lambda source, entries: beancount(
        source.chapter(entries), source.names, source.currencies()
    ),
    "NETSUITE_CSV": lambda source, entries: netsuite(entries, source.names),
    "QUICKBOOKS_CSV": lambda source, entries: quickbooks(entries, source.names),
}


def _write_xero(
    request: ExportRequest, source: Source, entries: Iterator[ExportEntry], file: IO[bytes]
) -> str:
    """Write one file for Xero, or, of more lines than it takes, several in a ZIP."""
    files = xero_files(entries, source.names)
    first = next(files)
    second = next(files, None)
    if second is None:
        file.write(first.encode())
        return CSV
    stem = file_name(request).removesuffix(".csv")
    # Stored, not deflated: what deflating gives depends on the library.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number, text in enumerate(_chained(first, second, files), start=1):
            named = zipfile.ZipInfo(f"{stem}-{number:04d}.csv", _LONG_AGO)
            named.create_system, named.external_attr = 3, 0o644 << 16
            archive.writestr(named, text.encode())
    return ZIP


def _chained(first: str, second: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield second
    yield from rest
