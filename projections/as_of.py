"""What the journal said by a time or a position: entries are only added, so it is a filter."""

from __future__ import annotations

from datetime import datetime

from psycopg.sql import SQL, Composable

AsOf = datetime | int
"""A time, or a position of the log."""


def recorded_by(as_of: AsOf | None) -> Composable:
    """Return the condition that an entry of the journal was recorded by %(as_of)s."""
    if as_of is None:
        return SQL("true")
    return SQL("position <= %(as_of)s" if isinstance(as_of, int) else "recorded_at <= %(as_of)s")


def recorded_after(as_of: AsOf) -> Composable:
    """Return the condition that an entry of the journal was recorded after %(as_of)s."""
    return SQL("position > %(as_of)s" if isinstance(as_of, int) else "recorded_at > %(as_of)s")
