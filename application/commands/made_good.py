"""Giving overage back that is on an invoice: the invoice stays, credits make it good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from application.commands.accounting import accounting_of
from application.commands.grants import state_grant
from application.work import Work
from domain import identity
from domain.grants.events import CostBasis, Origin, Paid
from domain.money.asset import Asset, CustomAsset, ExchangeRate
from domain.money.exact import exact_value, units_of_exact
from domain.revenue.tenant_books import FIRST_CURRENCY
from domain.wallet import overage
from domain.wallet.events import Range
from domain.wallet.wallet import Wallet

MADE_GOOD = "makeGood"


def make_good(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    charge_id: str,
    occurred_at: datetime,
    invoiced: Sequence[Range],
    key: str,
    at: datetime,
) -> str | None:
    """State the COMPENSATION grant of what a charge gives back of invoiced overage; answer its
    id, None if nothing is. Its basis is what such overage is worth; `key` names the giving.

    Source: ASC 606-10-32-10, 45-2; IFRS 15.55, 106.
    """
    units = overage.length(invoiced)
    if not units:
        return None
    grant_id = identity.derived_id("grant", work.tenant_id, MADE_GOOD, key)
    rate = _rate(work, asset, occurred_at)
    basis = None
    if rate is not None:
        worth = units_of_exact(exact_value(units, asset.scale, rate.unit_price))
        basis = CostBasis(Paid(worth, rate.currency), units)
    state_grant(
        work,
        wallet,
        asset,
        grant_id,
        units,
        at,
        origin=Origin("OVERAGE", charge_id=charge_id, units=units),
        source="COMPENSATION",
        cost_basis=basis,
    )
    return grant_id


def _rate(work: Work, asset: Asset, at: datetime) -> ExchangeRate | None:
    """Return by what overage is valued: in the functional currency, else in its only one."""
    if asset.kind == "CURRENCY":
        return ExchangeRate(asset.key, "1", at)
    accounting = accounting_of(work)
    preferred = accounting.functional_currency if accounting is not None else FIRST_CURRENCY
    custom = work.stream(CustomAsset, identity.asset_id(work.tenant_id, asset.key))
    return custom.rate_at(at, preferred) if custom is not None else None
