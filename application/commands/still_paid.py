"""What a charge's payers have still paid for it, where its price may have given back since."""

from __future__ import annotations

from dataclasses import dataclass

from application.commands.cycle_charges import charges_since
from application.work import Work
from domain.rating.running_total import TotalKey
from domain.refusals import InvalidState
from domain.usage.charge import REFUNDABLE, StillPaid, UsageCharge
from domain.usage.payments import key_of, payers_of
from domain.wallet import overage
from domain.wallet.burndown import merged
from domain.wallet.events import Part, Range
from domain.wallet.payers import PaidFor, Payers, Share, share_out
from domain.wallet.totals import TotalsMoved
from domain.wallet.wallet import Wallet


@dataclass(frozen=True, slots=True)
class ChargePayers:
    """Of a charge with lines whose price may fall. payers: of their totals; alone: what each
    grant paid beside them and has not got back; whole: nothing but such lines took overage.
    """

    wallet: Wallet
    charge_id: str
    payers: dict[TotalKey, Payers]
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
        for key in self.payers:
            payers = self.payers[key]
            returned: list[Part] = []
            for grant_id, paid_units in merged(payers.grants):
                units = min(paid_units, units_of.get(grant_id, 0))
                if units:
                    units_of[grant_id] -= units
                    returned.append((grant_id, units))
            ranges = overage.within(payers.overage, forgiven)
            if (returned or ranges) and key in self.wallet.totals.payers:
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
    """Return them; None if no line of the charge has a price that may fall.

    Raises InvalidState: of a cycle that is over the log cannot tell what overage is left.
    """
    if charge.status not in REFUNDABLE or charge.amount_units <= 0:
        return None
    kept = wallet.totals.payers
    found = [(key_of(line), line.amount_units) for line in charge.lines]
    payers = {key: kept[key] for key, _ in found if key is not None and key in kept}
    dropped = _dropped(work, wallet, charge)
    payers.update(dropped)
    if not payers:
        return None
    shares = [Share(key if key in payers else None, max(units, 0)) for key, units in found]
    shared = share_out(shares, {}, (), charge.allocations, charge.overage)
    told = charge.taken if dropped else ()
    tracked = dict(merged([*(part for paid in shared.paid for part in paid.added), *told]))
    paid_parts = merged(charge.paid_parts)
    refunded = charge.refunded_parts
    alone = {
        grant_id: max(units - tracked.get(grant_id, 0) - refunded.get(grant_id, 0), 0)
        for grant_id, units in paid_parts
    }
    left = dict(merged([part for each in payers.values() for part in each.grants]))
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
        ranges = [
            part for each in payers.values() for part in overage.common(each.overage, (start, end))
        ]
        ends = [upto for _, upto in [*ranges, *(part for _, part in repaid)]]
        gone_units = end - max(ends, default=start)
        for grant_id, units in merged([(each, overage.length([part])) for each, part in repaid]):
            gone_units += max(units - left.get(grant_id, 0), 0)
            left[grant_id] = max(left.get(grant_id, 0) - units, 0)
    by_grant = {grant_id: left.get(grant_id, 0) + alone[grant_id] for grant_id, _ in paid_parts}
    return ChargePayers(wallet, charge.id, payers, alone, whole, StillPaid(gone_units, by_grant))


def _dropped(work: Work, wallet: Wallet, charge: UsageCharge) -> dict[TotalKey, Payers]:
    """Return the payers of cycles that the wallet no longer keeps and that gave back."""
    ended: dict[TotalKey, None] = {}
    for line in charge.lines:
        key = key_of(line)
        if key is None or line.ends_at is None or key in wallet.totals.payers:
            continue
        if wallet.totals.dropped(key, line.ends_at):
            ended[key] = None
    if not ended:
        return {}
    cycle = charges_since(work, wallet, min(key[2] for key in ended))
    gave_back = {key_of(line) for each in cycle for line in each.lines if line.amount_units < 0}
    fallen = [key for key in ended if key in gave_back]
    if fallen and charge.overage_units > charge.overage_refunded_units:
        raise InvalidState(
            state="CREDITED",
            reason=f"charge {charge.id} took overage of which a later charge below zero may have "
            "forgiven some, in a cycle that is over: withdraw it instead",
        )
    return {key: payers_of(cycle, key) for key in fallen}
