"""Bad input through the server: each is named, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from tests.scenarios.conftest import START
from tests.scenarios.server import GRANT, RECORD, Client, serving, settings_for

pytestmark = pytest.mark.storage

EVENTS = "{ events(first: 1) { nodes { position } } }"


@pytest.fixture(scope="module")
def shared(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for the table: nothing in it may be written."""
    directory: Path = tmp_path_factory.mktemp("bad-input")
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE bad_input")
    login = Login(dict(postgres.conninfo("bad_input")))
    with serving(settings_for(login, directory, sandbox=True, test_clock=START)) as (client, _):
        client.define_credit()
        client.customer()
        client.grant("A", "100")
        yield client
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute("DROP DATABASE bad_input WITH (FORCE)")
        for role in ("owner", "log", "app", "proj"):
            connection.execute(f"DROP ROLE IF EXISTS bad_input_{role}")


@pytest.fixture
def unchanged(shared: Client) -> Iterator[Client]:
    before = shared.ask(EVENTS)
    yield shared
    assert shared.ask(EVENTS) == before


USAGE = [
    ({"amount": "-1"}, "INVALID_INPUT", "amount"),
    ({"amount": "0.0000001"}, "INVALID_INPUT", "amount"),
    ({"amount": "1000000000000001"}, "INVALID_INPUT", "amount"),
    ({"amount": "1E+1000000"}, "INVALID_INPUT", "amount"),
    ({"amount": "NaN"}, "INVALID_INPUT", "amount"),
    ({"amount": "1_000"}, "INVALID_INPUT", "amount"),
    ({"amount": "١٢"}, "INVALID_INPUT", "amount"),
    ({"amount": "+5"}, "INVALID_INPUT", "amount"),
    ({"amount": "5."}, "INVALID_INPUT", "amount"),
    ({"amount": ""}, "INVALID_INPUT", "amount"),
    ({"amount": None}, "INVALID_INPUT", "amount"),
    ({"asset": None}, "INVALID_INPUT", "asset"),
    ({"asset": "NOPE"}, "NOT_FOUND", "asset"),
    ({"customerId": "ext:nobody"}, "NOT_FOUND", "customer"),
    ({"customerId": "nobody"}, "NOT_FOUND", "customer"),
    ({"quantity": "-1"}, "INVALID_INPUT", "quantity"),
    ({"cost": {"amount": "-1", "currency": "USD"}}, "INVALID_INPUT", "cost.amount"),
    ({"cost": {"amount": "1", "currency": "NOPE"}}, "NOT_FOUND", "currency"),
    ({"occurredAt": "2026-01-10T10:00:00"}, "INVALID_INPUT", "occurredAt"),
    ({"occurredAt": "2026-01-10T10:05:01Z"}, "INVALID_INPUT", "occurredAt"),
    ({"occurredAt": "2025-12-06T09:59:59Z"}, "INVALID_INPUT", "occurredAt"),
    ({"occurredAt": "yesterday"}, "INVALID_INPUT", "occurredAt"),
    ({"notAfter": "2026-01-10T09:00:00Z"}, "INVALID_STATE", "PAST_NOT_AFTER"),
    ({"eventId": ""}, "INVALID_INPUT", "eventId"),
    ({"eventId": "x" * 201}, "INVALID_INPUT", "eventId"),
    ({"eventId": "a\u0000b"}, "INVALID_INPUT", "eventId"),
    ({"source": "counterfoil:mine"}, "INVALID_INPUT", "source"),
    ({"meter": "adjustment"}, "INVALID_INPUT", "meter"),
    ({"meter": "counterfoil:x"}, "INVALID_INPUT", "meter"),
    ({"subject": "a//b"}, "INVALID_INPUT", "subject"),
    ({"properties": [1]}, "INVALID_INPUT", "properties"),
    ({"properties": {"text": "x" * 17_000}}, "INVALID_INPUT", "properties"),
    ({"properties": {"text": "\u0001"}}, "INVALID_INPUT", "properties"),
]


@pytest.mark.parametrize("change, code, named", USAGE, ids=lambda value: str(value)[:40])
def test_usage(unchanged: Client, change: dict[str, Any], code: str, named: str) -> None:
    report = {
        "eventId": "e1",
        "customerId": "ext:acme",
        "meter": "tokens",
        "amount": "1",
        "asset": "CREDIT",
        **change,
    }
    answer = unchanged.answer(RECORD, input=report)
    assert answer["code"] == code
    assert answer.get("field", answer.get("what", answer.get("state"))) == named


