"""Who paid for a charge and for a price in a cycle, as the charges themselves tell it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.rating.rate import RatedLine
from domain.rating.running_total import TotalKey
from domain.usage.charge import UsageCharge
from domain.wallet import overage
from domain.wallet.events import OverageSettled
from domain.wallet.payers import NO_PRICE, PaidFor, Payers, Share, share_out

OwnPayers = dict[TotalKey, Payers]
"""What a charge took for each of its prices and has not given back."""


def key_of(line: RatedLine) -> TotalKey | None:
    """Return which total a line moved; None where no price matched."""
    if line.product is None or line.price is None or line.starts_at is None:
        return None
    return (line.product, line.price, line.starts_at)


def own_payers(charge: UsageCharge, repaid: Iterable[OverageSettled]) -> OwnPayers:
    """Return what a charge has paid, for all that it knows: what went back because of others
    is not taken off. repaid: how grants repaid overage of its wallet.
    """
    shares = [
        Share(key_of(line) or NO_PRICE, max(line.amount_units, 0)) for line in charge.lines
    ] or [Share(NO_PRICE, charge.amount_units)]
    own: OwnPayers = {share.key: Payers() for share in shares if share.key is not None}
    if charge.amount_units > 0:
        for paid in share_out(shares, {}, (), charge.allocations, charge.overage).paid:
            own[paid.key].move(paid)
    moves = [paid for event in charge.given for paid in event.paid]
    for paid in moves:
        added = PaidFor(*paid.key, added=paid.added, added_overage=paid.added_overage)
        own.setdefault(paid.key, Payers()).move(added)
    for each in repaid:
        if each.asset == charge.asset:
            for payers in own.values():
                payers.repay(each.grant_id, each.ranges)
    for paid in moves:
        gone = PaidFor(*paid.key, returned=paid.returned, returned_overage=paid.returned_overage)
        own[paid.key].move(gone)
    return own


def payers_of(
    charges: Sequence[UsageCharge], key: TotalKey, asset: str, repaid: Sequence[OverageSettled]
) -> Payers:
    """Return who paid for a price in a cycle where each charge still has what it took.
    charges: in log order.
    """
    payers = Payers()
    for charge in charges:
        if charge.observed or charge.asset != asset:
            continue
        if any(key_of(line) == key for line in (*charge.lines, *charge.current_lines)):
            own = own_payers(charge, repaid).get(key)
            if own is not None:
                payers.move(PaidFor(*key, added=tuple(own.grants)))
                payers.overage = overage.joined(payers.overage, own.overage)
    return payers
