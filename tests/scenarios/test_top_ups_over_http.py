"""Alerts, auto top-up and what is told, through the running server with a test clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.server import REFUSED, Client

pytestmark = pytest.mark.storage

ACCOUNT = """
{ wallet(customerId: "ext:acme") { account(asset: "CREDIT") {
  available alertBelow
  autoTopUp {
    asset below amount target maxPerDay suspended suspendedReason
    price { amount currency } maxPerMonth { amount currency }
  }
} } }
"""
SET_ALERT = """
mutation ($below: Decimal, $customer: ID! = "ext:acme", $asset: String! = "CREDIT") {
  answer: setBalanceAlert(customerId: $customer, asset: $asset, below: $below) {
    __typename ... on Problem { code } ... on InvalidInput { field } ... on NotFound { what }
  }
}
"""
SET_AUTO = """
mutation (
  $below: Decimal, $amount: Decimal, $target: Decimal, $price: MoneyInput, $perDay: Int = 3
  $perMonth: MoneyInput, $days: Int
) {
  answer: setAutoTopUp(
    customerId: "ext:acme", asset: "CREDIT", below: $below, amount: $amount, target: $target
    price: $price, maxPerDay: $perDay, maxPerMonth: $perMonth, validDays: $days
  ) { __typename ... on Problem { code } ... on InvalidInput { field } ... on NotFound { what } }
}
"""
RESUME = """
mutation { answer: resumeAutoTopUp(customerId: "ext:acme", asset: "CREDIT") {
  __typename ... on Problem { code } ... on InvalidState { state } } }
"""
REPORT = (
    REFUSED
    + """
