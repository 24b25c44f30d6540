"""Each kind that may be told of a customer or the books is told, by what it is about."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import pytest

from projections.notifications import NotificationKind
from tests.scenarios.server import Client
from tests.scenarios.test_invoices import Office
from tests.scenarios.test_top_ups_over_http import NOTIFICATIONS, REPORT, RESUME, auto, top_ups

pytestmark = pytest.mark.storage

# A read model that stops is provoked in test_health; disputes are not opened yet.
ELSEWHERE = {"PROJECTION_STOPPED", "DISPUTE_OPENED"}
WATCHED = """
mutation {
  setBalanceAlert(customerId: "ext:acme", asset: "CREDIT", below: "30") { __typename }
  setBudget(
    customerId: "ext:acme", subject: "bot", asset: "CREDIT", limit: "10", period: DAY
  ) { __typename }
  defineMeter(input: {key: "rare", unpricedAsset: "CREDIT"}) { __typename }
}
"""
RARE = """
mutation { recordUsage(input: {
  eventId: "rare", customerId: "ext:acme", meter: "rare", quantity: "1"
}) { __typename ... on UsageCharge { amount } } }
"""
CLOSE = 'mutation { closePeriod(month: "2026-01") { __typename ... on Problem { message } } }'


def _report(client: Client, outcome: str, **said: Any) -> None:
    (request,) = top_ups(client, first=1)
    answer = client.answer(REPORT, id=request["id"], outcome=outcome, **said)
    assert answer["__typename"] == "TopUpRequest", answer


def test_every_kind_is_told(client: Client) -> None:
    # given
    office = Office(client)
    client.ask(WATCHED)
    client.grant("A", "40")
    client.grant("E", "5", source="PROMOTIONAL", expiresAt="2026-01-12T10:00:00Z", priority=90)
    auto(client, "20", amount="10", price={"amount": "1", "currency": "USD"})
    # when spend reaches a budget and the alert, a hold lapses, a price is missing
    client.charge("a", "10", subject="bot/1")
    client.ask(RARE)
    client.authorize("h", "3")
    # and a card asks for a person, then declines, thrice, until a limit of the day stops it
    client.charge("b", "16")
    _report(client, "ACTION_REQUIRED")
    for hour in (11, 12, 13):
        _report(client, "DECLINED")
        client.advance(f"2026-01-10T{hour}:00:00Z")
    client.answer(RESUME)
    client.charge("c", "1")
    # and it pays after all; more is spent than there is, invoiced and paid
    _report(client, "SETTLED", reference="pi_1")
    client.advance("2026-01-12T09:00:00Z")
    client.charge("d", "50")
    invoice = office.issue()
    office.pay(invoice, invoice["amountDue"])
    client.advance("2026-02-02T00:00:00Z")
    closed = client.ask(CLOSE)["closePeriod"]
    assert closed["__typename"] == "AccountingPeriod", closed
    # then
    nodes = client.ask(NOTIFICATIONS, first=100)["notifications"]["nodes"]
    told = Counter(node["kind"] for node in nodes)
    assert set(get_args(NotificationKind)) - told.keys() == ELSEWHERE
    assert told["PAYMENT_RECEIVED"] == 2
    (settled,) = [n for n in nodes if n["kind"] == "PAYMENT_RECEIVED" and "requestId" in n["data"]]
    assert (settled["asset"], settled["amount"]) == ("USD", "1")
    assert settled["data"]["reference"] == "pi_1"
