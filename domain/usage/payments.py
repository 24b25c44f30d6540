"""Who paid for a price in a cycle, as the charges themselves tell it."""

from __future__ import annotations

from collections.abc import Sequence

from domain.rating.rate import RatedLine
from domain.rating.running_total import TotalKey
from domain.usage.charge import UsageCharge
from domain.wallet.payers import PaidFor, Payers, Share, share_out


def key_of(line: RatedLine) -> TotalKey | None:
    """Return which total a line moved; None where no price matched."""
    if line.product is None or line.price is None or line.starts_at is None:
        return None
    return (line.product, line.price, line.starts_at)


def payers_of(charges: Sequence[UsageCharge], key: TotalKey) -> Payers:
    """Return the grants that paid, less what went back since. charges: in log order."""
    payers = Payers()
    for charge in charges:
        lines = charge.lines
        if charge.status == "OBSERVED" or all(key_of(line) != key for line in lines):
            continue
        if charge.amount_units >= 0:
            shares = [Share(_if(key, line), max(line.amount_units, 0)) for line in lines]
            shared = share_out(shares, {key: payers}, (), charge.allocations)
            for paid in shared.paid:
                payers.move(paid)
        else:
            gone = tuple((grant_id, -units) for grant_id, units in charge.allocations)
            payers.move(PaidFor(*key, returned=gone))
        if charge.taken:
            payers.move(PaidFor(*key, added=charge.taken))
    for charge in charges:
        if any(key_of(line) == key for line in charge.lines):
            payers.move(PaidFor(*key, returned=tuple(charge.refunded_parts.items())))
    return payers


def _if(key: TotalKey, line: RatedLine) -> TotalKey | None:
    return key if key_of(line) == key else None
