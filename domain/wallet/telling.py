"""Deciding what is told when spending comes to an end of something, and back from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from domain.grants.events import GrantExhausted
from domain.rating.rate import RatedLine
from domain.wallet.burndown import OpenGrant
from domain.wallet.spend_events import Direction, ThresholdCrossed, ThresholdKind

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet


def tell_exhausted(wallet: Wallet, grants: Iterable[OpenGrant], at: datetime) -> None:
    sources: dict[tuple[str, str], None] = {}
    for grant in grants:
        if not grant.remaining_units and grant.status == "ACTIVE":
            wallet.also(
                GrantExhausted(grant.terms.grant_id, grant.stream_version, at, grant.figures)
            )
            sources[grant.terms.asset, grant.terms.source] = None
    for asset, source in sources:
        tell_source(wallet, asset, source, at)


def tell_source(wallet: Wallet, asset: str, source: str, at: datetime) -> None:
    """Tell when the last usable grant of a source is burned; when there is one again."""
    if wallet.postponed is not None:
        wallet.postponed[asset, source] = None
        return
    account = wallet.accounts[asset]
    left = account.has_left(source)
    if left == (source in account.used_up):
        after = None if left else account.next_source()
        direction: Direction = "DOWN" if left else "UP"
        tell_crossing(wallet, "GRANT_SOURCE_EXHAUSTED", direction, asset, 0, at, source, after)


def tell_overage(wallet: Wallet, asset: str, at: datetime) -> None:
    """Tell when overage is owed where none was; when none is owed any more."""
    if wallet.postponed is not None:
        wallet.postponed[asset, None] = None
        return
    account = wallet.accounts[asset]
    if account.in_overage != (account.owed_units > 0):
        direction: Direction = "DOWN" if account.in_overage else "UP"
        tell_crossing(wallet, "FIRST_OVERAGE", direction, asset, account.owed_units, at)


def tell_unpriced(wallet: Wallet, asset: str, lines: Iterable[RatedLine], at: datetime) -> None:
    """Tell when usage of a meter meets no price; when it meets one again."""
    for line in lines:
        if (line.price is None) != (line.meter in wallet.unpriced):
            direction: Direction = "UP" if line.price is None else "DOWN"
            tell_crossing(wallet, "UNPRICED_USAGE", direction, asset, 0, at, line.meter)


def tell_postponed(wallet: Wallet, at: datetime) -> None:
    postponed, wallet.postponed = wallet.postponed, None
    for asset, source in postponed or ():
        if source is None:
            tell_overage(wallet, asset, at)
        else:
            tell_source(wallet, asset, source, at)


def tell_crossing(
    wallet: Wallet,
    kind: ThresholdKind,
    direction: Direction,
    asset: str,
    units: int,
    at: datetime,
    about: str | None = None,
    next_source: str | None = None,
    threshold_units: int = 0,
) -> None:
    """State that a threshold was crossed, and at how many units."""
    wallet.record(
        ThresholdCrossed(
            wallet.id,
            wallet.next_version(),
            at,
            kind,
            direction,
            asset,
            threshold_units,
            units,
            about,
            None,
            next_source,
        )
    )
