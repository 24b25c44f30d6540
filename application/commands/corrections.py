"""Making a settled charge come to something else: giving back what it took too much, or
taking what it took too little. The charge's amount stays the fact; its net is what changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from application.commands.giving_back import NOTHING, GivenBack, GivingBack
from application.commands.paid_for import Paid, told
from application.work import Work
from domain.rating.rate import RatedLine
from domain.rating.running_total import RunningTotal, TotalKey
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeCorrected
from domain.wallet.events import Part, Range
from domain.wallet.payers import ALL, PaidFor, Payers, Share, share_out
from domain.wallet.totals import RatedMove, TotalsMoved
from domain.wallet.wallet import Wallet

Corrected = Callable[..., ChargeCorrected]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a charge comes to anew. falls: by how much less each price has of it, which goes
    back; below zero: is taken. totals: as they are then; lines: how it comes about then.
    of_others: of an observed charge, by how much more its prices fall than it was observed at:
    that was paid by others, and goes back to them.
    """

    falls: Mapping[TotalKey, int]
    totals: tuple[RunningTotal, ...]
    lines: tuple[RatedLine, ...]
    of_others: Mapping[TotalKey, int] = field(default_factory=dict)

    @property
    def back_units(self) -> int:
        return sum(self.falls.values())


def correct(
    work: Work,
    wallet: Wallet,
    charge: UsageCharge,
    correction: Correction,
    event_class: Corrected,
    reason: str,
    paid: Paid,
) -> None:
    """State a correction, of a charge and its wallet."""
    at = wallet.time(work.now)
    telling = _Telling(wallet, charge, correction, event_class, reason, at)
    if charge.observed:
        if correction.of_others:
            sharing = _sharing(wallet, charge, correction.totals, correction.of_others, paid)
            paid.note(_give_back(work, telling, sharing))
            return
        moved = TotalsMoved(correction.totals)
        wallet.reverse(charge.asset, charge.id, 0, (), (), at, rated=moved)
        telling.state()
        return
    sharing = _sharing(wallet, charge, correction.totals, correction.falls, paid)
    if correction.back_units >= 0:
        paid.note(_give_back(work, telling, sharing))
    else:
        paid.note(_take(work, telling, sharing))


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is told of a correction, whichever way it goes."""

    wallet: Wallet
    charge: UsageCharge
    correction: Correction
    event_class: Corrected
    reason: str
    at: datetime

    def state(
        self,
        paid: tuple[PaidFor, ...] = (),
        given: GivenBack = NOTHING,
        repaid: Set[str] = frozenset(),
        allocations: tuple[Part, ...] = (),
        incurred: Range | None = None,
    ) -> None:
        """Record the event. given: what went back, of it to those who had `repaid` overage; or
        what was taken. Of an observed charge it says what it would have come to.
        """
        charge = self.charge
        units = self.correction.back_units
        if units > 0 and not charge.observed:
            units = given.units
        from_allocations = tuple(part for part in given.returned if part[0] not in repaid)
        of_grants = sum(part for _, part in from_allocations)
        charge.record(
            self.event_class(
                charge.id,
                charge.version + 1,
                self.at,
                charge.customer_id,
                self.wallet.id,
                charge.reported,
                charge.asset,
                units,
                given.units - of_grants,
                given.forgiven,
                from_allocations,
                given.returned,
                given.compensated,
                allocations,
                incurred,
                paid,
                self.correction.lines,
                {"reason": self.reason},
                given.invoiced,
                given.made_good,
            )
        )


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Among whom a correction is shared. payers: of what falls; known: the prices whose
    payers the wallet knows, from now on where they are `told`; repaid: the grants that repaid
    the charge's overage.
    """

    shares: tuple[Share, ...]
    payers: dict[TotalKey, Payers]
    known: set[TotalKey]
    told: tuple[PaidFor, ...]
    repaid: set[str]

    def of_known(self, paid: tuple[PaidFor, ...]) -> tuple[PaidFor, ...]:
        return (*self.told, *(each for each in paid if each.key in self.known))


def _sharing(
    wallet: Wallet,
    charge: UsageCharge,
    totals: Iterable[RunningTotal],
    falls: Mapping[TotalKey, int],
    paid: Paid,
) -> _Sharing:
    """Say who the payers are. While a charge gives back only what it took itself, it need not
    be known who else has paid.
    """
    own = paid.of_charge(charge)
    several = any(units > 0 for units in falls.values()) and any(
        units < 0 for units in falls.values()
    )
    ends = {total.key: total.ends_at for total in totals if total.asset == charge.asset}
    payers: dict[TotalKey, Payers] = {}
    known: set[TotalKey] = set()
    news: list[PaidFor] = []
    for key, units in falls.items():
        mine = own.by_key.setdefault(key, Payers())
        ends_at = ends.get(key)
        if ends_at is None or (
            key not in own.known
            and paid.known(key, ends_at) is None
            and not several
            and units <= mine.units
        ):
            payers[key] = mine
            continue
        known.add(key)
        payers[key] = paid.of_cycle(key, ends_at).copy()
        kept = wallet.totals.payers.get(key)
        if kept is None:
            news.append(told(key, payers[key]))
        elif several and not kept.complete:
            news.append(replace(told(key, payers[key]), anew=False, newest=ALL))
    shares = tuple(Share(key, -units, own.by_key[key]) for key, units in falls.items())
    return _Sharing(shares, payers, known, tuple(news), own.repaid)


def _give_back(work: Work, telling: _Telling, sharing: _Sharing) -> tuple[PaidFor, ...]:
    """Give back to those who paid; return how what was paid changes."""
    wallet, charge, at = telling.wallet, telling.charge, telling.at
    asset = work.asset(charge.asset)
    shared = share_out(sharing.shares, sharing.payers, wallet.accounts[asset.key].unbilled())
    occurred_at = charge.reported.occurred_at
    giving = GivingBack(work, wallet, asset, charge.id, occurred_at, shared.back, at)

    # Nothing may fail from here on.
    moved = TotalsMoved(telling.correction.totals, sharing.of_known(shared.paid))
    given = giving.reverse(charge, moved, f"{charge.id}:{charge.version + 1}")
    telling.state(shared.paid, given, sharing.repaid)
    return shared.paid


def _take(work: Work, telling: _Telling, sharing: _Sharing) -> tuple[PaidFor, ...]:
    """Burn what a charge took too little; what nothing covers becomes overage. Return how
    what was paid changes.
    """
    wallet, charge, correction = telling.wallet, telling.charge, telling.correction
    reported = charge.reported
    tracked = tuple(
        Share(share.key if share.key in sharing.known else None, share.units, share.own)
        for share in sharing.shares
    )
    settlement = wallet.charge(
        work.asset(charge.asset),
        charge.id,
        reported.meter,
        -correction.back_units,
        reported.occurred_at,
        telling.at,
        delivered=True,
        as_control=True,
        subject=reported.subject,
        derived=work.derived_budgets(wallet, reported.subject),
        rated=RatedMove({total.key: total for total in correction.totals}, sharing.told),
        shares=tracked,
    )
    shared = share_out(
        sharing.shares,
        sharing.payers,
        wallet.accounts[charge.asset].unbilled(),
        settlement.allocations,
        settlement.overage,
    )
    telling.state(shared.paid, allocations=settlement.allocations, incurred=settlement.overage)
    return shared.paid
