"""However long a journal is, its file is made in the same memory."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import date
from typing import Any, cast

import pytest

from interfaces.exports.accounts import AccountNames
from interfaces.exports.entries import Chapter, ExportEntry, ExportLine
from interfaces.exports.making import make
from interfaces.exports.request import ExportRequest, Format
from interfaces.exports.source import Source

MEGABYTE = 1_000_000


class LongSource:
    """A journal of so many entries of two lines, each made when it is asked for."""

    names = AccountNames()

    def __init__(self, count: int) -> None:
        self._count = count

    def entries(self, detail: str) -> Iterator[ExportEntry]:
        for number in range(self._count):
            yield ExportEntry(
                number=str(number), date=date(2026, 1, 31), period="2026-01",
                service_period="2026-01", kind="AUTOMATIC", fact="usage", title="Credits burn",
                currency="USD", functional_currency="USD", exchange_rate="1",
                lines=(
                    ExportLine("contract_liability", number + 1, number + 1),
                    ExportLine("revenue_usage", -number - 1, -number - 1),
                ),
                charge_id=f"charge-{number}",
            )  # fmt: skip

    def chapter(self, entries: Iterator[ExportEntry]) -> Chapter:
        day = date(2026, 1, 1)
        return Chapter("2026-01", "2026-01", day, date(2026, 2, 1), 1, (), (), entries)

    def currencies(self) -> list[str]:
        return ["USD"]


def peak(count: int, file_format: Format) -> int:
    """Return the most bytes that making a file takes; the file itself is on disk."""
    request = ExportRequest("JOURNAL", file_format, "2026-01", "2026-01", "FULL", 1)
    with tempfile.TemporaryFile() as file:
        tracemalloc.start()
        try:
            made = make(request, cast("Source", cast("Any", LongSource(count))), file)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert made.rows == 2 * count
    assert made.size > 10 * count
    return most


@pytest.mark.parametrize("file_format", ["CSV", "PARQUET", "BEANCOUNT"])
def test_memory_does_not_grow_with_the_journal(file_format: Format) -> None:
    peak(1, file_format)  # what is imported at first is not counted
    few, many = peak(5_000, file_format), peak(10_000, file_format)
    assert many < 1.3 * few + MEGABYTE
