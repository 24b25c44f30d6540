"""Worked cases of spend control, through the running server with a test clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.scenarios.server import REFUSED, Client

pytestmark = pytest.mark.storage

MIDNIGHT = "2026-01-11T00:00:00Z"
LIMITED = REFUSED.replace(
    "... on InvalidInput",
    "... on SpendLimitReached { limit allowed spent resetsAt }\n  ... on InvalidInput",
    1,
)
RECORD = (
    LIMITED
    + """
mutation ($input: UsageEventInput!) {
  answer: recordUsage(input: $input) {
    __typename ... on UsageCharge { id status wouldRefuse replayed } ...RefusedInDetail
  }
}
"""
)
AUTHORIZE = (
    LIMITED
    + """
mutation ($input: AuthorizeInput!) {
  answer: authorizeUsage(input: $input) {
    __typename ... on Hold { id status } ...RefusedInDetail
  }
}
"""
)
SET_BUDGET = """
mutation (
  $customer: ID! = "ext:acme", $subject: String!, $asset: String! = "CREDIT", $limit: Decimal!
  $period: BudgetPeriod! = DAY, $zone: String, $weekStart: Int = 1
) {
  answer: setBudget(
    customerId: $customer, subject: $subject, asset: $asset, limit: $limit, period: $period
    timezone: $zone, weekStart: $weekStart
  ) {
    ... on Budget { id subject limit spent held resetsAt }
    ... on Problem { code } ... on InvalidInput { field } ... on NotFound { what }
  }
}
"""
SET_TEMPLATE = """
mutation ($pattern: String!, $limit: Decimal!, $period: BudgetPeriod! = DAY) {
  answer: setBudgetTemplate(pattern: $pattern, asset: "CREDIT", limit: $limit, period: $period) {
    ... on BudgetTemplate { pattern limit period }
    ... on Problem { code } ... on InvalidInput { field } ... on NotFound { what }
  }
}
"""
SET_MAXIMUM = """
mutation ($maximum: Decimal) {
  answer: setEventMaximum(customerId: "ext:acme", asset: "CREDIT", maximum: $maximum) {
    __typename ... on Problem { code } ... on InvalidInput { field }
  }
}
"""
BUDGETS = """{ wallet(customerId: "ext:acme") {
  budgets { id subject period limit spent held resetsAt } } }"""


def charge(client: Client, event_id: str, amount: str, subject: str | None = None) -> Any:
    report = {"customerId": "ext:acme", "meter": "tokens", "asset": "CREDIT", "subject": subject}
    return client.answer(RECORD, input={"eventId": event_id, "amount": amount, **report})


def settles(client: Client, event_id: str, amount: str, subject: str | None = None) -> None:
    answer = charge(client, event_id, amount, subject)
    assert answer.get("status") == "SETTLED", answer


def limited(client: Client, event_id: str, amount: str, subject: str | None = None) -> Any:
    """Return (limit, allowed, resetsAt, retryable) of the refusal."""
    answer = charge(client, event_id, amount, subject)
    assert answer.get("code") == "SPEND_LIMIT_REACHED", answer
    return answer["limit"], answer["allowed"], instant(answer["resetsAt"]), answer["retryable"]


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def shown(client: Client) -> dict[tuple[str, str], dict[str, Any]]:
    budgets = client.ask(BUDGETS)["wallet"]["budgets"]
    return {(each["subject"], each["period"]): each for each in budgets}


def test_r10_budget(client: Client) -> None:
    # given
    client.grant("A", "100")
    budget = client.answer(SET_BUDGET, subject="agent-7", limit="5")
    # when
    settles(client, "a", "3", "agent-7")
    settles(client, "b", "2", "agent-7")
    # then
    refused = limited(client, "c", "0.000001", "agent-7")
    assert refused == (budget["id"], "0", instant(MIDNIGHT), True)
    settles(client, "d", "1", "agent-8")
    assert client.account()["available"] == "94"
    assert shown(client)["agent-7", "DAY"]["spent"] == "5"
    # and: at midnight the very same event settles
    client.advance(MIDNIGHT)
    settles(client, "c", "0.000001", "agent-7")
    assert shown(client)["agent-7", "DAY"]["spent"] == "0.000001"


def test_r24_template(client: Client) -> None:
    # given
    client.grant("A", "100")
    client.answer(SET_TEMPLATE, pattern="agent:*", limit="5")
    client.answer(SET_TEMPLATE, pattern="agent:*", limit="20", period="TOTAL")
    # when: the first event is refused, and makes no budget
    _, allowed, resets_at, _ = limited(client, "first", "5.000001", "agent:new")
    assert (allowed, resets_at) == ("5", instant(MIDNIGHT))
    assert shown(client) == {}
    # and: days of 5
    for day in range(4):
        settles(client, f"day-{day}", "5", "agent:new")
        assert limited(client, f"more-{day}", "0.000001", "agent:new")[1] == "0"
        client.advance(f"2026-01-{11 + day}T00:00:00Z")
    # then: on day five TOTAL refuses
    budget_id, allowed, resets_at, retryable = limited(client, "day-4", "0.000001", "agent:new")
    assert (allowed, resets_at, retryable) == ("0", None, False)
    total = shown(client)["agent:new", "TOTAL"]
    assert (total["id"], total["spent"]) == (budget_id, "20")
    settles(client, "other", "5", "agent:other")


def test_holds_count_and_refunds_give_back(client: Client) -> None:
    # given
    client.grant("A", "100")
    client.answer(SET_BUDGET, subject="team", limit="10")
    report = {"customerId": "ext:acme", "meter": "tokens", "asset": "CREDIT"}
    inner = {**report, "subject": "team/agent"}
    # when
    hold = client.answer(AUTHORIZE, input={"eventId": "h", "amount": "7", **inner})
    # then: of 10 there are 3 left, for holds and charges alike
    assert limited(client, "a", "3.000001", "team")[1] == "3"
    refused = client.answer(AUTHORIZE, input={"eventId": "i", "amount": "4", **inner})
    assert (refused["code"], refused["allowed"]) == ("SPEND_LIMIT_REACHED", "3")
    # and: what is captured is spent, what is refunded no longer
    captured = client.capture(hold["id"], "6")
    budget = shown(client)["team", "DAY"]
    assert (budget["spent"], budget["held"]) == ("6", "0")
    client.refund(captured["id"], "r", "5")
    assert shown(client)["team", "DAY"]["spent"] == "1"
    settles(client, "b", "9", "team/other")
    assert limited(client, "c", "0.000001", "team/agent")[1] == "0"


def test_event_maximum(client: Client) -> None:
    client.grant("A", "100")
    client.answer(SET_MAXIMUM, maximum="5")
    assert limited(client, "a", "5.000001") == ("event-maximum", "5", None, False)
    settles(client, "a", "5")
    client.answer(SET_MAXIMUM, maximum=None)
    settles(client, "b", "6")


@pytest.mark.parametrize("mode", ["SHADOW", "HYBRID"])
def test_other_modes_only_say_so(client: Client, mode: str) -> None:
    client.customer("other", mode)
    client.grant("A", "100", customerId="ext:other")
    client.answer(SET_BUDGET, customer="ext:other", subject="agent", limit="5")
    report = {"customerId": "ext:other", "meter": "tokens", "asset": "CREDIT", "subject": "agent"}
    within = client.answer(RECORD, input={"eventId": "a", "amount": "5", **report})
    beyond = client.answer(RECORD, input={"eventId": "b", "amount": "0.000001", **report})
    assert (within["wouldRefuse"], beyond["wouldRefuse"]) == (False, True)


BUDGET = {"subject": "agent", "limit": "1"}
TEMPLATE = {"pattern": "agent:*", "limit": "1"}


def test_bad_input_names_its_field(client: Client) -> None:
    """One server for the table: nothing in it is written."""
    log = "{ events(first: 1) { nodes { position } } }"
    before = client.ask(log)
    for query, given, named in (
        (SET_BUDGET, {**BUDGET, "subject": "a//b"}, "subject"),
        (SET_BUDGET, {**BUDGET, "subject": "/a"}, "subject"),
        (SET_BUDGET, {**BUDGET, "subject": "a/"}, "subject"),
        (SET_BUDGET, {**BUDGET, "subject": "x" * 1_001}, "subject"),
        (SET_BUDGET, {**BUDGET, "subject": "a\u0000b"}, "subject"),
        (SET_BUDGET, {**BUDGET, "limit": "-1"}, "limit"),
        (SET_BUDGET, {**BUDGET, "limit": "NaN"}, "limit"),
        (SET_BUDGET, {**BUDGET, "limit": "0.0000001"}, "limit"),
        (SET_BUDGET, {**BUDGET, "zone": "Mars/Olympus"}, "timezone"),
        (SET_BUDGET, {**BUDGET, "zone": ""}, "timezone"),
        (SET_BUDGET, {**BUDGET, "zone": "../etc/passwd"}, "timezone"),
        (SET_BUDGET, {**BUDGET, "period": "WEEK", "weekStart": 8}, "weekStart"),
        (SET_BUDGET, {**BUDGET, "asset": "NOPE"}, "asset"),
        (SET_BUDGET, {**BUDGET, "customer": "ext:nobody"}, "customer"),
        (SET_TEMPLATE, {**TEMPLATE, "pattern": ""}, "pattern"),
        (SET_TEMPLATE, {**TEMPLATE, "pattern": "agent//*"}, "pattern"),
        (SET_TEMPLATE, {**TEMPLATE, "pattern": "a\u0001*"}, "pattern"),
        (SET_TEMPLATE, {**TEMPLATE, "limit": "-1"}, "limit"),
        (SET_MAXIMUM, {"maximum": "-0.000001"}, "maximum"),
    ):
        answer = client.answer(query, **given)
        assert answer.get("field", answer.get("what")) == named, (given, answer)
    assert client.ask(log) == before


def test_every_entry_asks_the_budget(client: Client) -> None:
    """Of 10 for the whole wallet 1 is left; each way to take 2 is refused, and nothing is taken."""
    # given
    client.grant("A", "100")
    client.answer(SET_BUDGET, subject="", limit="10")
    hold = client.answer(
        AUTHORIZE,
        input={
            "eventId": "h",
            "customerId": "ext:acme",
            "meter": "tokens",
            "asset": "CREDIT",
            "amount": "4",
        },
    )
    settles(client, "a", "5")
    event = {"eventId": "b", "meter": "tokens", "asset": "CREDIT", "amount": "2"}
    # when
    batch = client.ask(
        "mutation ($events: [UsageEventInput!]!) { answer: recordUsageBatch(events: $events)"
        " { ... on Problem { code } } }",
        events=[{"customerId": "ext:acme", **event}],
    )["answer"]
    bulk = client.http.post("/v1/usage", json=[{"customer": "acme", **event}]).json()["results"]
    adjusted = client.answer(
        "mutation ($input: AdjustmentInput!) { answer: adjustWallet(input: $input)"
        " { ... on Problem { code } } }",
        input={
            "idempotencyKey": "b",
            "customerId": "ext:acme",
            "asset": "CREDIT",
            "amount": "-2",
            "reason": "CORRECTION",
        },
    )
    above = client.answer(
        'mutation ($hold: ID!) { answer: captureUsage(holdId: $hold, amount: "6")'
        " { ... on Problem { code } } }",
        hold=hold["id"],
    )
    # then
    codes = [batch[0]["code"], bulk[0]["problem"]["code"], adjusted["code"], above["code"]]
    assert codes == ["SPEND_LIMIT_REACHED"] * 4
    assert client.account()["available"] == "91"
    assert client.capture(hold["id"], "5")["status"] == "SETTLED"
