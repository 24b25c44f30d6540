"""How a charge is given back, to whom it came from."""

from __future__ import annotations

from datetime import datetime

from application.commands.answers import ChargeAnswer
from application.commands.requests import RefundCharge
from application.commands.returns import REFUND, compensate_grant, returns_of
from application.commands.still_paid import charge_payers
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import Claim, Claimed, difference
from domain.money.asset import Asset
from domain.money.decimals import decimal_of
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.usage.charge import BeyondRefundable, RefundParts, StillPaid, UsageCharge
from domain.usage.events import ChargeRefunded
from domain.wallet import overage
from domain.wallet.burndown import merged
from domain.wallet.events import Part, Range
from domain.wallet.wallet import Wallet


def refund_charge(work: Work, command: RefundCharge) -> ChargeAnswer:
    """Give a charge back, whole or in part: overage first, then its grants, newest first.

    Raises, first match wins: NotFound, InvalidInput (the amount's places),
    IdempotencyConflict, InvalidState, InvalidInput (above what remains).
    """
    charge = work.required(UsageCharge, command.charge_id, "charge")
    asset = work.asset(charge.asset)
    stated_units = asset.units(command.amount, "amount") if command.amount is not None else None
    claim_id = identity.claim_id(work.tenant_id, REFUND, command.idempotency_key)
    content = {
        "chargeId": charge.id,
        "amount": stated_units,
        "compensate": command.compensate,
    }
    private = {"reason": command.reason}
    before = work.stream(Claim, claim_id)
    if before is not None:
        differs = difference(before.content, {**content, **private})
        if differs is not None:
            raise IdempotencyConflict(key=command.idempotency_key, field=differs)
        return ChargeAnswer(charge, replayed=True)
    wallet = work.wallet_by_id(charge.wallet_id)
    # Its hold may have lapsed just now.
    charge = work.required(UsageCharge, charge.id, "charge")
    at = wallet.time(work.now)
    give_back(
        work,
        wallet,
        charge,
        asset,
        stated_units,
        at,
        key=command.idempotency_key,
        compensate=command.compensate,
        private=private,
    )
    claimed = Claimed(
        claim_id, 1, at, REFUND, command.idempotency_key, content, {"charge": charge.id}, private
    )
    create(Claim, claimed, work.log)
    return ChargeAnswer(charge)


def give_back(
    work: Work,
    wallet: Wallet,
    charge: UsageCharge,
    asset: Asset,
    stated_units: int | None,
    at: datetime,
    *,
    key: str,
    compensate: bool,
    private: dict[str, str],
) -> None:
    """Give so much of a charge back, None for all that remains; `key` names this giving.

    Raises as refund_charge, before its first event.
    """
    payers = charge_payers(work, wallet, charge)
    still = payers.still if payers is not None else None
    units, parts = _parts(charge, asset, stated_units, still)
    forgiven, repaid = overage_back(work, wallet, charge, parts)
    rated = None
    if payers is not None:
        rated = payers.no_longer_paid(forgiven, repaid, parts.allocations)
    returned = merged(repaid, parts.allocations)
    returns = returns_of(work, wallet, charge.asset, charge.id, returned, compensate, at)

    # Nothing may fail from here on.
    lowered = wallet.budgets.lowered(charge.budgets, charge.settled_at, units, at)
    wallet.reverse(
        asset.key, charge.id, units, forgiven, returns.returned, at, budgets=lowered, rated=rated
    )
    work.lower_derived(wallet, charge.budgets, charge.settled_at, units)
    for grant_id in returns.lapsing:
        wallet.lapse_return(charge.asset, grant_id, at)
    compensated = tuple(
        compensate_grant(work, wallet, asset, charge.id, grant, part, key, at)
        for grant, part in returns.compensating
    )
    charge.record(
        ChargeRefunded(
            charge.id,
            charge.version + 1,
            at,
            wallet.customer_id,
            wallet.id,
            asset.key,
            charge.reported.meter,
            charge.reported.occurred_at,
            units,
            overage.length(forgiven) + sum(part for _, part in repaid),
            forgiven,
            parts.allocations,
            returned,
            compensated,
            private,
        )
    )


def _parts(
    charge: UsageCharge, asset: Asset, stated_units: int | None, still: StillPaid | None
) -> tuple[int, RefundParts]:
    try:
        return charge.refund_parts(stated_units, still)
    except BeyondRefundable as error:
        left = decimal_of(error.remaining_units, asset.scale)
        raise InvalidInput(field="amount", reason=f"at most {left} {asset.key} remain") from None


def overage_back(
    work: Work, wallet: Wallet, charge: UsageCharge, parts: RefundParts
) -> tuple[tuple[Range, ...], tuple[Part, ...]]:
    """Return what of the overage is still owed, and the grants that repaid the rest."""
    if parts.overage is None:
        return (), ()
    account = wallet.accounts[charge.asset]
    forgiven = overage.common(account.owed, parts.overage)
    if overage.common(account.invoiced, parts.overage):
        raise _invoiced(charge)
    if overage.length(forgiven) == parts.overage[1] - parts.overage[0]:
        return forgiven, ()
    repaid = [
        (repayment.grant_id, overage.length(overage.common(repayment.ranges, parts.overage)))
        for repayment in reversed(work.repayments(wallet))
        if repayment.asset == charge.asset
    ]
    returned_units = sum(units for _, units in repaid)
    if overage.length(forgiven) + returned_units < parts.overage[1] - parts.overage[0]:
        raise _invoiced(charge)
    return forgiven, tuple((grant_id, units) for grant_id, units in repaid if units)


def _invoiced(charge: UsageCharge) -> InvalidState:
    return InvalidState(
        state="INVOICED",
        reason=f"overage of charge {charge.id} is on an invoice: issue a credit note on it, "
        "or void it while it is unpaid",
    )
