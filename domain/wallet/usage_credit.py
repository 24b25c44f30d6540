"""A charge below zero: a cycle costs less than was taken, and the difference goes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from domain.money.asset import Asset
from domain.wallet.budgets import BudgetCount
from domain.wallet.derived_budgets import DerivedBudget
from domain.wallet.events import GrantReturn, Range, UsageCredited
from domain.wallet.totals import RatedMove

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet


def credit_usage(
    wallet: Wallet,
    asset: Asset,
    charge_id: str,
    meter: str,
    units: int,
    forgiven: tuple[Range, ...],
    returned: Iterable[GrantReturn],
    rated: RatedMove,
    at: datetime,
    *,
    subject: str | None,
    derived: Sequence[DerivedBudget],
) -> tuple[str, ...]:
    """Give `units` back; lower what budgets have counted, and return their ids. What went to
    a dead grant is moved off it by the caller.
    """
    limits = wallet.limits(asset.key, subject, derived, at)
    counts: tuple[BudgetCount, ...] = limits.changes(-units) if limits is not None else ()
    wallet.record(
        UsageCredited(
            wallet.id,
            wallet.next_version(),
            at,
            asset.key,
            charge_id,
            meter,
            units,
            forgiven,
            tuple(returned),
            counts,
            rated.stated(),
        )
    )
    if limits is not None:
        limits.tell_crossed()
    wallet.tell_returned(asset.key, at)
    return limits.ids if limits is not None else ()
