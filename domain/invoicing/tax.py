"""Tax of a document: one rate a customer, on the net total, rounded once, half-even.

Money is kept and recognised without tax. `inclusive` says how a document shows its lines:
with the tax in them, or without and the tax below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.money.decimals import units_of
from domain.money.exact import place_of, rounded_to_total
from domain.money.rounding import divide_half_even

RATE_SCALE = 18
WHOLE = 10**RATE_SCALE


@dataclass(frozen=True, slots=True)
class TaxRate:
    """`rate`: a canonical decimal share, 0.2 for 20 %."""

    name: str
    rate: str
    inclusive: bool

    @property
    def units(self) -> int:
        """The share in units of 10^-18."""
        return units_of(self.rate, RATE_SCALE)


def tax_on(net_minor: int, rate: TaxRate | None) -> int:
    """Return the tax on a net amount, in minor units, half-even."""
    if rate is None:
        return 0
    return divide_half_even(net_minor * rate.units, WHOLE)


def lines_with_tax(
    exact_nets: Sequence[int], gross_minor: int, currency: str, rate: TaxRate
) -> list[int]:
    """Return net lines (exact) as they read with the tax in them: they sum to the gross total."""
    gross = [net * (WHOLE + rate.units) for net in exact_nets]
    return rounded_to_total(gross, gross_minor, place_of(currency) * WHOLE)


def net_within(gross_minor: int, invoiced_net_minor: int, invoiced_gross_minor: int) -> int:
    """Return the net part of an amount with tax, as the invoice it is of was split."""
    if not invoiced_gross_minor:
        return 0
    return divide_half_even(gross_minor * invoiced_net_minor, invoiced_gross_minor)
