"""How grants are issued, voided, refunded and extended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from application.commands import bundles
from application.commands.answers import GrantAnswer
from application.commands.bundles import stated_price
from application.commands.money import paid_of
from application.commands.requests import ExtendGrant, IssueGrant, RefundGrant, VoidGrant
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import Claim, Claimed, difference
from domain.grants.events import (
    CostBasis,
    GrantIssued,
    GrantSource,
    Origin,
    Paid,
    Payment,
    Recognition,
    StandAlonePrice,
)
from domain.grants.grant import DEFAULT_RECOGNITION, CreditGrant
from domain.money.asset import Asset, currency
from domain.money.currencies import CURRENCY_SCALE
from domain.money.decimals import decimal_of
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.wallet.burndown import OpenGrant
from domain.wallet.wallet import Wallet

PAYMENT_REFERENCE = "payment-reference"

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def issue_grant(work: Work, command: IssueGrant) -> GrantAnswer:
    """Put credits into a wallet.

    Raises, first match wins: NotFound, IdempotencyConflict (key, then payment reference),
    InvalidInput (what has expired already).
    """
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    units = asset.units(command.amount, "amount")
    paid = paid_of(command.paid, "paid")
    payment = payment_of(command, paid)
    stand_alone = stated_price(command.stand_alone_price)
    if command.source == "COMMITMENT" and asset.kind != "CURRENCY":
        raise InvalidInput(field="asset", reason="a COMMITMENT is a credit line in a currency")
    grant_id = identity.grant_id(work.tenant_id, "issueGrant", command.idempotency_key)
    recognition = command.recognition or DEFAULT_RECOGNITION[command.source]
    meters = tuple(sorted(set(command.meters))) if command.meters is not None else None
    before = work.stream(CreditGrant, grant_id)
    if before is not None:
        now = {
            "customerId": wallet.customer_id,
            "asset": asset.key,
            "amount": units,
            "source": command.source,
            "paid": paid,
            "payment": command.payment if paid else None,
            "tax": payment.tax_units if payment else 0,
            "fee": payment.fee_units if payment else 0,
            "standAlonePrice": stand_alone,
            "priority": command.priority,
            "effectiveAt": command.effective_at,
            "expiresAt": command.expires_at,
            "meters": meters,
            "recognition": recognition,
            "reference": command.reference,
            "bundleId": command.bundle_id,
            "metadata": command.metadata or None,
        }
        differs = difference(before.content(), now, both=("effectiveAt",))
        if differs is not None:
            raise IdempotencyConflict(key=command.idempotency_key, field=differs)
        return GrantAnswer(grant_id, wallet.customer_id, replayed=True)
    at = wallet.time(work.now)
    check_payment(work, command.source, command.reference)
    effective_at = command.effective_at or at
    if command.expires_at is not None and command.expires_at <= max(at, effective_at):
        raise InvalidInput(field="expiresAt", reason="has passed already, or before effectiveAt")

    share = stand_alone
    if command.bundle_id is not None:
        share = bundles.share_of(work, wallet.customer_id, command, asset, at)

    # Nothing may fail from here on.
    claim_payment(work, command.source, command.reference, grant_id, at)
    if command.bundle_id is not None:
        bundles.join(work, wallet.customer_id, grant_id, command, asset, share, at)
    state_grant(
        work,
        wallet,
        asset,
        grant_id,
        units,
        at,
        origin=Origin("ISSUED"),
        source=command.source,
        paid=paid,
        payment=payment,
        stand_alone=share,
        stand_alone_stated=stand_alone is not None,
        reference=command.reference,
        bundle_id=command.bundle_id,
        priority=command.priority,
        effective_at=effective_at,
        effective_stated=command.effective_at is not None,
        expires_at=command.expires_at,
        meters=meters,
        recognition=recognition,
        private={"metadata": command.metadata} if command.metadata else {},
    )
    return GrantAnswer(grant_id, wallet.customer_id)


def payment_of(command: IssueGrant, paid: Paid | None) -> Payment | None:
    """Return how the money of a PAID grant stands. Raises InvalidInput."""
    if paid is None or command.source != "PAID":
        return None
    paid_in = currency(paid.currency)
    assert paid_in is not None
    tax_units, fee_units = paid_in.units(command.tax, "tax"), paid_in.units(command.fee, "fee")
    for field, units in (("tax", tax_units), ("fee", fee_units)):
        if units > paid.units:
            raise InvalidInput(field=field, reason="is a part of paid: no more than that")
    return Payment(command.payment, tax_units, fee_units)


def check_payment(work: Work, source: GrantSource, reference: str | None) -> None:
    """Let one payment make one grant. Raises IdempotencyConflict naming the other."""
    if source != "PAID" or reference is None:
        return
    taken = payment_claim(work, reference)
    if taken is not None:
        raise IdempotencyConflict(
            key=reference, field="reference", taken_by=f"grant {taken.made['grant']}"
        )


def payment_claim_id(tenant_id: str, reference: str) -> str:
    return identity.claim_id(tenant_id, PAYMENT_REFERENCE, reference)


def payment_claim(work: Work, reference: str) -> Claim | None:
    """Return what has claimed a payment."""
    return work.stream(Claim, payment_claim_id(work.tenant_id, reference))


def claim_payment(
    work: Work, source: GrantSource, reference: str | None, grant_id: str, at: datetime
) -> None:
    """Claim a payment, once it is checked, for its grant."""
    if source != "PAID" or reference is None:
        return
    claim_id = payment_claim_id(work.tenant_id, reference)
    claimed = Claimed(claim_id, 1, at, PAYMENT_REFERENCE, reference, {}, {"grant": grant_id}, {})
    create(Claim, claimed, work.log)


def state_grant(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    grant_id: str,
    units: int,
    at: datetime,
    *,
    origin: Origin,
    source: GrantSource,
    paid: Paid | None = None,
    payment: Payment | None = None,
    cost_basis: CostBasis | None = None,
    stand_alone: StandAlonePrice | None = None,
    stand_alone_stated: bool = False,
    reference: str | None = None,
    bundle_id: str | None = None,
    priority: int = 50,
    effective_at: datetime | None = None,
    effective_stated: bool = False,
    expires_at: datetime | None = None,
    meters: tuple[str, ...] | None = None,
    recognition: Recognition | None = None,
    private: dict[str, Any] | None = None,
) -> None:
    """State a new grant, and credit it to its wallet."""
    issued = GrantIssued(
        grant_id,
        1,
        at,
        wallet.id,
        wallet.customer_id,
        origin,
        asset.key,
        units,
        source,
        paid,
        payment or (Payment("RECEIVED", 0, 0) if paid is not None else None),
        cost_basis,
        stand_alone,
        stand_alone_stated,
        reference,
        bundle_id,
        priority,
        effective_at or at,
        effective_stated,
        expires_at,
        with_grace(work, expires_at),
        meters,
        recognition or DEFAULT_RECOGNITION[source],
        private or {},
    )
    grant = create(CreditGrant, issued, work.log)
    wallet.credit(asset, grant.terms(), at)


def with_grace(work: Work, expires_at: datetime | None) -> datetime | None:
    """Return when a grant lapses: its expiry and the tenant's settlement grace."""
    if expires_at is None:
        return None
    grace = timedelta(seconds=work.tenant.settlement_grace_seconds)
    return expires_at + min(grace, _END_OF_TIME - expires_at)


