"""Worked cases of rating, through the running server with a test clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from application.storage.database import Login
from tests.scenarios.server import REFUSED, Client, serving, settings_for

pytestmark = pytest.mark.storage

RECORD = (
    REFUSED
    + """
mutation ($input: UsageEventInput!) {
  answer: recordUsage(input: $input) {
    __typename ...RefusedInDetail
    ... on UsageCharge {
      id status asset amount net replayed allocations { grantId amount }
      lines { price meter quantity unitPrice amount productKey version overridden }
    }
  }
}
"""
)
CHECK = RECORD.replace("mutation", "query").replace("recordUsage", "checkUsage")
METER = "mutation ($input: MeterInput!) { answer: defineMeter(input: $input) { __typename } }"
DRAFT = """
mutation ($input: ProductVersionInput!) {
  answer: draftProductVersion(input: $input) {
    __typename ... on Product { versions { number } } ... on InvalidInput { field message }
  }
}
"""
PUBLISH = """
mutation ($number: Int!, $at: DateTime) {
  answer: publishProductVersion(productKey: "api", number: $number, effectiveAt: $at) {
    __typename ... on Problem { message }
  }
}
"""
DEFAULT = 'mutation { answer: setDefaultProduct(productKey: "api") { __typename } }'
R1_TIERS = [
    {"upTo": "1000", "unitPrice": "0.10"},
    {"upTo": "10000", "unitPrice": "0.08"},
    {"unitPrice": "0.05"},
]


@pytest.fixture
def shop(database: Login, tmp_path: Path) -> Iterator[Client]:
    """A sandbox at 2026-01-10; acme has 100 000 USD, bought, after 60 that were a present."""
    start = datetime(2026, 1, 10, tzinfo=UTC)
    with serving(settings_for(database, tmp_path, sandbox=True, test_clock=start)) as (client, _):
        client.customer()
        client.grant("gift", "60", asset="USD", source="PROMOTIONAL", priority=1)
        paid = {"amount": "100000", "currency": "USD"}
        client.grant("bought", "100000", asset="USD", paid=paid)
        yield client


def meter(client: Client, key: str, **terms: Any) -> None:
    assert client.answer(METER, input={"key": key, **terms})["__typename"] == "Meter"


def publish(client: Client, *prices: dict[str, Any], at: str | None = None) -> None:
    said = [{"asset": "USD", **price} for price in prices]
    product = client.answer(DRAFT, input={"productKey": "api", "prices": said})
    assert product["__typename"] == "Product", product
    number = product["versions"][-1]["number"]
    published = client.answer(PUBLISH, number=number, at=at)
    assert published["__typename"] == "Product", published
    client.ask(DEFAULT)


def use(client: Client, event_id: str, key: str, quantity: str | None = None, **said: Any) -> Any:
    event = {"eventId": event_id, "customerId": "ext:acme", "meter": key, "quantity": quantity}
    return client.answer(RECORD, input={**event, **said})


def amounts(*charges: dict[str, Any]) -> list[str]:
    return [charge["amount"] for charge in charges]


def tiered(model: str) -> dict[str, Any]:
    return {"key": "tokens", "meter": "tokens", "model": model, "tiers": R1_TIERS}


def test_r1_graduated(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, tiered("GRADUATED"))
    # when
    charges = [use(shop, f"e{i}", "tokens", q) for i, q in enumerate(["600", "600", "9000"])]
    # then
    assert amounts(*charges) == ["60", "56", "714"]
    assert shop.account(asset="USD")["available"] == "99230"
    (line,) = charges[1]["lines"]
    assert line["price"] is not None
    assert line | {"price": None} == {
        "price": None,
        "meter": "tokens",
        "quantity": "600",
        "unitPrice": None,
        "amount": "56",
        "productKey": "api",
        "version": 1,
        "overridden": False,
    }
    # and: the price of the line can be asked for; the same event again is a replay
    query = "query ($id: ID!) { node(id: $id) { ... on Price { key } } }"
    assert shop.ask(query, id=line["price"])["node"] == {"key": "tokens"}
    assert use(shop, "e1", "tokens", "600")["replayed"]


def test_r2_volume(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, tiered("VOLUME"))
    # when
    charges = [use(shop, f"e{i}", "tokens", q) for i, q in enumerate(["990", "20", "9190"])]
    # then
    assert amounts(*charges) == ["99", "-18.2", "429.2"]
    assert [charge["net"] for charge in charges] == ["99", "-18.2", "429.2"]
    assert shop.account(asset="USD")["available"] == "99550"
    bought = charges[0]["allocations"][1]["grantId"]
    assert charges[1]["allocations"] == [{"grantId": bought, "amount": "-18.2"}]
    # and: the statement says so too
    statement = shop.ask(
        """{ statement(customerId: "ext:acme", asset: "USD", first: 3) {
          nodes { kind change balanceAfter } } }"""
    )["statement"]["nodes"]
    assert statement == [
        {"kind": "CHARGE", "change": "-429.2", "balanceAfter": "99550"},
        {"kind": "CHARGE", "change": "18.2", "balanceAfter": "99979.2"},
        {"kind": "CHARGE", "change": "-99", "balanceAfter": "99961"},
    ]
    listed = shop.ask("{ charges(first: 2) { nodes { amount status lines { amount } } } }")
    assert [node["amount"] for node in listed["charges"]["nodes"]] == ["429.2", "-18.2"]


def test_a_refund_after_a_negative_line_gives_back_what_is_still_paid(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, tiered("VOLUME"))
    first = use(shop, "a", "tokens", "990")
    use(shop, "b", "tokens", "20")
    # when
    refused = shop.refund(first["id"], "all", "99")
    refunded = shop.refund(first["id"], "rest")
    # then
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "amount")
    assert "at most 80.8 USD remain" in refused["message"]
    assert (refunded["status"], refunded["refunded"]) == ("PARTIALLY_REFUNDED", "80.8")
    assert shop.account(asset="USD")["available"] == "100060"


def test_r5_dimensions(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    rows = [
        ({"model": "opus", "direction": "input"}, "15"),
        ({"model": "opus", "direction": "output"}, "75"),
        ({"model": "*", "direction": "input"}, "3"),
        ({"model": "*", "direction": "output"}, "15"),
    ]
    price = {
        "key": "tokens",
        "meter": "tokens",
        "model": "UNIT",
        "per": "1000000",
        "dimensions": ["model", "direction"],
        "rows": [{"match": match, "unitPrice": unit_price} for match, unit_price in rows],
    }
    publish(shop, price)
    counts = {"input": "12345", "output": "678"}
    said = [(model, *each) for model in ("opus", "haiku") for each in counts.items()]
    # when
    charges = [
        use(shop, f"e{i}", "tokens", q, properties={"model": model, "direction": direction})
        for i, (model, direction, q) in enumerate(said)
    ]
    # then
    assert amounts(*charges) == ["0.185175", "0.05085", "0.037035", "0.01017"]
    refused = use(shop, "e9", "tokens", "1", properties={"model": "opus", "direction": "audio"})
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "properties")
    assert "opus" in refused["message"]
    assert "audio" in refused["message"]


def test_r9_version_by_time(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    unit = {"key": "tokens", "meter": "tokens", "model": "UNIT"}
    publish(shop, unit | {"unitPrice": "1.00"})
    publish(shop, unit | {"unitPrice": "2.00"}, at="2026-03-01T00:00:00Z")
    shop.advance("2026-03-02T00:00:00Z")
    # when
    late = use(shop, "a", "tokens", "1", occurredAt="2026-02-28T23:59:59Z")
    after = use(shop, "b", "tokens", "1", occurredAt="2026-03-01T00:00:00Z")
    # then
    assert amounts(late, after) == ["1", "2"]
    assert [each["lines"][0]["version"] for each in (late, after)] == [1, 2]


def test_r13_version_within_a_cycle(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    price = {"key": "tokens", "meter": "tokens", "model": "GRADUATED"}
    v1 = [{"upTo": "1000", "unitPrice": "0.10"}, {"unitPrice": "0.05"}]
    v2 = [{"upTo": "1000", "unitPrice": "0.20"}, {"unitPrice": "0.10"}]
    publish(shop, price | {"tiers": v1})
    publish(shop, price | {"tiers": v2}, at="2026-03-16T00:00:00Z")
    # when
    shop.advance("2026-03-05T00:00:00Z")
    before = use(shop, "a", "tokens", "1000")
    shop.advance("2026-03-16T00:00:00Z")
    after = use(shop, "b", "tokens", "100")
    shop.advance("2026-03-20T00:00:00Z")
    late = use(shop, "c", "tokens", "50", occurredAt="2026-03-10T00:00:00Z")
    # then
    assert amounts(before, after, late) == ["100", "10", "2.5"]


def r17(client: Client) -> dict[str, int]:
    meter(client, "input", eventType="llm", property="prompt", less=["cached"])
    meter(client, "cached", eventType="llm", property="cached")
    meter(client, "output", eventType="llm", property="output")
    publish(
        client,
        *(
            {"key": key, "meter": key, "model": "UNIT", "unitPrice": unit, "per": "1000000"}
            for key, unit in (("input", "3.00"), ("cached", "0.30"), ("output", "15.00"))
        ),
    )
    return {"prompt": 16111, "cached": 15872, "output": 2}


def test_r17_overlapping_tokens(shop: Client) -> None:
    # given
    said = r17(shop)
    # when
    checked = shop.answer(
        CHECK,
        input={"eventId": "a", "customerId": "ext:acme", "meter": "llm", "properties": said},
    )
    charge = use(shop, "a", "llm", properties=said)
    # then
    assert checked["lines"] == charge["lines"]
    assert charge["amount"] == "0.0055086"
    assert {line["meter"]: line["amount"] for line in charge["lines"]} == {
        "input": "0.000717",
        "cached": "0.0047616",
        "output": "0.00003",
    }


def test_cloud_events_are_rated(shop: Client) -> None:
    # given
    said = r17(shop)
    event = {
        "specversion": "1.0",
        "id": "a",
        "source": "proxy",
        "type": "llm",
        "subject": "acme",
        "time": "2026-01-10T00:00:00Z",
        "data": said,
        "cfsubject": "agent-7",
    }
    # when
    answer = shop.http.post(
        "/v1/usage",
        json=[event, event | {"id": "b", "type": "other"}],
        headers={"Content-Type": "application/cloudevents-batch+json"},
    ).json()["results"]
    # then
    assert (answer[0]["outcome"], answer[0]["amount"]) == ("settled", "0.0055086")
    assert answer[1]["outcome"] == "invalid"
    assert answer[1]["problem"]["field"] == "amount"


@pytest.mark.parametrize("door", ["variables", "literal", "ingest"])
def test_a_json_number_is_read_as_it_was_written(shop: Client, door: str) -> None:
    # given
    meter(shop, "storage", property="gb")
    publish(shop, {"key": "gb", "meter": "storage", "model": "UNIT", "unitPrice": "1000"})
    number = "0.123456789123456789"
    event = (
        '{"eventId": "a", "customerId": "ext:acme", "meter": "storage", "properties": {"gb": N}}'
    )
    said = event.replace("N", number)
    # when
    if door == "ingest":
        headers = {"Content-Type": "application/json"}
        answer = shop.http.post("/v1/usage", content=f"[{said}]", headers=headers)
        assert answer.json()["results"][0]["outcome"] == "settled", answer.text
    elif door == "variables":
        query = msgspec.json.encode(RECORD).decode()
        body = f'{{"query": {query}, "variables": {{"input": {said}}}}}'
        headers = {"Content-Type": "application/json"}
        answer = shop.http.post("/graphql", content=body, headers=headers)
        assert answer.json()["data"]["answer"]["status"] == "SETTLED", answer.text
    else:
        shop.ask(
            """mutation { recordUsage(input: {
              eventId: "a", customerId: "ext:acme", meter: "storage", properties: {gb: N}
            }) { __typename } }""".replace("N", number)
        )
    # then
    asked = shop.http.post(
        "/graphql", json={"query": '{ charge(eventId: "a") { amount properties } }'}
    )
    assert f'"properties":{{"gb":{number}}}' in asked.text
    assert asked.json()["data"]["charge"]["amount"] == "123.456789123"


def test_bad_numbers_and_prices_are_named(shop: Client) -> None:
    # given
    r17(shop)
    for said, field in [
        ({"prompt": 1, "cached": 0}, "properties.output"),
        ({"prompt": "many", "cached": 0, "output": 1}, "properties.prompt"),
        ({"prompt": 1, "cached": 2, "output": 1}, "properties.prompt"),
    ]:
        # when
        answer = use(shop, "a", "llm", properties=said)
        # then
        assert (answer["code"], answer["field"]) == ("INVALID_INPUT", field)
    stated = use(
        shop, "a", "llm", amount="1", asset="USD",
        properties={"prompt": 1, "cached": 0, "output": 1},
    )  # fmt: skip
    assert (stated["code"], stated["field"]) == ("INVALID_INPUT", "amount")
    unknown = use(shop, "a", "other", "1")
    assert (unknown["code"], unknown["field"]) == ("INVALID_INPUT", "amount")


WITHDRAW = (
    REFUSED
    + """
