"""What a wallet must know of a grant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """`lapses_at`: `expires_at` and the settlement grace that held when it was set; `meters`:
    the scope, None for any.
    """

    grant_id: str
    asset: str
    source: str
    amount_units: int
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    lapses_at: datetime | None
    issued_at: datetime
    meters: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ReopenedGrant:
    terms: GrantTerms
    burned_units: int
    expired_units: int
    revoked_units: int
    status: str
    stream_version: int
