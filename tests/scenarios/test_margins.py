"""What usage earned and cost: V12's quantities, refunds, tasks, over HTTP."""

from __future__ import annotations

from typing import Any

from tests.scenarios.server import Client

MARGINS = """
query (
  $by: MarginBy!, $from: DateTime!, $to: DateTime!, $customer: ID, $first: Int, $after: String
) {
  margins(by: $by, from: $from, to: $to, customerId: $customer, first: $first, after: $after) {
    nodes { key charges revenue cost margin currency } pageInfo { hasNextPage endCursor }
  }
}
"""
TASK = """
fragment Whole on TaskSummary {
  subject charges amounts { asset amount } revenue { amount currency } cost { amount currency }
  vendors { key charges revenue cost margin currency } startedAt lastAt
}
query ($customer: ID!, $subject: String!, $first: Int, $after: String) {
  task(customerId: $customer, subject: $subject) { ...Whole }
  tasks(customerId: $customer, first: $first, after: $after) {
    nodes { ...Whole } pageInfo { hasNextPage endCursor }
  }
}
"""
JANUARY = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


def _margins(client: Client, by: str, **more: Any) -> list[tuple[str, ...]]:
    """Return key, revenue, cost, margin and currency of each row."""
    rows = client.ask(MARGINS, by=by, **{**JANUARY, **more})["margins"]["nodes"]
    return [
        (row["key"], row["revenue"], row["cost"], row["margin"], row["currency"]) for row in rows
    ]


def _two_assets(client: Client) -> None:
    for key in ("DATA", "ACTION"):
        client.ask(
            """mutation ($key: String!) {
              defineAsset(input: {key: $key, name: $key}) { ... on Asset { key } } }""",
            key=key,
        )
    for key, amount, paid in (("DATA", "1000", "50"), ("ACTION", "10000", "20")):
        client.grant(key, amount, asset=key, paid={"amount": paid, "currency": "USD"})


def _usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def test_v12_two_meters(client: Client) -> None:
    # given
    _two_assets(client)
    # when
    client.charge("d", "200", meter="data", asset="DATA", cost=_usd("6.00"))
    client.charge("a", "1500", meter="action", asset="ACTION", cost=_usd("0.30"))
    # then
    assert _margins(client, "METER") == [
        ("action", "3", "0.3", "2.7", "USD"),
        ("data", "10", "6", "4", "USD"),
    ]
    assert [row[1:] for row in _margins(client, "CUSTOMER")] == [("13", "6.3", "6.7", "USD")]
    assert _margins(client, "DAY") == [("2026-01-10", "13", "6.3", "6.7", "USD")]


def test_a_grants_charges_together_earn_what_was_paid_for_it(client: Client) -> None:
    # given, as in V13
    client.grant("g", "3", paid=_usd("10.00"))
    # when
    for event in "abc":
        client.charge(event, "1", subject=f"run/{event}")
    # then
    rows = _margins(client, "SUBJECT")
    assert [row[1] for row in rows] == ["3.333333333", "3.333333334", "3.333333333"]
    assert _margins(client, "CUSTOMER")[0][1] == "10"


def test_a_refund_takes_the_revenue_back_and_leaves_the_cost(client: Client) -> None:
    # given
    _two_assets(client)
    charge = client.charge("d", "200", asset="DATA", cost=_usd("6"), subject="run")
    # when
    client.refund(charge["id"], "half", "100")
    # then
    assert _margins(client, "SUBJECT") == [("run", "5", "6", "-1", "USD")]
    # when
    client.refund(charge["id"], "rest")
    # then
    assert _margins(client, "SUBJECT") == [("run", "0", "6", "-6", "USD")]
    assert client.ask(TASK, customer="ext:acme", subject="run")["task"]["amounts"] == [
        {"asset": "DATA", "amount": "0"}
    ]


