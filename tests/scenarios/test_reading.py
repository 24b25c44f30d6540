"""What is read back through the server: balances as of a time, statements, lists, the log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from application.storage.database import Login
from tests.scenarios.server import Client, serving, settings_for

pytestmark = pytest.mark.storage


def test_a_wallet_as_of_a_time(client: Client) -> None:
    # given
    client.grant("A", "100", expiresAt="2026-01-12T00:00:00Z")
    client.advance("2026-01-11T00:00:00Z")
    client.charge("e1", "30")
    client.advance("2026-01-13T00:00:00Z")
    # then
    seen = {
        moment: client.ask(
            """query ($at: DateTime) { wallet(customerId: "ext:acme", asOf: $at) {
              account(asset: "CREDIT") { available } } }""",
            at=moment,
        )["wallet"]["account"]["available"]
        for moment in (
            "2026-01-10T10:00:00Z",
            "2026-01-10T23:59:59Z",
            "2026-01-11T00:00:00Z",
            "2026-01-11T23:59:59.999999Z",
            "2026-01-12T00:00:00Z",
        )
    }
    assert list(seen.values()) == ["100", "100", "70", "70", "0"]


def test_a_statement_adds_up(client: Client) -> None:
    # given
    client.grant("A", "100", expiresAt="2026-01-20T00:00:00Z")
    charge = client.charge("e1", "30")
    hold = client.authorize("h1", "20")
    client.capture(hold["id"], "25")
    client.refund(charge["id"], "r1", "10")
    client.authorize("h2", "5")
    client.advance("2026-01-21T00:00:00Z")
    # when
    lines: list[dict[str, Any]] = client.ask(
        """{ statement(customerId: "ext:acme", asset: "CREDIT") {
          nodes { kind change balanceAfter at } } }"""
    )["statement"]["nodes"]
    # then
    told = [(line["kind"], line["change"], line["balanceAfter"]) for line in reversed(lines)]
    assert told == [
        ("GRANT", "100", "100"),
        ("CHARGE", "-30", "70"),
        ("HOLD", "-20", "50"),
        ("RELEASE", "20", "70"),
        ("CHARGE", "-25", "45"),
        ("REFUND", "10", "55"),
        ("HOLD", "-5", "50"),
        ("RELEASE", "5", "55"),
        ("EXPIRY", "-55", "0"),
    ]
    assert lines[0]["at"] == "2026-01-20T00:00:00Z"


def test_series(client: Client) -> None:
    # given
    client.grant("A", "100")
    for day in (11, 12, 13):
        client.advance(f"2026-01-{day}T12:00:00Z")
        for number in range(day - 10):
            client.charge(f"e-{day}-{number}", "2", quantity="1000", subject=f"agent-{number}")
    # when
    usage = client.ask(
        """{ usageSeries(from: "2026-01-11T00:00:00Z", to: "2026-01-14T00:00:00Z", bucket: DAY) {
          at charges quantity amount asset } }"""
    )["usageSeries"]
    balance = client.ask(
        """{ balanceSeries(customerId: "ext:acme", asset: "CREDIT",
          from: "2026-01-11T00:00:00Z", to: "2026-01-14T00:00:00Z", bucket: DAY) { available } }"""
    )["balanceSeries"]
    # then
    assert [(point["charges"], point["quantity"], point["amount"]) for point in usage] == [
        (1, "1000", "2"),
        (2, "2000", "4"),
        (3, "3000", "6"),
    ]
    assert [point["available"] for point in balance] == ["98", "94", "88"]


def test_lists_are_paged_and_show_what_was_acknowledged(client: Client) -> None:
    # given
    client.grant("A", "100")
    for number in range(5):
        client.charge(f"e{number}", "1")
    # when
    seen: list[str] = []
    after: str | None = None
    while True:
        page = client.ask(
            """query ($after: String) { charges(first: 2, after: $after) {
              nodes { eventId } pageInfo { hasNextPage endCursor } } }""",
            after=after,
        )["charges"]
        seen += [node["eventId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    # then
    assert seen == ["e4", "e3", "e2", "e1", "e0"]


def test_a_list_of_one_server_shows_what_another_acknowledged(
    database: Login, tmp_path: Path
) -> None:
    settings = settings_for(database, tmp_path)
    with serving(settings) as (writing, _), serving(settings) as (reading, _):
        # given
        writing.define_credit()
        writing.customer()
        writing.grant("A", "100")
        seen: list[str] = []
        for number in range(20):
            # when
            writing.charge(f"e{number}", "1")
            listed = reading.ask(
                """{ charges(filter: {customerId: "ext:acme"}, first: 1) { nodes { eventId } } }"""
            )["charges"]["nodes"]
            seen += [node["eventId"] for node in listed]
        # then
        assert seen == [f"e{number}" for number in range(20)]


def test_the_log_itself(client: Client) -> None:
    client.grant("A", "100")
    query = """mutation { recordUsage(input: {eventId: "e1", customerId: "ext:acme",
      meter: "tokens", amount: "1", asset: "CREDIT"}) { ... on UsageCharge { id } } }"""
    answer = client.http.post("/graphql", json={"query": query}, headers={"X-Request-Id": "mine-1"})
    charge = answer.json()["data"]["recordUsage"]["id"]
    events = client.ask(
        """{ events(requestId: "mine-1") { nodes { type aggregateId version actor data } } }"""
    )["events"]["nodes"]
    assert [event["type"] for event in events] == ["wallet.usage_debited", "charge.settled"]
    assert events[1]["aggregateId"] == charge
    assert events[1]["data"]["amount_units"] == 1_000_000
    assert answer.headers["Counterfoil-Position"]


def test_wallet_changed(client: Client) -> None:
    async def changes() -> list[str]:
        url = client.url.replace("http", "ws") + "/graphql"
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            key = {"authorization": f"Bearer {client.key}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": key}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            query = """subscription { walletChanged(customerId: "ext:acme") {
              accounts { available } } }"""
            message = {"id": "1", "type": "subscribe", "payload": {"query": query}}
            await socket.send(json.dumps(message))
            seen: list[str] = []
            for step in range(3):
                wallet = json.loads(await asyncio.wait_for(socket.recv(), 10))["payload"]["data"][
                    "walletChanged"
                ]
                seen.append(wallet["accounts"][0]["available"] if wallet["accounts"] else "none")
                if step == 0:
                    await asyncio.to_thread(client.grant, "A", "100")
                elif step == 1:
                    await asyncio.to_thread(client.charge, "e1", "30")
            return seen

    assert asyncio.run(changes()) == ["none", "100", "70"]


def test_half_a_year_in_a_moment(client: Client) -> None:
    # given: 40 customers, each with grants that expire month by month, and a hold
    for number in range(40):
        customer = client.customer(f"c{number}")
        for month in range(1, 7):
            client.grant(
                f"g{number}-{month}", "10", customerId=customer, source="PROMOTIONAL",
                expiresAt=f"2026-{month + 1:02d}-01T00:00:00Z",
            )  # fmt: skip
        client.authorize(f"h{number}", "5", customerId=customer)
    # when
    client.advance("2026-07-10T00:00:00Z")
    # then
    assert client.account("ext:c7")["available"] == "0"
    lines = client.ask(
        """{ statement(customerId: "ext:c7", asset: "CREDIT") { nodes { kind at } } }"""
    )["statement"]["nodes"]
    expired = [line["at"] for line in reversed(lines) if line["kind"] == "EXPIRY"]
    assert expired == [f"2026-{month:02d}-01T00:00:00Z" for month in range(2, 8)]
