"""What of unused credits the law of unclaimed property takes.

A share s of the money for credits that lapse unused is owed to a government, so it never is
revenue: it moves to `unclaimed_property`.

Worked example: a grant of $50.00 expires with 40 % of it left and s = 0.25: of the 20.00
left, 5.00 go to unclaimed property and 15.00 are breakage.

Source: ASC 606-10-55-49 (amounts that must be remitted to another party are a liability,
not revenue); IFRS 15.B47.
"""

from __future__ import annotations

from domain.money.rounding import divide_half_even
from domain.revenue.shares import Share


def escheated_to_date(
    consideration: int,
    granted_units: int,
    lapsed_units: int,
    share: Share,
    units_per_minor: int,
) -> int:
    """Return the minor units owed to the state for `lapsed_units`. Half-even, cumulative."""
    return divide_half_even(
        consideration * lapsed_units * share.numerator,
        granted_units * share.denominator * units_per_minor,
    )