def test_money_of_several_currencies_stands_in_rows_of_its_own(client: Client) -> None:
    # given: a paid grant in EUR, a free one, overage in dollars, and a hold
    client.grant("eur", "10", paid={"amount": "1", "currency": "EUR"}, priority=1)
    client.grant("free", "10", source="PROMOTIONAL", priority=2)
    client.charge("both", "15", cost=_usd("0.5"))
    client.customer("owes", mode="HYBRID")
    client.charge("owed", "2.5", asset="USD", customerId="ext:owes")
    held = client.authorize("held", "3")
    # when
    client.capture(held["id"], "2")
    # then: what is free earned nothing, what is held is no charge
    assert sorted(row[1:] for row in _margins(client, "CUSTOMER")) == [
        ("0", "0.5", "-0.5", "USD"),
        ("1", "0", "1", "EUR"),
        ("2.5", "0", "2.5", "USD"),
    ]
    assert _margins(client, "CUSTOMER", customer="ext:owes")[0][1] == "2.5"


def test_a_task_is_all_charges_of_one_subject(client: Client) -> None:
    # given
    client.grant("g", "100", paid=_usd("10"))
    for number, subject in enumerate(("project/a", "project/b", "project/a", None)):
        client.charge(
            f"e{number}", "5", subject=subject, cost=_usd("0.1"),
            properties={"vendor": "acme" if number else "other"},
            occurredAt=f"2026-01-10T09:0{number}:00Z",
        )  # fmt: skip
    # when
    found = client.ask(TASK, customer="ext:acme", subject="project/a", first=1)
    # then
    vendor = {"charges": 1, "revenue": "0.5", "cost": "0.1", "margin": "0.4", "currency": "USD"}
    assert found["task"] == {
        "subject": "project/a",
        "charges": 2,
        "amounts": [{"asset": "CREDIT", "amount": "10"}],
        "revenue": [_usd("1")],
        "cost": [_usd("0.2")],
        "vendors": [{"key": "acme", **vendor}, {"key": "other", **vendor}],
        "startedAt": "2026-01-10T09:00:00Z",
        "lastAt": "2026-01-10T09:02:00Z",
    }
    assert [node["subject"] for node in found["tasks"]["nodes"]] == ["project/b"]
    page = found["tasks"]["pageInfo"]
    assert page["hasNextPage"] is True
    rest = client.ask(TASK, customer="ext:acme", subject="none", after=page["endCursor"])
    assert rest["task"] is None
    assert [node["subject"] for node in rest["tasks"]["nodes"]] == ["project/a"]


def test_margins_are_turned_by_pages_and_cut_by_time(client: Client) -> None:
    # given
    client.grant("g", "100", paid=_usd("10"))
    for number in range(3):
        client.charge(
            f"e{number}", "5", subject=f"s{number}", occurredAt=f"2026-01-0{number + 1}T00:00:00Z"
        )
    # when
    page = client.ask(MARGINS, by="SUBJECT", first=2, **JANUARY)["margins"]
    rest = _margins(client, "SUBJECT", after=page["pageInfo"]["endCursor"])
    # then
    assert [node["key"] for node in page["nodes"]] == ["s0", "s1"]
    assert page["pageInfo"]["hasNextPage"] is True
    assert [row[0] for row in rest] == ["s2"]
    # and a span is half-open
    day = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    assert [row[0] for row in _margins(client, "SUBJECT", **day)] == ["s0"]
    (error,) = client.errors(MARGINS, by="SUBJECT", after="n:nonsense", **JANUARY)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}


def test_templates_of_a_vendor_are_listed_with_their_day(client: Client) -> None:
    # when
    found = client.ask(
        """{ priceTemplates(vendor: "anthropic") {
          key vendor model meter currency per unitPrice asOf note } }"""
    )["priceTemplates"]
    # then
    assert {row["vendor"] for row in found} == {"anthropic"}
    assert {row["meter"] for row in found} == {
        "llm.input", "llm.cached_read", "llm.cached_write", "llm.output", "llm.reasoning",
    }  # fmt: skip
    assert all(row["asOf"] <= "2026-01-10" and row["note"] for row in found)


