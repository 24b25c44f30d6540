"""Where units that a charge gives back go: to the grants that paid, or, where those are
dead, to COMPENSATION grants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from application.commands.grants import state_grant
from application.work import Work
from domain import identity
from domain.grants.events import CostBasis, Origin, Paid
from domain.grants.grant import CreditGrant
from domain.grants.terms import ReopenedGrant
from domain.money.asset import Asset
from domain.refusals import InvalidState
from domain.wallet.events import (
    GrantReturn,
    Part,
)
from domain.wallet.wallet import Wallet

REFUND = "refundCharge"


@dataclass(slots=True)
class Returns:
    """Where a refund's units go: back to their grants, some of them only to lapse, some
    to a COMPENSATION grant.
    """

    returned: list[GrantReturn] = field(default_factory=list)
    lapsing: list[str] = field(default_factory=list)
    compensating: list[tuple[CreditGrant, int]] = field(default_factory=list)


def returns_of(
    work: Work,
    wallet: Wallet,
    asset: str,
    charge_id: str,
    returned: tuple[Part, ...],
    compensate: bool,
    at: datetime,
) -> Returns:
    """Decide where each grant's part goes; events of grants follow once all are allowed.

    Raises InvalidState: a part of a voided or refunded grant, without `compensate`.
    """
    live = wallet.accounts[asset].grants
    returns = Returns()
    reopening: list[tuple[CreditGrant, int]] = []
    for grant_id, units in returned:
        open_grant = live.get(grant_id)
        if open_grant is not None and open_grant.status == "ACTIVE":
            returns.returned.append(GrantReturn(grant_id, units, None))
            continue
        grant = work.required(CreditGrant, grant_id, "grant")
        lapses_at = grant.lapses_at
        expired = lapses_at is not None and lapses_at <= at
        if grant.status in ("VOIDED", "REFUNDED") and not compensate:
            raise InvalidState(
                state=grant.status,
                reason=f"grant {grant_id} is {grant.status} and takes nothing back: compensate",
            )
        if grant.status in ("VOIDED", "REFUNDED") or (expired and compensate):
            returns.compensating.append((grant, units))
            reopened = None if open_grant is not None else _known_again(grant)
            returns.returned.append(GrantReturn(grant_id, units, reopened))
            continue
        if expired:
            returns.lapsing.append(grant_id)
        if open_grant is not None:
            returns.returned.append(GrantReturn(grant_id, units, None))
        else:
            reopening.append((grant, units))
    for grant, units in reopening:
        reopened = grant.reopen(charge_id, units, at)
        returns.returned.append(GrantReturn(grant.id, units, reopened))
    return returns


def returns_to_live(wallet: Wallet, asset: str, returned: tuple[Part, ...]) -> Returns:
    """Return what of the parts goes back to live grants, deciding nothing of the others."""
    live = wallet.accounts[asset].grants
    return Returns(
        [
            GrantReturn(grant_id, units, None)
            for grant_id, units in returned
            if grant_id in live and live[grant_id].status == "ACTIVE"
        ]
    )


def _known_again(grant: CreditGrant) -> ReopenedGrant:
    """Return a dead grant as its wallet must know it to take units through it."""
    return ReopenedGrant(
        terms=grant.terms(),
        burned_units=grant.figures.burned_units,
        expired_units=grant.figures.expired_units,
        revoked_units=grant.figures.revoked_units,
        status="LAPSED" if grant.status in ("EXPIRED", "EXHAUSTED") else grant.status,
        stream_version=grant.version,
    )


def compensate_grant(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    charge_id: str,
    grant: CreditGrant,
    units: int,
    key: str,
    at: datetime,
) -> tuple[str, int, str]:
    """Move units that returned to a dead grant to one that takes its terms; `key` names the
    giving. Answer the dead grant, the units and the COMPENSATION grant.
    """
    compensation_id = identity.derived_id("grant", work.tenant_id, REFUND, key, grant.id)
    after = wallet.revoke(asset.key, grant.id, units, "COMPENSATED", None, at)
    grant.compensate(charge_id, units, compensation_id, after, at)
    issued = grant.issued
    basis = issued.cost_basis
    if issued.paid is not None:
        tax_units = issued.payment.tax_units if issued.payment is not None else 0
        net = Paid(issued.paid.units - tax_units, issued.paid.currency)
        basis = CostBasis(net, issued.amount_units)
    state_grant(
        work,
        wallet,
        asset,
        compensation_id,
        units,
        at,
        origin=Origin("REFUND", charge_id=charge_id, grant_id=grant.id, units=units),
        source="COMPENSATION",
        cost_basis=basis,
        priority=issued.priority,
        meters=issued.meters,
    )
    return (grant.id, units, compensation_id)
