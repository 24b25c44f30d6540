"""Deciding what a balance calls for: an alert, or a request for a top-up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from domain.calendar.cycles import calendar_day, calendar_month
from domain.calendar.zones import zone_named
from domain.grants.events import Paid
from domain.identity import derived_id
from domain.wallet.spend_events import Direction
from domain.wallet.telling import tell_crossing
from domain.wallet.top_up import TopUp, TopUpOpened, TopUpTimedOut
from domain.wallet.watch_events import TopUpReported, TopUpRequested, TopUpWaitEnded
from domain.wallet.watches import (
    MOST_DECLINES,
    OPEN,
    PATIENCE,
    Quoting,
    TopUpOutcome,
    TopUpTerms,
    Watch,
)

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet

_NO_MONEY = ("DECLINED", "FAILED")


def look_at(
    wallet: Wallet, watch: Watch, since: datetime, at: datetime, *, asks: bool, quoting: Quoting
) -> bool:
    """Look at a watched balance as of `since`, and state at `at` what it calls for; answer
    whether that was a request.

    asks: whether a top-up may be requested: after what lowered the balance, or due work.
    """
    account = wallet.accounts.get(watch.asset)
    available_units = account.available_units(since) if account is not None else 0
    if watch.alert_units is not None:
        below = available_units < watch.alert_units
        if below != watch.alerted:
            direction: Direction = "UP" if below else "DOWN"
            tell_crossing(
                wallet,
                "BALANCE_LOW",
                direction,
                watch.asset,
                available_units,
                at,
                threshold_units=watch.alert_units,
            )
    terms = watch.terms
    if terms is None:
        return False
    if available_units >= terms.below_units:
        if watch.runaway:
            below_units = terms.below_units
            tell_crossing(
                wallet,
                "RUNAWAY_TOP_UP",
                "DOWN",
                watch.asset,
                available_units,
                at,
                threshold_units=below_units,
            )
    elif asks and not watch.suspended and watch.wait_ends_at is None:
        return _ask(wallet, watch, terms, available_units, at, quoting)
    return False


def _ask(
    wallet: Wallet,
    watch: Watch,
    terms: TopUpTerms,
    available_units: int,
    at: datetime,
    quoting: Quoting,
) -> bool:
    # In SHADOW no balance is real; whoever froze a wallet is to look at it first.
    if wallet.frozen or wallet.mode == "SHADOW":
        return False
    units = terms.credits(available_units)
    price, unit_price = terms.price, None
    if price is None:
        limited_to = terms.max_per_month.currency if terms.max_per_month is not None else None
        quoted = quoting(watch.asset, units, limited_to, at)
        if quoted is not None:
            price, unit_price = Paid(quoted.units, quoted.currency), quoted.unit_price
    if not watch.within_limits(price, at):
        if not watch.runaway:
            below_units = terms.below_units
            tell_crossing(
                wallet,
                "RUNAWAY_TOP_UP",
                "UP",
                watch.asset,
                available_units,
                at,
                threshold_units=below_units,
            )
        return False
    zone = zone_named(wallet.timezone)
    version = wallet.next_version()
    request_id = derived_id("top-up", wallet.id, str(version))
    month = None
    if price is not None:
        month = Paid(watch.month_units_at(price.currency, at) + price.units, price.currency)
    wallet.record(
        TopUpRequested(
            wallet.id,
            version,
            at,
            watch.asset,
            request_id,
            units,
            price,
            available_units,
            at + PATIENCE,
            watch.day_count_at(at) + 1,
            calendar_day(zone, at).ends_at,
            month,
            calendar_month(zone, at).ends_at,
        )
    )
    wallet.also(
        TopUpOpened(
            request_id,
            1,
            at,
            wallet.id,
            wallet.customer_id,
            watch.asset,
            units,
            price,
            unit_price,
            terms.valid_days,
            at + PATIENCE,
        )
    )
    return True


def end_wait(wallet: Wallet, watch: Watch, due_at: datetime, at: datetime) -> None:
    """State that the hour of the last request is over."""
    assert watch.request_id is not None
    timed_out = watch.request_status in OPEN
    if timed_out:
        wallet.also(TopUpTimedOut(watch.request_id, watch.request_version + 1, at, due_at))
    wallet.record(
        TopUpWaitEnded(
            wallet.id,
            wallet.next_version(),
            at,
            watch.asset,
            watch.request_id,
            timed_out,
            due_at,
        )
    )


def report(
    wallet: Wallet, top_up: TopUp, outcome: TopUpOutcome, paid: Paid | None, at: datetime
) -> None:
    """State what became of a request. The caller states the request's event, and the grant."""
    opened = top_up.opened
    watch = wallet.watches[opened.asset]
    declines = watch.declines
    if outcome == "DECLINED":
        declines += 1
    elif outcome == "SETTLED":
        declines = 0
    suspends = declines >= MOST_DECLINES and not watch.suspended
    wallet.record(
        TopUpReported(
            wallet.id,
            wallet.next_version(),
            at,
            opened.asset,
            opened.originator_id,
            outcome,
            declines,
            suspends,
            _month(wallet, watch, top_up, outcome, paid),
        )
    )


def _month(
    wallet: Wallet, watch: Watch, top_up: TopUp, outcome: TopUpOutcome, paid: Paid | None
) -> Paid | None:
    """Return the money of the month that the wallet counts, once this outcome is known."""
    month = watch.month
    asked_in = calendar_month(zone_named(wallet.timezone), top_up.requested_at)
    if month is None or asked_in.ends_at != watch.month_ends_at:
        return month
    price = top_up.opened.price
    before = price if top_up.outcome not in _NO_MONEY else None
    after = None if outcome in _NO_MONEY else paid or price
    return Paid(
        month.units + _units(after, month.currency) - _units(before, month.currency),
        month.currency,
    )


def _units(money: Paid | None, currency: str) -> int:
    return money.units if money is not None and money.currency == currency else 0
