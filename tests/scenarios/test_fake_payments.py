"""The payment provider that charges nothing, in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from application.storage.database import Login
from interfaces.payments.fake import CARDS
from tests.scenarios.conftest import START
from tests.scenarios.server import Client, serving, settings_for

pytestmark = pytest.mark.storage

CUSTOMER = """
mutation ($id: String!, $metadata: JSON) {
  createCustomer(input: {externalId: $id, metadata: $metadata}) { __typename }
  setAutoTopUp(
    customerId: "ext:%s", asset: "CREDIT", below: "50", amount: "100"
    price: {amount: "10", currency: "USD"}
  ) { __typename ... on Problem { message } }
}
"""
TOP_UPS = "query ($c: ID!) { topUps(customerId: $c) { nodes { status grant { reference } } } }"


@pytest.fixture
def client(database: Login, tmp_path: Path) -> Iterator[Client]:
    settings = settings_for(database, tmp_path, sandbox=True, test_clock=START, payments="fake")
    with serving(settings) as (client, _):
        client.define_credit()
        yield client


def joins(client: Client, card: str) -> str:
    """Let a customer join that has 60 credits, and an auto top-up below 50."""
    client.ask(CUSTOMER % card, id=card, metadata={"testCard": card})
    client.grant(f"grant-{card}", "60", customerId=f"ext:{card}")
    return f"ext:{card}"


def statuses(client: Client, customer: str) -> list[str]:
    """Return those of a customer's requests, the oldest first."""
    nodes = client.ask(TOP_UPS, c=customer)["topUps"]["nodes"]
    return [each["status"] for each in reversed(nodes)]


def test_each_card_says_its_own(client: Client) -> None:
    # given
    customers = {card: joins(client, card) for card in CARDS}
    for customer in customers.values():
        client.charge(f"first-{customer}", "20", customerId=customer)
    # when
    client.advance("2026-01-10T10:01:00Z")
    # then
    told = {card: statuses(client, customer) for card, customer in customers.items()}
    assert told == {
        "approves": ["SETTLED"],
        "declines": ["DECLINED"],
        "needs-action": ["ACTION_REQUIRED"],
        "fails": ["FAILED"],
        "times-out": ["REQUESTED"],
        "tells-twice": ["SETTLED"],
        "tells-late": ["REQUESTED"],
    }
    available = {
        card: client.account(customer)["available"] for card, customer in customers.items()
    }
    assert available == dict.fromkeys(CARDS, "40") | {"approves": "140", "tells-twice": "140"}
    # and: half a day on
    client.advance("2026-01-10T22:00:00Z")
    client.advance("2026-01-10T22:01:00Z")
    told = {card: statuses(client, customer) for card, customer in customers.items()}
    assert told == {
        "approves": ["SETTLED"],
        "declines": ["DECLINED"] * 3,
        "needs-action": ["TIMED_OUT", "TIMED_OUT", "TIMED_OUT"],
        "fails": ["FAILED"] * 3,
        "times-out": ["TIMED_OUT"] * 3,
        "tells-twice": ["SETTLED"],
        "tells-late": ["SETTLED"] * 3,
    }


def test_it_answers_on_the_way_of_a_test_clock(client: Client) -> None:
    """Promotions of 30 end day by day; each time the balance is low, a card is charged at once."""
    # given
    customer = joins(client, "approves")
    for day in range(11, 21):
        client.grant(
            f"promo-{day}",
            "10",
            customerId=customer,
            source="PROMOTIONAL",
            priority=90,
            expiresAt=f"2026-01-{day}T00:00:00Z",
        )
    client.charge("first", "15", customerId=customer)
    # when
    client.advance("2026-02-20T00:00:00Z")
    # then: 45 were left on the 20th
    assert statuses(client, customer) == ["SETTLED"]
    assert client.account(customer)["available"] == "145"
