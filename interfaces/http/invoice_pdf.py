"""GET /v1/invoices/{id}.pdf: an invoice on paper, with a key or by a signed link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from interfaces.documents.invoice import invoice_pdf
from interfaces.documents.pdf import Typesetter
from interfaces.http.asker import Unauthenticated
from interfaces.http.errors import error_body
from interfaces.http.presented import tenant_of
from interfaces.http.responses import json_response, unauthenticated
from interfaces.keys.keyring import Keyring
from interfaces.keys.links import LinkRefused

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

PATH = "/v1/invoices/{invoice_id}.pdf"


class InvoicePdf:
    def __init__(self, runtime: Runtime, keyring: Keyring) -> None:
        self._runtime = runtime
        self._keyring = keyring
        self._typesetter = Typesetter()

    async def serve(self, request: Request) -> Response:
        runtime = self._runtime
        try:
            tenant_id = tenant_of(request, self._keyring, runtime.links, runtime.clock.now())
        except Unauthenticated as refusal:
            return unauthenticated(error_body("UNAUTHENTICATED", str(refusal)))
        except LinkRefused as refusal:
            return json_response(error_body("FORBIDDEN", str(refusal)), 403)
        invoice_id = request.path_params["invoice_id"].lower()
        found = await to_thread.run_sync(runtime.reader.invoices, tenant_id, [invoice_id])
        invoice = found.get(invoice_id)
        if invoice is None:
            return json_response(error_body("NOT_FOUND", "no such invoice"), 404)
        body = await to_thread.run_sync(invoice_pdf, self._typesetter, invoice)
        headers = {
            "Content-Disposition": f'inline; filename="{invoice.issued.number}.pdf"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, 200, headers, "application/pdf")
