"""What one charge earns: the figure that a margin sets against the vendor's cost.

The usage part of the target function, P b / g of each grant that paid, by cumulative
rounding; nothing of a grant without a cost basis; overage at its rate. It is finer than the
journal (units of the currency, not minor units), so that a charge of a fraction of a cent
has a margin too; sums agree with the journal's to a minor unit a grant.

Worked example: 1 000 DATA for $50.00; a charge of 200 earns 10.00. 2 500 credits at 0.01,
1 000 of them from a grant that cost 10.00: 10.00 + 1 500 x 0.01 = 25.00.
"""

from __future__ import annotations

from typing import NamedTuple

from domain.money.rounding import part_of


class CostBasis(NamedTuple):
    """What `for_units` of a grant's asset cost, without tax. Units of the currency."""

    consideration: int
    for_units: int


def usage_part(basis: CostBasis | None, burned_before: int, burned_after: int) -> int:
    """Return what burning from `burned_before` to `burned_after` units of a grant earns.

    In units of the currency; half-even on the cumulative figure. None: no cost basis.
    """
    if basis is None or not basis.consideration:
        return 0
    return part_of(basis.consideration, burned_before, burned_after, basis.for_units)
