"""Worked cases of subscriptions, through the running server with a test clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from application.storage.database import Login
from tests.scenarios.server import REFUSED, Client, serving, settings_for

pytestmark = pytest.mark.storage

FRAGMENT = """
fragment Told on CustomerSubscription {
  id status version quantity anchor cancelAt trialEndsAt collection discount replayed
  product { key } cycle { number startsAt endsAt } overrides { key unitPrice }
  pending { productKey version quantity at includes } usage { priceKey quantity amount }
}
"""
TOLD = REFUSED + FRAGMENT
SUBSCRIBE = (
    TOLD
    + """
mutation ($input: SubscribeInput!) {
  answer: subscribe(input: $input) { __typename ...Told ...RefusedInDetail }
}
"""
)
CHANGE = (
    TOLD
    + """
mutation (
  $id: ID!, $product: String!, $version: Int, $quantity: Int, $timing: ChangeTiming! = NOW
  $includes: IncludedOnChange! = REPLACE
) {
  answer: changeSubscription(
    id: $id, productKey: $product, version: $version, quantity: $quantity, timing: $timing
    includes: $includes
  ) { __typename ...Told ...RefusedInDetail }
}
"""
)
CANCEL = (
    TOLD
    + """
mutation ($id: ID!, $timing: ChangeTiming! = CYCLE_END) {
  answer: cancelSubscription(id: $id, timing: $timing) { __typename ...Told ...RefusedInDetail }
}
"""
)
SUBSCRIPTIONS = (
    FRAGMENT
    + """
