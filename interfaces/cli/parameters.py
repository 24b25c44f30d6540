"""What options take, beyond what click knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

_SPAN = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Moment(click.ParamType[datetime]):
    """A time with its zone, as in RFC 3339; in UTC afterwards."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        found = _moment(value)
        if found is None:
            self.fail(
                f"{value!r} is not a time with its zone, such as 2026-01-31T09:00:00Z", param, ctx
            )
        return found


class Span(click.ParamType[int]):
    """A span of time as whole seconds, minutes, hours or days: 90s, 30m, 36h, 35d."""

    name = "span"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a span such as 90s, 30m, 36h or 35d", param, ctx)
        return int(found[1]) * SECONDS[found[2]]


class Zone(click.ParamType[ZoneInfo]):
    """A time zone of the IANA database."""

    name = "zone"

    def convert(
        self, value: str | ZoneInfo, param: click.Parameter | None, ctx: click.Context | None
    ) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.fail(f"no time zone {value!r}: take one such as UTC or Europe/Berlin", param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """KEY=VALUE."""

    name = "pair"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not of the form KEY=VALUE", param, ctx)
        return key, text


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
