"""Breakage recognised when credits lapse: the default.

The tenant cannot say how much will stay unused, so nothing of it is revenue before the
chance that the customer asks for it has become remote; for credits that expire, that is
their expiry.

Worked example: 1 000 credits for $1 000.00. Burns of 450, 350 and 100 recognise 450.00,
350.00 and 100.00; the expiry of the last 100 recognises 100.00 of breakage.

Source: ASC 606-10-55-48, last sentence; IFRS 15.B46.
"""

from __future__ import annotations

from domain.money.rounding import divide_half_even


def released_to_date(
    consideration: int,
    granted_units: int,
    burned_units: int,
    lapsed_units: int,
    units_per_minor: int,
) -> int:
    """Return the minor units that have left the liability once so much burned and lapsed."""
    return divide_half_even(
        consideration * (burned_units + lapsed_units), granted_units * units_per_minor
    )
