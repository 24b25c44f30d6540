"""Signed changes by a payment provider or a back office."""

from __future__ import annotations

from datetime import datetime

from application.commands.answers import AdjustmentAnswer
from application.commands.grants import check_payment, claim_payment, state_grant
from application.commands.money import paid_of
from application.commands.requests import AdjustmentReason, AdjustWallet
from application.commands.usage import settled
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import Claim, Claimed, difference
from domain.grants.events import GrantSource, Origin
from domain.identity import ADJUSTMENT_METER, ADJUSTMENT_SOURCE
from domain.refusals import IdempotencyConflict, InvalidInput
from domain.usage.events import Reported

ADJUSTMENT = "adjustWallet"

SOURCE_OF: dict[AdjustmentReason, GrantSource] = {
    "EXTERNAL_TOPUP": "PAID",
    "GIFT": "PROMOTIONAL",
    "SERVICE_CREDIT": "COMPENSATION",
    "CORRECTION": "ADJUSTMENT",
}


def adjust_wallet(work: Work, command: AdjustWallet) -> AdjustmentAnswer:
    """Credit a grant of the source that the reason means, or debit in burn-down order.

    Raises, first match wins: NotFound, IdempotencyConflict, InvalidInput (expiry),
    InvalidState, InsufficientFunds.
    """
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    units = asset.units(command.amount, "amount")
    paid = paid_of(command.paid, "paid")
    claim_id = identity.claim_id(work.tenant_id, ADJUSTMENT, command.idempotency_key)
    content = {
        "customerId": wallet.customer_id,
        "asset": asset.key,
        "amount": units,
        "reason": command.reason,
        "paid": [paid.units, paid.currency] if paid else None,
        "reference": command.reference,
        "expiresAt": _text(command.expires_at),
    }
    private = {"note": command.note} if command.note is not None else {}
    before = work.stream(Claim, claim_id)
    if before is not None:
        differs = difference(before.content, {**content, "note": command.note})
        if differs is not None:
            raise IdempotencyConflict(key=command.idempotency_key, field=differs)
        return AdjustmentAnswer(
            wallet.customer_id,
            asset.key,
            units,
            int(before.made["balance_after_units"]),
            before.made.get("grant"),
            before.made.get("charge"),
            replayed=True,
        )
    at = wallet.time(work.now)
    made: dict[str, str] = {}
    if units > 0:
        grant_id = identity.grant_id(work.tenant_id, ADJUSTMENT, command.idempotency_key)
        source = SOURCE_OF[command.reason]
        check_payment(work, source, command.reference)
        if command.expires_at is not None and command.expires_at <= at:
            raise InvalidInput(field="expiresAt", reason="has passed already")
        claim_payment(work, source, command.reference, grant_id, at)
        state_grant(
            work,
            wallet,
            asset,
            grant_id,
            units,
            at,
            origin=Origin("ADJUSTMENT", reason=command.reason),
            source=source,
            paid=paid,
            reference=command.reference,
            expires_at=command.expires_at,
            private=private,
        )
        made["grant"] = grant_id
    else:
        charge_id = identity.charge_id(work.tenant_id, ADJUSTMENT_SOURCE, command.idempotency_key)
        settlement = wallet.charge(
            asset, charge_id, ADJUSTMENT_METER, -units, at, at, as_control=True
        )
        reported = Reported(
            event_id=command.idempotency_key,
            source=ADJUSTMENT_SOURCE,
            meter=ADJUSTMENT_METER,
            quantity=None,
            subject=None,
            occurred_at=at,
            occurred_stated=False,
            cost=None,
            delivered=False,
        )
        work.log.append(
            settled(
                wallet,
                charge_id,
                reported,
                asset,
                -units,
                settlement,
                None,
                private,
                at,
                adjustment=command.reason,
            )
        )
        made["charge"] = charge_id
    balance_after_units = wallet.accounts[asset.key].available_units(at)
    made["balance_after_units"] = str(balance_after_units)
    claimed = Claimed(claim_id, 1, at, ADJUSTMENT, command.idempotency_key, content, made, private)
    create(Claim, claimed, work.log)
    return AdjustmentAnswer(
        wallet.customer_id,
        asset.key,
        units,
        balance_after_units,
        made.get("grant"),
        made.get("charge"),
    )


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