mutation (
  $id: ID!, $outcome: TopUpOutcome!, $paid: MoneyInput, $reference: String, $reason: String
) {
  answer: reportTopUp(
    requestId: $id, outcome: $outcome, paid: $paid, reference: $reference, reason: $reason
  ) {
    __typename
    ... on TopUpRequest { id status grant { amount source reference paid { amount } } }
    ...RefusedInDetail
  }
}
"""
)
TOP_UPS = """
query ($customer: ID = "ext:acme", $status: TopUpStatus, $first: Int = 50, $after: String) {
  topUps(customerId: $customer, status: $status, first: $first, after: $after) {
    nodes { id asset credits status requestedAt price { amount currency } grant { id } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
NOTIFICATIONS = """
query ($customer: ID, $kind: NotificationKind, $first: Int = 50, $after: String) {
  notifications(customerId: $customer, kind: $kind, first: $first, after: $after) {
    nodes { id kind customerId subject asset threshold amount at position data }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def auto(client: Client, below: str | None, **terms: Any) -> None:
    answer = client.answer(SET_AUTO, below=below, **terms)
    assert answer["__typename"] == "Wallet", answer


def top_ups(client: Client, **wanted: Any) -> list[dict[str, Any]]:
    """Return requests, newest first."""
    nodes: list[dict[str, Any]] = client.ask(TOP_UPS, **wanted)["topUps"]["nodes"]
    return nodes


def told(client: Client, kind: str | None = None) -> list[dict[str, Any]]:
    """Return what was told of acme, newest first."""
    page = client.ask(NOTIFICATIONS, customer="ext:acme", kind=kind)["notifications"]
    nodes: list[dict[str, Any]] = page["nodes"]
    return nodes


def account(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.ask(ACCOUNT)["wallet"]["account"]
    return found


def test_an_alert_is_told_once_a_crossing(client: Client) -> None:
    # given
    client.grant("A", "100")
    assert client.answer(SET_ALERT, below="50")["__typename"] == "Wallet"
    assert account(client)["alertBelow"] == "50"
    # when
    client.charge("a", "50")
    assert told(client, "BALANCE_LOW") == []
    client.charge("b", "10")
    client.charge("c", "10")
    # then
    (low,) = told(client, "BALANCE_LOW")
    assert (low["asset"], low["threshold"], low["amount"]) == ("CREDIT", "50", "40")
    # and: again only after it was crossed back
    client.grant("B", "100")
    assert len(told(client, "BALANCE_LOW")) == 1
    client.charge("d", "90")
    assert [each["amount"] for each in told(client, "BALANCE_LOW")] == ["40", "40"]
    node = client.ask(
        "query ($id: ID!) { node(id: $id) { ... on Notification { kind } } }", id=low["id"]
    )
    assert node == {"node": {"kind": "BALANCE_LOW"}}
    # and: without an alert nothing
    client.answer(SET_ALERT, below=None)
    assert account(client)["alertBelow"] is None


def test_r25_dead_card(client: Client) -> None:
    # given
    client.grant("A", "100")
    auto(client, "100", amount="50", price={"amount": "5", "currency": "USD"}, perDay=10)
    client.charge("a", "1")
    # when: three declines, an hour apart
    for hour in range(3):
        (request,) = top_ups(client, status="REQUESTED")
        answer = client.answer(REPORT, id=request["id"], outcome="DECLINED", reason="dead card")
        assert answer["status"] == "DECLINED"
        client.advance(f"2026-01-10T{11 + hour}:00:00Z")
    # then
    shown = account(client)["autoTopUp"]
    assert shown["suspended"]
    assert "3 declines" in shown["suspendedReason"]
    # and: 100 charges over 30 days ask for nothing
    for day in range(10, 40):
        month, of_month = (1, day) if day <= 31 else (2, day - 31)
        client.advance(f"2026-{month:02}-{of_month:02}T20:00:00Z")
        for part in range(3):
            assert client.charge(f"{day}-{part}", "0.1")["status"] == "SETTLED"
    assert [each["status"] for each in top_ups(client)] == ["DECLINED"] * 3
    assert len(told(client, "TOP_UP_SUSPENDED")) == 1
    assert len(told(client, "TOP_UP_DECLINED")) == 3
    # and: a person lets it ask again
    assert client.answer(RESUME)["__typename"] == "Wallet"
    client.charge("again", "0.1")
    assert len(top_ups(client, status="REQUESTED")) == 1


def test_r25_pending(client: Client) -> None:
    client.grant("A", "101")
    auto(client, "100", amount="500", price={"amount": "5", "currency": "USD"})
    for n in range(100):
        client.charge(f"c{n}", "1")
    assert account(client)["available"] == "1"
    (request,) = top_ups(client)
    assert (request["credits"], request["status"]) == ("500", "REQUESTED")
    assert request["price"] == {"amount": "5", "currency": "USD"}
    assert len(told(client, "TOP_UP_REQUESTED")) == 1


def test_r25_target(client: Client) -> None:
    # given
    client.ask(
        'mutation { setExchangeRate(asset: "CREDIT", currency: "USD", unitPrice: "0.01")'
        " { __typename } }"
    )
    client.grant("A", "5")
    client.ask('mutation { setWalletMode(customerId: "ext:acme", mode: HYBRID) { __typename } }')
    auto(client, "10", target="50")
    # when
    client.charge("a", "100")
    # then
    assert account(client)["available"] == "-95"
    (request,) = top_ups(client)
    assert (request["credits"], request["price"]) == ("145", {"amount": "1.45", "currency": "USD"})
    # and: told settled twice, it credits once
    for _ in range(2):
        answer = client.answer(REPORT, id=request["id"], outcome="SETTLED", reference="pi_1")
        assert answer["grant"] == {
            "amount": "145",
            "source": "PAID",
            "reference": "pi_1",
            "paid": {"amount": "1.45"},
        }
    assert account(client)["available"] == "50"


def test_time_out_and_the_next_request_are_due_work(client: Client) -> None:
    # given
    client.grant("A", "100")
    auto(client, "100", amount="50", price={"amount": "5", "currency": "USD"})
    client.charge("a", "10")
    # when: nobody says anything for half a day
    client.advance("2026-01-10T22:00:00Z")
    # then: three a day, each an hour after the last, and one notice
    assert [(each["status"], each["requestedAt"][11:16]) for each in top_ups(client)] == [
        ("TIMED_OUT", "12:00"),
        ("TIMED_OUT", "11:00"),
        ("TIMED_OUT", "10:00"),
    ]
    assert len(told(client, "RUNAWAY_TOP_UP")) == 1
    # and: a late success of the first credits once
    first = top_ups(client, status="TIMED_OUT")[-1]
    for _ in range(2):
        assert client.answer(REPORT, id=first["id"], outcome="SETTLED")["status"] == "SETTLED"
    assert account(client)["available"] == "140"
    (settled,) = top_ups(client, status="SETTLED")
    assert settled["id"] == first["id"]
    # and: by pages
    page = client.ask(TOP_UPS, first=2)["topUps"]
    rest = client.ask(TOP_UPS, first=2, after=page["pageInfo"]["endCursor"])["topUps"]
    assert [len(page["nodes"]), len(rest["nodes"])] == [2, 1]
    assert page["pageInfo"]["hasNextPage"]
    assert not rest["pageInfo"]["hasNextPage"]


def test_reports_on_what_is_settled_are_refused(client: Client) -> None:
    client.grant("A", "100")
    auto(client, "100", amount="50", price={"amount": "5", "currency": "USD"})
    client.charge("a", "10")
    (request,) = top_ups(client)
    paid = {"amount": "5", "currency": "USD"}
    client.answer(REPORT, id=request["id"], outcome="SETTLED", paid=paid, reference="pi_1")
    answers = [
        client.answer(REPORT, id=request["id"], **said)
        for said in (
            {"outcome": "DECLINED"},
            {"outcome": "FAILED"},
            {"outcome": "ACTION_REQUIRED"},
            {"outcome": "SETTLED", "reference": "pi_2"},
            {"outcome": "SETTLED", "reference": "pi_1", "paid": {**paid, "amount": "6"}},
            {"outcome": "SETTLED", "reference": "pi_1", "paid": {**paid, "amount": "5.00"}},
        )
    ]
    assert [(each.get("code"), each.get("state", each.get("field"))) for each in answers] == [
        ("INVALID_STATE", "SETTLED"),
        ("INVALID_STATE", "SETTLED"),
        ("INVALID_STATE", "SETTLED"),
        ("IDEMPOTENCY_CONFLICT", "reference"),
        ("IDEMPOTENCY_CONFLICT", "paid"),
        (None, None),
    ]
    assert account(client)["available"] == "140"


def test_every_kind_has_its_figures(client: Client) -> None:
    # given: a budget, a free grant that ends, a hold that lapses, and overage
    client.ask('mutation { setWalletMode(customerId: "ext:acme", mode: HYBRID) { __typename } }')
    client.ask(
        """mutation { setBudget(
          customerId: "ext:acme", subject: "bot", asset: "CREDIT", limit: "10", period: DAY
        ) { __typename } }"""
    )
    client.grant("A", "20")
    client.grant("P", "8", source="PROMOTIONAL")
    client.grant("E", "5", source="PROMOTIONAL", expiresAt="2026-01-12T10:00:00Z", priority=90)
    # when
    client.charge("a", "6", subject="bot/1")
    client.charge("b", "4", subject="bot/2")
    client.authorize("h", "3")
    client.advance("2026-01-12T00:00:00Z")
    client.charge("c", "30")
    # then
    kinds = [(each["kind"], each["threshold"], each["amount"]) for each in told(client)]
    assert kinds[::-1] == [
        ("BUDGET_THRESHOLD", "50", "6"),
        ("BUDGET_THRESHOLD", "80", "10"),
        ("BUDGET_EXHAUSTED", "100", "10"),
        ("HOLD_LAPSED", None, "3"),
        ("GRANT_EXPIRING", None, "5"),
        ("GRANT_SOURCE_EXHAUSTED", None, "0"),
        ("GRANT_SOURCE_EXHAUSTED", None, "0"),
        ("FIRST_OVERAGE", "0", "7"),
    ]
    budget = told(client, "BUDGET_EXHAUSTED")[0]
    assert budget["subject"] == "bot"
    assert budget["data"].keys() == {"budgetId"}
    assert [each["data"]["source"] for each in told(client, "GRANT_SOURCE_EXHAUSTED")] == [
        "PROMOTIONAL",
        "PAID",
    ]
    # and: of nobody nothing
    for nobody in ("nonsense", "ext:nobody", "00000000-0000-0000-0000-000000000000"):
        assert client.ask(NOTIFICATIONS, customer=nobody)["notifications"]["nodes"] == []
        assert top_ups(client, customer=nobody) == []
    # and: by pages, each once
    seen: list[str] = []
    after = None
    while True:
        page = client.ask(NOTIFICATIONS, first=3, after=after)["notifications"]
        seen += [each["id"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(set(seen)) == len(seen) == len(kinds)


def test_bad_input_names_its_field(client: Client) -> None:
    """One server for the table: nothing in it is written."""
    client.grant("A", "100")
    log = "{ events(first: 1) { nodes { position } } }"
    before = client.ask(log)
    usd = {"amount": "1", "currency": "USD"}
    for query, given, named in (
        (SET_ALERT, {"below": "NaN"}, "below"),
        (SET_ALERT, {"below": "0.0000001"}, "below"),
        (SET_ALERT, {"below": "1", "asset": "NOPE"}, "asset"),
        (SET_ALERT, {"below": "1", "customer": "ext:nobody"}, "customer"),
        (SET_ALERT, {}, "below"),
        (SET_AUTO, {}, "below"),
        (SET_AUTO, {"below": "1"}, "amount"),
        (SET_AUTO, {"below": "1", "amount": "1", "target": "2"}, "amount"),
        (SET_AUTO, {"below": "1", "amount": "0"}, "amount"),
        (SET_AUTO, {"below": "1", "amount": "1", "price": {**usd, "amount": "-1"}}, "price.amount"),
        (SET_AUTO, {"below": "1", "amount": "1", "price": {**usd, "currency": "ZZZ"}}, "currency"),
        (SET_AUTO, {"below": "1", "target": "0.5"}, "target"),
        (SET_AUTO, {"below": "1", "target": "5", "price": usd}, "price"),
        (SET_AUTO, {"below": "1", "amount": "1", "perDay": 0}, "maxPerDay"),
        (SET_AUTO, {"below": "1", "amount": "1", "days": 0}, "validDays"),
        (SET_AUTO, {"below": "1", "amount": "1", "perMonth": usd}, "maxPerMonth"),
        (REPORT, {"id": "nothing", "outcome": "SETTLED"}, "top-up request"),
        (REPORT, {"id": "nothing", "outcome": "DECLINED", "paid": usd}, "paid"),
    ):
        answer = client.answer(query, **given)
        assert answer.get("field", answer.get("what")) == named, (given, answer)
    assert client.answer(RESUME)["state"] == "OFF"
    assert client.ask(log) == before
