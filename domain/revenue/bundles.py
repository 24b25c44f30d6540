"""A purchase shares its price over all that it gives, free credits included.

Free credits that come with a purchase are a material right: an obligation of their own, to
which a part of the price belongs, by relative stand-alone selling prices. The weight of a
free grant is reduced by what of it is expected to stay unused.

Worked example: $100.00 buys 1 000 credits and 250 bonus credits of the same stand-alone
price, 0.10. Weights 100 and 25: the paid grant gets 80.00, the bonus 20.00, so that each
credit is 0.08. Burning 500, the bonus first, recognises 20.00 + 20.00 = 40.00.

Source: ASC 606-10-55-41 to 55-45, 32-31 to 32-34; IFRS 15.B39 to B43, 74 to 80.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.money.asset import LARGEST_SCALE
from domain.money.rounding import divide_half_even
from domain.revenue.shares import Share

_PRICE_SCALE = 18


def weight(units: int, scale: int, price: int, breakage: Share) -> int:
    """Return the weight of a grant, comparable within its purchase.

    units at `scale` of the asset; price: of one whole unit, at scale 18.
    """
    share = breakage.denominator - breakage.numerator
    common: int = units * price * share * 10 ** (LARGEST_SCALE - scale)
    precise: int = 10**_PRICE_SCALE
    return common * precise // breakage.denominator


def shares_of(consideration: int, weights: Sequence[int], units_per_minor: int) -> list[int]:
    """Split the price by weight, in units of the currency, each share in whole minor units.

    By cumulative rounding in the order given, the paid grant first; the last share takes
    what of the price is finer than a minor unit. Sums to `consideration`.
    """
    whole = sum(weights)
    shares: list[int] = []
    before = cumulated = 0
    for each in weights:
        cumulated += each
        upto = divide_half_even(consideration * cumulated, whole * units_per_minor)
        upto *= units_per_minor
        shares.append(upto - before)
        before = upto
    shares[-1] += consideration - before
    return shares
