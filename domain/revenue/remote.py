"""Breakage of credits that never expire: recognised once their use has become remote.

After the policy's months without a charge on the customer's account in that asset, what
remains is recognised, less the escheat share. The credits stay usable: later burns only
move breakage to usage.

Worked example: 1 000 credits for $100.00, 300 burned, then twelve months of silence: 70.00
of breakage. A burn of 100 after that: 10.00 from breakage to usage, nothing in all.

Source: ASC 606-10-55-48, last sentence (the likelihood that the customer exercises its
remaining rights becomes remote); IFRS 15.B46.
"""

from __future__ import annotations

from datetime import date

from domain.money.rounding import divide_half_even


def released_to_date(
    consideration: int, granted_units: int, live_units: int, units_per_minor: int
) -> int:
    """Return the minor units that have left the liability: all of what is not revoked."""
    return divide_half_even(consideration * live_units, granted_units * units_per_minor)


def remote_from(last_active: date, months: int) -> date:
    """Return the day on which `months` without activity are full; 31 Jan + 1 is 28 Feb."""
    year, month = divmod(last_active.year * 12 + last_active.month - 1 + months, 12)
    for day in range(last_active.day, 27, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue
    return date(year, month + 1, min(last_active.day, 28))
