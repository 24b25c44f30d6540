"""A report as rows and columns, written as CSV or as Parquet.

A decimal is the text of an exact decimal in both: Parquet keeps it as decimal128.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Literal

from domain.money.currencies import EXPONENTS
from interfaces.exports.csv_text import csv_rows, text_cell

Kind = Literal["text", "decimal", "integer", "date", "time", "boolean"]
Cell = str | int | date | datetime | bool | None

MONEY_PLACES = max(EXPONENTS.values())
FINEST_PLACES = 12
LARGEST_PRECISION = 38
ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Column:
    """places: of a decimal."""

    name: str
    kind: Kind = "text"
    places: int = MONEY_PLACES


@dataclass(frozen=True, slots=True)
class Sheet:
    columns: tuple[Column, ...]
    rows: Iterator[Sequence[Cell]]


def csv_parts(sheet: Sheet) -> Iterator[str]:
    """Yield a sheet as CSV, many rows at a time, the names of the columns first."""
    yield csv_rows([[column.name for column in sheet.columns]])
    kinds = [column.kind for column in sheet.columns]
    for rows in _batched(sheet.rows):
        yield csv_rows(
            [_csv_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)] for row in rows
        )


def write_parquet(sheet: Sheet, file: IO[bytes], told: Mapping[str, str]) -> None:
    """Write a sheet as Parquet. told: what the file says of itself."""
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "date": pa.date32(),
        "time": pa.timestamp("us", tz="UTC"),
        "boolean": pa.bool_(),
    }
    schema = pa.schema(
        [
            (
                column.name,
                pa.decimal128(LARGEST_PRECISION, column.places)
                if column.kind == "decimal"
                else types[column.kind],
            )
            for column in sheet.columns
        ],
        metadata=dict(told),
    )
    with parquet.ParquetWriter(file, schema) as writer:
        for rows in _batched(sheet.rows):
            columns: list[Sequence[Any]] = [
                [None if cell is None else Decimal(str(cell)) for cell in cells]
                if column.kind == "decimal"
                else cells
                for column, cells in zip(sheet.columns, zip(*rows, strict=True), strict=True)
            ]
            arrays = [
                pa.array(cells, field.type) for cells, field in zip(columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _batched(rows: Iterator[Sequence[Cell]]) -> Iterator[Sequence[Sequence[Cell]]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def _csv_cell(cell: Cell, kind: Kind) -> str:
    if cell is None:
        return ""
    if kind == "text":
        assert isinstance(cell, str)
        return text_cell(cell)
    if kind == "boolean":
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return f"{cell.isoformat().removesuffix('+00:00')}Z"
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
