"""Whether this process can serve: its database, its migrations, its projections."""

from __future__ import annotations

from typing import Any

import psycopg
from anyio import to_thread
from psycopg_pool import PoolTimeout

from application.storage.migrate import pending
from interfaces.http.health import CheckReadiness, Readiness
from interfaces.runtime import MIGRATIONS, Runtime
from projections.engine import Health


def readiness_of(runtime: Runtime, *, answers: bool = True) -> CheckReadiness:
    """Return what `/readyz` asks. Ready: the database answers and has this version's tables.

    answers: whether this process answers requests. It goes on doing so where a read model has
    stopped, since no decision depends on one; a process that only folds is then not ready.
    """

    def look() -> Readiness:
        checks: dict[str, Any] = {}
        try:
            runtime.reader.tenant(runtime.tenant_id)
            checks["database"] = "ok"
            with runtime.projection_pool.connection() as connection:
                missing = pending(connection, MIGRATIONS)
            checks["migrations"] = {"pending": missing}
            health = runtime.engine.health()
        except (psycopg.Error, PoolTimeout) as error:
            return Readiness(
                ready=False,
                phase="database",
                message=f"{type(error).__name__}: try again in a moment",
                checks=checks,
            )
        checks["projections"] = {each.projection: _check_of(each) for each in health}
        if missing:
            return Readiness(
                ready=False,
                phase="migrations",
                message=f"the database lacks {', '.join(missing)}: counterfoil migrate",
                checks=checks,
            )
        stopped = [each.stopped for each in health if each.stopped is not None]
        return Readiness(
            ready=answers or not stopped,
            phase="degraded" if stopped else "ready",
            message="; ".join(map(str, stopped)),
            checks=checks,
        )

    async def check() -> Readiness:
        return await to_thread.run_sync(look)

    return check


def _check_of(health: Health) -> dict[str, Any]:
    found: dict[str, Any] = {
        "position": health.position,
        "behind_events": health.behind_events,
        "behind_seconds": round(health.behind_seconds, 3),
        "stopped": health.stopped is not None,
    }
    if health.stopped is not None:
        found |= {
            "stopped_at": health.stopped.position,
            "stopped_topic": health.stopped.topic,
            "stopped_because": health.stopped.because,
            "stopped_since": health.stopped.since.isoformat(),
            "remedy": health.stopped.remedy,
        }
    return found
