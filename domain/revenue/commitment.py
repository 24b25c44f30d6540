"""A minimum commitment whose shortfall the tenant expects to enforce.

The commitment is fixed consideration, recognised by usage: commitment x usage / expected
usage. What of it is above the usage charged so far is an asset of the contract until the
true-up is billed. A changed expectation catches up.

Worked example: 12 000.00 committed for the year, 9 000.00 of usage expected. January's usage
of 1 500.00 earns 12 000 x 1 500 / 9 000 = 2 000.00: 1 500.00 against `unbilled_receivable`,
500.00 against `contract_asset`.

Source: ASC 606-10-32-5 to 32-9, 55-46 to 55-49 by analogy, 45-3; IFRS 15.50 to 54, 107.
"""

from __future__ import annotations

from domain.money.rounding import divide_half_even


def shortfall_to_date(
    commitment: int, usage: int, expected_usage: int, units_per_minor: int
) -> int:
    """Return the minor units earned above `usage`; nothing where no shortfall is expected.

    commitment, usage, expected_usage: in units of the currency, expected above zero.
    """
    if expected_usage >= commitment:
        return 0
    used = min(usage, expected_usage)
    return divide_half_even((commitment - expected_usage) * used, expected_usage * units_per_minor)
