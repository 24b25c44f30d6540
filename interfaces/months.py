"""Accounting months as clients name them: "2026-01"."""

from __future__ import annotations

from application.commands.accounting_requests import month
from domain.refusals import InvalidInput

MOST_MONTHS = 120


def check_month(text: str, field: str) -> None:
    """Raises InvalidInput."""
    month(text, field)


def check_months(first: str, last: str) -> None:
    """Raises InvalidInput: no months, not in order, more than are answered at once."""
    check_month(first, "fromMonth")
    check_month(last, "toMonth")
    length = 12 * (int(last[:4]) - int(first[:4])) + int(last[5:]) - int(first[5:]) + 1
    if length < 1:
        raise InvalidInput(field="toMonth", reason="must not be before fromMonth")
    if length > MOST_MONTHS:
        raise InvalidInput(field="toMonth", reason=f"at most {MOST_MONTHS} months at once")
