"""What came of it all, counted from the ledger's answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from domain.refusals import (
    IdempotencyConflict,
    InvalidInput,
    InvalidState,
    NotFound,
    Refusal,
)


@dataclass(slots=True)
class Tally:
    """refused: by code and what it was about. corrected: charges that a price typed wrong had
    priced, rated anew; given_back: of those. Amounts are units, by asset.
    """

    settled: int = 0
    observed: int = 0
    free: int = 0
    delivered: int = 0
    captured: int = 0
    held: int = 0
    released: int = 0
    left_to_lapse: int = 0
    refunds: int = 0
    price_changes: int = 0
    corrected: int = 0
    replayed: int = 0
    top_ups: Counter[str] = field(default_factory=Counter)
    grants: Counter[str] = field(default_factory=Counter)
    amounts: Counter[str] = field(default_factory=Counter)
    given_back: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def charges(self) -> int:
        return self.settled + self.observed

    def refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.code, _about(refusal)] += 1


def _about(refusal: Refusal) -> str:
    match refusal:
        case InvalidInput(field=field) | IdempotencyConflict(field=field):
            return field
        case InvalidState(state=state):
            return state
        case NotFound(what=what):
            return what
        case _:
            return ""
