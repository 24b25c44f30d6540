"""A draft: what is unbilled of a customer in a currency, and the document it would make.

Each cycle is rounded once: what its document bills is its exact total, half-even, less what
earlier documents billed of it. So documents of a cycle sum to what was posted for it, and
what rounding moved is carried, never lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from domain.invoicing.events import BilledCycle, BilledOverage, InvoiceLine
from domain.invoicing.tax import TaxRate, lines_with_tax, tax_on
from domain.money.exact import minor_of, place_of, rounded_to_total


@dataclass(frozen=True, slots=True)
class DraftLine:
    """What one meter, or one `item`, adds in a cycle. exact: units of 10^-30."""

    cycle: str
    description: str
    quantity: str | None
    unit_price: str | None
    exact: int
    charge_count: int
    units: int = 0
    meter: str | None = None
    asset: str | None = None
    item: str | None = None
    fees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftCycle:
    """exact: all that was ever unbilled of it, less what was repaid or given back; billed:
    of it, on documents that stand. period: its month, "2026-01".
    """

    cycle: str
    period: str
    exact: int
    billed_minor: int

    def net_minor(self, currency: str) -> int:
        return minor_of(self.exact, currency) - self.billed_minor


@dataclass(frozen=True, slots=True)
class Draft:
    """Lines in order of their first charge, and the cycles that they are of.

    billing_version: of the customer's billing account when this was read; 0 where there was
    none. unpriced: overage without a rate.
    """

    currency: str
    billing_version: int
    lines: tuple[DraftLine, ...]
    cycles: tuple[DraftCycle, ...]
    overage: tuple[BilledOverage, ...]
    unpriced: tuple[DraftLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Bill:
    """A draft in minor units: lines sum to the subtotal, or with an inclusive tax to the total."""

    lines: tuple[InvoiceLine, ...]
    cycles: tuple[BilledCycle, ...]
    subtotal_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        return self.subtotal_minor + self.tax_minor


def bill_of(draft: Draft, tax: TaxRate | None) -> Bill:
    """Return the document that a draft makes. Rounds half-even, once a cycle and once the tax."""
    cycles = {each.cycle: each for each in draft.cycles}
    nets = _nets(draft, cycles)
    billed = tuple(
        BilledCycle(each.cycle, each.period, each.net_minor(draft.currency))
        for each in draft.cycles
    )
    subtotal = sum(nets)
    tax_minor = tax_on(subtotal, tax)
    shown: Sequence[int] = nets
    if tax is not None and tax.inclusive:
        exacts = [line.exact for line in draft.lines]
        shown = lines_with_tax(exacts, subtotal + tax_minor, draft.currency, tax)
    lines = tuple(
        InvoiceLine(
            line.description,
            line.quantity,
            line.unit_price,
            amount,
            net,
            line.exact,
            line.charge_count,
            line.units,
            cycles[line.cycle].period,
            line.cycle,
            line.meter,
            line.asset,
            line.item,
            line.fees,
        )
        for line, amount, net in zip(draft.lines, shown, nets, strict=True)
    )
    return Bill(lines, billed, subtotal, tax_minor)


def _nets(draft: Draft, cycles: dict[str, DraftCycle]) -> list[int]:
    """Return each line's net amount; those of a cycle sum to the cycle's."""
    place = place_of(draft.currency)
    nets = [0] * len(draft.lines)
    numbered = sorted(enumerate(draft.lines), key=lambda each: each[1].cycle)
    for cycle, group in groupby(numbered, key=lambda each: each[1].cycle):
        at, lines = zip(*group, strict=True)
        total = cycles[cycle].net_minor(draft.currency)
        rounded = rounded_to_total([line.exact for line in lines], total, place)
        for index, net in zip(at, rounded, strict=True):
            nets[index] = net
    return nets
