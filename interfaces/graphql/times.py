"""Times as clients send and read them: RFC 3339.

A door is strict: a date-time is checked by form before it is parsed, so that a long text
costs nothing. Fractions of a second are cut to microseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from domain.refusals import InvalidInput

_LONGEST = 64
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.[0-9]{1,30})?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)


def instant_of(text: str, field: str) -> datetime:
    """Return the time in UTC.

    Raises InvalidInput naming `field`: no RFC 3339, no zone, no such day or hour.
    """
    form = _DATE_TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if form is None:
        raise InvalidInput(field=field, reason="not a time such as 2026-01-31T09:30:00Z")
    if form["zone"] is None:
        raise InvalidInput(field=field, reason="needs a zone: end it in Z, or in +02:00")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            field=field, reason="no such time: years 0001 to 9999, real days and hours"
        ) from None


def optional_instant(text: str | None, field: str) -> datetime | None:
    return None if text is None else instant_of(text, field)


def rfc3339(moment: datetime) -> str:
    """Return the time in UTC as text that ends in Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat()[:-6]}Z"
