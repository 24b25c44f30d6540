"""How balance alerts and auto top-up are set, and what became of a top-up is told."""

from __future__ import annotations

from datetime import datetime, timedelta

from application.commands.answers import TopUpAnswer, WalletAnswer
from application.commands.grants import check_payment, claim_payment, payment_claim, state_grant
from application.commands.money import paid_of
from application.commands.top_up_requests import (
    ReportTopUp,
    ResumeAutoTopUp,
    SetAutoTopUp,
    SetBalanceAlert,
)
from application.work import Work
from domain import identity
from domain.grants.events import Origin, Paid
from domain.money.asset import Asset
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.wallet import spend_control
from domain.wallet.top_up import TopUp, TopUpTold
from domain.wallet.wallet import Wallet
from domain.wallet.watches import TopUpTerms
from domain.wallet.watching import report


def set_balance_alert(work: Work, command: SetBalanceAlert) -> WalletAnswer:
    """Tell when a balance falls below. Raises NotFound."""
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    units = asset.units(command.below, "below") if command.below is not None else None
    spend_control.set_alert(wallet, asset, units, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def set_auto_top_up(work: Work, command: SetAutoTopUp) -> WalletAnswer:
    """Set what is bought when a balance falls below. Asks for nothing yet.

    Raises, first match wins: NotFound, InvalidInput (no rate to hold a limit of money to).
    """
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    terms = _terms(command, asset) if command.below is not None else None
    at = wallet.time(work.now)
    if terms is not None and terms.max_per_month is not None and terms.price is None:
        currency = terms.max_per_month.currency
        if work.quote(asset.key, 1, currency, at) is None:
            raise InvalidInput(
                field="maxPerMonth",
                reason=f"no exchange rate of {asset.key} in {currency}: set one, or say the price",
            )
    spend_control.set_auto_top_up(wallet, asset, terms, at)
    return WalletAnswer(wallet.id, wallet.customer_id)


def resume_auto_top_up(work: Work, command: ResumeAutoTopUp) -> WalletAnswer:
    """Let a suspended auto top-up ask again. Raises NotFound, InvalidState (none is set)."""
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    watch = wallet.watches.get(asset.key)
    if watch is None or watch.terms is None:
        raise InvalidState(state="OFF", reason=f"no auto top-up of {asset.key}: setAutoTopUp first")
    spend_control.resume_auto_top_up(wallet, asset, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def report_top_up(work: Work, command: ReportTopUp) -> TopUpAnswer:
    """Say what became of a top-up; a settled one credits its grant, once, however late.

    Raises, first match wins: NotFound, IdempotencyConflict (settled otherwise before),
    InvalidState (it has another outcome), InvalidInput (nothing says what was paid),
    IdempotencyConflict (the payment has made another grant).
    """
    if command.reference is not None:
        # Before the request: who sees the claim sees what was told of the request with it.
        payment_claim(work, command.reference)
    known = work.required(TopUp, command.request_id, "top-up request")
    paid = None
    if command.outcome == "SETTLED":
        paid = paid_of(command.paid, "paid") or known.opened.price
    if _told_before(known, command, paid):
        return TopUpAnswer(known.id)
    if command.outcome == "SETTLED" and paid is None:
        raise InvalidInput(field="paid", reason="the request has no price: say what was paid")
    wallet = work.wallet_by_id(known.opened.wallet_id)
    # The wallet first: its hour may have ended just now.
    top_up = work.required(TopUp, known.id, "top-up request")
    at = max(wallet.time(work.now), top_up.recorded_at)
    grant_id = None
    if paid is not None:
        grant_id = identity.grant_id(work.tenant_id, "reportTopUp", top_up.id)
        check_payment(work, "PAID", command.reference)

    # Nothing may fail from here on.
    report(wallet, top_up, command.outcome, paid, at)
    if paid is not None and grant_id is not None:
        claim_payment(work, "PAID", command.reference, grant_id, at)
        _credit(work, wallet, top_up, grant_id, paid, command.reference, at)
    top_up.record(
        TopUpTold(
            top_up.id,
            top_up.version + 1,
            at,
            wallet.customer_id,
            top_up.opened.asset,
            top_up.opened.units,
            command.outcome,
            paid,
            command.reference,
            grant_id,
            {"reason": command.reason} if command.reason is not None else {},
        )
    )
    return TopUpAnswer(top_up.id)


def _told_before(top_up: TopUp, command: ReportTopUp, paid: Paid | None) -> bool:
    """Whether this very outcome is known. Raises IdempotencyConflict, InvalidState."""
    known, now = top_up.outcome, command.outcome
    if known == "SETTLED" and now == "SETTLED":
        for field, was, said in (
            ("paid", top_up.paid, paid),
            ("reference", top_up.reference, command.reference),
        ):
            if was != said:
                raise IdempotencyConflict(key=top_up.id, field=field)
        return True
    if known == now:
        return True
    if known == "SETTLED" or (known in ("DECLINED", "FAILED") and now != "SETTLED"):
        raise InvalidState(
            state=known, reason=f"top-up {top_up.id} is {known}: only a success may follow failure"
        )
    return False


def _credit(
    work: Work,
    wallet: Wallet,
    top_up: TopUp,
    grant_id: str,
    paid: Paid,
    reference: str | None,
    at: datetime,
) -> None:
    opened = top_up.opened
    valid = timedelta(days=opened.valid_days) if opened.valid_days is not None else None
    state_grant(
        work,
        wallet,
        work.asset(opened.asset),
        grant_id,
        opened.units,
        at,
        origin=Origin("TOP_UP", reason=top_up.id),
        source="PAID",
        paid=paid,
        reference=reference,
        expires_at=at + valid if valid is not None else None,
    )


def _terms(command: SetAutoTopUp, asset: Asset) -> TopUpTerms:
    assert command.below is not None
    return TopUpTerms(
        asset.units(command.below, "below"),
        asset.units(command.amount, "amount") if command.amount is not None else None,
        asset.units(command.target, "target") if command.target is not None else None,
        paid_of(command.price, "price"),
        command.valid_days,
        command.max_per_day,
        paid_of(command.max_per_month, "maxPerMonth"),
    )