GRANTS = [
    ({"amount": "0"}, "amount"),
    ({"amount": "-5"}, "amount"),
    ({"paid": None}, "paid"),
    ({"paid": {"amount": "-1", "currency": "USD"}}, "paid.amount"),
    ({"paid": {"amount": "0.0000000001", "currency": "USD"}}, "paid.amount"),
    ({"source": "PROMOTIONAL"}, "paid"),
    ({"expiresAt": "2026-01-10T10:00:00Z"}, "expiresAt"),
    (
        {"effectiveAt": "2026-02-01T00:00:00Z", "expiresAt": "2026-01-31T00:00:00Z"},
        "expiresAt",
    ),
    ({"priority": 101}, "priority"),
    ({"meters": []}, "meters"),
    ({"reference": "x" * 201}, "reference"),
]


@pytest.mark.parametrize("change, field", GRANTS, ids=lambda value: str(value)[:40])
def test_grants(unchanged: Client, change: dict[str, Any], field: str) -> None:
    given = {
        "idempotencyKey": "B",
        "customerId": "ext:acme",
        "asset": "CREDIT",
        "amount": "5",
        "paid": {"amount": "1", "currency": "USD"},
        **change,
    }
    answer = unchanged.answer(GRANT, input=given)
    assert (answer["code"], answer["field"]) == ("INVALID_INPUT", field)


@pytest.mark.parametrize(
    "mutation, what",
    [
        ('voidGrant(id: "nope", reason: "r")', "grant"),
        ('refundGrant(id: "0b5d6b0a-0000-0000-0000-000000000000", reason: "r")', "grant"),
        ('releaseHold(holdId: "nope")', "hold"),
        ('captureUsage(holdId: "nope")', "hold"),
        ('refundCharge(chargeId: "nope", reason: "r", idempotencyKey: "k")', "charge"),
        ('freezeWallet(customerId: "ext:nobody", reason: "r")', "customer"),
    ],
)
def test_unknown_things(unchanged: Client, mutation: str, what: str) -> None:
    answer = unchanged.ask(f"mutation {{ answer: {mutation} {{ ... on NotFound {{ what }} }} }}")
    assert answer["answer"] == {"what": what}


def test_a_limit_must_be_said(unchanged: Client) -> None:
    answer = unchanged.ask(
        'mutation { setOverageLimit(customerId: "ext:acme", asset: "CREDIT")'
        " { ... on InvalidInput { field } } }"
    )
    assert answer["setOverageLimit"] == {"field": "limit"}


@pytest.mark.parametrize("number", ["1", "1.5", "true"])
def test_an_amount_is_a_string(unchanged: Client, number: str) -> None:
    body = json.dumps({"query": RECORD, "variables": {"input": {
        "eventId": "e1", "customerId": "ext:acme", "meter": "m", "asset": "USD", "amount": "?",
    }}}).replace('"?"', number)  # fmt: skip
    answer = unchanged.http.post(
        "/graphql", content=body, headers={"content-type": "application/json"}
    ).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 400),
        (b"null", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"query": "\xff"}', 400),
        (b'{"query": "{ now }", "variables": NaN}', 400),
        (b'[{"query": "{ now }"}]', 400),
        (b'{"query": "' + b"x" * 10_000_000 + b'"}', 413),
    ],
)
def test_bodies(unchanged: Client, body: bytes, status: int) -> None:
    answer = unchanged.http.post(
        "/graphql", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status


def test_a_batch_too_large(unchanged: Client) -> None:
    events = ",".join(
        f'{{eventId: "{number}", customerId: "c", meter: "m"}}' for number in range(1_001)
    )
    body = f"mutation {{ recordUsageBatch(events: [{events}]) {{ __typename }} }}"
    answer = unchanged.http.post("/graphql", json={"query": body}).json()
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    many = [{"eventId": str(number), "customerId": "c", "meter": "m"} for number in range(1_001)]
    query = "mutation ($e: [UsageEventInput!]!) { recordUsageBatch(events: $e) { __typename } }"
    answer = unchanged.http.post("/graphql", json={"query": query, "variables": {"e": many}}).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("key", [None, "Bearer wrong-key-wrong-key", "Basic abc"])
def test_without_a_key(unchanged: Client, key: str | None) -> None:
    headers = {"Authorization": key} if key else {"Authorization": ""}
    answer = unchanged.http.post("/graphql", json={"query": "{ now }"}, headers=headers)
    assert answer.status_code == 401


def test_bombs(unchanged: Client) -> None:
    fragments = "".join(
        f"fragment f{number} on Query {{ ...f{number + 1} ...f{number + 1} }} "
        for number in range(18)
    )
    bomb = f"{{ ...f0 }} {fragments} fragment f18 on Query {{ now }}"
    aliases = "{ " + " ".join(f"a{number}: now" for number in range(500)) + " }"
    repeated = "{ " + "now " * 900 + "}"
    for query in (bomb, aliases, repeated):
        (error, *_) = unchanged.errors(query)
        assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX", (query[:30], error)
