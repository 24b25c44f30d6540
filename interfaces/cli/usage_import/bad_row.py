"""A row that cannot be charged as it is; the others go on."""

from __future__ import annotations

LONGEST_VALUE = 60


class BadRow(Exception):
    """`reason` is the same for all rows of its kind; `value` is what stands there."""

    def __init__(self, column: str | None, reason: str, value: str | None = None) -> None:
        super().__init__(column, reason, value)
        self.column = column
        self.reason = reason
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return self.reason
        shown = self.value if len(self.value) <= LONGEST_VALUE else f"{self.value[:LONGEST_VALUE]}…"
        return f"{shown!r} {self.reason}"
