"""CSV as RFC 4180 has it, safe to open in a spreadsheet.

Source: OWASP, "CSV Injection": a cell of text that begins like a formula is made to begin
with an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text_cell(value: str | None) -> str:
    """Return a client's text as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    return f"'{value}" if value.startswith(_FORMULA) else value


def csv_rows(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as text, each ended by CR LF."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