def void_grant(work: Work, command: VoidGrant) -> GrantAnswer:
    """Revoke what is neither burned nor held. Raises NotFound, InvalidState."""
    wallet, grant, open_grant = _live(work, command.grant_id, "voided")
    at = wallet.time(work.now)
    units = open_grant.free_units
    after = wallet.revoke(grant.issued.asset, grant.id, units, "VOID", "VOIDED", at)
    grant.void(units, command.keep_claim, after, command.reason, at)
    return GrantAnswer(grant.id, wallet.customer_id)


def refund_grant(work: Work, command: RefundGrant) -> GrantAnswer:
    """Give money back for credits that are neither burned nor held.

    Raises, first match wins: NotFound, IdempotencyConflict, InvalidState, InvalidInput
    (more than is refundable).
    """
    grant = work.required(CreditGrant, command.grant_id, "grant")
    asset = work.asset(grant.issued.asset)
    stated_units = asset.units(command.credits, "credits") if command.credits is not None else None
    money = paid_of(command.money, "money")
    claim_id = None
    content = {
        "grantId": grant.id,
        "credits": stated_units,
        "money": [money.units, money.currency] if money else None,
    }
    private = {"reason": command.reason}
    if command.idempotency_key is not None:
        claim_id = identity.claim_id(work.tenant_id, "refundGrant", command.idempotency_key)
        before = work.stream(Claim, claim_id)
        if before is not None:
            differs = difference(before.content, {**content, **private})
            if differs is not None:
                raise IdempotencyConflict(key=command.idempotency_key, field=differs)
            return GrantAnswer(grant.id, grant.issued.customer_id, replayed=True)
    if grant.issued.paid is None or grant.issued.source != "PAID":
        raise InvalidState(
            state=grant.issued.source,
            reason=f"grant {grant.id} is {grant.issued.source}: only what was PAID goes back",
        )
    wallet, grant, open_grant = _live(work, command.grant_id, "refunded")
    units, money_units = _refundable(grant, asset, open_grant.free_units, stated_units, money)
    at = wallet.time(work.now)
    ends = units == open_grant.free_units
    after = wallet.revoke(asset.key, grant.id, units, "REFUND", "REFUNDED" if ends else None, at)
    grant.refund(units, money_units, ends, after, command.reason, at)
    if claim_id is not None:
        assert command.idempotency_key is not None
        claimed = Claimed(
            claim_id,
            1,
            at,
            "refundGrant",
            command.idempotency_key,
            content,
            {"grant": grant.id},
            private,
        )
        create(Claim, claimed, work.log)
    return GrantAnswer(grant.id, wallet.customer_id)


