"""Traces, where a collector is named: requests, deciding, commits, batches of projections.

A span says what was done, to how many, and how long it took; never what a client sent. Commands
of several requests share a commit: its span is a child of the request if there is but one, else
it is linked to them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interfaces.settings import Settings, SettingsError, variable_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

    from application.ledger import Item

STANDARD_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
MOST_LINKS = 64
# A collector that is away shall not keep a server from stopping.
PATIENCE_SECONDS = 2.0
_PATH = "/v1/traces"


class Tracing(Protocol):
    """What is told of the work done."""

    def middleware(self, app: ASGIApp) -> ASGIApp: ...

    def stage(self, stage: str, items: Sequence[Item], seconds: float) -> None: ...

    def batch(self, projection: str, rows: int, seconds: float) -> None: ...

    def close(self) -> None: ...


def open_tracing(settings: Settings) -> Tracing | None:
    """Return what sends traces to the collector of the settings; None where none is named.

    Raises SettingsError where one is named and the extra is not installed.
    """
    standard = next((name for name in STANDARD_VARIABLES if os.environ.get(name)), None)
    if settings.otlp_endpoint is None and standard is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        named = variable_of("otlp_endpoint") if settings.otlp_endpoint else standard
        raise SettingsError(
            [f"{named}: traces need what the extra brings: pip install 'counterfoil[otel]'"]
        ) from None
    if settings.otlp_endpoint is None:
        return OpenTelemetryTracing(OTLPSpanExporter(timeout=PATIENCE_SECONDS))
    address = settings.otlp_endpoint.rstrip("/") + _PATH
    return OpenTelemetryTracing(OTLPSpanExporter(address, timeout=PATIENCE_SECONDS))


class OpenTelemetryTracing:
    """Spans of one process, by a provider of their own. OTEL_* variables set sampling, limits."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        name = os.environ.get("OTEL_SERVICE_NAME", "counterfoil")
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("counterfoil")
        self._requests: dict[str, Span] = {}

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Return the application with a span around each request."""
        return _TracedRequests(app, self)

    def begin_request(self, request_id: str, method: str, headers: Headers) -> Span:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        span = self._tracer.start_span(
            method,
            parent,
            SpanKind.SERVER,
            {"http.request.method": method, "counterfoil.request_id": request_id},
        )
        self._requests[request_id] = span
        return span

    def end_request(
        self, request_id: str, span: Span, method: str, route: str, status: int | None
    ) -> None:
        if self._requests.get(request_id) is span:
            del self._requests[request_id]
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or 500 <= status < 600:
            from opentelemetry.trace import StatusCode

            span.set_status(StatusCode.ERROR)
        span.end()

    def stage(self, stage: str, items: Sequence[Item], seconds: float) -> None:
        """Tell of commands that were decided or committed together."""
        from opentelemetry.trace import Link, set_span_in_context

        ids = dict.fromkeys(caller.request_id for caller, _ in items)
        spans = [self._requests[each] for each in ids if each in self._requests]
        alone = len(ids) == 1 and len(spans) == 1
        self._past(
            f"ledger {stage}",
            seconds,
            {"counterfoil.commands": len(items), "counterfoil.requests": len(ids)},
            context=set_span_in_context(spans[0]) if alone else None,
            links=None if alone else [Link(each.get_span_context()) for each in spans[:MOST_LINKS]],
        )

    def batch(self, projection: str, rows: int, seconds: float) -> None:
        """Tell of a batch that a read model has folded."""
        attributes = {"counterfoil.projection": projection, "counterfoil.events": rows}
        self._past("projection batch", seconds, attributes)

    def _past(self, name: str, seconds: float, attributes: dict[str, Any], **place: Any) -> None:
        ended = time.time_ns()  # noqa: TID251 - a collector wants the world's time
        began = ended - round(seconds * 1e9)
        self._tracer.start_span(name, start_time=began, attributes=attributes, **place).end(ended)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _TracedRequests:
    """Stands inside the request log, which has given the request its id."""

    def __init__(self, app: ASGIApp, tracing: OpenTelemetryTracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        method = state["method"]
        status: int | None = None

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
            elif message["type"] == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        span = self._tracing.begin_request(state["request_id"], method, Headers(scope=scope))
        try:
            await self._app(scope, receive, noting)
        finally:
            self._tracing.end_request(state["request_id"], span, method, state["route"], status)
