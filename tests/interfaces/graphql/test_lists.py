"""Lists: pages, cursors, how far behind; and what a page costs in reads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from domain import identity
from interfaces.graphql.lists import ungrouped
from projections import queries
from projections.pages import Page, cursor
from projections.queries import ChargeFilter, UsagePoint
from projections.statement_queries import BalancePoint, StatementLine
from tests.interfaces.graphql.memory import TENANT, MemoryRuntime

AT = datetime(2026, 1, 31, tzinfo=UTC)
ACME = identity.customer_id(TENANT, "acme")
WALLET = identity.wallet_id(TENANT, ACME)


def position_of(ledger: MemoryRuntime, stream_id: str, topic: str) -> int:
    for event in ledger.reader.events(TENANT, aggregate_id=stream_id):
        if event.topic == topic:
            return event.position
    raise AssertionError(topic)


def test_customers_are_read_at_one_go() -> None:
    # given
    ledger = MemoryRuntime().with_customer("acme")
    ledger.ask('mutation { createCustomer(input: {externalId: "b"}) { __typename } }')
    ids = [identity.customer_id(TENANT, each) for each in ("b", "acme")]
    ledger.read_models.pages["customers"] = Page(ids, "end", has_next=True)
    ledger.reader.reads.clear()
    # when
    answer = ledger.ask(
        """{ customers(first: 2) {
             nodes { externalId wallet { id customer { externalId } } }
             edges { node { externalId } }
             pageInfo { hasNextPage endCursor }
           } }"""
    )["customers"]
    # then
    assert [each["externalId"] for each in answer["nodes"]] == ["b", "acme"]
    assert [each["node"]["externalId"] for each in answer["edges"]] == ["b", "acme"]
    assert answer["nodes"][1]["wallet"] == {"id": WALLET, "customer": {"externalId": "acme"}}
    assert answer["pageInfo"] == {"hasNextPage": True, "endCursor": "end"}
    assert sorted(ledger.reader.reads) == ["customers", "now", "now", "wallets"]
    assert ledger.read_models.asked == [("customers", (TENANT, 2, None))]


def test_charges_are_read_at_one_go() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    ids = [ledger.charge(f"e{n}", "1") for n in range(20)]
    ledger.read_models.pages["charges"] = Page(ids[::-1], None, has_next=False)
    ledger.reader.reads.clear()
    # when
    answer = ledger.ask("{ charges { nodes { eventId } pageInfo { hasNextPage endCursor } } }")
    # then
    assert [each["eventId"] for each in answer["charges"]["nodes"]] == [
        f"e{n}" for n in range(19, -1, -1)
    ]
    assert answer["charges"]["pageInfo"] == {"hasNextPage": False, "endCursor": None}
    assert ledger.reader.reads == ["charges"]


def test_a_list_says_how_far_behind_it_is() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.read_models.pages["customers"] = Page([], None, has_next=False)
    text = "{ customers { nodes { id } } }"
    # when
    current = asyncio.run(ledger.run(text, min_position=7))
    ledger.behind = 3
    late = asyncio.run(ledger.run(text))
    # then
    assert current.extensions == {}
    assert late.extensions == {"lists": {"behind": 3}}
    assert ledger.waited == [(None, 7), (None, 0)]


def test_a_filter_reaches_the_read_model_whole() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.read_models.pages["charges"] = Page([], None, has_next=False)
    # when
    ledger.ask(
        """{ charges(first: 3, filter: {customerId: "ext:acme", meter: "m", subject: "a/b",
             occurredFrom: "2026-01-31T01:00:00+01:00", occurredTo: "2026-01-31T00:00:01Z",
             status: RELEASED}) { nodes { id } } }"""
    )
    # then
    wanted = ChargeFilter(ACME, "m", "a/b", AT, AT.replace(second=1), "RELEASED")
    assert ledger.read_models.asked == [("charges", (TENANT, wanted, 3, None))]
    assert ledger.waited == [(ACME, 0)]


@pytest.mark.parametrize(
    "given, field",
    [
        ('{occurredFrom: "2026-01-31"}', "filter.occurredFrom"),
        ('{occurredTo: "2026-01-31T00:00:00"}', "filter.occurredTo"),
        ('{meter: ""}', "meter"),
        ('{subject: "\\u0000"}', "subject"),
        ('{customerId: ""}', "filter.customerId"),
    ],
)
def test_a_filter_that_means_nothing_is_named(given: str, field: str) -> None:
    # when
    error = MemoryRuntime().fail(f"{{ charges(filter: {given}) {{ nodes {{ id }} }} }}")
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


# Cursors


def test_a_page_begins_after_any_edge() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    charge = ledger.charge("e", "1")
    ledger.ask(
        """mutation($id: ID!) { refundCharge(chargeId: $id, reason: "r", idempotencyKey: "k")
             { __typename } }""",
        {"id": charge},
    )
    ledger.read_models.pages["charges"] = Page([charge], "end", has_next=True)
    (edge,) = ledger.ask("{ charges { edges { cursor } } }")["charges"]["edges"]
    ledger.read_models.asked.clear()
    # when
    ledger.ask(
        "query($after: String) { charges(after: $after) { nodes { id } } }",
        {"after": edge["cursor"]},
    )
    # then
    settled_at = position_of(ledger, charge, "charge.settled")
    ((_, asked),) = ledger.read_models.asked
    assert asked[-1] == cursor("charges", settled_at)


def test_a_captured_hold_has_its_place_where_it_settled() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    hold = ledger.hold("e", "5")
    ledger.charge("between", "1")
    ledger.ask("mutation($id: ID!) { captureUsage(holdId: $id) { __typename } }", {"id": hold})
    charge = identity.charge_id(TENANT, "default", "e")
    ledger.read_models.pages["charges"] = Page([charge], "end", has_next=True)
    (edge,) = ledger.ask("{ charges { edges { cursor } } }")["charges"]["edges"]
    ledger.read_models.asked.clear()
    # when
    ledger.ask(
        "query($after: String) { charges(after: $after) { nodes { id } } }",
        {"after": edge["cursor"]},
    )
    # then
    ((_, asked),) = ledger.read_models.asked
    assert asked[-1] == cursor("charges", position_of(ledger, charge, "charge.captured"))


def test_customers_go_on_after_an_edge_too() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.read_models.pages["customers"] = Page([ACME], "end", has_next=True)
    (edge,) = ledger.ask("{ customers { edges { cursor } } }")["customers"]["edges"]
    ledger.read_models.asked.clear()
    # when
    ledger.ask(
        "query($after: String) { customers(after: $after) { nodes { id } } }",
        {"after": edge["cursor"]},
    )
    # then
    ((_, asked),) = ledger.read_models.asked
    assert asked[-1] == cursor("customers", position_of(ledger, ACME, "customer.created"))


def test_a_cursor_of_another_list_is_refused() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    for listed in ("customers", "charges", "statement"):
        ledger.read_models.pages[listed] = Page([ACME], "end", has_next=True)
    (edge,) = ledger.ask("{ customers { edges { cursor } } }")["customers"]["edges"]
    lists = [
        "charges(after: $after) { nodes { id } }",
        'statement(customerId: "ext:acme", asset: "CREDIT", after: $after) { nodes { kind } }',
        "events(after: $after) { nodes { type } }",
    ]
    # when, then
    for after in (edge["cursor"], cursor("customers", 1), "", "?", "é", "x" * 300):
        for query in lists:
            error = ledger.fail(f"query($after: String) {{ {query} }}", {"after": after})
            assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}


def test_the_log_is_turned_by_pages_newest_first() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "1")
    text = """query($after: String) { events(first: 3, after: $after) {
      nodes { position type version aggregateId actor requestId recordedAt data }
      edges { cursor } pageInfo { hasNextPage endCursor }
    } }"""
    # when
    seen: list[dict[str, Any]] = []
    after = None
    while True:
        page = ledger.ask(text, {"after": after})["events"]
        seen += page["nodes"]
        assert page["edges"][-1]["cursor"] == page["pageInfo"]["endCursor"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    # then
    assert [each["position"] for each in seen] == list(range(len(ledger.log.all), 0, -1))
    first = seen[-1]
    assert (first["type"], first["version"], first["aggregateId"]) == ("tenant.opened", 1, TENANT)
    assert (first["actor"], first["requestId"]) == ("tests", "request-1")
    assert first["data"]["key"] == "tests"


def test_the_log_is_filtered() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    text = """query($id: ID, $actor: String, $from: DateTime, $to: DateTime, $request: String) {
      events(aggregateId: $id, actor: $actor, recordedFrom: $from, recordedTo: $to,
             requestId: $request) { nodes { type } } }"""
    # when, then
    for asked, count in [
        ({"id": WALLET.upper()}, 1),
        ({"id": "no-id"}, 0),
        ({"actor": "tests"}, len(ledger.log.all)),
        ({"actor": "other"}, 0),
        ({"request": "request-1"}, len(ledger.log.all)),
        ({"from": "2026-01-31T09:30:00Z"}, len(ledger.log.all)),
        ({"to": "2026-01-31T09:30:00Z"}, 0),
    ]:
        assert len(ledger.ask(text, asked)["events"]["nodes"]) == count


# Statement and series


def test_a_statement_has_its_figures_in_the_scale_of_the_asset() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    line = StatementLine(
        5, "CHARGE", AT, -1_500_000, 98_500_000, 0, 0, "Usage of tokens", None, "c", "h"
    )
    ledger.read_models.pages["statement"] = Page([line], "end", has_next=False)
    # when
    answer = ledger.ask(
        """{ statement(customerId: "ext:acme", asset: "CREDIT", first: 9) {
             nodes { position kind at change balanceAfter description grantId chargeId holdId }
             pageInfo { hasNextPage endCursor } } }"""
    )
    # then
    assert answer["statement"] == {
        "nodes": [
            {
                "position": 5,
                "kind": "CHARGE",
                "at": "2026-01-31T00:00:00Z",
                "change": "-1.5",
                "balanceAfter": "98.5",
                "description": "Usage of tokens",
                "grantId": None,
                "chargeId": "c",
                "holdId": "h",
            }
        ],
        "pageInfo": {"hasNextPage": False, "endCursor": "end"},
    }
    assert ledger.read_models.asked == [("statement", (TENANT, WALLET, "CREDIT", 9, None))]
    assert ledger.waited == [(ACME, 0)]


@pytest.mark.parametrize(
    "arguments, code",
    [
        ('customerId: "ext:nobody", asset: "CREDIT"', "NOT_FOUND"),
        ('customerId: "ext:acme", asset: "NOTHING"', "NOT_FOUND"),
        ('customerId: "ext:acme", asset: "credit"', "BAD_USER_INPUT"),
        ('customerId: "ext:acme", asset: "CREDIT", first: -1', "BAD_USER_INPUT"),
    ],
)
def test_a_statement_of_nothing_is_an_error(arguments: str, code: str) -> None:
    # when
    error = (
        MemoryRuntime().with_customer().fail(f"{{ statement({arguments}) {{ nodes {{ kind }} }} }}")
    )
    # then
    assert error["extensions"]["code"] == code


def test_a_balance_series_is_asked_for_in_utc() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.read_models.points = [BalancePoint(AT, 1_500_000, 2, -3)]
    # when
    answer = ledger.ask(
        """{ balanceSeries(customerId: "ext:acme", asset: "CREDIT", bucket: DAY,
             from: "2026-01-31T01:00:00+01:00", to: "2026-02-01T00:00:00Z") {
             at available held overage } }"""
    )
    # then
    assert answer["balanceSeries"] == [
        {
            "at": "2026-01-31T00:00:00Z",
            "available": "1.5",
            "held": "0.000002",
            "overage": "-0.000003",
        }
    ]
    until = datetime(2026, 2, 1, tzinfo=UTC)
    assert ledger.read_models.asked == [
        ("balance_series", (TENANT, WALLET, "CREDIT", AT, until, "DAY"))
    ]


@pytest.mark.parametrize(
    "span, field",
    [
        ('from: "2026-02-01T00:00:00Z", to: "2026-02-01T00:00:00Z"', "to"),
        ('from: "1899-12-31T23:59:59Z", to: "2026-02-01T00:00:00Z"', "from"),
        ('from: "2026-02-01T00:00:00Z", to: "3000-01-01T00:00:00Z"', "to"),
        ('from: "soon", to: "2026-02-01T00:00:00Z"', "from"),
        ('from: "2026-02-01T00:00:00Z", to: "2026-02-02T00:00:00"', "to"),
    ],
)
def test_a_span_is_in_order_and_within_reason(span: str, field: str) -> None:
    # when
    error = MemoryRuntime().fail(f"{{ usageSeries({span}, bucket: DAY) {{ at }} }}")
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


@pytest.mark.parametrize("more", ["by: PROPERTY", 'by: METER, property: "a"', 'property: "a"'])
def test_a_property_goes_together_with_its_group(more: str) -> None:
    # when
    span = 'from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z", bucket: DAY'
    error = MemoryRuntime().fail(f"{{ usageSeries({span}, {more}) {{ at }} }}")
    # then
    assert error["extensions"]["field"] == "property"


def test_usage_is_told_by_group() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.read_models.points = [UsagePoint(AT, "opus", 2, "3.5", 1_500_000_000, "USD")]
    # when
    answer = ledger.ask(
        """{ usageSeries(filter: {customerId: "ext:acme"}, by: PROPERTY, property: "model",
             from: "2026-01-31T00:00:00Z", to: "2026-02-01T00:00:00Z", bucket: HOUR) {
             at group charges quantity amount asset } }"""
    )
    # then
    assert answer["usageSeries"] == [
        {
            "at": "2026-01-31T00:00:00Z",
            "group": "opus",
            "charges": 2,
            "quantity": "3.5",
            "amount": "1.5",
            "asset": "USD",
        }
    ]
    ((_, asked),) = ledger.read_models.asked
    assert asked[-3:] == ("HOUR", "PROPERTY", "model")


def test_without_a_group_points_of_one_time_and_asset_are_one() -> None:
    # given
    later = AT.replace(hour=1)
    points = [
        UsagePoint(AT, "a", 1, "0.5", 10, "CREDIT"),
        UsagePoint(AT, "b", 2, "1.5", -4, "CREDIT"),
        UsagePoint(AT, "a", 1, "1", 7, "USD"),
        UsagePoint(later, None, 3, "9" * 40 + ".1", 1, "CREDIT"),
        UsagePoint(later, "b", 1, "0.000000000000000001", 1, "CREDIT"),
    ]
    # when
    found = ungrouped(points)
    # then
    assert found == [
        queries.UsagePoint(AT, None, 3, "2", 6, "CREDIT"),
        queries.UsagePoint(AT, None, 1, "1", 7, "USD"),
        queries.UsagePoint(later, None, 4, "9" * 40 + ".100000000000000001", 2, "CREDIT"),
    ]


# Nodes and assets


def test_a_node_is_found_whatever_it_is() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "100")
    charge = ledger.charge("e", "1")
    hold = ledger.hold("f", "1")
    asset = identity.asset_id(TENANT, "CREDIT")
    ids = [ACME, WALLET, grant, charge.upper(), hold, asset, TENANT, "no-id"]
    # when
    found = [
        ledger.ask("query($id: ID!) { node(id: $id) { __typename id } }", {"id": each})["node"]
        for each in ids
    ]
    # then
    kinds = ["Customer", "Wallet", "CreditGrant", "UsageCharge", "Hold"]
    assert found == [
        *({"__typename": kind, "id": each.lower()} for kind, each in zip(kinds, ids, strict=False)),
        None,
        None,
        None,
    ]


def test_assets_have_their_rates() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    rate = 'setExchangeRate(asset: "CREDIT", currency: "USD", unitPrice: "0.0100")'
    # when
    answer = ledger.ask(
        f"""mutation {{ {rate} {{
              ... on Asset {{ key rates {{ currency unitPrice effectiveAt }} }} }} }}"""
    )
    listed = ledger.ask("{ assets { key name kind scale rates { unitPrice } } }")
    # then
    assert answer["setExchangeRate"] == {
        "key": "CREDIT",
        "rates": [{"currency": "USD", "unitPrice": "0.01", "effectiveAt": "2026-01-31T09:30:00Z"}],
    }
    assert listed["assets"] == [
        {
            "key": "CREDIT",
            "name": "Credits",
            "kind": "CUSTOM",
            "scale": 6,
            "rates": [{"unitPrice": "0.01"}],
        }
    ]
