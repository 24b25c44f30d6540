"""Prices as the catalogue keeps them, made of what a client said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from application.commands.catalog_requests import (
    CommitmentSaid,
    DraftProductVersion,
    IncludedGrantSaid,
    PriceSaid,
)
from domain.catalog.price import DimensionRow, Price, Tier
from domain.catalog.product import IncludedGrant, VersionTerms
from domain.grants.events import Paid
from domain.money.asset import Asset, currency
from domain.money.decimals import canonical
from domain.refusals import InvalidInput, NotFound

AssetOf = Callable[[str], Asset]
"""Returns an asset by its key. Raises NotFound."""


def scalar(value: Any) -> Any:
    """Return a value that properties are compared with, as the log gives it back."""
    return float(value) if isinstance(value, Decimal) else value


def terms_of(asset_of: AssetOf, command: DraftProductVersion) -> VersionTerms:
    """Raises InvalidInput: an unknown asset, or an amount finer than it."""
    return VersionTerms(
        prices=prices_of(asset_of, command.prices, "prices"),
        includes=included_of(asset_of, command.includes),
        period=command.period,
        trial_days=command.trial_days,
        minimum_commitment=commitment_of(command.minimum_commitment),
    )


def prices_of(asset_of: AssetOf, said: Sequence[PriceSaid], field: str) -> tuple[Price, ...]:
    """Raises InvalidInput naming the asset that is unknown."""
    return tuple(_price(asset_of, each, f"{field}[{place}]") for place, each in enumerate(said))


def included_of(asset_of: AssetOf, said: Sequence[IncludedGrantSaid]) -> tuple[IncludedGrant, ...]:
    """Raises InvalidInput: an unknown asset, or an amount finer than it."""
    return tuple(_included(asset_of, each, f"includes[{place}]") for place, each in enumerate(said))


def commitment_of(said: CommitmentSaid | None) -> Paid | None:
    """Raises InvalidInput: an amount finer than its currency."""
    if said is None:
        return None
    asset = currency(said.currency)
    assert asset is not None
    return Paid(asset.units(said.amount, "minimumCommitment.amount"), asset.key)


def known_asset(asset_of: AssetOf, key: str, field: str) -> Asset:
    """Return an asset that a definition rests upon. Raises InvalidInput."""
    try:
        return asset_of(key)
    except NotFound:
        raise InvalidInput(field=field, reason=f"no asset {key!r}: define it first") from None


def _price(asset_of: AssetOf, said: PriceSaid, field: str) -> Price:
    return Price(
        key=said.key,
        meter=said.meter,
        model=said.model,
        asset=said.asset,
        scale=known_asset(asset_of, said.asset, f"{field}.asset").scale,
        unit_price=_canonical(said.unit_price),
        package_size=_canonical(said.package_size),
        tiers=tuple(
            Tier(_canonical(tier.up_to), canonical(tier.unit_price), canonical(tier.flat_fee))
            for tier in said.tiers
        ),
        per=canonical(said.per),
        rate=_canonical(said.rate),
        fixed_fee=_canonical(said.fixed_fee),
        minimum=_canonical(said.minimum),
        maximum=_canonical(said.maximum),
        free=_canonical(said.free),
        cap=_canonical(said.cap),
        dimensions=said.dimensions,
        rows=tuple(
            DimensionRow(
                tuple(sorted((name, scalar(value)) for name, value in row.match.items())),
                canonical(row.unit_price),
            )
            for row in said.rows
        ),
        in_advance=said.in_advance,
        period=said.period,
    )


def _included(asset_of: AssetOf, said: IncludedGrantSaid, field: str) -> IncludedGrant:
    asset = known_asset(asset_of, said.asset, f"{field}.asset")
    limit_units = None
    if said.rollover_limit is not None:
        limit_units = asset.units(said.rollover_limit, f"{field}.rolloverLimit")
    return IncludedGrant(
        asset=asset.key,
        scale=asset.scale,
        amount_units=asset.units(said.amount, f"{field}.amount"),
        rollover=said.rollover,
        rollover_limit_units=limit_units,
        recognition=said.recognition,
        priority=said.priority,
        period=said.period,
        rollover_times=said.rollover_times,
        per_seat=said.per_seat,
    )


def _canonical(text: str | None) -> str | None:
    return None if text is None else canonical(text)
