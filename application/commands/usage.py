"""How usage is recorded: one decision, and the charge that comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from application.commands.answers import ChargeAnswer
from application.commands.costs import with_vendor_cost
from application.commands.requests import Money, RecordUsage
from application.work import Work
from domain import identity
from domain.claims import difference
from domain.grants.events import Paid
from domain.money.asset import Asset, currency
from domain.money.decimals import canonical
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState, NotFound
from domain.tenancy.tenant import FUTURE_SECONDS
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeObserved, ChargeSettled, Reported
from domain.wallet.wallet import Settlement, Wallet


def record_usage(work: Work, command: RecordUsage) -> ChargeAnswer:
    """Rate, check, burn, record.

    Raises, first match wins: NotFound, IdempotencyConflict, InvalidInput (time),
    InvalidState, InsufficientFunds.
    """
    assert command.amount is not None
    assert command.asset is not None
    asset = work.asset(command.asset)
    wallet = work.scratch(command.customer) if command.dry else work.wallet(command.customer)
    units = asset.units(command.amount, "amount")
    cost = paid_of(command.cost, "cost")
    charge_id = identity.charge_id(work.tenant_id, command.source, command.event_id)
    known = work.looked_up(charge_id) if command.dry else work.known(charge_id)
    if known:
        charge = UsageCharge.fold(known)
        assert charge is not None
        _check_replay(charge, wallet, asset, units, cost, command)
        return ChargeAnswer(charge, replayed=True)
    at = wallet.time(work.now)
    occurred_at = command.occurred_at or at
    check_late_window(work, occurred_at, at)
    if command.not_after is not None and at > command.not_after:
        raise InvalidState(
            state="PAST_NOT_AFTER", reason="notAfter has passed: nothing was recorded"
        )
    settlement = wallet.charge(
        asset,
        charge_id,
        command.meter,
        units,
        occurred_at,
        at,
        delivered=command.delivered,
        subject=command.subject,
        derived=work.derived_budgets(wallet, command.subject, dry=command.dry),
    )
    reported = Reported(
        event_id=command.event_id,
        source=command.source,
        meter=command.meter,
        quantity=canonical(command.quantity) if command.quantity is not None else None,
        subject=command.subject,
        occurred_at=occurred_at,
        occurred_stated=command.occurred_at is not None,
        cost=cost,
        delivered=command.delivered,
    )
    reported = with_vendor_cost(work, reported, command.properties)
    private = {"properties": command.properties} if command.properties else {}
    event = settled(wallet, charge_id, reported, asset, units, settlement, None, private, at)
    if not command.dry:
        work.log.append(event)
    return ChargeAnswer(UsageCharge.begin(event))


def settled(
    wallet: Wallet,
    charge_id: str,
    reported: Reported,
    asset: Asset,
    units: int,
    settlement: Settlement,
    hold_id: str | None,
    private: dict[str, Any],
    at: datetime,
) -> ChargeSettled | ChargeObserved:
    """Return the first event of a settlement's charge."""
    if settlement.observed:
        return ChargeObserved(
            charge_id,
            1,
            at,
            wallet.customer_id,
            wallet.id,
            reported,
            asset.key,
            units,
            settlement.would_refuse,
            settlement.balance_after_units,
            hold_id,
            private,
        )
    return ChargeSettled(
        charge_id,
        1,
        at,
        wallet.customer_id,
        wallet.id,
        reported,
        asset.key,
        units,
        settlement.allocations,
        settlement.overage,
        settlement.would_refuse,
        settlement.balance_after_units,
        hold_id,
        private,
        settlement.budgets,
    )


def check_late_window(work: Work, occurred_at: datetime, at: datetime) -> None:
    """Raise InvalidInput for usage of the future, or older than the late window."""
    if occurred_at > at + timedelta(seconds=FUTURE_SECONDS):
        raise InvalidInput(
            field="occurredAt", reason=f"more than {FUTURE_SECONDS // 60} minutes in the future"
        )
    window_seconds = work.caller.late_window_seconds
    if window_seconds is None:
        window_seconds = work.tenant.late_window_seconds
    if occurred_at < at - timedelta(seconds=window_seconds):
        raise InvalidInput(
            field="occurredAt",
            reason=f"older than the late window of {window_seconds // 86_400} days",
        )


def paid_of(money: Money | None, field: str) -> Paid | None:
    """Return money in units of its currency. Raises NotFound, InvalidInput."""
    if money is None:
        return None
    asset = currency(money.currency)
    if asset is None:
        raise NotFound(what="currency", key=money.currency)
    return Paid(asset.units(money.amount, f"{field}.amount"), money.currency)


def _check_replay(
    charge: UsageCharge,
    wallet: Wallet,
    asset: Asset,
    units: int,
    cost: Paid | None,
    command: RecordUsage,
) -> None:
    reported = charge.reported
    differs: str | None = "eventId"
    if charge.hold_id is None:
        before = {
            "customerId": charge.customer_id,
            "meter": reported.meter,
            "quantity": reported.quantity,
            "properties": charge.private.get("properties"),
            "subject": reported.subject,
            "occurredAt": reported.occurred_at if reported.occurred_stated else None,
            "amount": charge.amount_units,
            "asset": charge.asset,
            "cost": reported.cost,
        }
        now = {
            "customerId": wallet.customer_id,
            "meter": command.meter,
            "quantity": canonical(command.quantity) if command.quantity is not None else None,
            "properties": command.properties or None,
            "subject": command.subject,
            "occurredAt": command.occurred_at,
            "amount": units,
            "asset": asset.key,
            "cost": cost,
        }
        differs = difference(before, now, both=("occurredAt",))
    if differs is not None:
        raise IdempotencyConflict(key=command.event_id, field=differs)
