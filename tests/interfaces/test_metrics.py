"""What /metrics tells: figures that add up, nothing of any tenant, and only to whoever may."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from application.ledger import Ledger
from application.storage.database import Login
from interfaces.metrics import Metrics, database_families
from interfaces.reference import DOCS
from tests.application.engine import Engine, prepared, running, usage
from tests.processes.commands import eventually
from tests.scenarios.server import Client, serving, settings_for

KEY = "a-key-for-prometheus"

Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def client(database: Login, tmp_path: Path) -> Iterator[Client]:
    with serving(settings_for(database, tmp_path, sandbox=True)) as (client, _):
        client.define_credit()
        client.customer()
        client.grant("g", "10")
        yield client


@pytest.fixture
def engine(database: Login) -> Iterator[Engine]:
    with running(prepared(database)) as engine:
        yield engine


def metrics_of(url: str, **headers: str) -> Samples:
    """Return samples by name and the values of their labels, in order of the labels' names."""
    answer = httpx.get(f"{url}/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_charges_are_counted_by_outcome_whatever_the_door(client: Client) -> None:
    # given
    usage = {"customer": "acme", "meter": "tokens", "asset": "CREDIT"}
    # when
    client.charge("e1", "1")
    client.charge("e1", "1")
    client.charge("e2", "100")
    client.http.post(
        "/v1/usage",
        json=[{**usage, "eventId": "e3", "amount": "2"}, {**usage, "eventId": "e4", "amount": "x"}],
    )
    hold = client.authorize("e5", "3")
    client.capture(hold["id"])
    client.await_lists()  # holds_open is a read model's
    # then
    found = metrics_of(client.url)
    charges = {
        labels: value
        for (name, labels), value in found.items()
        if name == "counterfoil_charges_total"
    }
    assert charges == {
        ("record", "settled"): 2,
        ("record", "replayed"): 1,
        ("record", "insufficient_funds"): 1,
        ("record", "invalid_input"): 1,
        ("authorize", "authorized"): 1,
        ("capture", "settled"): 1,
    }
    assert found["counterfoil_ingest_events_total", ("settled",)] == 1
    assert found["counterfoil_ingest_events_total", ("invalid",)] == 1
    assert found["counterfoil_holds_placed_total", ()] == 1
    assert found["counterfoil_holds_open", ()] == 0
    # one commit each: asset, customer, grant, two charges, hold, capture
    assert found["counterfoil_commit_commands_count", ()] == 7
    assert found["counterfoil_commit_seconds_count", ()] == 7
    assert found["counterfoil_http_requests_total", ("POST", "/v1/usage", "200")] == 1
    assert found["counterfoil_queue_commands", ()] == 0
    assert found["counterfoil_database_up", ()] == 1
    assert found["counterfoil_wallet_cache_lookups_total", ("hit",)] >= 5


def test_holds_that_lapse_are_counted(client: Client) -> None:
    # given
    client.authorize("e1", "3", ttlSeconds=60)
    now = client.ask("{ now }")["now"]
    assert metrics_of(client.url)["counterfoil_holds_lapsed_total", ()] == 0
    # when
    client.advance(re.sub(r"^\d{4}", "2099", now))
    # then
    assert metrics_of(client.url)["counterfoil_holds_lapsed_total", ()] == 1


def test_read_models_tell_how_far_they_are(client: Client) -> None:
    # given
    client.charge("e1", "1")
    client.await_lists()
    # then
    found = metrics_of(client.url)
    for name in ("balances", "charges", "customers", "statement"):
        assert found["counterfoil_projection_lag_events", (name,)] == 0
        assert found["counterfoil_projection_lag_seconds", (name,)] == 0
        assert found["counterfoil_projection_stopped", (name,)] == 0
        assert found["counterfoil_projection_position", (name,)] > 0


def test_what_waits_shows_while_the_writer_stands(engine: Engine) -> None:
    # given a writer that has not begun
    engine.funded("10")
    ledger, metrics = Ledger(engine.recorder, engine.clock), Metrics()
    metrics.watch_writer(ledger)
    sent = threading.Thread(target=ledger.execute, args=(engine.caller, [usage("e1"), usage("e2")]))
    # when
    sent.start()
    eventually(lambda: ledger.waiting == 2, "both wait")
    # then
    assert "counterfoil_queue_commands 2.0" in metrics.exposition().decode()
    ledger.start()
    sent.join()
    ledger.stop()
    assert "counterfoil_queue_commands 0.0" in metrics.exposition().decode()
    assert re.search(
        r"^counterfoil_wallet_cache_bytes [1-9]", metrics.exposition().decode(), re.MULTILINE
    )


def test_nothing_of_a_tenant_is_told(client: Client) -> None:
    # given
    client.http.get("/seCret-path?customer=acme")
    client.http.request("ACME", "/graphql")
    client.charge("secret-event", "1", meter="secret-meter", subject="secret-subject")
    # when
    text = httpx.get(f"{client.url}/metrics").text.lower()
    # then
    assert [word for word in ("secret", "acme", client.key, "credit") if word in text] == []


def test_with_a_key_in_the_settings_only_whoever_sends_it_may_read(
    database: Login, tmp_path: Path
) -> None:
    settings = settings_for(database, tmp_path, metrics_key=SecretStr(KEY))
    with serving(settings) as (client, _):
        # when
        nobody = httpx.get(f"{client.url}/metrics")
        admin = client.http.get("/metrics")
        # then
        assert (nobody.status_code, admin.status_code) == (401, 401)
        assert "counterfoil_" not in nobody.text
        assert metrics_of(client.url, Authorization=f"Bearer {KEY}")


def test_every_metric_is_in_the_docs() -> None:
    # given
    families = [*Metrics().registry.collect(), *database_families()]
    documented = set(re.findall(r"^\| `(counterfoil_[a-z_]+)", _operations(), re.MULTILINE))
    # then
    found = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in families
    }
    assert documented == found


def _operations() -> str:
    return (DOCS / "operations.md").read_text("utf-8")
