"""Making a settled charge come to something else: giving back what it took too much, or
taking what it took too little. The charge's amount stays the fact; its net is what changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.commands.refunds import overage_back
from application.commands.returns import compensate_grant, returns_of
from application.work import Work
from domain.money.asset import Asset
from domain.rating.rate import RatedLine
from domain.rating.running_total import RunningTotal, TotalKey
from domain.usage.charge import RefundParts, UsageCharge
from domain.usage.events import ChargeRerated, ChargeWithdrawn
from domain.usage.payments import payers_of
from domain.wallet import overage
from domain.wallet.burndown import merged
from domain.wallet.events import Part, Range
from domain.wallet.payers import PaidFor, Payers
from domain.wallet.totals import RatedMove, TotalsMoved
from domain.wallet.wallet import Wallet

Corrected = type[ChargeWithdrawn] | type[ChargeRerated]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a charge comes to anew. back_units: go back; below zero: are taken. line_units:
    by how much each total falls. totals: as they are then; lines: how it comes about then.
    """

    back_units: int
    line_units: tuple[tuple[TotalKey, int], ...]
    totals: tuple[RunningTotal, ...]
    lines: tuple[RatedLine, ...]


def correct(
    work: Work,
    wallet: Wallet,
    charge: UsageCharge,
    correction: Correction,
    event_class: Corrected,
    reason: str,
    cycle: Callable[[], Sequence[UsageCharge]],
) -> None:
    """State a correction, of a charge and its wallet. cycle: the charges of its cycles.

    Raises InvalidState: overage of it is on an invoice.
    """
    at = wallet.time(work.now)
    asset = work.asset(charge.asset)
    units = correction.back_units
    if charge.status == "OBSERVED":
        moved = TotalsMoved(correction.totals)
        wallet.reverse(asset.key, charge.id, 0, (), (), at, rated=moved)
        _state(charge, wallet, event_class, correction, reason, at, units=units)
    elif units >= 0:
        _give_back(work, wallet, asset, charge, correction, event_class, reason, cycle, at)
    else:
        _take(work, wallet, asset, charge, correction, event_class, reason, at)


def _give_back(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    charge: UsageCharge,
    correction: Correction,
    event_class: Corrected,
    reason: str,
    cycle: Callable[[], Sequence[UsageCharge]],
    at: datetime,
) -> None:
    units = correction.back_units
    parts = RefundParts(None, ())
    own_units = min(units, charge.returnable_units)
    if own_units > 0:
        parts = charge.parts_back(own_units)
    of_others: tuple[Part, ...] = ()
    if units > own_units:
        of_others = _of_others(correction, cycle(), units - own_units, parts)
    units = own_units + sum(part for _, part in of_others)
    forgiven, repaid = overage_back(work, wallet, charge, parts)
    from_allocations = merged(parts.allocations, of_others)
    returned = merged(repaid, from_allocations)
    returns = returns_of(work, wallet, asset.key, charge.id, returned, True, at)

    # Nothing may fail from here on.
    lowered = wallet.budgets.lowered(charge.budgets, charge.settled_at, units, at)
    paid = _no_longer_paid(wallet, correction, returned, forgiven)
    moved = TotalsMoved(correction.totals, paid)
    wallet.reverse(
        asset.key, charge.id, units, forgiven, returns.returned, at, budgets=lowered, rated=moved
    )
    work.lower_derived(wallet, charge.budgets, charge.settled_at, units)
    key = f"{charge.id}:{charge.version + 1}"
    compensated = tuple(
        compensate_grant(work, wallet, asset, charge.id, grant, part, key, at)
        for grant, part in returns.compensating
    )
    _state(
        charge,
        wallet,
        event_class,
        correction,
        reason,
        at,
        units=units,
        overage_units=overage.length(forgiven) + sum(part for _, part in repaid),
        forgiven=forgiven,
        from_allocations=from_allocations,
        returned=returned,
        compensated=compensated,
    )


def _take(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    charge: UsageCharge,
    correction: Correction,
    event_class: Corrected,
    reason: str,
    at: datetime,
) -> None:
    """Burn what a charge took too little; what nothing covers becomes overage."""
    reported = charge.reported
    settlement = wallet.charge(
        asset,
        charge.id,
        reported.meter,
        -correction.back_units,
        reported.occurred_at,
        at,
        delivered=True,
        subject=reported.subject,
        derived=work.derived_budgets(wallet, reported.subject),
        rated=RatedMove(correction.totals),
    )
    _state(
        charge,
        wallet,
        event_class,
        correction,
        reason,
        at,
        units=correction.back_units,
        allocations=settlement.allocations,
        overage=settlement.overage,
    )


def _state(
    charge: UsageCharge,
    wallet: Wallet,
    event_class: Corrected,
    correction: Correction,
    reason: str,
    at: datetime,
    *,
    units: int,
    overage_units: int = 0,
    forgiven: tuple[Range, ...] = (),
    from_allocations: tuple[Part, ...] = (),
    returned: tuple[Part, ...] = (),
    compensated: tuple[tuple[str, int, str], ...] = (),
    allocations: tuple[Part, ...] = (),
    overage: Range | None = None,
) -> None:
    charge.record(
        event_class(
            charge.id,
            charge.version + 1,
            at,
            charge.customer_id,
            wallet.id,
            charge.reported,
            charge.asset,
            units,
            overage_units,
            forgiven,
            from_allocations,
            returned,
            compensated,
            allocations,
            overage,
            correction.lines,
            {"reason": reason},
        )
    )


def _of_others(
    correction: Correction,
    cycle: Sequence[UsageCharge],
    units: int,
    own: RefundParts,
) -> tuple[Part, ...]:
    """Return what goes back to grants that paid for other charges of the same cycles, the
    newest first: a charge may have made others dearer than itself.
    """
    back: list[Part] = []
    for key, _ in correction.line_units:
        payers = payers_of(cycle, key)
        payers.move(PaidFor(*key, returned=own.allocations))
        parts = payers.newest(units)
        back += parts
        units -= sum(part for _, part in parts)
    return merged(back)


def _no_longer_paid(
    wallet: Wallet,
    correction: Correction,
    returned: tuple[Part, ...],
    forgiven: tuple[Range, ...],
) -> tuple[PaidFor, ...]:
    """Return what is no longer paid for prices that may fall, each by as much as it falls."""
    pool = Payers(list(reversed(returned)))
    paid: list[PaidFor] = []
    for key, units in correction.line_units:
        if units <= 0 or key not in wallet.totals.payers:
            continue
        of_overage = overage.within(wallet.totals.payers[key].overage, forgiven)
        parts = pool.newest(max(units - overage.length(of_overage), 0))
        pool.move(PaidFor(*key, returned=parts))
        paid.append(PaidFor(*key, returned=parts, returned_overage=of_overage))
    return tuple(paid)
