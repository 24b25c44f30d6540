"""How the money of a grant on account comes in."""

from __future__ import annotations

from application.commands.answers import GrantAnswer
from application.commands.grants import PAYMENT_REFERENCE
from application.commands.requests import RecordGrantPayment
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import Claim, Claimed
from domain.grants.grant import CreditGrant
from domain.grants.payment import GrantPaymentReceived, GrantPaymentRecord
from domain.money.asset import currency
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState


def record_grant_payment(work: Work, command: RecordGrantPayment) -> GrantAnswer:
    """Record the payment of a DUE or CANCELLABLE grant, once.

    Raises, first match wins: NotFound, IdempotencyConflict (another payment, or a reference
    that is taken), InvalidState (nothing is due), InvalidInput (the fee).
    """
    grant = work.required(CreditGrant, command.grant_id, "grant")
    issued = grant.issued
    payment_id = identity.grant_payment_id(work.tenant_id, grant.id)
    before = work.stream(GrantPaymentRecord, payment_id)
    paid_in = currency(issued.paid.currency) if issued.paid is not None else None
    fee_units = paid_in.units(command.fee, "fee") if paid_in is not None else 0
    if before is not None:
        for field, was, said in (
            ("reference", before.reference, command.reference),
            ("fee", before.fee_units, fee_units),
        ):
            if was != said:
                raise IdempotencyConflict(key=grant.id, field=field)
        return GrantAnswer(grant.id, issued.customer_id, replayed=True)
    claim_id = identity.claim_id(work.tenant_id, PAYMENT_REFERENCE, command.reference)
    taken = work.stream(Claim, claim_id)
    if taken is not None and taken.made["grant"] != grant.id:
        raise IdempotencyConflict(
            key=command.reference, field="reference", taken_by=f"grant {taken.made['grant']}"
        )
    if issued.payment is None or issued.payment.state == "RECEIVED":
        raise InvalidState(state=grant.status, reason=f"nothing is due for grant {grant.id}")
    if grant.status == "VOIDED" and not grant.claim_kept:
        raise InvalidState(state=grant.status, reason=f"grant {grant.id} is VOIDED: nothing is due")
    assert issued.paid is not None
    if fee_units > issued.paid.units:
        raise InvalidInput(field="fee", reason="is a part of paid: no more than that")
    at = max(work.now, grant.recorded_at)
    if taken is None:
        made = {"grant": grant.id}
        claimed = Claimed(claim_id, 1, at, PAYMENT_REFERENCE, command.reference, {}, made, {})
        create(Claim, claimed, work.log)
    create(
        GrantPaymentRecord,
        GrantPaymentReceived(payment_id, 1, at, grant.id, command.reference, fee_units),
        work.log,
    )
    return GrantAnswer(grant.id, issued.customer_id)