def extend_grant(work: Work, command: ExtendGrant) -> GrantAnswer:
    """Move the end of a grant that still lives. Raises NotFound, InvalidState, InvalidInput."""
    wallet, grant, open_grant = _live(work, command.grant_id, "extended")
    at = wallet.time(work.now)
    expires_at = command.expires_at
    if open_grant.terms.expires_at is not None and open_grant.terms.expires_at <= at:
        raise InvalidState(state="EXPIRED", reason=f"grant {grant.id} has expired: issue another")
    if expires_at is not None and expires_at <= max(at, grant.issued.effective_at):
        raise InvalidInput(field="expiresAt", reason="must be in the future, after effectiveAt")
    if expires_at != grant.expires_at:
        lapses_at = with_grace(work, expires_at)
        wallet.extend_grant(grant.issued.asset, grant.id, expires_at, lapses_at, at)
        grant.extend(expires_at, lapses_at, command.reason, at)
    return GrantAnswer(grant.id, wallet.customer_id)


def _live(work: Work, grant_id: str, verb: str) -> tuple[Wallet, CreditGrant, OpenGrant]:
    """Return a grant that can still change, and its wallet. Raises NotFound, InvalidState."""
    grant = work.required(CreditGrant, grant_id, "grant")
    # The wallet next: what falls due in it may end the grant.
    wallet = work.wallet_by_id(grant.issued.wallet_id)
    grant = work.required(CreditGrant, grant_id, "grant")
    grant.live(verb)
    return wallet, grant, wallet.accounts[grant.issued.asset].grants[grant.id]


def _refundable(
    grant: CreditGrant,
    asset: Asset,
    free_units: int,
    stated_units: int | None,
    money: Paid | None,
) -> tuple[int, int]:
    paid = grant.issued.paid
    assert paid is not None
    if not free_units:
        raise InvalidState(state="ACTIVE", reason=f"all that is left of {grant.id} is held")
    most = paid.units - grant.money_back_units
    refundable_money = decimal_of(min(grant.money_for(free_units), most), CURRENCY_SCALE)
    beyond = InvalidInput(
        field="credits" if stated_units is not None else "money",
        reason=f"at most {decimal_of(free_units, asset.scale)} {asset.key} "
        f"({refundable_money} {paid.currency}) are refundable",
    )
    if money is not None and money.currency != paid.currency:
        raise InvalidInput(field="money.currency", reason=f"it was paid in {paid.currency}")
    if money is not None and money.units > most:
        beyond.field = "money"
        raise beyond
    units = free_units
    if stated_units is not None:
        units = stated_units
    elif money is not None:
        units = grant.credits_for(money.units)
        if not units:
            raise InvalidInput(field="money", reason="too little for the smallest credit")
    if units > free_units:
        raise beyond
    return units, money.units if money is not None else min(grant.money_for(units), most)
