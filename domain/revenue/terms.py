"""What of an obligation says when the rest of it is earned, as an event left it.

Kept with the event's place in the log, so that a schedule of an earlier position is told by
what held then, not by an end or a price that came later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from domain.revenue.obligation import Obligation


@dataclass(slots=True)
class Terms:
    """As of `position`. consideration, revoked: as an `Obligation` has them."""

    tenant: str
    obligation_id: str
    position: int
    recorded_at: datetime
    product: str | None
    ratable: bool
    consideration: int
    revoked: int
    starts_on: date
    ends_on: date | None


def terms_of(o: Obligation, position: int, recorded_at: datetime) -> Terms:
    return Terms(
        o.tenant,
        o.obligation_id,
        position,
        recorded_at,
        o.product,
        o.ratable,
        o.consideration,
        o.revoked,
        o.starts_on,
        o.ends_on,
    )


def as_it_was(o: Obligation, terms: Terms) -> Obligation:
    """Return an obligation by earlier terms; what it was burned and earned stays as it is."""
    return replace(
        o,
        product=terms.product,
        ratable=terms.ratable,
        consideration=terms.consideration,
        revoked=terms.revoked,
        starts_on=terms.starts_on,
        ends_on=terms.ends_on,
    )
