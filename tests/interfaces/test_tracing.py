"""Traces: what a request, its decision, its commit and the projections did, and for whom."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from application.storage.database import Login
from interfaces import runtime
from interfaces.settings import Settings, SettingsError
from interfaces.tracing import STANDARD_VARIABLES, OpenTelemetryTracing, open_tracing
from tests.scenarios.server import serving, settings_for

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
EXPORTER_MODULE = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector on the loopback: its address, and what it was sent."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_request_its_decision_its_commit_and_the_projections_are_spans(
    database: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(runtime, "open_tracing", lambda _: OpenTelemetryTracing(exporter))
    with serving(settings_for(database, tmp_path)) as (client, _):
        client.customer()
        # when
        client.http.post(
            "/graphql",
            json={"query": 'mutation { freezeWallet(customerId: "ext:acme", reason: "secret") '
                  "{ __typename } }"},
            headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "mine"},
        )  # fmt: skip
        client.http.get("/secret?secret=1")
        client.await_lists()
    # then
    spans = exporter.get_finished_spans()
    (request,) = [
        each for each in spans if attributes(each).get("counterfoil.request_id") == "mine"
    ]
    assert request.name == "POST /graphql"
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT
    assert attributes(request)["http.response.status_code"] == 200
    inside = [
        each for each in spans if each.parent and each.parent.span_id == request.context.span_id
    ]
    assert [each.name for each in inside] == ["ledger decide", "ledger commit"]
    assert all(attributes(each)["counterfoil.commands"] == 1 for each in inside)
    assert {
        attributes(each)["counterfoil.projection"]
        for each in spans
        if each.name == "projection batch"
    } >= {"balances", "charges", "customers", "statement"}
    assert "GET other" in {each.name for each in spans}
    assert all("secret" not in each.to_json() for each in spans)


def test_a_commit_of_several_requests_is_linked_to_them(
    database: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a writer that is kept waiting until four requests wait
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(runtime, "open_tracing", lambda _: OpenTelemetryTracing(exporter))
    with serving(settings_for(database, tmp_path)) as (client, served):
        client.customer()
        client.grant("g", "10", asset="USD")
        held, waiting = threading.Event(), threading.Event()

        def hold_up(*_: object) -> None:
            waiting.set()
            held.wait(20)

        served.ledger.on_stage.append(hold_up)
        threads = [
            threading.Thread(
                target=client.charge, args=(f"e{number}", "1"), kwargs={"asset": "USD"}
            )
            for number in range(5)
        ]
        # when
        threads[0].start()
        assert waiting.wait(20)
        for thread in threads[1:]:
            thread.start()
        while served.ledger.waiting < 4:
            threading.Event().wait(0.01)
        held.set()
        for thread in threads:
            thread.join()
    # then
    spans = exporter.get_finished_spans()
    (shared,) = [
        each
        for each in spans
        if each.name == "ledger commit" and attributes(each)["counterfoil.commands"] == 4
    ]
    requests = {each.context.span_id for each in spans if each.name == "POST /graphql"}
    assert shared.parent is None
    assert len({link.context.span_id for link in shared.links} & requests) == 4


@pytest.mark.parametrize("variable", [None, *STANDARD_VARIABLES])
def test_a_collector_gets_them_by_otlp(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (address, received):
        # given
        settings = Settings(otlp_endpoint=address if variable is None else None)
        if variable is not None:
            path = "/v1/traces" if "TRACES" in variable else ""
            monkeypatch.setenv(variable, address + path)
        # when
        tracing = open_tracing(settings)
        assert tracing is not None
        tracing.batch("balances", 7, 0.5)
        tracing.close()
    # then
    (resource,) = received[0].resource_spans
    assert {each.key: each.value.string_value for each in resource.resource.attributes}[
        "service.name"
    ] == "counterfoil"
    (span,) = resource.scope_spans[0].spans
    assert span.name == "projection batch"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 500_000_000


def test_none_are_made_where_no_collector_is_named() -> None:
    assert open_tracing(Settings()) is None


def test_without_the_extra_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setitem(sys.modules, EXPORTER_MODULE, None)
    # when
    with pytest.raises(SettingsError) as told:
        open_tracing(Settings(otlp_endpoint="http://collector:4318"))
    # then
    assert str(told.value) == (
        "COUNTERFOIL_OTLP_ENDPOINT: traces need what the extra brings: pip install"
        " 'counterfoil[otel]'"
    )


def test_a_collector_that_is_away_stops_nothing(database: Login, tmp_path: Path) -> None:
    settings = settings_for(database, tmp_path, otlp_endpoint="http://127.0.0.1:9")
    with serving(settings) as (client, _):
        assert httpx.get(f"{client.url}/readyz").status_code == 200
