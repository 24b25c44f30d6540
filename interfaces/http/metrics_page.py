"""GET /metrics: figures of this ledger's processes, for Prometheus.

They name no tenant, customer, key or id, but tell the total volume; with a key in the settings
only whoever sends it may read them.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from interfaces.http.errors import error_body
from interfaces.http.responses import unauthenticated

PATH = "/metrics"


def metrics_page(
    exposition: Callable[[], bytes], key: SecretStr | None
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint. exposition: blocks; key: what readers have to send, if any."""
    wanted = None if key is None else f"Bearer {key.get_secret_value()}".encode()

    async def endpoint(request: Request) -> Response:
        if wanted is not None:
            sent = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(sent, wanted):
                told = "a key is needed: Authorization: Bearer <COUNTERFOIL_METRICS_KEY>"
                return unauthenticated(error_body("UNAUTHENTICATED", told))
        text = await to_thread.run_sync(exposition)
        return Response(
            text, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_LATEST}
        )

    return endpoint
