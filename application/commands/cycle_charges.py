"""The charges of a wallet's cycles, read from the log once where its totals do not tell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from application.work import Work
from domain.tenancy.tenant import FUTURE_SECONDS
from domain.usage.charge import UsageCharge
from domain.wallet.wallet import Wallet

NO_CHARGE = ("AUTHORIZED", "RELEASED")


def charges_since(work: Work, wallet: Wallet, since: datetime) -> list[UsageCharge]:
    """Return the charges of a wallet that may have occurred since, in log order."""
    wallet.seal()
    before = since - timedelta(seconds=FUTURE_SECONDS)
    ids: dict[str, None] = {}
    kept = work.batch.log.rated_since(work.tenant_id, wallet.id, before)
    own = [event for event in work.log if event.originator_id == wallet.id]
    for event in [*kept, *own]:
        ids.update(dict.fromkeys(_charge_ids(event)))
    work.batch.look_up(work.tenant_id, ids)
    found = (UsageCharge.fold(work.batch.known(charge_id)) for charge_id in ids)
    charges = [charge for charge in found if charge is not None]
    for charge in charges:
        charge.write_to(work.log)
    return [charge for charge in charges if charge.status not in NO_CHARGE]


def _charge_ids(event: object) -> Iterable[str]:
    several: tuple[str, ...] | None = getattr(event, "charge_ids", None)
    if several is not None:
        return several
    one: str | None = getattr(event, "charge_id", None)
    return () if one is None else (one,)
