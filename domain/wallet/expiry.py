"""When it is told that a grant is about to expire."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.grants.terms import GrantTerms

LONGEST_NOTICE = timedelta(days=7)


def notice_at(terms: GrantTerms) -> datetime | None:
    """Return when to tell: seven days before the expiry, at most a quarter of the grant's
    life. None for what never expires, and for what a plan includes: that ends every cycle.
    """
    if terms.expires_at is None or terms.source == "INCLUDED":
        return None
    life = terms.expires_at - max(terms.issued_at, terms.effective_at)
    return terms.expires_at - min(LONGEST_NOTICE, life / 4)


def expiry_was_told(terms: GrantTerms, at: datetime) -> bool:
    """Whether it is too late to tell, of a grant that comes back at `at`."""
    told_at = notice_at(terms)
    return told_at is not None and at >= told_at
