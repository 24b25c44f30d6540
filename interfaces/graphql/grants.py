"""Credit grants: terms from their own stream, figures from the wallet while they live."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from domain.grants.events import Figures
from domain.grants.grant import CreditGrant as Grant
from domain.money.currencies import CURRENCY_SCALE
from domain.money.rounding import divide_half_even
from domain.revenue.schedule import ScheduleRow
from domain.wallet.burndown import OpenGrant, burn_order
from domain.wallet.wallet import Wallet
from interfaces.graphql.assets import Money, money_of
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.journal import money
from interfaces.graphql.nodes import Node
from interfaces.graphql.scalars import ExactDecimal, exact
from interfaces.graphql.schedule_rows import RevenueScheduleRow, schedule_row_of

UNIT_COST_SCALE = 18


@strawberry.enum
class GrantSource(Enum):
    PAID = "PAID"
    PROMOTIONAL = "PROMOTIONAL"
    INCLUDED = "INCLUDED"
    COMMITMENT = "COMMITMENT"
    ADJUSTMENT = "ADJUSTMENT"
    COMPENSATION = "COMPENSATION"


@strawberry.enum
class GrantStatus(Enum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    EXHAUSTED = "EXHAUSTED"
    EXPIRED = "EXPIRED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"


@strawberry.enum
class GrantPayment(Enum):
    """Received; due, whatever happens; or on an invoice that may still be cancelled."""

    RECEIVED = "RECEIVED"
    DUE = "DUE"
    CANCELLABLE = "CANCELLABLE"


@strawberry.enum
class Recognition(Enum):
    ON_USAGE = "ON_USAGE"
    RATABLE = "RATABLE"
    NONE = "NONE"


@strawberry.type
class CreditGrant(Node):
    """An amount of an asset in an account: remaining = amount - burned - expired - revoked."""

    customer_id: strawberry.ID
    asset: str
    source: GrantSource
    status: GrantStatus
    amount: ExactDecimal
    remaining: ExactDecimal
    burned: ExactDecimal
    expired: ExactDecimal
    revoked: ExactDecimal
    paid: Money | None
    unit_cost: ExactDecimal | None
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    recognition: Recognition
    meters: list[str] | None
    reference: str | None
    metadata: JSON
    issued_at: datetime
    replayed: bool
    refundable: ExactDecimal = strawberry.field(
        description="Credits that refundGrant would revoke now: unburned and not held."
    )
    tax: ExactDecimal = strawberry.field(description="The part of `paid` that is tax.")

    @field("Revenue to date, breakage not included, in the currency paid.")
    async def recognized(self, info: Info) -> ExactDecimal:
        return _summed(await self._schedule(info), lambda row: row.recognized)

    @field("Revenue to date from credits that will not be used.")
    async def breakage(self, info: Info) -> ExactDecimal:
        return _summed(await self._schedule(info), lambda row: row.breakage)

    @field("What the journal still has as contract liability.")
    async def liability(self, info: Info) -> ExactDecimal:
        return _summed((await self._schedule(info))[-1:], lambda row: row.remaining)

    @field("What was paid and what became of it, by month.")
    async def schedule(self, info: Info) -> list[RevenueScheduleRow]:
        return [schedule_row_of(row) for row in await self._schedule(info)]

    async def _schedule(self, info: Info) -> list[ScheduleRow]:
        return await info.context.finance.schedules.load(str(self.id))


def _summed(rows: Sequence[ScheduleRow], figure: Callable[[ScheduleRow], int]) -> ExactDecimal:
    return money(sum(map(figure, rows)), rows[0].currency) if rows else ExactDecimal("0")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a grant stands at a time. Units of its asset."""

    status: GrantStatus
    figures: Figures
    free_units: int
    expires_at: datetime | None


def standing(grant: Grant, wallet: Wallet | None) -> Standing:
    """Return how a grant stands in its wallet, what has fallen due there included.

    Once the wallet has let the grant go its own stream tells, followed by what fell due
    and is not written yet.
    """
    kept = _kept(grant, wallet)
    if kept is None:
        ended = _ended(grant, wallet)
        return Standing(GrantStatus(ended.status), ended.figures, 0, ended.expires_at)
    live = kept.status in ("PENDING", "ACTIVE")
    return Standing(
        # It expired, but a hold still pins a part of it.
        GrantStatus.ACTIVE if kept.status == "LAPSED" else GrantStatus(kept.status),
        Figures(kept.burned_units, kept.expired_units, kept.revoked_units),
        kept.free_units if live else 0,
        kept.terms.expires_at,
    )


