"""GET /v1/exports/{name}: an exported file, by a signed link or with a key.

What is asked stands in the query: report, format, fromMonth, toMonth, detail, position. With
`.manifest.json` after the name: what the file is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from domain.refusals import InvalidInput, Overloaded
from interfaces.exports.links import MANIFEST, PATH, SHA256
from interfaces.exports.request import request_of
from interfaces.exports.shelf import Shelf
from interfaces.http.asker import Unauthenticated
from interfaces.http.errors import error_body
from interfaces.http.presented import not_let_in, tenant_of
from interfaces.http.responses import JSON, json_response
from interfaces.keys.keyring import Keyring
from interfaces.keys.links import LinkRefused

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

ROUTE = f"{PATH}{{name}}"


class ExportedFile:
    def __init__(self, runtime: Runtime, keyring: Keyring) -> None:
        self._runtime = runtime
        self._keyring = keyring

    async def serve(self, request: Request) -> Response:
        runtime = self._runtime
        try:
            tenant_id = tenant_of(request, self._keyring, runtime.links, runtime.clock.now())
        except (Unauthenticated, LinkRefused) as refusal:
            return not_let_in(refusal)
        try:
            asked = request_of(request.query_params)
            path, made = await to_thread.run_sync(Shelf(runtime).take, tenant_id, asked)
        except InvalidInput as refusal:
            body = error_body("INVALID_INPUT", str(refusal), field=refusal.field)
            return json_response(body, 400)
        except Overloaded as refusal:
            wait = {"Retry-After": str(-(-refusal.retry_after_ms // 1_000))}
            return json_response(error_body("OVERLOADED", str(refusal)), 503, wait)
        if request.query_params.get(SHA256, made.sha256) != made.sha256:
            told = "this version makes the file otherwise than the one that made the link"
            return json_response(error_body("GONE", f"{told}: export it anew"), 410)
        headers = {
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
            "Counterfoil-Position": str(asked.position),
        }
        if request.path_params["name"].endswith(MANIFEST):
            return Response(made.manifest(asked), 200, headers, JSON)
        return FileResponse(path, headers=headers, media_type=made.media_type, filename=made.name)
