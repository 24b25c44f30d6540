"""Whether read models keep up, and which of them stands still and why."""

from __future__ import annotations

from datetime import datetime

import strawberry
from anyio import to_thread

from interfaces.graphql.context import Info
from interfaces.graphql.fields import field
from interfaces.graphql.scalars import ExactDecimal, Long
from projections import engine

MODELS = ("balances",)


@strawberry.type(description="How far a read model has come in the log, which has gaps.")
class ProjectionHealth:
    name: str
    position: Long
    lag: Long = strawberry.field(description="At most so many events are left to fold.")
    lag_seconds: ExactDecimal = strawberry.field(
        description="For how long something has been left to fold, as this server has seen it."
    )
    stopped_at: Long | None = strawberry.field(
        description="Position of the event that it cannot fold; the others go on."
    )
    stopped_because: str | None


@strawberry.type(description="How the ledger is.")
class Health:
    position: Long
    projections: list[ProjectionHealth]
    open_holds: int
    oldest_hold_at: datetime | None


@strawberry.type
class HealthQueries:
    @field("How far read models have come, and what is on hold.")
    async def health(self, info: Info) -> Health:
        context = info.context
        runtime, tenant_id = context.runtime, context.caller.tenant_id
        await context.wait_for_lists(None, MODELS)
        newest = await to_thread.run_sync(lambda: runtime.reader.events(tenant_id, limit=1))
        found = await to_thread.run_sync(runtime.engine.health)
        holds = await to_thread.run_sync(runtime.read_models.open_holds, tenant_id)
        return Health(
            position=Long(newest[0].position if newest else 0),
            projections=[_health_of(each) for each in found],
            open_holds=holds.count,
            oldest_hold_at=holds.oldest_at,
        )


def _health_of(health: engine.Health) -> ProjectionHealth:
    stopped = health.stopped
    return ProjectionHealth(
        name=health.projection,
        position=Long(health.position),
        lag=Long(health.behind_events),
        lag_seconds=ExactDecimal(f"{health.behind_seconds:.3f}"),
        stopped_at=None if stopped is None else Long(stopped.position),
        stopped_because=None
        if stopped is None
        else f"{stopped.topic}: {stopped.because}; {stopped.remedy}",
    )
