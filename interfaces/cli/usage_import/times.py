"""What a time stamp in a file means."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?\s?(Z|UTC|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


class NotATime(ValueError):
    """Says what is wrong with a time stamp."""


def moment_of(text: str, zone: ZoneInfo | None) -> datetime:
    """Return the moment of a time stamp, in UTC; finer than a microsecond is cut off.

    zone: where a stamp without a zone was written. Of an hour that happened twice, as clocks
    went back, the first is meant. Raises NotATime.
    """
    found = _STAMP.fullmatch(text.strip())
    if found is None:
        raise NotATime("is no time such as 2026-01-31 09:30:00.25")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    microsecond = int((found[7] or "")[:6].ljust(6, "0"))
    offset = found[8]
    try:
        local = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
        if offset is not None:
            return local.replace(tzinfo=_offset(offset)).astimezone(UTC)
        if zone is None:
            raise NotATime("has no time zone: say where it was written by --time-zone UTC")
        moment = local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, NotATime):
            raise
        raise NotATime("is a day or an hour that does not exist") from None
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise NotATime(f"does not exist in {zone.key}: clocks went forward over it")
    return moment


def _offset(text: str) -> timezone:
    if text.upper() in ("Z", "UTC"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
