"""What plans do in the books, through the running server on a test clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.accountant import balances, closed, usd
from tests.scenarios.server import Client
from tests.scenarios.test_subscriptions_over_http import CHANGE, PUBLISH, SUBSCRIBE

pytestmark = pytest.mark.storage

ISSUE = """mutation { answer: issueInvoice(customerId: "ext:acme", currency: "USD") {
  __typename ... on Invoice { total } ... on Problem { message } } }"""


def publish(client: Client, key: str, fee: str, **included: Any) -> None:
    price = {"key": "fee", "model": "FLAT", "asset": "USD", "unitPrice": fee}
    includes = [{"asset": "CREDIT", "perSeat": False, **included}] if included else []
    draft = {"productKey": key, "prices": [price], "includes": includes}
    assert client.ask(PUBLISH, draft=draft, key=key, number=1) == {"draft": {}, "published": {}}


def subscribe(client: Client, product: str, **terms: Any) -> str:
    said = {"idempotencyKey": product, "customerId": "ext:acme", "productKey": product, **terms}
    answer = client.answer(SUBSCRIBE, input=said)
    assert answer["__typename"] == "CustomerSubscription", answer
    subscription: str = answer["id"]
    return subscription


def test_v21_rollover(client: Client) -> None:
    # given
    publish(client, "pro", "20", amount="100", rollover=True, rolloverLimit="50")
    client.advance("2026-02-01T00:00:00Z")
    subscribe(client, "pro", collection="INVOICE")
    client.charge("e1", "30")
    assert balances(client)["revenue_usage"] == "-6"
    # when
    client.advance("2026-03-01T00:00:00Z")
    # then
    assert balances(client) == {
        "unbilled_receivable": "20", "contract_liability": "-10", "revenue_usage": "-6",
        "revenue_breakage": "-4",
    }  # fmt: skip
    client.charge("e2", "60")
    after = balances(client, "2026-03")
    assert (after["revenue_usage"], after["contract_liability"]) == ("-18", "-18")
    # and: what is invoiced is what was posted, and the months close
    assert client.answer(ISSUE)["total"] == "40"
    assert balances(client, "2026-03")["unbilled_receivable"] == "0"
    closed(client, "2026-01")
    closed(client, "2026-02")


def test_v17_an_upgrade_over_a_month_end(client: Client) -> None:
    # given
    publish(client, "basic", "30")
    publish(client, "pro", "60")
    client.grant("money", "1000", asset="USD", paid=usd("1000"))
    client.advance("2026-04-11T00:00:00Z")
    basic = subscribe(client, "basic")
    assert balances(client, "2026-04") == {"cash": "1000", "contract_liability": "-1000"}
    # when
    client.advance("2026-04-26T00:00:00Z")
    assert balances(client, "2026-04")["revenue_ratable"] == "-15"
    client.answer(CHANGE, id=basic, product="pro")
    client.advance("2026-05-11T00:00:00Z")
    # then
    assert balances(client, "2026-04")["revenue_ratable"] == "-25"
    assert balances(client, "2026-05")["revenue_ratable"] == "-45"
    for month in ("2026-01", "2026-02", "2026-03", "2026-04"):
        closed(client, month)
