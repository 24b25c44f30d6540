"""GET /v1/invoices/{id}.pdf, /v1/credit-notes/{id}.pdf: on paper, by a key or a signed link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from domain.invoicing.credit_note import CreditNote
from domain.invoicing.invoice import Invoice
from interfaces.documents.credit_note import credit_note_pdf
from interfaces.documents.invoice import invoice_pdf
from interfaces.documents.pdf import Typesetter
from interfaces.http.asker import Unauthenticated
from interfaces.http.errors import error_body
from interfaces.http.presented import not_let_in, tenant_of
from interfaces.http.responses import json_response
from interfaces.keys.keyring import Keyring
from interfaces.keys.links import LinkRefused

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

INVOICE = "/v1/invoices/{document_id}.pdf"
CREDIT_NOTE = "/v1/credit-notes/{document_id}.pdf"


class Pdfs:
    def __init__(self, runtime: Runtime, keyring: Keyring) -> None:
        self._runtime = runtime
        self._keyring = keyring
        self._typesetter = Typesetter()

    async def invoice(self, request: Request) -> Response:
        return await self._serve(request, self._runtime.reader.invoices, "no such invoice")

    async def credit_note(self, request: Request) -> Response:
        return await self._serve(request, self._runtime.reader.credit_notes, "no such credit note")

    async def _serve(
        self,
        request: Request,
        find: Callable[[str, Sequence[str]], Mapping[str, Invoice | CreditNote]],
        missing: str,
    ) -> Response:
        runtime = self._runtime
        try:
            tenant_id = tenant_of(request, self._keyring, runtime.links, runtime.clock.now())
        except (Unauthenticated, LinkRefused) as refusal:
            return not_let_in(refusal)
        document_id = request.path_params["document_id"].lower()
        found = await to_thread.run_sync(find, tenant_id, [document_id])
        document = found.get(document_id)
        if document is None:
            return json_response(error_body("NOT_FOUND", missing), 404)
        body = await to_thread.run_sync(self._typeset, document)
        headers = {
            "Content-Disposition": f'inline; filename="{document.issued.number}.pdf"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, 200, headers, "application/pdf")

    def _typeset(self, document: Invoice | CreditNote) -> bytes:
        if isinstance(document, CreditNote):
            return credit_note_pdf(self._typesetter, document)
        return invoice_pdf(self._typesetter, document)
