"""Who has paid for the charges of a wallet and has not got it back: of a charge, and of a
price in a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.commands.cycle_charges import charges_since
from application.work import Work
from domain.rating.running_total import RunningTotal, TotalKey
from domain.usage.charge import UsageCharge
from domain.usage.payments import OwnPayers, key_of, own_payers, payers_of
from domain.wallet import overage
from domain.wallet.burndown import merged
from domain.wallet.events import OverageSettled, Part, Range
from domain.wallet.payers import GivenUp, PaidFor, Payers, newest_of
from domain.wallet.wallet import Wallet


@dataclass(frozen=True, slots=True)
class ChargePaid:
    """What a charge took and can still give back. by_key: by its prices, in the order of its
    lines; known: those whose payers the wallet knows, or did; repaid: the grants that repaid
    its overage.
    """

    by_key: OwnPayers
    known: set[TotalKey]
    repaid: set[str]

    @property
    def units(self) -> int:
        return sum(payers.units for payers in self.by_key.values())

    def together(self) -> Payers:
        """Return all of it; what grants repaid of overage is the newest."""
        parts = [part for payers in self.by_key.values() for part in payers.grants]
        parts.sort(key=lambda part: part[0] in self.repaid)
        ranges: list[Range] = []
        for payers in self.by_key.values():
            ranges = overage.joined(ranges, payers.overage)
        return Payers(parts, ranges)

    def take_off(self, back: GivenUp) -> tuple[PaidFor, ...]:
        """Return what that takes off each price, the last first."""
        left = dict(merged(back.parts))
        paid: list[PaidFor] = []
        for key, payers in reversed(self.by_key.items()):
            parts: list[Part] = []
            for grant_id, units in payers.units_by_grant().items():
                part = min(units, left.get(grant_id, 0))
                if part:
                    left[grant_id] -= part
                    parts.append((grant_id, part))
            ranges = overage.within(payers.overage, back.ranges)
            if parts or ranges:
                paid.append(PaidFor(*key, returned=tuple(parts), returned_overage=ranges))
        return tuple(paid)


class Paid:
    """Asks the wallet, and the log only where the wallet does not know."""

    def __init__(self, work: Work, wallet: Wallet) -> None:
        self._work = work
        self._wallet = wallet
        self._repaid: Sequence[OverageSettled] | None = None
        self._read: dict[TotalKey, Payers] = {}

    def known(self, key: TotalKey, ends_at: datetime, asset: str | None = None) -> Payers | None:
        """Return the payers of a price's cycle; None if each charge still has what it took, or
        if the price goes on in another asset than the one that is said.
        """
        work, totals = self._work, self._wallet.totals
        if not totals.dropped(key, ends_at):
            kept = totals.payers.get(key)
            if kept is not None and asset not in (None, totals.by_key[key].asset):
                return None
            return kept if kept is None or kept.complete else self._whole(key)
        older = work.batch.older(work.tenant_id, self._wallet.id, key)
        total, payers = older.get(key), older.payers.get(key)
        if total is not None and asset not in (None, total.asset):
            return None
        if total is not None and payers is not None:
            payers = payers.copy()
            payers.credit(self._credited(total.asset))
        return payers

    def _whole(self, key: TotalKey) -> Payers:
        """Return payers of whom the wallet keeps the newest only; the log is read once."""
        whole = self._read.get(key)
        if whole is None:
            found = self._work.totals_in_log(self._wallet, key[2])
            whole = self._read[key] = found.payers.get(key, Payers())
            whole.credit(self._credited(found.by_key[key].asset))
        return whole

    def note(self, paid: Iterable[PaidFor]) -> None:
        """Keep up with what was stated since they were read."""
        for each in paid:
            whole = self._read.get(each.key)
            if whole is not None and each.newest is None:
                whole.move(each)

    def newest(self, key: TotalKey, units: int, owed: Sequence[Range]) -> PaidFor | None:
        """Return who gives up `units` of a price's cycle, where what the wallet keeps does not
        tell it.
        """
        kept = self._wallet.totals.payers.get(key)
        if kept is None or kept.tell(units, owed):
            return None
        return newest_of(key, self._whole(key), units, owed)

    def returnable_units(self, total: RunningTotal, units: int) -> int:
        """Return what of `units` a price can give back of its cycle."""
        account = self._wallet.accounts.get(total.asset)
        kept = self._wallet.totals.payers.get(total.key)
        owed = account.unbilled() if account is not None else ()
        if kept is not None and not kept.complete and kept.tell(units, owed):
            return units
        return self.of_cycle(total.key, total.ends_at).units

    def by_others(self, key: TotalKey, after: RunningTotal, units: int) -> int:
        """Return what others have paid of a price's cycle that it costs no more once an
        observed charge is withdrawn: `units` by which it falls further than that was observed
        at, and in any case what is paid beyond `after`.
        """
        account = self._wallet.accounts.get(after.asset)
        if account is None or not (account.burned_units or account.incurred_units):
            return 0
        paid_units = self.of_cycle(key, after.ends_at).units
        return min(max(units, paid_units - after.amount_units), paid_units)

    def of_cycle(self, key: TotalKey, ends_at: datetime) -> Payers:
        """Return them in any case. The charges of a cycle are read once: from then on the
        wallet knows.
        """
        known = self.known(key, ends_at)
        if known is not None:
            return known
        total = self._wallet.totals.get(key)
        if total is None and not self._wallet.totals.dropped(key, ends_at):
            return Payers()
        charges = charges_since(self._work, self._wallet, key[2])
        asset = total.asset if total is not None else _asset(charges, key)
        if asset is None:
            return Payers()
        payers = payers_of(charges, key, asset, self.repaid())
        payers.credit(self._credited(asset))
        return payers

    def of_charge(self, charge: UsageCharge) -> ChargePaid:
        """Return what a charge took and can still give back."""
        own = own_payers(charge, ())
        owed = self._owed(charge.asset)
        if any(not overage.covers(owed, payers.overage) for payers in own.values()):
            own = own_payers(charge, self.repaid())
        for each in own.values():
            each.credit(self._credited(charge.asset))
        ends = {key_of(line): line.ends_at for line in (*charge.lines, *charge.current_lines)}
        known: set[TotalKey] = set()
        for key in own:
            ends_at = ends.get(key)
            payers = self.known(key, ends_at, charge.asset) if ends_at is not None else None
            if payers is not None:
                known.add(key)
                own[key] = own[key].within(payers)
        added = {part[0] for event in charge.given for paid in event.paid for part in paid.added}
        took = {*added, *(grant_id for grant_id, _ in charge.allocations)}
        paid = {grant_id for payers in own.values() for grant_id, _ in payers.grants}
        return ChargePaid(own, known, paid - took)

    def credited_of(self, charge: UsageCharge) -> dict[TotalKey, int]:
        """Return what credit notes gave back of each of a charge's prices."""
        credited = self._credited(charge.asset)
        if not credited or (charge.overage is None and not charge.given):
            return {}
        own = own_payers(charge, self.repaid())
        units = {
            key: overage.length(overage.within(credited, each.overage)) for key, each in own.items()
        }
        return {key: each for key, each in units.items() if each}

    def repaid(self) -> Sequence[OverageSettled]:
        """Return how grants repaid the wallet's overage; read once."""
        if self._repaid is None:
            self._repaid = self._work.repayments(self._wallet)
        return self._repaid

    def _owed(self, asset: str) -> Sequence[Range]:
        account = self._wallet.accounts.get(asset)
        return account.owed if account is not None else ()

    def _credited(self, asset: str) -> Sequence[Range]:
        account = self._wallet.accounts.get(asset)
        return account.credited if account is not None else ()


def told(key: TotalKey, payers: Payers) -> PaidFor:
    """Return what makes a wallet know the payers of a price's cycle."""
    return PaidFor(*key, added=tuple(payers.grants), added_overage=tuple(payers.overage), anew=True)


def _asset(charges: Sequence[UsageCharge], key: TotalKey) -> str | None:
    return next(
        (
            each.asset
            for each in reversed(charges)
            if any(key_of(line) == key for line in each.lines)
        ),
        None,
    )