COST_TABLE = """
mutation ($input: CostTableInput!) {
  answer: setCostTable(input: $input) {
    __typename
    ... on CostTable {
      key eventType vendor currency per effectiveAt version dimensions
      rows { match property unitCost }
    }
    ... on Problem { code } ... on InvalidInput { field } ... on NotFound { what key }
  }
}
"""
COSTS = """
query ($event: String!) {
  charge(eventId: $event) { cost { amount currency } costTable { key version vendor } }
}
"""


def test_usage_costs_what_the_table_of_its_vendor_says(client: Client) -> None:
    # given
    client.grant("g", "1000", paid=_usd("10"))
    table = {
        "key": "llm", "eventType": "llm", "vendor": "acme", "currency": "USD", "per": "1000000",
        "dimensions": ["model"],
        "rows": [
            {"match": {"model": "opus"}, "property": "in", "unitCost": "15"},
            {"match": {"model": "*"}, "property": "in", "unitCost": "3"},
            {"match": {"model": "opus"}, "property": "out", "unitCost": "75"},
        ],
    }  # fmt: skip
    said = client.answer(COST_TABLE, input=table)
    assert said == {
        "__typename": "CostTable", **table, "version": 1, "effectiveAt": "2026-01-10T10:00:00Z",
    }  # fmt: skip
    other = {**table, "key": "other", "vendor": "zoom", "rows": [{"match": {}, "unitCost": "9"}]}
    client.answer(COST_TABLE, input=other)
    opus = {"model": "opus", "in": 12_345, "out": 678}
    # when
    client.charge("e1", "100", meter="llm", properties={**opus, "vendor": "acme"})
    client.charge("e2", "100", meter="llm", properties={**opus, "vendor": "nobody"})
    client.charge("e3", "100", meter="llm", properties=opus, cost=_usd("1"))
    client.advance("2026-01-11T00:00:00Z")
    client.answer(COST_TABLE, input={**table, "rows": table["rows"][:1]})
    client.charge("e4", "100", meter="llm", properties=opus, occurredAt="2026-01-10T12:00:00Z")
    client.charge("e5", "100", meter="llm", properties=opus)
    # then: a table's version is that of the time at which usage occurred
    costs = {event: client.ask(COSTS, event=event)["charge"] for event in ("e1", "e2", "e3")}
    by_table = {"key": "llm", "version": 1, "vendor": "acme"}
    assert costs == {
        "e1": {"cost": _usd("0.236025"), "costTable": by_table},
        "e2": {"cost": None, "costTable": None},
        "e3": {"cost": _usd("1"), "costTable": None},
    }
    assert client.ask(COSTS, event="e4")["charge"]["costTable"] == by_table
    later = client.ask(COSTS, event="e5")["charge"]
    assert later == {"cost": _usd("0.185175"), "costTable": {**by_table, "version": 2}}
    assert _margins(client, "VENDOR") == [
        ("", "1", "1", "0", "USD"),
        ("acme", "3", "0.657225", "2.342775", "USD"),
        ("nobody", "1", "0", "1", "USD"),
    ]
    listed = client.ask("{ costTables { key version } }")["costTables"]
    assert listed == [{"key": "llm", "version": 2}, {"key": "other", "version": 1}]


def test_a_cost_table_that_makes_no_sense_is_refused_by_name(client: Client) -> None:
    # given
    table = {"key": "t", "eventType": "llm", "currency": "USD", "dimensions": ["model"]}
    row = {"match": {"model": "opus"}, "unitCost": "1"}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"rows": []}, "rows"),
        ({"rows": [row], "per": "0"}, "per"),
        ({"rows": [{**row, "unitCost": "-1"}]}, "rows[0].unitCost"),
        ({"rows": [{**row, "match": {"region": "eu"}}]}, "rows[0].match"),
    ]
    # when
    refused = [client.answer(COST_TABLE, input={**table, **change}) for change, _ in bad]
    unknown = client.answer(COST_TABLE, input={**table, "rows": [row], "currency": "XXX"})
    # then
    assert [each["field"] for each in refused] == [field for _, field in bad]
    assert (unknown["code"], unknown["what"], unknown["key"]) == ("NOT_FOUND", "currency", "XXX")
    assert client.ask("{ costTables { key } }")["costTables"] == []
