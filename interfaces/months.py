"""Accounting months as clients name them: "2026-01"."""

from __future__ import annotations

import re

from domain.refusals import InvalidInput

MOST_MONTHS = 120
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)


def check_month(text: str, field: str) -> None:
    """Raises InvalidInput."""
    if not _MONTH.fullmatch(text) or text < "0001":
        raise InvalidInput(field=field, reason="not a month such as 2026-01")


def check_months(first: str, last: str) -> None:
    """Raises InvalidInput: no months, not in order, more than are answered at once."""
    check_month(first, "fromMonth")
    check_month(last, "toMonth")
    length = 12 * (int(last[:4]) - int(first[:4])) + int(last[5:]) - int(first[5:]) + 1
    if length < 1:
        raise InvalidInput(field="toMonth", reason="must not be before fromMonth")
    if length > MOST_MONTHS:
        raise InvalidInput(field="toMonth", reason=f"at most {MOST_MONTHS} months at once")
