"""Usage in bulk, over HTTP."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from tests.scenarios.server import Client

pytestmark = pytest.mark.storage


def send(
    client: Client, body: bytes | list[Any], kind: str = "application/json", **headers: str
) -> httpx.Response:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.http.post("/v1/usage", content=octets, headers={"Content-Type": kind, **headers})


def event(event_id: str, amount: str = "1", **more: Any) -> dict[str, Any]:
    given = {"customer": "acme", "meter": "tokens", "asset": "CREDIT", **more}
    return {"eventId": event_id, "amount": amount, **given}


def outcomes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [result["outcome"] for result in answer.json()["results"]]


def test_each_is_answered_in_its_place(client: Client) -> None:
    # given
    client.grant("A", "10")
    # when
    answer = send(
        client,
        [
            event("a", "5"),
            event("a", "5.00"),
            event("a", "6"),
            event("b", "-1"),
            event("c", "99"),
            {"eventId": "d", "customer": "acme"},
            event("e", 5),  # type: ignore[arg-type]
            event("f", "1", customer="nobody"),
            event("g", "1", more="field"),
            event("h", "2", customer=None, customerId="ext:acme"),
        ],
    )
    # then
    assert outcomes(answer) == [
        "settled", "replayed", "refused", "invalid", "refused",
        "invalid", "invalid", "refused", "invalid", "settled",
    ]  # fmt: skip
    results = answer.json()["results"]
    assert [result["eventId"] for result in results] == list("aaabcdefgh")
    assert results[0] == {
        "eventId": "a",
        "outcome": "settled",
        "chargeId": results[1]["chargeId"],
        "amount": "5",
        "asset": "CREDIT",
        "balance": "5",
    }
    problems = {result["eventId"]: result["problem"] for result in results if "problem" in result}
    assert problems["a"]["field"] == "amount"
    assert problems["b"]["field"] == "amount"
    assert (problems["c"]["required"], problems["c"]["available"]) == ("99", "5")
    assert problems["d"]["field"] == "meter"
    assert problems["e"]["field"] == "amount"
    assert problems["f"]["what"] == "customer"
    assert problems["g"]["field"] == "more"
    assert client.account()["available"] == "3"


def test_lines_and_gzip(client: Client) -> None:
    # given
    client.grant("A", "10000")
    lines = b"\n".join(json.dumps(event(f"e{number}")).encode() for number in range(2_500))
    # when
    answer = send(
        client, gzip.compress(lines), "application/x-ndjson", **{"Content-Encoding": "gzip"}
    )
    # then
    assert outcomes(answer) == ["settled"] * 2_500
    assert client.account()["available"] == "7500"
    again = send(client, lines + b"\n", "application/x-ndjson")
    assert outcomes(again) == ["replayed"] * 2_500
    assert again.json()["results"][7]["chargeId"] == answer.json()["results"][7]["chargeId"]


def test_gzip_of_several_members(client: Client) -> None:
    """As `cat a.gz b.gz` and parallel packers make it: nothing of the second is lost."""
    # given
    client.grant("A", "10")
    several = [json.dumps(event(f"e{number}")).encode() + b"\n" for number in range(3)]
    body = b"".join(gzip.compress(line) for line in several)
    # when
    answer = send(client, body, "application/x-ndjson", **{"Content-Encoding": "gzip"})
    # then
    assert outcomes(answer) == ["settled"] * 3
    cut = send(client, body[:-4], "application/x-ndjson", **{"Content-Encoding": "gzip"})
    assert cut.status_code == 400
    garbage = send(client, body + b"more", "application/x-ndjson", **{"Content-Encoding": "gzip"})
    assert garbage.status_code == 400
    assert client.account()["available"] == "7"


def test_lines_cut_anywhere(client: Client) -> None:
    # given
    client.grant("A", "10")
    body = b"\n\r\n".join(json.dumps(event(f"e{number}")).encode() for number in range(5))
    # when: each octet comes by itself
    answer = client.http.post(
        "/v1/usage",
        content=(body[place : place + 1] for place in range(len(body))),
        headers={"Content-Type": "application/x-ndjson"},
    )
    # then
    assert outcomes(answer) == ["settled"] * 5
    assert client.account()["available"] == "5"


def test_cloud_events(client: Client) -> None:
    # given: no price yet, so a CloudEvent cannot say what it costs
    batch = [
        {
            "specversion": "1.0", "id": "1", "source": "/gateway", "type": "tokens",
            "subject": "acme", "time": "2026-01-10T09:59:00Z", "data": {"tokens": 5},
            "cfsubject": "project-x/agent-7",
        },
        {"specversion": "1.0", "id": "2", "source": "/gateway", "type": "tokens"},
    ]  # fmt: skip
    answer = send(client, batch, "application/cloudevents-batch+json")
    assert outcomes(answer) == ["invalid", "invalid"]
    fields = [result["problem"]["field"] for result in answer.json()["results"]]
    assert fields == ["amount", "subject"]


def test_what_is_not_taken(client: Client) -> None:
    many = [event(str(number)) for number in range(10_001)]
    assert send(client, many).status_code == 413
    assert send(client, b" " * (16 * 1024 * 1024 + 1)).status_code == 413
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    assert send(client, bomb, **{"Content-Encoding": "gzip"}).status_code == 413
    assert send(client, b"[]", **{"Content-Encoding": "br"}).status_code == 415
    assert send(client, b"no gzip", **{"Content-Encoding": "gzip"}).status_code == 400
    assert send(client, b"{}").status_code == 400
    assert send(client, b"[" * 100_000).status_code == 400
    assert send(client, b"[]", "text/plain").status_code == 415
    assert send(client, b"[]", Authorization="Bearer wrong-wrong-wrong").status_code == 401
    assert client.http.get("/v1/usage").status_code == 405
    assert send(client, b"[]").json() == {"results": []}


def test_a_key_that_stands_twice(client: Client) -> None:
    client.grant("A", "10")
    text = json.dumps(event("a", "1")).replace('"amount": "1"', '"amount": "1", "amount": "2"')
    assert outcomes(send(client, f"[{text}]".encode())) == ["invalid"]
    assert client.account()["available"] == "10"
