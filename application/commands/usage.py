"""How usage is recorded: one decision, and the charge that comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from application.commands.answers import ChargeAnswer
from application.commands.costs import with_vendor_cost
from application.commands.money import paid_of
from application.commands.rated_usage import (
    check_unpriced,
    credited,
    move_of,
    note_rated,
    rate_event,
    usage_of,
)
from application.commands.requests import RecordUsage
from application.work import Work
from domain import identity
from domain.claims import difference
from domain.grants.events import Paid
from domain.money.asset import Asset
from domain.money.decimals import canonical
from domain.rating.rate import RatedLine, Usage
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.tenancy.tenant import FUTURE_SECONDS
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeCredited, ChargeObserved, ChargeSettled, Reported
from domain.wallet.payers import Share
from domain.wallet.totals import RatedMove
from domain.wallet.wallet import Settlement, Wallet


def record_usage(work: Work, command: RecordUsage) -> ChargeAnswer:
    """Rate, check, burn, record.

    Raises, first match wins: NotFound, IdempotencyConflict, InvalidInput (time),
    InvalidState, InvalidInput (rating), SpendLimitReached, InsufficientFunds.
    """
    asset = work.asset(command.asset) if command.asset is not None else None
    wallet = work.scratch(command.customer) if command.dry else work.wallet(command.customer)
    units = None
    if asset is not None:
        assert command.amount is not None
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
    if command.occurred_at is not None:
        check_late_window(work, occurred_at, at)
    if command.not_after is not None and at > command.not_after:
        raise InvalidState(
            state="PAST_NOT_AFTER", reason="notAfter has passed: nothing was recorded"
        )
    reported = Reported(
        command.event_id,
        command.source,
        command.meter,
        canonical(command.quantity) if command.quantity is not None else None,
        command.subject,
        occurred_at,
        command.occurred_at is not None,
        cost,
        command.delivered,
    )
    if work.catalog.costs.by_key:
        reported = with_vendor_cost(work, reported, command.properties)
    private = {"properties": command.properties} if command.properties else {}
    wallet.check_spendable(delivered=command.delivered)
    event: ChargeSettled | ChargeObserved | ChargeCredited
    if asset is not None and units is not None:
        if work.catalog.meters_of(command.meter):
            usage = usage_of(command.meter, reported.quantity, command.properties, occurred_at)
            check_unpriced(work, wallet, usage)
        settlement = _charge(work, wallet, asset, charge_id, units, reported, at, command.dry)
        event = settled(wallet, charge_id, reported, asset, units, settlement, None, private, at)
    else:
        usage = usage_of(command.meter, reported.quantity, command.properties, occurred_at)
        event = _rated(work, wallet, charge_id, usage, reported, private, at, command.dry)
    if not command.dry:
        work.log.append(event)
    return ChargeAnswer(event)


def _rated(
    work: Work,
    wallet: Wallet,
    charge_id: str,
    usage: Usage,
    reported: Reported,
    private: dict[str, Any],
    at: datetime,
    dry: bool,
) -> ChargeSettled | ChargeObserved | ChargeCredited:
    """Rate and settle; a charge below zero gives back to those who paid."""
    asset, rated = rate_event(work, wallet, usage)
    units = rated.amount_units
    event: ChargeSettled | ChargeObserved | ChargeCredited
    if units < 0 and wallet.mode != "SHADOW":
        event = credited(work, wallet, asset, rated, charge_id, reported, private, at, dry=dry)
    else:
        moved, shares = move_of(work, wallet, rated, at)
        settlement = _charge(
            work, wallet, asset, charge_id, units, reported, at, dry, moved, shares
        )
        event = settled(
            wallet,
            charge_id,
            reported,
            asset,
            units,
            settlement,
            None,
            private,
            at,
            rated.lines,
        )
    if not dry:
        note_rated(work, wallet, rated, charge_id, at)
    return event


def _charge(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    charge_id: str,
    units: int,
    reported: Reported,
    at: datetime,
    dry: bool,
    moved: RatedMove | None = None,
    shares: tuple[Share, ...] = (),
) -> Settlement:
    return wallet.charge(
        asset,
        charge_id,
        reported.meter,
        units,
        reported.occurred_at,
        at,
        delivered=reported.delivered,
        subject=reported.subject,
        derived=work.derived_budgets(wallet, reported.subject, dry=dry),
        rated=moved,
        shares=shares,
    )


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
    lines: tuple[RatedLine, ...] = (),
    adjustment: str | None = None,
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
            lines,
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
        lines,
        adjustment,
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


def _check_replay(
    charge: UsageCharge,
    wallet: Wallet,
    asset: Asset | None,
    units: int | None,
    cost: Paid | None,
    command: RecordUsage,
) -> None:
    """An amount that the ledger found is none that the client said."""
    reported = charge.reported
    stated = not charge.lines
    differs: str | None = "eventId"
    if charge.hold_id is None:
        before = {
            "customerId": charge.customer_id,
            "meter": reported.meter,
            "quantity": reported.quantity,
            "properties": charge.private.get("properties"),
            "subject": reported.subject,
            "occurredAt": reported.occurred_at if reported.occurred_stated else None,
            "amount": charge.amount_units if stated else None,
            "asset": charge.asset if stated else None,
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
            "asset": asset.key if asset is not None else None,
            "cost": cost,
        }
        differs = difference(before, now, both=("occurredAt",))
    if differs is not None:
        raise IdempotencyConflict(key=command.event_id, field=differs)
