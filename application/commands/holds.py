"""How amounts are set aside, captured, extended and released."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from application.commands.answers import ChargeAnswer, HoldAnswer, WalletAnswer
from application.commands.costs import with_vendor_cost
from application.commands.rated_usage import (
    credited,
    is_priced,
    move_of,
    note_rated,
    rate_event,
    usage_of,
)
from application.commands.requests import AuthorizeUsage, CaptureUsage, ExtendHold, ReleaseHold
from application.commands.usage import settled
from application.work import Work
from domain import identity
from domain.claims import difference
from domain.money.asset import Asset
from domain.money.decimals import canonical
from domain.rating.rate import Rated
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from domain.usage.charge import Authorization, HoldPointer, UsageCharge
from domain.usage.events import (
    AuthorizationDrawn,
    AuthorizationExtended,
    AuthorizationReleased,
    ChargeAuthorized,
    ChargeCaptured,
    HoldOpened,
    Reported,
)
from domain.wallet import holding
from domain.wallet.holds import OpenHold
from domain.wallet.wallet import Settlement, Wallet


def authorize_usage(work: Work, command: AuthorizeUsage) -> HoldAnswer:
    """Set an estimate aside for a usage event: a stated one, or what its quantity costs now.

    Raises, first match wins: NotFound, IdempotencyConflict, InvalidState, InvalidInput
    (rating), SpendLimitReached, InsufficientFunds.
    """
    stated = work.asset(command.asset) if command.asset is not None else None
    wallet = work.wallet(command.customer)
    stated_units = None
    if stated is not None:
        assert command.amount is not None
        stated_units = stated.units(command.amount, "amount")
    charge_id = identity.charge_id(work.tenant_id, command.source, command.event_id)
    quantity = canonical(command.quantity) if command.quantity is not None else None
    charge = UsageCharge.fold(work.known(charge_id))
    if charge is not None:
        _check_authorized_before(charge, wallet, stated, stated_units, quantity, command)
        return HoldAnswer(charge, replayed=True)
    at = wallet.time(work.now)
    wallet.check_spendable(delivered=False)
    if stated is not None and stated_units is not None:
        asset, units = stated, stated_units
    else:
        usage = usage_of(command.meter, quantity, command.properties, at)
        asset, rated = rate_event(work, wallet, usage)
        units = max(rated.amount_units, 0)
    expires_at = at + timedelta(seconds=command.ttl_seconds)
    hold_id = identity.hold_id(work.tenant_id, charge_id)
    shadow = wallet.mode == "SHADOW"
    pinned, balance_after_units = holding.authorize(
        wallet,
        asset,
        hold_id,
        charge_id,
        command.meter,
        units,
        at,
        expires_at,
        at,
        subject=command.subject,
        derived=work.derived_budgets(wallet, command.subject),
    )
    reported = Reported(
        event_id=command.event_id,
        source=command.source,
        meter=command.meter,
        quantity=quantity,
        subject=command.subject,
        occurred_at=at,
        occurred_stated=False,
        cost=None,
        delivered=False,
    )
    private = {"properties": command.properties} if command.properties else {}
    event = ChargeAuthorized(
        charge_id,
        1,
        at,
        wallet.customer_id,
        wallet.id,
        hold_id,
        reported,
        asset.key,
        units,
        pinned,
        shadow,
        command.ttl_seconds,
        expires_at,
        balance_after_units,
        private,
        stated is not None,
    )
    work.log.append(event)
    work.log.append(HoldOpened(hold_id, 1, at, charge_id, wallet.id, wallet.customer_id))
    return HoldAnswer(UsageCharge.begin(event))


def capture_usage(work: Work, command: CaptureUsage) -> ChargeAnswer:
    """Settle a hold, or a part of it, at its true cost; after its lapse, from what is
    available then. What was authorised by quantity, or says one now, is rated now.

    Raises, first match wins: NotFound, InvalidInput, IdempotencyConflict, InvalidState,
    InvalidInput (rating), SpendLimitReached, InsufficientFunds (the hold stands).
    """
    wallet, charge, authorized = _hold(work, command.hold_id)
    own = command.event_id in (None, authorized.reported.event_id)
    if own and not command.final:
        raise InvalidInput(field="eventId", reason="a partial capture needs one of its own")
    asset = work.asset(authorized.asset)
    stated_units = asset.units(command.amount, "amount") if command.amount is not None else None
    target_id = charge.id
    if not own:
        assert command.event_id is not None
        target_id = identity.charge_id(work.tenant_id, authorized.reported.source, command.event_id)
    at = wallet.time(work.now)
    reported = _captured_report(authorized, command, own, at)
    properties = command.properties or authorized.private.get("properties")
    before = charge if own else work.stream(UsageCharge, target_id)
    if before is not None and (not own or before.was_captured):
        _check_captured_before(before, command, stated_units, reported, properties, own)
        return ChargeAnswer(before, replayed=True)
    reported = with_vendor_cost(work, reported, properties)
    hold = wallet.holds.get(authorized.hold_id)
    authorization = charge.authorization
    assert authorization is not None
    if hold is None and authorization.status != "LAPSED":
        raise _ended(authorization)
    held_units = hold.held_units if hold is not None else authorization.held_units
    rated = _rated_capture(work, wallet, asset, authorized, command, reported, properties, at)
    if rated is not None:
        units = rated.amount_units
    else:
        units = held_units if stated_units is None else stated_units
    private = {"properties": properties} if properties else {}
    if units < 0 and rated is not None and wallet.mode != "SHADOW":
        return _credited(
            work, wallet, asset, charge, hold, rated, target_id, reported, private, command, at
        )
    moved, shares = move_of(work, wallet, rated, at)
    lines = rated.lines if rated is not None else ()
    derived = work.derived_budgets(wallet, reported.subject)
    if hold is None:
        settlement = wallet.charge(
            asset,
            target_id,
            reported.meter,
            units,
            at,
            at,
            delivered=command.delivered,
            subject=reported.subject,
            derived=derived,
            rated=moved,
            shares=shares,
        )
    else:
        settlement = holding.capture(
            wallet,
            asset,
            hold,
            target_id,
            units,
            at,
            final=command.final,
            delivered=command.delivered,
            derived=derived,
            rated=moved,
            shares=shares,
        )
    if rated is not None:
        note_rated(work, wallet, rated, target_id, at)
    if own:
        captured = ChargeCaptured(
            charge.id,
            charge.version + 1,
            at,
            wallet.customer_id,
            wallet.id,
            reported,
            asset.key,
            units,
            held_units,
            settlement.allocations,
            settlement.overage,
            settlement.would_refuse,
            settlement.balance_after_units,
            hold is None,
            settlement.observed,
            private,
            settlement.budgets,
            lines,
        )
        charge.record(captured)
        return ChargeAnswer(charge)
    event = settled(
        wallet,
        target_id,
        reported,
        asset,
        units,
        settlement,
        authorized.hold_id,
        private,
        at,
        lines,
    )
    work.log.append(event)
    if hold is not None:
        _draw(charge, hold, settlement, target_id, units, command.final, at)
    return ChargeAnswer(event)


def _rated_capture(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    authorized: ChargeAuthorized,
    command: CaptureUsage,
    reported: Reported,
    properties: Any,
    at: datetime,
) -> Rated | None:
    """Return what a capture costs that says no amount; None where no price is asked: the hold
    was stated, and neither a quantity is said now nor has its meter a price.
    """
    if command.amount is not None:
        return None
    usage = usage_of(reported.meter, reported.quantity, properties, at)
    if authorized.stated and (
        (command.quantity is None and command.properties is None)
        or not is_priced(work, wallet, usage)
    ):
        return None
    wallet.check_spendable(
        delivered=command.delivered or wallet.holds.get(authorized.hold_id) is not None
    )
    priced, rated = rate_event(work, wallet, usage)
    if priced.key != asset.key:
        raise InvalidInput(
            field="amount",
            reason=f"{reported.meter} now costs {priced.key}, but {asset.key} is held: say the"
            " amount, or release the hold and report the usage",
        )
    return rated


def _credited(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    charge: UsageCharge,
    hold: OpenHold | None,
    rated: Rated,
    target_id: str,
    reported: Reported,
    private: dict[str, Any],
    command: CaptureUsage,
    at: datetime,
) -> ChargeAnswer:
    """Settle a capture below zero: nothing is taken of the hold, and who paid gets back."""
    own = target_id == charge.id
    hold_id = hold.hold_id if hold is not None and not own else None
    settlement = None
    if hold is not None:
        settlement = holding.capture(
            wallet, asset, hold, target_id, 0, at, final=command.final, delivered=True
        )
    event = credited(
        work,
        wallet,
        asset,
        rated,
        target_id,
        reported,
        private,
        at,
        dry=False,
        version=charge.version + 1 if own else 1,
        hold_id=hold_id,
    )
    note_rated(work, wallet, rated, target_id, at)
    if own:
        charge.record(event)
        return ChargeAnswer(charge)
    work.log.append(event)
    if hold is not None and settlement is not None:
        _draw(charge, hold, settlement, target_id, 0, command.final, at)
    return ChargeAnswer(event)


def extend_hold(work: Work, command: ExtendHold) -> HoldAnswer:
    """Lengthen or enlarge a live hold.

    Raises, first match wins: NotFound, InvalidState, InvalidInput, InsufficientFunds.
    """
    wallet, charge, authorized = _hold(work, command.hold_id)
    asset = work.asset(authorized.asset)
    total_units = asset.units(command.amount, "amount") if command.amount is not None else None
    authorization = charge.authorization
    assert authorization is not None
    hold = wallet.holds.get(authorized.hold_id)
    if hold is None:
        raise _ended(authorization)
    at = wallet.time(work.now)
    expires_at = hold.expires_at
    if command.ttl_seconds is not None:
        expires_at = at + timedelta(seconds=command.ttl_seconds)
    if expires_at < hold.expires_at:
        raise InvalidInput(field="ttlSeconds", reason="would shorten the hold")
    added_units = 0 if total_units is None else total_units - authorization.units
    if added_units < 0:
        raise InvalidInput(field="amount", reason="would shrink the hold")
    if not added_units and expires_at == hold.expires_at:
        return HoldAnswer(charge, replayed=True)
    derived = work.derived_budgets(wallet, hold.subject)
    pinned, balance_after_units = holding.extend_hold(
        wallet, asset, hold, added_units, at, expires_at, at, derived=derived
    )
    charge.record(
        AuthorizationExtended(
            charge.id,
            charge.version + 1,
            at,
            authorization.units + added_units,
            pinned,
            expires_at,
            balance_after_units,
        )
    )
    return HoldAnswer(charge)


def release_hold(work: Work, command: ReleaseHold) -> WalletAnswer:
    """Give a live hold back. Raises NotFound, InvalidState."""
    wallet, charge, authorized = _hold(work, command.hold_id)
    hold = wallet.holds.get(authorized.hold_id)
    if hold is None:
        assert charge.authorization is not None
        raise _ended(charge.authorization)
    holding.release(wallet, hold, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def _hold(work: Work, hold_id: str) -> tuple[Wallet, UsageCharge, ChargeAuthorized]:
    pointer = work.required(HoldPointer, hold_id, "hold")
    # The wallet first: what falls due in it may end the hold.
    wallet = work.wallet_by_id(pointer.wallet_id)
    charge = work.required(UsageCharge, pointer.charge_id, "charge")
    assert charge.authorized is not None
    return wallet, charge, charge.authorized


def _captured_report(
    authorized: ChargeAuthorized, command: CaptureUsage, own: bool, at: datetime
) -> Reported:
    reported = authorized.reported
    quantity = reported.quantity if command.quantity is None else canonical(command.quantity)
    event_id = reported.event_id if own else command.event_id
    assert event_id is not None
    return replace(
        reported,
        event_id=event_id,
        quantity=quantity,
        occurred_at=at,
        delivered=command.delivered,
    )


def _draw(
    charge: UsageCharge,
    hold: OpenHold,
    settlement: Settlement,
    target_id: str,
    units: int,
    final: bool,
    at: datetime,
) -> None:
    charge.record(
        AuthorizationDrawn(
            charge.id,
            charge.version + 1,
            at,
            target_id,
            units,
            0 if final else settlement.held_units,
            settlement.burned_pinned,
        )
    )
    if final:
        charge.record(AuthorizationReleased(charge.id, charge.version + 1, at, "CAPTURED", None))
    assert final or charge.version == hold.charge_version


def _check_authorized_before(
    charge: UsageCharge,
    wallet: Wallet,
    asset: Asset | None,
    units: int | None,
    quantity: str | None,
    command: AuthorizeUsage,
) -> None:
    authorized = charge.authorized
    differs: str | None = "eventId"
    if authorized is not None:
        reported = authorized.reported
        before = {
            "customerId": authorized.customer_id,
            "meter": reported.meter,
            "amount": authorized.units if authorized.stated else None,
            "asset": authorized.asset if authorized.stated else None,
            "quantity": reported.quantity,
            "properties": authorized.private.get("properties"),
            "subject": reported.subject,
            "ttlSeconds": authorized.ttl_seconds,
        }
        now = {
            "customerId": wallet.customer_id,
            "meter": command.meter,
            "amount": units,
            "asset": asset.key if asset is not None else None,
            "quantity": quantity,
            "properties": command.properties or None,
            "subject": command.subject,
            "ttlSeconds": command.ttl_seconds,
        }
        differs = difference(before, now)
    if differs is not None:
        raise IdempotencyConflict(key=command.event_id, field=differs)


def _check_captured_before(
    before: UsageCharge,
    command: CaptureUsage,
    stated_units: int | None,
    reported: Reported,
    properties: Any,
    own: bool,
) -> None:
    key = command.event_id or before.reported.event_id
    if not own and (before.hold_id != command.hold_id.lower() or before.authorized is not None):
        raise IdempotencyConflict(key=key, field="eventId")
    stated = not before.lines
    units = stated_units
    if units is None and stated:
        units = before.captured.held_units if before.captured else before.amount_units
    content = {
        "amount": before.amount_units if stated else None,
        "quantity": before.reported.quantity,
        "properties": before.private.get("properties"),
    }
    now = {"amount": units, "quantity": reported.quantity, "properties": properties}
    differs = difference(content, now)
    if differs is not None:
        raise IdempotencyConflict(key=key, field=differs)


def _ended(authorization: Authorization) -> InvalidState:
    status = authorization.status
    return InvalidState(
        state=status, reason=f"hold {authorization.hold_id} is {status}: authorise anew"
    )
