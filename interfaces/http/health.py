"""Whether the server is alive, and whether it is of use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from interfaces.http.responses import json_response

PATIENCE_SECONDS = 3.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Readiness:
    """phase: one word, such as ready, recovering, migrating. message: what is going on.

    checks: by subject, what was found: database, migrations, projections and their lag.
    """

    ready: bool
    phase: str
    message: str = ""
    checks: Mapping[str, Any] = field(default_factory=dict)


CheckReadiness = Callable[[], Awaitable[Readiness]]


async def healthz(_request: Request) -> Response:
    """The server runs and answers."""
    return json_response({"status": "ok"})


def readyz(check: CheckReadiness) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        """200 when requests can be served, else 503 and why not."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await check()
        except TimeoutError:
            found = Readiness(
                ready=False, phase="waiting", message="the database does not answer in time"
            )
        except Exception as failure:  # noqa: BLE001 - whatever it is, the answer is no
            _log.warning("not ready", request_id=request.state.request_id, exc_info=failure)
            found = Readiness(
                ready=False, phase="failing", message="the database cannot be asked; see the log"
            )
        body = {"status": found.phase, "message": found.message, "checks": dict(found.checks)}
        return json_response(body, 200 if found.ready else 503)

    return endpoint