mutation ($id: ID!) {
  answer: withdrawCharge(chargeId: $id, reason: "a test") {
    __typename ...RefusedInDetail ... on UsageCharge { status amount net replayed }
  }
}
"""
)
RERATE = """
mutation ($version: Int!, $preview: Boolean!, $customer: ID) {
  answer: rerateCharges(
    productKey: "api", version: $version, customerId: $customer, reason: "typed wrong"
    occurredFrom: "2026-01-01T00:00:00Z", occurredTo: "2026-02-01T00:00:00Z", preview: $preview
  ) {
    ... on Rerating { charges before after asset applied }
    ... on Problem { code message } ... on InvalidInput { field } ... on NotFound { what key }
  }
}
"""


def test_r15_withdrawal(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, tiered("GRADUATED"))
    first = use(shop, "a", "tokens", "600")
    use(shop, "b", "tokens", "600")
    # when
    withdrawn = shop.answer(WITHDRAW, id=first["id"])
    # then
    told = {"status": "WITHDRAWN", "amount": "60", "net": "4"}
    assert withdrawn == {"__typename": "UsageCharge", **told, "replayed": False}
    assert shop.account(asset="USD")["available"] == "100000"
    assert amounts(use(shop, "c", "tokens", "300")) == ["30"]
    assert shop.answer(WITHDRAW, id=first["id"])["replayed"]


def test_r16_wrong_price(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    unit = {"key": "tokens", "meter": "tokens", "model": "UNIT", "unitPrice": "3.00"}
    publish(shop, unit)
    charge = use(shop, "a", "tokens", "10000", subject="agent")
    assert charge["amount"] == "30000"
    shop.advance("2026-01-11T00:00:00Z")
    publish(shop, unit | {"per": "1000000"})
    told = {"charges": 1, "before": "30000", "after": "0.03", "asset": "USD"}
    # when
    preview = shop.answer(RERATE, version=2, preview=True)
    assert preview == {**told, "applied": False}
    assert shop.account(asset="USD")["available"] == "70060"
    applied = shop.answer(RERATE, version=2, preview=False, customer="ext:acme")
    # then
    assert applied == {**told, "applied": True}
    assert shop.account(asset="USD")["available"] == "100059.97"
    shown = shop.ask('{ charge(eventId: "a") { amount net status } }')["charge"]
    assert shown == {"amount": "30000", "net": "0.03", "status": "SETTLED"}
    again = shop.answer(RERATE, version=2, preview=False)
    assert (again["charges"], again["before"], again["after"]) == (0, "0.03", "0.03")
    unknown = shop.answer(RERATE, version=9, preview=True)
    assert (unknown["code"], unknown["what"]) == ("NOT_FOUND", "product version")


def test_a_hold_by_quantity(shop: Client) -> None:
    # given
    meter(shop, "tokens")
    publish(shop, tiered("GRADUATED"))
    hold = shop.ask(
        """mutation { answer: authorizeUsage(input: {
          eventId: "a", customerId: "ext:acme", meter: "tokens", quantity: "1000"
        }) { ... on Hold { id amount } } }"""
    )["answer"]
    assert hold["amount"] == "100"
    use(shop, "b", "tokens", "600")
    # when
    captured = shop.ask(
        """mutation ($hold: ID!) { answer: captureUsage(holdId: $hold) {
          ... on UsageCharge { amount lines { quantity amount } } } }""",
        hold=hold["id"],
    )["answer"]
    # then
    assert captured == {"amount": "88", "lines": [{"quantity": "1000", "amount": "88"}]}
