"""Who sends a command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor`: the key's name, or the program; `request_id`: of the request it came with.

    late_window_seconds: how far back usage may have occurred, if other than the tenant's
    (an administrator's backfill).
    """

    tenant_id: str
    actor: str
    request_id: str
    late_window_seconds: int | None = None
