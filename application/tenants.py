"""How a tenant comes to be."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from application.codec import EventCodec, topic_of
from application.storage.recorder import AlreadyRecorded, LedgerRecorder, Rows
from domain.identity import tenant_id
from domain.tenancy.tenant import TenantOpened


def open_tenant(
    recorder: LedgerRecorder, key: str, at: datetime, clock_at: datetime | None = None
) -> str:
    """Open a tenant, if it is not open yet; answer its id.

    clock_at: where a sandbox's test clock starts; None: a real clock.
    """
    opened = TenantOpened(tenant_id(key), 1, clock_at or at, key, clock_at)
    rows = Rows(
        tenants=[opened.originator_id],
        originators=[opened.originator_id],
        versions=[1],
        topics=[topic_of(opened)],
        states=[EventCodec().encode(opened)],
        recorded_at=[opened.timestamp],
        actors=["counterfoil"],
        request_ids=[""],
    )
    with suppress(AlreadyRecorded):
        recorder.append(rows)
    return opened.originator_id
