"""How grants come together as one purchase, and what their credits cost alone."""

from __future__ import annotations

from datetime import datetime

from application.commands.requests import IssueGrant, Money
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.grants.bundle import Bundle, GrantBundled
from domain.grants.events import StandAlonePrice
from domain.money.asset import Asset, CustomAsset
from domain.money.decimals import canonical
from domain.refusals import InvalidInput


def stated_price(money: Money | None) -> StandAlonePrice | None:
    return None if money is None else StandAlonePrice(canonical(money.amount), money.currency)


def share_of(
    work: Work, customer_id: str, command: IssueGrant, asset: Asset, at: datetime
) -> StandAlonePrice | None:
    """Return what a unit of a bundled grant costs alone, in the currency of the purchase.

    What is stated, else the asset's exchange rate; None: the purchase's own unit price, of
    the same asset. Raises InvalidInput where there is no price.
    """
    stated = stated_price(command.stand_alone_price)
    bundle = _bundle(work, customer_id, command)
    purchase = bundle.purchase if bundle is not None else None
    in_currency = command.paid.currency if command.paid is not None else None
    if purchase is not None:
        in_currency = purchase.currency
    if stated is not None:
        if in_currency is not None and stated.currency != in_currency:
            raise InvalidInput(
                field="standAlonePrice.currency", reason=f"the purchase is in {in_currency}"
            )
        return stated
    price = _rate(work, asset, in_currency, at)
    bought = asset.key if command.source == "PAID" else purchase and purchase.asset
    if price is None and bought is not None and bought != asset.key:
        raise InvalidInput(
            field="standAlonePrice",
            reason=f"{asset.key} has no exchange rate in {in_currency}: say what a unit costs",
        )
    if command.source == "PAID" and bundle is not None:
        for member in bundle.members:
            if member.stand_alone is None and member.asset != asset.key:
                raise InvalidInput(
                    field="bundleId", reason=f"{member.asset} in this bundle has no price"
                )
    return price


def join(
    work: Work,
    customer_id: str,
    grant_id: str,
    command: IssueGrant,
    asset: Asset,
    share: StandAlonePrice | None,
    at: datetime,
) -> None:
    """State that a grant belongs to the purchase."""
    assert command.bundle_id is not None
    bundle = _bundle(work, customer_id, command)
    bundled = GrantBundled(
        identity.bundle_id(work.tenant_id, customer_id, command.bundle_id),
        bundle.version + 1 if bundle is not None else 1,
        at,
        command.bundle_id,
        customer_id,
        grant_id,
        command.source,
        asset.key,
        command.paid.currency if command.paid is not None else None,
        share,
    )
    if bundle is None:
        create(Bundle, bundled, work.log)
    else:
        bundle.record(bundled)


def _bundle(work: Work, customer_id: str, command: IssueGrant) -> Bundle | None:
    assert command.bundle_id is not None
    return work.stream(Bundle, identity.bundle_id(work.tenant_id, customer_id, command.bundle_id))


def _rate(
    work: Work, asset: Asset, in_currency: str | None, at: datetime
) -> StandAlonePrice | None:
    if asset.kind == "CURRENCY":
        same = in_currency is None or asset.key == in_currency
        return StandAlonePrice("1", asset.key) if same else None
    custom = work.stream(CustomAsset, identity.asset_id(work.tenant_id, asset.key))
    rate = custom.rate_at(at, in_currency or "") if custom is not None else None
    if rate is None or (in_currency is not None and rate.currency != in_currency):
        return None
    return StandAlonePrice(rate.unit_price, rate.currency)
