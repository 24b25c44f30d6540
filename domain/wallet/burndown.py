"""Which grants pay for a charge, in what order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.grants.events import Figures
from domain.grants.terms import GrantTerms
from domain.wallet.events import Part

_NEVER = datetime.max.replace(tzinfo=UTC)

BurnKey = tuple[int, datetime, bool, datetime, datetime, str]


def burn_order(terms: GrantTerms) -> BurnKey:
    """Sort key of the grants of an account. Total: it ends in the grant's id."""
    return (
        terms.priority,
        terms.expires_at or _NEVER,  # sooner first, never last
        terms.source == "PAID",  # unpaid before paid
        terms.effective_at,
        terms.issued_at,
        terms.grant_id,
    )


@dataclass(slots=True)
class OpenGrant:
    """A grant that can still move in a wallet. Units of its asset.

    status: PENDING before it is effective; ACTIVE; LAPSED, VOIDED or REFUNDED while a hold
    still pins a part of it. stream_version: of the grant's own stream. expiry_told: whether
    it was told that it is about to expire.
    """

    terms: GrantTerms
    remaining_units: int
    held_units: int
    burned_units: int
    expired_units: int
    revoked_units: int
    status: str
    stream_version: int
    expiry_told: bool = False

    @property
    def figures(self) -> Figures:
        """What its own stream is told of it."""
        return Figures(self.burned_units, self.expired_units, self.revoked_units)

    @property
    def free_units(self) -> int:
        return self.remaining_units - self.held_units

    def pays_at(self, occurred_at: datetime, at: datetime) -> bool:
        """Whether usage that occurred then may burn it at `at`: within its interval, or
        within the settlement grace if it occurred before the expiry.
        """
        expires_at = self.terms.expires_at
        return self.status == "ACTIVE" and (
            expires_at is None or at < expires_at or occurred_at < expires_at
        )


def burn_down(
    ordered: Iterable[OpenGrant], charge_units: int, occurred_at: datetime, at: datetime
) -> tuple[tuple[Part, ...], int]:
    """Return the parts that grants pay, in burn order, and the units that none covers."""
    parts: list[Part] = []
    uncovered_units = charge_units
    if not uncovered_units:
        return (), 0
    for grant in ordered:
        units = min(grant.remaining_units - grant.held_units, uncovered_units)
        if units and grant.pays_at(occurred_at, at):
            parts.append((grant.terms.grant_id, units))
            uncovered_units -= units
            if not uncovered_units:
                break
    return tuple(parts), uncovered_units


def burn_pinned(
    pinned: Iterable[OpenGrant], held: dict[str, int], units: int
) -> tuple[tuple[Part, ...], int]:
    """Return what a capture burns of a hold's pinned parts, in burn order, and the rest."""
    parts: list[Part] = []
    for grant in sorted(pinned, key=lambda grant: burn_order(grant.terms)):
        burned = min(held[grant.terms.grant_id], units)
        if burned:
            parts.append((grant.terms.grant_id, burned))
            units -= burned
    return tuple(parts), units


def merged(*allocations: Iterable[Part]) -> tuple[Part, ...]:
    """Return the parts with each grant once, in the order first met."""
    units_of: dict[str, int] = {}
    for parts in allocations:
        for grant_id, units in parts:
            units_of[grant_id] = units_of.get(grant_id, 0) + units
    return tuple(units_of.items())