def _unknown_to(wallet: Wallet | None, grant: Grant) -> bool:
    """Whether a live grant is not in its wallet: one was read before it began or ended."""
    stands = standing(grant, wallet)
    live = stands.status in (GrantStatus.PENDING, GrantStatus.ACTIVE)
    return live and _kept(grant, wallet) is None


def _kept(grant: Grant, wallet: Wallet | None) -> OpenGrant | None:
    account = wallet.accounts.get(grant.issued.asset) if wallet is not None else None
    return account.grants.get(grant.id) if account is not None else None


def _ended(grant: Grant, wallet: Wallet | None) -> Grant:
    if wallet is None:
        return grant
    ended = copy(grant)
    for event in wallet.pending_events:
        if event.originator_id == grant.id and event.originator_version > grant.version:
            event.apply(ended)
    return ended


def unit_cost(grant: Grant, scale: int) -> ExactDecimal | None:
    """Return what one whole unit cost, of the currency paid; half-even to 18 places.

    Of a COMPENSATION grant: what the grant that it stands in for had cost.
    """
    issued = grant.issued
    paid, bought_units = issued.paid, issued.amount_units
    if paid is None and issued.cost_basis is not None:
        paid, bought_units = issued.cost_basis.paid, issued.cost_basis.for_units
    if paid is None:
        return None
    return exact(
        divide_half_even(
            paid.units * 10 ** (scale + UNIT_COST_SCALE), bought_units * 10**CURRENCY_SCALE
        ),
        UNIT_COST_SCALE,
    )


def grant_of(grant: Grant, wallet: Wallet | None, scale: int, *, replayed: bool) -> CreditGrant:
    """Return a grant as the API shows it."""
    issued = grant.issued
    stands = standing(grant, wallet)
    figures = stands.figures
    remaining_units = (
        issued.amount_units - figures.burned_units - figures.expired_units - figures.revoked_units
    )
    refundable_units = stands.free_units if issued.source == "PAID" else 0
    return CreditGrant(
        id=strawberry.ID(grant.id),
        customer_id=strawberry.ID(issued.customer_id),
        asset=issued.asset,
        source=GrantSource(issued.source),
        status=stands.status,
        amount=exact(issued.amount_units, scale),
        remaining=exact(remaining_units, scale),
        burned=exact(figures.burned_units, scale),
        expired=exact(figures.expired_units, scale),
        revoked=exact(figures.revoked_units, scale),
        paid=money_of(issued.paid),
        unit_cost=unit_cost(grant, scale),
        priority=issued.priority,
        effective_at=issued.effective_at,
        expires_at=stands.expires_at,
        recognition=Recognition(issued.recognition),
        meters=None if issued.meters is None else list(issued.meters),
        reference=issued.reference,
        metadata=JSON(issued.private.get("metadata") or {}),
        issued_at=issued.timestamp,
        replayed=replayed,
        refundable=exact(refundable_units, scale),
        tax=exact(issued.payment.tax_units if issued.payment else 0, CURRENCY_SCALE),
    )


async def load_grant(
    context: RequestContext, grant_id: str, *, replayed: bool = False
) -> CreditGrant | None:
    grant = await context.loaders.grants.load(grant_id)
    if grant is None:
        return None
    wallet = await context.loaders.wallets.load(grant.issued.wallet_id)
    if _unknown_to(wallet, grant):
        context.loaders.grants.clear(grant_id)
        grant = await context.loaders.grants.load(grant_id)
        assert grant is not None
    scale = await context.loaders.scale(grant.issued.asset)
    return grant_of(grant, wallet, scale, replayed=replayed)


async def load_grants(
    context: RequestContext,
    ids: Collection[str],
    wallet: Wallet,
    scale: int,
    past: datetime | None,
) -> list[CreditGrant]:
    """Return an account's grants in burn-down order, as they stand in its wallet.

    past: when the wallet stood so; None: it is the latest.
    """
    found = [grant for grant in await context.loaders.grants.load_many(ids) if grant is not None]
    if past is not None:
        then = await gather(*(_as_of(context, grant, wallet, past) for grant in found))
        found = [grant for grant in then if grant is not None]
    found = [grant for grant in found if not _unknown_to(wallet, grant)]
    found.sort(key=lambda grant: burn_order(grant.terms()))
    return [grant_of(grant, wallet, scale, replayed=False) for grant in found]


async def _as_of(
    context: RequestContext, grant: Grant, wallet: Wallet, at: datetime
) -> Grant | None:
    """Return the grant as recorded by then, where neither wallet nor stream tell already."""
    if grant.recorded_at <= at or _kept(grant, wallet) is not None:
        return grant
    if grant.issued.timestamp > at:
        return None
    return await context.loaders.grant_as_of(grant.id, at)
