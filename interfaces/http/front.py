"""The ledger's own front: the GraphQL schema of the ledger behind the web application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Lifespan

from application.caller import Caller
from interfaces.graphql.context import RequestContext
from interfaces.graphql.view import run, schema
from interfaces.http import document_pdf, export_file, metrics_page, usage_ingest
from interfaces.http.app import create_app
from interfaces.http.asker import Asker
from interfaces.http.document_pdf import Pdfs
from interfaces.http.export_file import ExportedFile
from interfaces.http.gate import Gate, Passage
from interfaces.http.health import CheckReadiness
from interfaces.http.operations import Operations
from interfaces.http.usage_ingest import UsageEndpoint
from interfaces.keys.keyring import Keyring

if TYPE_CHECKING:
    from interfaces.runtime import Runtime


def ledger_app(
    runtime: Runtime,
    keyring: Keyring,
    check_readiness: CheckReadiness,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Return the application that serves `runtime`.

    lifespan: opens the runtime, if the caller has not, and closes it after the last request.
    """

    def context(asker: Asker, passage: Passage) -> RequestContext:
        identity = asker.identity
        return RequestContext(
            runtime=runtime,
            caller=Caller(identity.tenant_id, identity.name, asker.request_id),
            scopes=frozenset(identity.scopes),
            gate=passage,
            min_position=asker.min_position,
        )

    operations = Operations(
        run=run,
        stream=schema.stream,
        make_context=context,
        gate=Gate(schema._schema),  # noqa: SLF001 - strawberry has no public way to it
    )
    pdfs = Pdfs(runtime, keyring)
    return create_app(
        operations,
        keyring,
        check_readiness,
        lifespan=lifespan,
        more_routes=[
            Route(usage_ingest.PATH, UsageEndpoint(runtime, keyring)),
            Route(document_pdf.INVOICE, pdfs.invoice, methods=["GET"]),
            Route(document_pdf.CREDIT_NOTE, pdfs.credit_note, methods=["GET"]),
            Route(export_file.ROUTE, ExportedFile(runtime, keyring).serve, methods=["GET"]),
            metrics_route(runtime),
        ],
        observe=runtime.metrics.observe_request,
        around=runtime.tracing.middleware if runtime.tracing is not None else None,
    )


def metrics_route(runtime: Runtime) -> Route:
    """Return where this process tells its figures."""
    page = metrics_page.metrics_page(runtime.metrics.exposition, runtime.settings.metrics_key)
    return Route(metrics_page.PATH, page, methods=["GET"])
