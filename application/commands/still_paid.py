"""What a charge's payers have still paid for it, where its price may have given back since."""

from __future__ import annotations

from dataclasses import dataclass

from application.work import Work
from domain.rating.running_total import TotalKey
from domain.refusals import InvalidState
from domain.usage.charge import StillPaid, UsageCharge
from domain.usage.payments import key_of
from domain.wallet import overage
from domain.wallet.burndown import merged
from domain.wallet.events import Part, Range
from domain.wallet.payers import PaidFor, Share, share_out
from domain.wallet.totals import TotalsMoved
from domain.wallet.wallet import Wallet


@dataclass(frozen=True, slots=True)
class ChargePayers:
    """Of a charge with lines whose price may fall. keys: their totals; alone: what each grant
    paid beside them and has not got back; whole: nothing but such lines took overage.
    """

    wallet: Wallet
    charge_id: str
    keys: tuple[TotalKey, ...]
    alone: dict[str, int]
    whole: bool
    still: StillPaid

    def no_longer_paid(
        self, forgiven: tuple[Range, ...], repaid: tuple[Part, ...], parts: tuple[Part, ...]
    ) -> TotalsMoved:
        """Return what is no longer paid for its prices. repaid: goes back to grants that
        repaid its overage; parts: to those that paid it.

        Raises InvalidState: a grant would get back what went back to it already.
        """
        units_of = dict(merged(repaid))
        for grant_id, units in parts:
            rest_units = max(units - self.alone.get(grant_id, 0), 0)
            units_of[grant_id] = units_of.get(grant_id, 0) + rest_units
        paid: list[PaidFor] = []
        for key in reversed(self.keys):
            payers = self.wallet.totals.payers[key]
            returned: list[Part] = []
            for grant_id, paid_units in merged(payers.grants):
                units = min(paid_units, units_of.get(grant_id, 0))
                if units:
                    units_of[grant_id] -= units
                    returned.append((grant_id, units))
            ranges = overage.within(payers.overage, forgiven)
            if returned or ranges:
                paid.append(PaidFor(*key, returned=tuple(returned), returned_overage=ranges))
        beyond = [grant_id for grant_id, units in units_of.items() if units]
        if beyond and self.whole:
            raise InvalidState(
                state="CREDITED",
                reason=f"a later charge below zero gave grant {beyond[0]} back what it paid for "
                f"charge {self.charge_id}: refund less",
            )
        return TotalsMoved((), tuple(paid))


def charge_payers(work: Work, wallet: Wallet, charge: UsageCharge) -> ChargePayers | None:
    """Return them; None if no line of the charge has a price that may fall."""
    payers = wallet.totals.payers
    found = [(key_of(line), line.amount_units) for line in charge.lines]
    keys = tuple(dict.fromkeys(key for key, _ in found if key is not None and key in payers))
    if not keys:
        return None
    shares = [Share(key if key in keys else None, max(units, 0)) for key, units in found]
    shared = share_out(shares, {}, (), charge.allocations, charge.overage)
    tracked = dict(merged([part for paid in shared.paid for part in paid.added]))
    paid_parts = merged(charge.paid_parts)
    refunded = charge.refunded_parts
    alone = {
        grant_id: max(units - tracked.get(grant_id, 0) - refunded.get(grant_id, 0), 0)
        for grant_id, units in paid_parts
    }
    left = dict(merged([part for key in keys for part in payers[key].grants]))
    of_overage = [each for paid in shared.paid for each in paid.added_overage]
    whole = charge.overage is None or overage.covers(of_overage, (charge.overage,))
    gone_units = 0
    if charge.overage is not None and whole:
        start, end = charge.overage[0], charge.overage[1] - charge.overage_refunded_units
        repaid = [
            (each.grant_id, part)
            for each in work.repayments(wallet)
            if each.asset == charge.asset
            for part in overage.common(each.ranges, (start, end))
        ]
        kept = [part for key in keys for part in overage.common(payers[key].overage, (start, end))]
        ends = [upto for _, upto in [*kept, *(part for _, part in repaid)]]
        gone_units = end - max(ends, default=start)
        for grant_id, units in merged([(each, overage.length([part])) for each, part in repaid]):
            gone_units += max(units - left.get(grant_id, 0), 0)
            left[grant_id] = max(left.get(grant_id, 0) - units, 0)
    by_grant = {grant_id: left.get(grant_id, 0) + alone[grant_id] for grant_id, _ in paid_parts}
    return ChargePayers(wallet, charge.id, keys, alone, whole, StillPaid(gone_units, by_grant))
