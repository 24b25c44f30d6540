"""Whether this process can serve: its database, its migrations, its projections."""

from __future__ import annotations

from typing import Any

import psycopg
from anyio import to_thread
from psycopg_pool import PoolTimeout

from interfaces.http.health import CheckReadiness, Readiness
from interfaces.runtime import Runtime


def readiness_of(runtime: Runtime) -> CheckReadiness:
    """Return what `/readyz` asks. Ready: the database answers and no projection has stopped."""

    def look() -> Readiness:
        checks: dict[str, Any] = {}
        try:
            runtime.reader.tenant(runtime.tenant_id)
        except (psycopg.Error, PoolTimeout) as error:
            return Readiness(
                ready=False,
                phase="database",
                message=f"{type(error).__name__}: try again in a moment",
            )
        checks["database"] = "ok"
        health = runtime.engine.health()
        checks["projections"] = {
            each.projection: {
                "position": each.position,
                "behind_events": each.behind_events,
                "behind_seconds": round(each.behind_seconds, 3),
                "stopped": each.stopped is not None,
            }
            for each in health
        }
        stopped = [each.projection for each in health if each.stopped is not None]
        if stopped:
            return Readiness(
                ready=False,
                phase="projections",
                message=f"stopped: {', '.join(stopped)}",
                checks=checks,
            )
        return Readiness(ready=True, phase="ready", checks=checks)

    async def check() -> Readiness:
        return await to_thread.run_sync(look)

    return check
