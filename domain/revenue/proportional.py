"""Breakage recognised in proportion to the pattern of rights exercised.

For non-refundable credits of which the tenant can say, from evidence, which share e stays
unused. Each burned credit then earns its own price and its share of the breakage:
P b / (g (1 - e)), never above P. With an escheat share s, only (1 - s) of the expected
breakage can become revenue, and never what may still have to be remitted:

    min(P (1 - e s) b / (g (1 - e)),  P - s P (g - b) / g)

Worked example: P = 1 000.00, g = 1 000, e = 0.10. Burning 450 earns 500.00: 450.00 of usage
and 50.00 of breakage. e becomes 0.20: 562.50 to date, so 62.50 more, all breakage. Burning
350 more earns 437.50 (350.00 and 87.50), which is all; burning 100 more only moves 100.00
from breakage to usage, and the expiry of the last 100 changes nothing.

With s = 0.25 and e = 0.10: 450 burned earn 487.50, 900 burned 975.00; the expiry of the last
100 moves 25.00 to unclaimed property and earns nothing.

Source: ASC 606-10-55-48 to 49; IFRS 15.B46 to B47.
"""

from __future__ import annotations

from domain.money.rounding import divide_half_even
from domain.revenue.shares import Share


def released_to_date(
    consideration: int,
    granted_units: int,
    live_units: int,
    burned_units: int,
    lapsed_units: int,
    breakage: Share,
    escheat: Share,
    units_per_minor: int,
) -> int:
    """Return the minor units that have left the liability, to revenue or to the state.

    live_units: granted less what was revoked, of which burned and lapsed are parts.
    breakage: below 1. Half-even on the cumulative figure.
    """
    e, e_whole = breakage.numerator, breakage.denominator
    s, s_whole = escheat.numerator, escheat.denominator
    # All in parts of consideration / (granted x s_whole x (e_whole - e)).
    in_proportion = burned_units * (e_whole * s_whole - e * s)
    rest = e_whole - e
    released = (burned_units * s_whole + lapsed_units * (s_whole - s)) * rest
    most = (live_units * s_whole - s * (live_units - burned_units)) * rest
    revenue = min(max(in_proportion, released), most)
    escheated = lapsed_units * s * rest
    return divide_half_even(
        consideration * (revenue + escheated),
        granted_units * s_whole * rest * units_per_minor,
    )
