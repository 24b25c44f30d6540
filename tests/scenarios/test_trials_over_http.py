"""A version tried on given events and on the log, through the running server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.server import REFUSED, Client
from tests.scenarios.test_rating_over_http import (
    DRAFT,
    RERATE,
    WITHDRAW,
    meter,
    publish,
    shop,
    use,
)
from tests.scenarios.test_subscriptions_over_http import SUBSCRIBE

__all__ = ["shop"]
pytestmark = pytest.mark.storage

SIMULATE = (
    REFUSED
    + """
query ($events: [UsageEventInput!]!, $version: Int, $product: String! = "api") {
  answer: simulateUsage(events: $events, productKey: $product, version: $version) {
    __typename ...RefusedInDetail
    ... on UsageCharge { eventId amount wouldRefuse lines { version quantity amount } }
  }
}
"""
)
COMPARE = """
query ($from: DateTime!, $to: DateTime!, $version: Int! = 2, $first: Int, $after: String) {
  comparePricing(
    productKey: "api", version: $version, occurredFrom: $from, occurredTo: $to
    first: $first, after: $after
  ) {
    nodes {
      customerId asset charged wouldCharge charges unpriceable
      revenue { amount currency } cost { amount currency }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
MOVE = """
mutation ($id: ID!, $timezone: String!) {
  answer: updateCustomer(id: $id, timezone: $timezone) { __typename }
}
"""
JANUARY = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


def unit(price: str) -> dict[str, Any]:
    return {"key": "tokens", "meter": "tokens", "model": "UNIT", "unitPrice": price}


def draft(client: Client, *prices: dict[str, Any]) -> None:
    said = [{"asset": "USD", **price} for price in prices]
    client.answer(DRAFT, input={"productKey": "api", "prices": said})


def event(event_id: str, quantity: str | None, **said: Any) -> dict[str, Any]:
    usage = {"eventId": event_id, "customerId": "ext:acme", "meter": "tokens"}
    return {**usage, "quantity": quantity, **said}


def test_a_draft_is_simulated_and_nothing_is_recorded(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, unit("1"))
    draft(shop, unit("3"))
    newest = "{ events(first: 1) { nodes { position } } }"
    before = shop.ask(newest)
    # when
    answers = shop.ask(SIMULATE, events=[event("s1", "2"), event("s2", None)], version=2)["answer"]
    followed = shop.ask(SIMULATE, events=[event("s1", "2")])["answer"]
    unknown = shop.ask(SIMULATE, events=[event("s1", "2")], version=7)["answer"]
    # then
    assert answers[0] == {
        "__typename": "UsageCharge",
        "eventId": "s1",
        "amount": "6",
        "wouldRefuse": False,
        "lines": [{"version": 2, "quantity": "2", "amount": "6"}],
    }
    assert (answers[1]["__typename"], answers[1]["field"]) == ("InvalidInput", "quantity")
    assert followed[0]["amount"] == "2"
    assert (unknown[0]["what"], unknown[0]["key"]) == ("product version", "api 7")
    assert shop.ask(newest) == before


def test_a_version_is_compared_on_what_was_used(shop: Client) -> None:
    # given: two customers, and usage before and after the stretch
    meter(shop, "tokens")
    meter(shop, "others")
    publish(shop, unit("1"), {**unit("1"), "key": "others", "meter": "others"})
    draft(shop, {**unit("1"), "free": "10", "model": "UNIT", "unitPrice": "3"})
    shop.customer("beta")
    shop.grant("b", "100", asset="USD", customerId="ext:beta", source="PROMOTIONAL")
    use(shop, "e0", "tokens", "9", occurredAt="2025-12-31T23:59:59Z")
    use(shop, "e1", "tokens", "8", cost={"amount": "2", "currency": "USD"})
    use(shop, "e2", "tokens", "7")
    charge = use(shop, "e3", "tokens", "5")
    shop.refund(charge["id"], "r1", "2")
    use(shop, "e4", "others", "4")
    use(shop, "b1", "tokens", "12", customerId="ext:beta")
    shop.charge("s1", "50", meter="elsewhere", asset="USD")
    # when
    compared = shop.ask(COMPARE, **JANUARY)["comparePricing"]
    # then: acme's 20 tokens less 10 that are free, and what others cost no more
    rows = {row["charged"]: row for row in compared["nodes"]}
    assert set(rows) == {"22", "12"}
    acme, beta = rows["22"], rows["12"]
    assert (acme["wouldCharge"], acme["charges"], acme["unpriceable"]) == ("30", 4, 0)
    assert (beta["wouldCharge"], beta["charges"]) == ("6", 1)
    assert acme["cost"] == [{"amount": "2", "currency": "USD"}]
    assert not compared["pageInfo"]["hasNextPage"]
    # and page by page
    first = shop.ask(COMPARE, **JANUARY, first=1)["comparePricing"]
    assert first["pageInfo"]["hasNextPage"]
    rest = shop.ask(COMPARE, **JANUARY, first=1, after=first["pageInfo"]["endCursor"])
    assert first["nodes"] + rest["comparePricing"]["nodes"] == compared["nodes"]
    assert not rest["comparePricing"]["pageInfo"]["hasNextPage"]


def test_a_version_beside_itself_makes_no_difference(shop: Client) -> None:
    # given: one event withdrawn of three, another customer subscribed, whose zone has changed
    meter(shop, "tokens")
    tiers = [{"upTo": "10", "unitPrice": "2"}, {"unitPrice": "1"}]
    graduated = {"key": "tokens", "meter": "tokens", "model": "GRADUATED", "tiers": tiers}
    publish(shop, graduated, at="2025-12-01T00:00:00Z")
    draft(shop, unit("1"))
    first = use(shop, "e1", "tokens", "8")
    use(shop, "e2", "tokens", "8")
    use(shop, "e3", "tokens", "3", occurredAt="2025-12-31T22:30:00Z")
    shop.answer(WITHDRAW, id=first["id"])
    shop.customer("beta")
    shop.grant("b", "100", asset="USD", customerId="ext:beta", source="PROMOTIONAL")
    beta = {"customerId": "ext:beta", "productKey": "api", "discount": "0.5"}
    shop.answer(SUBSCRIBE, input={"idempotencyKey": "s1", **beta})
    shop.answer(MOVE, id="ext:beta", timezone="America/New_York")
    use(shop, "b1", "tokens", "12", customerId="ext:beta")
    stretch = {"from": "2025-12-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    # when
    same = shop.ask(COMPARE, **stretch, version=1)["comparePricing"]["nodes"]
    other = shop.ask(COMPARE, **stretch, version=2)["comparePricing"]["nodes"]
    # then
    figures = {(row["charged"], row["wouldCharge"], row["charges"]) for row in same}
    assert figures == {("22", "22", 2), ("11", "11", 1)}
    assert {(row["charged"], row["wouldCharge"]) for row in other} == {("22", "11"), ("11", "6")}


@pytest.mark.parametrize(
    "change, code",
    [
        ({"version": 9}, "NOT_FOUND"),
        ({"to": "2026-01-01T00:00:00Z"}, "BAD_USER_INPUT"),
        ({"after": "nonsense"}, "BAD_USER_INPUT"),
    ],
)
def test_what_cannot_be_compared(shop: Client, change: dict[str, Any], code: str) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, unit("1"))
    # when
    (error,) = shop.errors(COMPARE, **{**JANUARY, "version": 1, **change})
    # then
    assert error["extensions"]["code"] == code


UNPRICED = """
query ($from: DateTime!, $to: DateTime!) {
  unpricedUsage(from: $from, to: $to) { meter charges firstAt lastAt }
}
"""
NOTICES = """
{ notifications(kind: UNPRICED_USAGE) { nodes { asset amount data } } }
"""


def test_usage_that_no_price_matches_is_told(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    meter(shop, "calls", eventType="tokens", aggregation="COUNT")
    meter(shop, "extra", unpricedAsset="USD")
    publish(shop, unit("1"))
    # when
    use(shop, "e1", "tokens", "2")
    use(shop, "e2", "extra", "5")
    use(shop, "e3", "extra", "5", occurredAt="2026-01-09T00:00:00Z")
    use(shop, "e3", "extra", "5", occurredAt="2026-01-09T00:00:00Z")
    shop.charge("s1", "1", meter="elsewhere", asset="USD")
    # then
    now = "2026-01-10T00:00:00Z"
    assert shop.ask(UNPRICED, **JANUARY)["unpricedUsage"] == [
        {"meter": "calls", "charges": 1, "firstAt": now, "lastAt": now},
        {"meter": "extra", "charges": 2, "firstAt": "2026-01-09T00:00:00Z", "lastAt": now},
    ]
    told = shop.http.get("/metrics").text
    assert "counterfoil_unpriced_charges_total 3.0" in told
    notices = shop.ask(NOTICES)["notifications"]["nodes"]
    assert [each["data"] for each in notices] == [{"meter": "extra"}, {"meter": "calls"}]
    assert [(each["asset"], each["amount"]) for each in notices] == [("USD", None)] * 2


BY_PRODUCT = """
query ($from: DateTime!, $to: DateTime!) {
  margins(by: PRODUCT, from: $from, to: $to) { nodes { key charges revenue currency } }
}
"""


def test_usage_without_a_price_is_charged_by_rating_it_anew(shop: Client) -> None:
    # given
    meter(shop, "tokens", unpricedAsset="USD")
    use(shop, "e1", "tokens", "2")
    use(shop, "e2", "tokens", "5")
    publish(shop, unit("10"))
    (unpriced,) = shop.ask(UNPRICED, **JANUARY)["unpricedUsage"]
    assert (unpriced["meter"], unpriced["charges"]) == ("tokens", 2)
    # when
    applied = shop.answer(RERATE, version=1, preview=False)
    # then
    assert applied == {"charges": 2, "before": "0", "after": "70", "asset": "USD", "applied": True}
    assert shop.ask(UNPRICED, **JANUARY)["unpricedUsage"] == []
    assert shop.account(asset="USD")["available"] == "99990"
    (row,) = shop.ask(BY_PRODUCT, **JANUARY)["margins"]["nodes"]
    assert (row["key"], row["charges"]) == ("api", 2)
    assert shop.answer(RERATE, version=1, preview=False)["charges"] == 0
