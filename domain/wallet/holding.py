"""Deciding what is set aside for work: held, enlarged, captured, given back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.money.asset import Asset
from domain.refusals import InsufficientFunds
from domain.usage.events import AuthorizationReleased
from domain.wallet.account import Account
from domain.wallet.burndown import burn_down, burn_pinned, merged
from domain.wallet.derived_budgets import DerivedBudget
from domain.wallet.events import HoldCaptured, HoldExtended, HoldPlaced, HoldReleased, Part, Range
from domain.wallet.holds import OpenHold
from domain.wallet.limits import Limits, changed
from domain.wallet.modes import beyond_limit
from domain.wallet.payers import Share
from domain.wallet.telling import tell_exhausted, tell_overage
from domain.wallet.totals import RatedMove, unpaid
from domain.wallet.wallet import Settlement, Wallet, frozen


def authorize(
    wallet: Wallet,
    asset: Asset,
    hold_id: str,
    charge_id: str,
    meter: str,
    units: int,
    occurred_at: datetime,
    expires_at: datetime,
    at: datetime,
    *,
    subject: str | None = None,
    derived: Sequence[DerivedBudget] = (),
) -> tuple[tuple[Part, ...], int]:
    """Set an estimate aside; answer the pinned parts and the balance after.

    Raises, first match wins: InvalidState (frozen), SpendLimitReached,
    InsufficientFunds.
    """
    if wallet.frozen:
        raise frozen(wallet.id)
    limits = _allowing(wallet, asset, subject, derived, units, units, at)
    shadow = wallet.mode == "SHADOW"
    pinned, uncovered_units, account = _set_aside(
        wallet, asset, meter, units, units, occurred_at, at, shadow=shadow
    )
    wallet.record(
        HoldPlaced(
            wallet.id,
            wallet.next_version(),
            at,
            asset.key,
            hold_id,
            charge_id,
            meter,
            units,
            pinned,
            uncovered_units,
            shadow,
            expires_at,
            subject,
        )
    )
    if limits is not None:
        limits.tell_crossed()
    return pinned, account.available_units(at)


def extend_hold(
    wallet: Wallet,
    asset: Asset,
    hold: OpenHold,
    added_units: int,
    occurred_at: datetime,
    expires_at: datetime,
    at: datetime,
    *,
    derived: Sequence[DerivedBudget] = (),
) -> tuple[tuple[Part, ...], int]:
    """Enlarge or lengthen a live hold; answer the parts pinned anew, the balance after.

    A hold stays what it was placed as: in SHADOW a real one still sets aside. Raises as
    `authorize`.
    """
    if wallet.frozen:
        raise frozen(wallet.id)
    pinned: tuple[Part, ...] = ()
    uncovered_units = 0
    account = wallet.accounts[asset.key]
    limits: Limits | None = None
    if not hold.shadow:
        limits = _allowing(
            wallet, asset, hold.subject, derived, hold.held_units + added_units, added_units, at
        )
        pinned, uncovered_units, account = _set_aside(
            wallet,
            asset,
            hold.meter,
            added_units,
            hold.held_units + added_units,
            occurred_at,
            at,
            shadow=False,
        )
    wallet.record(
        HoldExtended(
            wallet.id,
            wallet.next_version(),
            at,
            asset.key,
            hold.hold_id,
            added_units,
            pinned,
            uncovered_units,
            expires_at,
        )
    )
    if limits is not None:
        limits.tell_crossed()
    return pinned, account.available_units(at)


def capture(
    wallet: Wallet,
    asset: Asset,
    hold: OpenHold,
    charge_id: str,
    units: int,
    at: datetime,
    *,
    final: bool,
    delivered: bool,
    derived: Sequence[DerivedBudget] = (),
    rated: RatedMove | None = None,
    shares: tuple[Share, ...] = (),
) -> Settlement:
    """Settle a live hold, or a part of it, at its true cost. rated, shares: as of
    `Wallet.charge`.

    What the capture takes beyond the hold comes from what is available, then from
    overage where that is allowed or the work `delivered`. Raises, first match wins:
    InvalidState (frozen), SpendLimitReached, InsufficientFunds, all for what is above
    the hold; the hold stands.
    """
    account = wallet.accounts[asset.key]
    observed = wallet.mode == "SHADOW"
    set_aside_units = 0 if hold.shadow else hold.held_units
    uncovered_units = 0 if hold.shadow else hold.uncovered_units
    beyond_units = account.available_for_units(hold.meter, at, at)
    payable_units = set_aside_units + beyond_units
    above = units > set_aside_units
    if units > hold.held_units and wallet.frozen and not delivered:
        raise frozen(wallet.id)
    limits = wallet.limits(asset.key, hold.subject, derived, at)
    reached = None
    if limits is not None and above:
        reached = limits.reached(asset, units, units - set_aside_units)
    if reached is not None and wallet.mode == "CONTROL" and not delivered:
        raise reached
    would_refuse = (above or uncovered_units > 0) and beyond_limit(
        units, payable_units, account.limit_units
    )
    if would_refuse and above and wallet.mode == "CONTROL" and not delivered:
        raise InsufficientFunds(
            asset=asset.key,
            scale=asset.scale,
            required_units=units,
            available_units=payable_units,
        )

    # Nothing may fail from here on.
    would_refuse = would_refuse or reached is not None
    counts, counted = changed(limits, units)
    burned_pinned: tuple[Part, ...] = ()
    burned: tuple[Part, ...] = ()
    incurred: Range | None = None
    if not observed:
        pinners = [account.grants[grant_id] for grant_id in hold.pinned]
        burned_pinned, rest_units = burn_pinned(pinners, hold.pinned, units)
        burned, rest_units = burn_down(account.payers(hold.meter), rest_units, at, at)
        incurred = account.to_incur(rest_units)
    kept = dict(hold.pinned)
    for grant_id, part in burned_pinned:
        kept[grant_id] -= part
    burned_pinned_units = sum(part for _, part in burned_pinned)
    taken_units = 0 if observed else min(units, hold.held_units)
    uncovered_released_units = min(uncovered_units, taken_units - burned_pinned_units)
    released: tuple[Part, ...] = ()
    released_units = taken_units - burned_pinned_units
    if final:
        released = tuple((grant_id, part) for grant_id, part in kept.items() if part)
        released_units = hold.held_units - burned_pinned_units
        uncovered_released_units = uncovered_units
    paid_by = merged(burned_pinned, burned)
    moved = (
        unpaid(rated) if observed else wallet.moved_by(account, rated, shares, paid_by, incurred)
    )
    touched = [account.changing(g) for g, _ in merged(paid_by, released)]
    wallet.record(
        HoldCaptured(
            wallet.id,
            wallet.next_version(),
            at,
            asset.key,
            hold.hold_id,
            charge_id,
            units,
            burned_pinned,
            burned,
            incurred,
            released,
            uncovered_released_units,
            released_units,
            final,
            observed,
            counts,
            moved.stated() if moved is not None else None,
        )
    )
    tell_exhausted(wallet, touched, at)
    if incurred is not None:
        tell_overage(wallet, asset.key, at)
    wallet.settle_dead(asset.key, merged(burned_pinned, released), at, at)
    if limits is not None:
        limits.tell_crossed()
    return Settlement(
        paid_by,
        incurred,
        would_refuse,
        observed,
        account.available_units(at),
        burned_pinned,
        hold.held_units,
        counted,
    )


def release(wallet: Wallet, hold: OpenHold, at: datetime) -> None:
    """Give a live hold back."""
    released = tuple(hold.pinned.items())
    limits = wallet.limits(hold.asset, hold.subject, (), at)
    wallet.record(
        HoldReleased(
            wallet.id,
            wallet.next_version(),
            at,
            hold.asset,
            hold.hold_id,
            released,
            hold.held_units,
        )
    )
    wallet.also(
        AuthorizationReleased(hold.charge_id, hold.charge_version + 1, at, "RELEASED", None)
    )
    if limits is not None:
        limits.tell_crossed()
    wallet.settle_dead(hold.asset, released, at, at)


def _set_aside(
    wallet: Wallet,
    asset: Asset,
    meter: str,
    units: int,
    required_units: int,
    occurred_at: datetime,
    at: datetime,
    *,
    shadow: bool,
) -> tuple[tuple[Part, ...], int, Account]:
    account = wallet.accounts.get(asset.key)
    payable_units = account.available_for_units(meter, occurred_at, at) if account else 0
    limit_units = account.limit_units if account else 0
    if wallet.mode == "CONTROL" and beyond_limit(units, payable_units, limit_units):
        raise InsufficientFunds(
            asset=asset.key,
            scale=asset.scale,
            required_units=required_units,
            available_units=payable_units + required_units - units,
        )
    if account is None:
        account = wallet.account_of(asset, at)
    if shadow:
        return (), 0, account
    pinned, uncovered_units = burn_down(account.payers(meter), units, occurred_at, at)
    return pinned, uncovered_units, account


def _allowing(
    wallet: Wallet,
    asset: Asset,
    subject: str | None,
    derived: Sequence[DerivedBudget],
    event_units: int,
    added_units: int,
    at: datetime,
) -> Limits | None:
    """Return the limits of what is to be held, which allow it in CONTROL."""
    limits = wallet.limits(asset.key, subject, derived, at)
    if limits is not None and wallet.mode == "CONTROL":
        reached = limits.reached(asset, event_units, added_units)
        if reached is not None:
            raise reached
    return limits
