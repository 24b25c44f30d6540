"""What stays given back of a charge: a refund or a credit note is a concession on that charge.

The cycle of its price costs no less for it. Of each price, then: what its charges' lines come
to is what is still paid for it and what was conceded of it. A charge that is withdrawn takes
its concession with it, so that it does not go back again; one that is rated anew keeps the same
share of what it comes to then, and each of its lines bears its part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from domain.money.rounding import part_of
from domain.rating.rate import RatedLine
from domain.rating.running_total import TotalKey
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeRerated, Concession
from domain.usage.payments import key_of
from domain.wallet.payers import NO_PRICE


def by_price(lines: Sequence[RatedLine]) -> Counter[TotalKey]:
    """Return what lines come to for each price."""
    units: Counter[TotalKey] = Counter()
    for line in lines:
        units[key_of(line) or NO_PRICE] += line.amount_units
    return units


def kept_of(charge: UsageCharge) -> Counter[TotalKey]:
    """Return what a charge has taken for each price and not given back; they come to its net.
    What a credit note gave back was paid for all the same.
    """
    kept = by_price(charge.lines)
    if not charge.lines:
        kept[NO_PRICE] = charge.amount_units
    for event in charge.given:
        for paid in event.paid:
            kept[paid.key] += paid.units
    return kept


def conceded_of(charge: UsageCharge, credited: Mapping[TotalKey, int]) -> Counter[TotalKey]:
    """Return what was conceded of each price: what its line says and is not paid for. credited:
    what credit notes gave back. Nothing of an observed charge, which nobody paid.
    """
    conceded: Counter[TotalKey] = Counter()
    if not charge.observed:
        conceded.update(by_price(charge.current_lines))
        if not charge.lines:
            conceded[NO_PRICE] = charge.amount_units
        conceded.subtract(kept_of(charge))
        conceded.update(credited)
    return conceded


def share_of(charge: UsageCharge, product: str, conceded_units: int, of_units: int) -> Concession:
    """Return which share of a product's lines was conceded: as it was when they were last rated
    anew, whatever has been rounded since, unless more was given back.
    """
    for event in reversed(charge.given):
        if isinstance(event, ChargeRerated) and event.conceded is not None:
            last = event.conceded
            if last.product == product and units_of(last, of_units) == conceded_units:
                return last
    if conceded_units <= 0 or of_units <= 0:
        return Concession(product, 0, 1)
    return Concession(product, min(conceded_units, of_units), of_units)


def units_of(concession: Concession, of_units: int) -> int:
    """Return what is conceded of so much."""
    if of_units <= 0:
        return 0
    return part_of(of_units, 0, concession.units, concession.of_units)


def allotted(concession: Concession, lines: Sequence[RatedLine]) -> Counter[TotalKey]:
    """Return what is conceded of each price once these are the lines: of those above zero, each
    its part, without residue.
    """
    units = units_of(concession, sum(line.amount_units for line in lines))
    positive = [line for line in lines if line.amount_units > 0]
    whole = sum(line.amount_units for line in positive)
    conceded: Counter[TotalKey] = Counter()
    upto = 0
    for line in positive:
        before, upto = upto, upto + line.amount_units
        conceded[key_of(line) or NO_PRICE] += part_of(units, before, upto, whole)
    return conceded
