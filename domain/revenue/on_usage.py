"""Revenue as credits burn: the share of the consideration that the burned credits are.

Worked example: 3 credits for $10.00, burned one by one. 10.00 x 1/3, 2/3, 3/3 are 3.33,
6.67 and 10.00 to date, so the three burns recognise 3.33, 3.34 and 3.33.

Source: ASC 606-10-55-46 to 47 (a customer's unexercised rights: a prepayment is a contract
liability, recognised as the goods or services are transferred), 606-10-25-30; IFRS 15.B44.
"""

from __future__ import annotations

from domain.money.rounding import divide_half_even


def earned_to_date(
    consideration: int, granted_units: int, burned_units: int, units_per_minor: int
) -> int:
    """Return the minor units earned once `burned_units` of `granted_units` are burned.

    consideration: in units of the currency. Rounds half-even, on this cumulative figure
    only: what a burn earns is the difference of two of them, so parts sum to the whole.
    """
    return divide_half_even(consideration * burned_units, granted_units * units_per_minor)
