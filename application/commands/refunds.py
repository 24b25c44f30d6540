"""How a charge is given back, to whom it came from."""

from __future__ import annotations

from datetime import datetime

from application.commands.answers import ChargeAnswer
from application.commands.giving_back import GivingBack
from application.commands.paid_for import ChargePaid, Paid
from application.commands.requests import RefundCharge
from application.commands.returns import REFUND
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import Claim, Claimed, difference
from domain.money.asset import Asset
from domain.money.decimals import decimal_of
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.usage.charge import BeyondRefundable, UsageCharge
from domain.usage.events import ChargeRefunded
from domain.wallet import overage
from domain.wallet.payers import GivenUp
from domain.wallet.totals import TotalsMoved
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
    own = Paid(work, wallet).of_charge(charge)
    units = _refundable(charge, asset, stated_units, own)
    back = _backwards(wallet, charge, units, own)
    occurred_at = charge.reported.occurred_at
    giving = GivingBack(
        work, wallet, asset, charge.id, occurred_at, back, at, compensate=compensate
    )
    paid = own.take_off(back)
    rated = TotalsMoved((), tuple(each for each in paid if each.key in own.known))

    # Nothing may fail from here on.
    given = giving.reverse(charge, rated if rated.paid else None, key)
    allocations = tuple(part for part in given.returned if part[0] not in own.repaid)
    charge.record(
        ChargeRefunded(
            charge.id,
            charge.version + 1,
            at,
            wallet.customer_id,
            wallet.id,
            asset.key,
            charge.reported.meter,
            occurred_at,
            units,
            units - sum(part for _, part in allocations),
            given.forgiven,
            allocations,
            given.returned,
            given.compensated,
            paid,
            private,
        )
    )


def _refundable(
    charge: UsageCharge, asset: Asset, stated_units: int | None, own: ChargePaid
) -> int:
    try:
        return charge.refundable_units(stated_units, own.units)
    except BeyondRefundable as error:
        left = decimal_of(error.remaining_units, asset.scale)
        raise InvalidInput(field="amount", reason=f"at most {left} {asset.key} remain") from None


def _backwards(wallet: Wallet, charge: UsageCharge, units: int, own: ChargePaid) -> GivenUp:
    """Return what a refund takes: of overage what is still owed, then what grants repaid of
    it, then of the grants that paid.
    """
    paid = own.together()
    if not (paid.grants or paid.overage):
        return GivenUp()
    unbilled = wallet.accounts[charge.asset].unbilled()
    invoiced = overage.without(paid.overage, unbilled)
    back = paid.give_up(units, unbilled)
    if invoiced and any(grant_id not in own.repaid for grant_id, _ in back.parts):
        raise _invoiced_overage(charge)
    if back.invoiced:
        raise _invoiced_overage(charge)
    return back


def _invoiced_overage(charge: UsageCharge) -> InvalidState:
    return InvalidState(
        state="INVOICED",
        reason=f"overage of charge {charge.id} is on an invoice: issue a credit note on it, "
        "or void it while it is unpaid",
    )
