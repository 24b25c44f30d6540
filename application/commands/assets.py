"""How custom assets are defined and priced in currencies."""

from __future__ import annotations

from application.commands.answers import AssetAnswer
from application.commands.requests import DefineAsset, SetExchangeRate
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import difference
from domain.money.asset import CUSTOM_SCALE, AssetDefined, CustomAsset
from domain.money.currencies import EXPONENTS
from domain.money.decimals import canonical
from domain.refusals import IdempotencyConflict, InvalidInput


def define_asset(work: Work, command: DefineAsset) -> AssetAnswer:
    """Define a custom asset. Raises IdempotencyConflict naming what differs."""
    asset_id = identity.asset_id(work.tenant_id, command.key)
    scale = CUSTOM_SCALE if command.scale is None else command.scale
    before = work.stream(CustomAsset, asset_id)
    if before is not None:
        was = {"name": before.asset.name, "scale": before.asset.scale}
        differs = difference(was, {"name": command.name, "scale": scale})
        if differs is not None:
            raise IdempotencyConflict(key=command.key, field=differs)
        return AssetAnswer(command.key)
    defined = AssetDefined(asset_id, 1, work.now, command.key, command.name, scale)
    create(CustomAsset, defined, work.log)
    return AssetAnswer(command.key)


def set_exchange_rate(work: Work, command: SetExchangeRate) -> AssetAnswer:
    """Say what a unit of a custom asset costs. Raises InvalidInput, NotFound.

    The rate that is in force already, said again, writes nothing.
    """
    if command.asset in EXPONENTS:
        raise InvalidInput(field="asset", reason="only custom assets have exchange rates")
    work.asset(command.asset)
    asset = work.required(CustomAsset, identity.asset_id(work.tenant_id, command.asset), "asset")
    at = max(work.now, asset.recorded_at)
    unit_price = canonical(command.unit_price)
    last = asset.rates[-1] if asset.rates else None
    said = command.effective_at or (last.effective_at if last else at)
    if last and (last.currency, last.unit_price, last.effective_at) == (
        command.currency,
        unit_price,
        said,
    ):
        return AssetAnswer(command.asset)
    asset.set_exchange_rate(command.currency, unit_price, command.effective_at or at, at)
    return AssetAnswer(command.asset)