query ($customer: ID!) { answer: subscriptions(customerId: $customer) { ...Told } }
"""
)
PUBLISH = """
mutation ($draft: ProductVersionInput!, $key: String!, $number: Int!) {
  draft: draftProductVersion(input: $draft) { ... on Problem { message } }
  published: publishProductVersion(productKey: $key, number: $number) {
    ... on Problem { message }
  }
}
"""
GRANTS = """query { wallet(customerId: "ext:acme") { account(asset: "CREDIT") {
  available grants(includeSpent: true) {
    source status amount remaining expired revoked effectiveAt expiresAt } } } }"""
CHARGES = """query { charges(filter: {customerId: "ext:acme"}, first: 100) { nodes {
  status amount refunded asset source } } }"""

Start = Callable[[str], "Plans"]


class Plans:
    """Products and the subscriptions of ext:acme."""

    def __init__(self, client: Client) -> None:
        self.client = client
        client.define_credit()

    def customer(
        self, name: str = "acme", timezone: str = "UTC", money: str | None = "1000000"
    ) -> None:
        self.client.ask(
            """mutation ($name: String!, $zone: String!) {
              createCustomer(input: {externalId: $name, timezone: $zone}) {
                ... on Problem { message } } }""",
            name=name,
            zone=timezone,
        )
        if money is not None:
            terms = {"asset": "USD", "source": "PROMOTIONAL", "paid": None}
            self.client.grant(f"money-{name}", money, customerId=f"ext:{name}", **terms)

    def publish(
        self,
        key: str,
        fee: str | None = None,
        included: dict[str, Any] | None = None,
        **terms: Any,
    ) -> None:
        prices = [{"key": "fee", "model": "FLAT", "asset": "USD", "unitPrice": fee}]
        includes = [{"asset": "CREDIT", "perSeat": False, **included}] if included else []
        draft = {"productKey": key, "prices": prices if fee else [], "includes": includes, **terms}
        answer = self.client.ask(PUBLISH, draft=draft, key=key, number=1)
        assert answer == {"draft": {}, "published": {}}, answer

    def subscribe(self, product: str, customer: str = "acme", **terms: Any) -> dict[str, Any]:
        key = f"{customer}-{product}"
        said = {"idempotencyKey": key, "customerId": f"ext:{customer}", "productKey": product}
        return self.client.answer(SUBSCRIBE, input={**said, **terms})

    def available(self, customer: str = "acme") -> str:
        available: str = self.client.account(customer=f"ext:{customer}")["available"]
        return available

    def cycle(self, customer: str = "acme") -> tuple[int, datetime, datetime]:
        """Return number and bounds of the running cycle."""
        (told,) = self.client.ask(SUBSCRIPTIONS, customer=f"ext:{customer}")["answer"]
        cycle = told["cycle"]
        return cycle["number"], instant(cycle["startsAt"]), instant(cycle["endsAt"])

    def fees(self) -> list[tuple[str, str]]:
        """Return (amount, refunded) of what was charged in USD, oldest first."""
        nodes = self.client.ask(CHARGES)["charges"]["nodes"]
        return [(n["amount"], n["refunded"]) for n in reversed(nodes) if n["asset"] == "USD"]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def start(database: Login, tmp_path: Path) -> Iterator[Start]:
    """Serve from a time on."""
    with ExitStack() as stack:

        def begin(at: str) -> Plans:
            settings = settings_for(
                database, tmp_path, sandbox=True, test_clock=datetime.fromisoformat(at)
            )
            client, _ = stack.enter_context(serving(settings))
            return Plans(client)

        yield begin


def test_r6_month_ends(start: Start) -> None:
    # given
    plans = start("2026-01-31T00:00:00Z")
    plans.customer()
    plans.publish("pro", "20", {"amount": "100"})
    # when
    told = plans.subscribe("pro")
    # then
    assert told["status"] == "ACTIVE"
    assert (told["version"], told["product"]) == (None, {"key": "pro"})
    starts = ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]
    for number, day in enumerate(starts, 2):
        plans.client.advance(f"{day}T00:00:00Z")
        assert plans.cycle()[:2] == (number, instant(f"{day}T00:00:00Z"))
        assert plans.available() == "100"
    assert plans.fees() == [("20", "0")] * 5
    # and: the same key answers the same
    assert plans.subscribe("pro")["replayed"] is True
    assert plans.subscribe("pro", quantity=2)["field"] == "quantity"


def test_a_fee_is_found_by_what_it_is_reported_as(start: Start) -> None:
    # given
    plans = start("2026-01-31T00:00:00Z")
    plans.customer()
    plans.publish("pro", "20")
    plans.subscribe("pro")
    # when
    (fee,) = plans.client.ask(
        '{ charges(filter: {meter: "fee"}) { nodes { id eventId source amount } } }'
    )["charges"]["nodes"]
    # then
    assert (fee["source"], fee["amount"]) == ("counterfoil:subscription", "20")
    found = plans.client.ask(
        "query ($e: String!, $s: String!) { charge(eventId: $e, source: $s) { id } }",
        e=fee["eventId"],
        s=fee["source"],
    )
    assert found["charge"] == {"id": fee["id"]}


def test_r8_rollover(start: Start) -> None:
    # given
    plans = start("2026-01-01T00:00:00Z")
    plans.customer()
    plans.publish("pro", None, {"amount": "100", "rollover": True, "rolloverLimit": "50"})
    plans.subscribe("pro")
    plans.client.charge("e", "30")
    # when
    plans.client.advance("2026-02-01T00:00:00Z")
    # then
    account = plans.client.ask(GRANTS)["wallet"]["account"]
    assert account["available"] == "150"
    grants = [g for g in account["grants"] if g["status"] == "ACTIVE"]
    assert [g["remaining"] for g in grants] == ["50", "100"]
    assert {g["expiresAt"] for g in grants} == {"2026-03-01T00:00:00Z"}
    assert instant(grants[0]["effectiveAt"]) == instant("2026-01-01T00:00:00Z")
    (gone,) = [g for g in account["grants"] if g["status"] != "ACTIVE"]
    assert (gone["status"], gone["expired"], gone["revoked"]) == ("EXPIRED", "20", "50")
    assert plans.client.charge("f", "60")["allocations"][0]["amount"] == "50"


def test_r18_plan_change(start: Start) -> None:
    # given
    plans = start("2026-04-01T00:00:00Z")
    plans.publish("a", None, {"amount": "100"})
    plans.publish("b", None, {"amount": "1000"})
    ids: dict[str, str] = {}
    for how in ("REPLACE", "CARRY", "PRORATE"):
        plans.customer(how, money=None)
        ids[how] = plans.subscribe("a", how)["id"]
        plans.client.charge(f"e-{how}", "60", customerId=f"ext:{how}")
    # when
    plans.client.advance("2026-04-16T00:00:00Z")
    for how, id_ in ids.items():
        told = plans.client.answer(CHANGE, id=id_, product="b", includes=how)
        assert told["product"] == {"key": "b"}
    # then
    left = [plans.available(how) for how in ids]
    assert left == ["1000", "1040", "540"]


def test_r18_back_again(start: Start) -> None:
    # given
    plans = start("2026-04-01T00:00:00Z")
    plans.customer()
    plans.publish("a", "10", {"amount": "100"})
    plans.publish("b", "20", {"amount": "1000"})
    b = plans.subscribe("b")["id"]
    plans.client.charge("e", "300")
    # when
    plans.client.answer(CHANGE, id=b, product="a")
    plans.client.answer(CHANGE, id=b, product="b")
    # then
    assert plans.available() == "700"
    # and: a change at the cycle's end is pending, and can be cancelled with all
    told = plans.client.answer(CHANGE, id=b, product="a", quantity=3, timing="CYCLE_END")
    assert told["pending"] == {
        "productKey": "a",
        "version": None,
        "quantity": 3,
        "at": "2026-05-01T00:00:00Z",
        "includes": "REPLACE",
    }
    told = plans.client.answer(CANCEL, id=b)
    assert (told["pending"], told["cancelAt"]) == (None, "2026-05-01T00:00:00Z")
    plans.client.advance("2026-05-01T00:00:00Z")
    (told,) = plans.client.ask(SUBSCRIPTIONS, customer="ext:acme")["answer"]
    assert told["status"] == "ENDED"
    assert plans.available() == "0"
    assert plans.client.answer(CHANGE, id=b, product="a")["code"] == "INVALID_STATE"


def test_r20_year_and_month(start: Start) -> None:
    # given
    plans = start("2026-01-31T00:00:00Z")
    plans.customer()
    plans.publish("yearly", "1200", {"amount": "100", "period": "MONTH"}, period="YEAR")
    # when
    plans.subscribe("yearly")
    # then
    assert plans.available() == "100"
    plans.client.advance("2027-01-30T23:00:00Z")
    grants = plans.client.ask(GRANTS)["wallet"]["account"]["grants"]
    assert [g["amount"] for g in grants] == ["100"] * 12
    days = sorted(g["effectiveAt"][:10] for g in grants)
    assert days[:4] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert plans.fees() == [("1200", "0")]


def test_r21_one_instant(start: Start) -> None:
    # given
    plans = start("2026-01-01T00:00:00Z")
    plans.customer()
    plans.publish("pro", None, {"amount": "100", "rollover": True, "rolloverLimit": "20"})
    plans.subscribe("pro")
    plans.client.charge("e", "60")
    plans.client.grant("bought", "30")
    plans.client.advance("2026-01-31T23:00:00Z")
    plans.client.authorize("h", "5", ttlSeconds=3600)
    plans.client.ask(
        """mutation {
          setBalanceAlert(customerId: "ext:acme", asset: "CREDIT", below: "60") { __typename }
          setAutoTopUp(
            customerId: "ext:acme", asset: "CREDIT", below: "60", amount: "100"
            price: {amount: "10", currency: "USD"}
          ) { __typename }
        }"""
    )
    # when
    plans.client.advance("2026-02-01T00:00:00Z")
    # then
    wallet = plans.client.ask('{ wallet(customerId: "ext:acme") { id } }')["wallet"]["id"]
    events = plans.client.ask(
        """query ($id: ID!) { events(aggregateId: $id, recordedFrom: "2026-02-01T00:00:00Z") {
          nodes { type } } }""",
        id=wallet,
    )["events"]["nodes"]
    assert [event["type"] for event in reversed(events)] == [
        "wallet.hold_lapsed",
        "wallet.grant_lapsed",
        "wallet.grant_revoked",
        "wallet.grant_credited",
        "wallet.grant_credited",
        "wallet.subscription_moved",
    ]
    assert plans.available() == "150"
    # and: nothing was told of a state in between
    told = plans.client.ask("{ notifications { nodes { kind } } topUps { nodes { status } } }")
    assert [each["kind"] for each in told["notifications"]["nodes"]] == ["HOLD_LAPSED"]
    assert told["topUps"]["nodes"] == []


def test_r22_zones_and_dst(start: Start) -> None:
    # given one timeline for customers of several zones
    plans = start("2024-02-29T00:00:00Z")
    plans.publish("monthly", "1")
    plans.publish("yearly", "1", period="YEAR")
    plans.publish("tried", "1", trialDays=30)

    def subscribe(customer: str, zone: str, product: str) -> None:
        plans.customer(customer, zone)
        plans.subscribe(product, customer)

    def ends(customer: str, at: str) -> None:
        assert plans.cycle(customer)[2] == instant(at)

    # when / then
    subscribe("leap", "UTC", "yearly")
    ends("leap", "2025-02-28T00:00:00Z")
    plans.client.advance("2025-12-31T15:00:00Z")
    ends("leap", "2026-02-28T00:00:00Z")
    subscribe("tokyo", "Asia/Tokyo", "monthly")
    ends("tokyo", "2026-01-31T15:00:00Z")
    plans.client.advance("2026-02-08T07:30:00Z")
    subscribe("york", "America/New_York", "monthly")
    ends("york", "2026-03-08T07:30:00Z")
    plans.client.advance("2026-03-02T07:30:00Z")
    subscribe("angeles", "America/Los_Angeles", "tried")
    ends("angeles", "2026-04-01T06:30:00Z")
    plans.client.advance("2026-03-08T07:30:00Z")
    ends("york", "2026-04-08T06:30:00Z")
    plans.client.advance("2028-01-01T00:00:00Z")
    ends("leap", "2028-02-29T00:00:00Z")


def test_r26_paid_in_part(start: Start) -> None:
    # given
    plans = start("2024-05-20T00:00:00Z")
    plans.customer()
    plans.publish("quarterly", "182", period="QUARTER")
    plans.publish("basic", "20")
    plans.publish("pro", "50")
    # when
    quarterly = plans.subscribe("quarterly", anchor="2024-07-01T00:00:00Z")["id"]
    # then
    assert plans.fees() == [("84", "0")]
    # and
    plans.client.advance("2024-06-10T00:00:00Z")
    assert plans.client.answer(CANCEL, id=quarterly, timing="NOW")["status"] == "CANCELED"
    assert plans.fees() == [("84", "42")]
    # and: sold by override
    plans.client.advance("2024-09-01T00:00:00Z")
    override = {"key": "fee", "model": "FLAT", "asset": "USD", "unitPrice": "10"}
    basic = plans.subscribe("basic", overrides=[override])
    assert basic["overrides"] == [{"key": "fee", "unitPrice": "10"}]
    plans.client.advance("2024-09-16T00:00:00Z")
    plans.client.answer(CHANGE, id=basic["id"], product="pro")
    assert plans.fees() == [("84", "42"), ("10", "5"), ("25", "0")]


def test_a_fee_that_is_not_covered(start: Start) -> None:
    # given
    plans = start("2026-01-01T00:00:00Z")
    plans.customer(money=None)
    plans.publish("pro", "20", {"amount": "100"})
    # when
    refused = plans.subscribe("pro")
    # then
    assert refused["code"] == "INSUFFICIENT_FUNDS"
    assert (refused["required"], refused["available"]) == ("20", "0")
    assert plans.client.ask(SUBSCRIPTIONS, customer="ext:acme")["answer"] == []


def test_by_invoice_a_fee_never_touches_the_wallet(start: Start) -> None:
    # given
    plans = start("2026-04-01T00:00:00Z")
    plans.customer(money=None)
    plans.publish("pro", "20")
    draft = """{ draftInvoice(customerId: "ext:acme", currency: "USD") {
      total lines { description amount } } }"""
    # when
    told = plans.subscribe("pro", collection="INVOICE")
    # then
    assert told["status"] == "ACTIVE"
    assert plans.fees() == []
    assert plans.client.ask(draft)["draftInvoice"] == {
        "total": "20",
        "lines": [{"description": "Fee fee", "amount": "20"}],
    }
    # and: cancelled now it is credited, and what is left is issued
    plans.client.advance("2026-04-16T00:00:00Z")
    plans.client.answer(CANCEL, id=told["id"], timing="NOW")
    issued = plans.client.ask('{ invoices(customerId: "ext:acme") { nodes { status total } } }')[
        "invoices"
    ]["nodes"]
    assert issued == [{"status": "ISSUED", "total": "10"}]
    assert plans.client.ask(draft)["draftInvoice"]["lines"] == []
