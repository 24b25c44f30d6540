"""Which values UNIQUE will ask for, looked up ahead for all events of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from application.batch import Batch
from application.commands.rated_usage import usage_of
from application.commands.requests import AuthorizeUsage, RecordUsage
from domain.rating.rate import Usage, sights
from domain.rating.running_total import TotalKey
from domain.tenancy.tenant import FUTURE_SECONDS


def prefetch_sights(
    batch: Batch, tenant_id: str, events: Iterable[tuple[str, RecordUsage | AuthorizeUsage]]
) -> None:
    """Look the values of (wallet id, event) up, with one query. What is missed is looked up
    when it is asked for.
    """
    types = batch.catalog(tenant_id).unique_types
    if not types:
        return
    now = batch.now(tenant_id)
    earliest = now - timedelta(seconds=batch.tenant(tenant_id).late_window_seconds)
    latest = now + timedelta(seconds=FUTURE_SECONDS)
    wanted: list[tuple[str, TotalKey, str]] = []
    for wallet_id, event in events:
        if event.meter not in types or event.amount is not None:
            continue
        occurred_at = (event.occurred_at if isinstance(event, RecordUsage) else None) or now
        if earliest <= occurred_at <= latest:
            usage = usage_of(event.meter, None, event.properties, occurred_at)
            wanted += _of_event(batch, tenant_id, wallet_id, usage)
    if wanted:
        batch.sightings.prefetch(tenant_id, wanted)


def _of_event(
    batch: Batch, tenant_id: str, wallet_id: str, usage: Usage
) -> Iterable[tuple[str, TotalKey, str]]:
    wallet = batch.wallets.get(wallet_id)
    if wallet is None:
        return ()
    lists = batch.price_lists(tenant_id)
    tariff = lists.tariff_for(wallet.pricing, wallet.months, usage.event_type, usage.occurred_at)
    return [(wallet_id, sight.key, sight.value) for sight in sights(usage, tariff)]
