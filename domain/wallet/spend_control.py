"""Deciding what may be spent: budgets, maxima, limits, modes, alerts and top-ups."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.identity import derived_id
from domain.money.asset import Asset
from domain.wallet.budgets import Budget
from domain.wallet.derived_budgets import DerivedBudget
from domain.wallet.events import (
    LimitSet,
    ModeChanged,
    TimezoneSet,
    WalletFrozen,
    WalletMode,
    WalletUnfrozen,
)
from domain.wallet.limits import tell_crossed
from domain.wallet.spend_events import BudgetRemoved, BudgetSet, EventMaximumSet
from domain.wallet.wallet import Wallet
from domain.wallet.watch_events import AlertSet, AutoTopUpResumed, AutoTopUpSet
from domain.wallet.watches import TopUpTerms, no_quotes
from domain.wallet.watching import look_at
from domain.wallet.windows import BudgetPeriod


def set_budget(
    wallet: Wallet,
    subject: str,
    asset: Asset,
    limit_units: int,
    period: BudgetPeriod,
    timezone: str | None,
    week_start: int,
    at: datetime,
) -> Budget:
    """Set a budget, which starts with nothing spent; one that is there keeps its count.
    The same again writes nothing.
    """
    before = wallet.budgets.like(subject, asset.key, period)
    if before is None:
        budget_id = derived_id("budget", wallet.id, str(wallet.next_version()))
        window = wallet.new_window(period, timezone, week_start, at)
        spent_units = mark = 0
    else:
        terms = (before.limit_units, before.timezone, before.week_start)
        if terms == (limit_units, timezone, week_start):
            return before
        budget_id = before.budget_id
        spent_units = before.spent_at(at)
        mark = before.mark_of(wallet.budgets.used_units(before, at))
        window = before.starts_at, before.resets_at
        if terms[1:] != (timezone, week_start) or before.over(at):
            window = wallet.new_window(period, timezone, week_start, at)
    wallet.account_of(asset, at)
    wallet.record(
        BudgetSet(
            wallet.id,
            wallet.next_version(),
            at,
            budget_id,
            subject,
            asset.key,
            limit_units,
            period,
            timezone,
            week_start,
            *window,
            spent_units,
        )
    )
    budget = wallet.budgets.by_id[budget_id]
    if before is not None:
        now = budget.mark_of(wallet.budgets.used_units(budget, at))
        tell_crossed(wallet, budget, mark, now, at)
    return budget


def lower(
    wallet: Wallet,
    derived: Iterable[DerivedBudget],
    recorded_at: datetime,
    units: int,
    at: datetime,
) -> None:
    """Take what is given back of a charge off derived budgets, in the window where it
    was recorded.
    """
    for budget in derived:
        if budget.over(at) or recorded_at < budget.starts_at or not budget.spent_units:
            continue
        was = budget.mark_of(wallet.budgets.used_units(budget, at))
        budget.count(-units)
        budget.counted_at = at
        wallet.counted[budget.budget_id] = budget
        now = budget.mark_of(wallet.budgets.used_units(budget, at))
        tell_crossed(wallet, budget, was, now, at)


def remove_budget(wallet: Wallet, budget_id: str, at: datetime) -> None:
    wallet.record(BudgetRemoved(wallet.id, wallet.next_version(), at, budget_id))


def set_event_maximum(
    wallet: Wallet, asset: Asset, maximum_units: int | None, at: datetime
) -> None:
    """Set the most that one event may take; None: no limit. The same again writes nothing."""
    if maximum_units == wallet.budgets.maxima.get(asset.key):
        return
    wallet.account_of(asset, at)
    wallet.record(EventMaximumSet(wallet.id, wallet.next_version(), at, asset.key, maximum_units))


def set_limit(wallet: Wallet, asset: Asset, limit_units: int | None, at: datetime) -> None:
    """Set how far overage may go; None: without limit. The same again writes nothing."""
    account = wallet.accounts.get(asset.key)
    if limit_units == (account.limit_units if account else 0):
        return
    wallet.account_of(asset, at)
    wallet.record(LimitSet(wallet.id, wallet.next_version(), at, asset.key, limit_units))


def set_mode(wallet: Wallet, mode: WalletMode, at: datetime) -> None:
    if mode != wallet.mode:
        wallet.record(ModeChanged(wallet.id, wallet.next_version(), at, mode))


def set_timezone(wallet: Wallet, timezone: str, at: datetime) -> None:
    if timezone != wallet.timezone:
        wallet.record(TimezoneSet(wallet.id, wallet.next_version(), at, timezone))


def freeze(wallet: Wallet, reason: str, at: datetime) -> None:
    if not wallet.frozen:
        wallet.record(WalletFrozen(wallet.id, wallet.next_version(), at, {"reason": reason}))


def unfreeze(wallet: Wallet, at: datetime) -> None:
    if wallet.frozen:
        wallet.record(WalletUnfrozen(wallet.id, wallet.next_version(), at))


def set_alert(wallet: Wallet, asset: Asset, below_units: int | None, at: datetime) -> None:
    """Tell when the balance is below; None: no more. The same again writes nothing."""
    watch = wallet.watches.get(asset.key)
    if below_units == (watch.alert_units if watch is not None else None):
        return
    wallet.account_of(asset, at)
    wallet.record(AlertSet(wallet.id, wallet.next_version(), at, asset.key, below_units))
    look_at(wallet, wallet.watches[asset.key], at, at, asks=False, quoting=no_quotes)


def set_auto_top_up(wallet: Wallet, asset: Asset, terms: TopUpTerms | None, at: datetime) -> None:
    """Buy when the balance is below; None: no more. Asks for nothing yet.

    The same again writes nothing, unless it lifts a suspension.
    """
    watch = wallet.watches.get(asset.key)
    if watch is None and terms is None:
        return
    if watch is not None and watch.terms == terms and not (watch.declines or watch.suspended):
        return
    wallet.account_of(asset, at)
    wallet.record(AutoTopUpSet(wallet.id, wallet.next_version(), at, asset.key, terms))


def resume_auto_top_up(wallet: Wallet, asset: Asset, at: datetime) -> None:
    """Lift a suspension. What is not suspended writes nothing."""
    if wallet.watches[asset.key].suspended:
        wallet.record(AutoTopUpResumed(wallet.id, wallet.next_version(), at, asset.key))
