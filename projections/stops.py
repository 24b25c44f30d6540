"""Why a read model stands still: the event that it cannot fold, told without what that says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

_ROOMS = ("domain", "application", "projections")


@dataclass(frozen=True, slots=True)
class Stopped:
    """The event that a read model could not fold: its position and topic; error: the class of
    what was raised; because: that, and where; since: by the database's clock.
    """

    projection: str
    position: int
    topic: str
    error: str
    because: str
    since: datetime

    @property
    def remedy(self) -> str:
        """What to do, in one line."""
        return (
            f"start a version that can fold it, or, once the cause is mended, run "
            f"`counterfoil rebuild {self.projection}`"
        )

    def __str__(self) -> str:
        return (
            f"{self.projection} stopped at position {self.position} ({self.topic}): "
            f"{self.because}; {self.remedy}"
        )


def because(error: BaseException) -> str:
    """Return what was raised and where. Never its words, which quote values of the event: of
    PostgreSQL's errors the state and what it names of the schema.
    """
    parts = [type(error).__name__]
    if isinstance(error, psycopg.Error):
        named = error.diag.constraint_name or error.diag.column_name or error.diag.table_name
        parts += [text for text in (error.sqlstate, named) if text]
    place = _place(error)
    return " ".join(parts) + (f" in {place}" if place else "")


def _place(error: BaseException) -> str | None:
    """Return file, line and function of the innermost frame that is ours."""
    found: str | None = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        parts = Path(code.co_filename).parts
        rooms = [place for place, part in enumerate(parts[:-1]) if part in _ROOMS]
        if rooms:
            file = "/".join(parts[rooms[-1] :])
            found = f"{file}:{trace.tb_lineno} {code.co_qualname}"
        trace = trace.tb_next
    return found
