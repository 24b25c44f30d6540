"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "slow", "wrong"]
"""wrong: something acknowledged may be lost, tenants may not be kept apart, or the ledger does
not do its work. slow: it costs speed. note: good to know.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """check: what was looked at; found: what it is; says: what that costs; remedy: what to do."""

    check: str
    level: Level
    found: str
    says: str = ""
    remedy: str = ""


MIB = 1024 * 1024
GIB = 1024 * MIB


def size(octets: int) -> str:
    """Return a size as PostgreSQL writes it: 128 MB, 16 GB."""
    if octets >= 10 * GIB or (octets >= GIB and not octets % GIB):
        return f"{octets // GIB} GB"
    return f"{octets // MIB} MB"
