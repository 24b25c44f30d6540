"""Charges and holds as mutations answer them, and as they are found again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.interfaces.graphql.memory import START, MemoryRuntime

CHARGE = """
fragment All on UsageCharge {
  eventId source subject asset status amount refunded overage
  allocations { grantId amount }
  lines { price meter quantity unitPrice amount description }
  wouldRefuse balanceAfter cost { amount currency } properties occurredAt recordedAt replayed
}
"""
RECORD = (
    CHARGE
    + """
mutation($e: UsageEventInput!) { recordUsage(input: $e) {
  ...All
  ... on Problem { code message retryable }
  ... on InsufficientFunds { asset required available topUpUrl }
  ... on IdempotencyConflict { key field }
  ... on InvalidInput { field }
} }
"""
)
HOLD = """
fragment All on Hold {
  id status amount captured expiresAt allocations { grantId amount } balanceAfter replayed
}
"""
AUTHORIZE = HOLD + "mutation($e: AuthorizeInput!) { authorizeUsage(input: $e) { ...All } }"
EVENT: dict[str, Any] = {
    "eventId": "e",
    "customerId": "ext:acme",
    "meter": "tokens",
    "asset": "CREDIT",
    "amount": "12.50",
}


def test_a_charge_tells_what_was_reported_and_what_it_took() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "100")
    event = EVENT | {
        "source": "gateway",
        "quantity": "1000.0",
        "subject": "team/agent-7",
        "properties": {"model": "opus", "tokens": 1000},
        "cost": {"amount": "0.10", "currency": "USD"},
        "occurredAt": "2026-01-31T10:00:00.25+01:00",
    }
    # when
    answer = ledger.ask(RECORD, {"e": event})["recordUsage"]
    # then
    assert answer == {
        "eventId": "e",
        "source": "gateway",
        "subject": "team/agent-7",
        "asset": "CREDIT",
        "status": "SETTLED",
        "amount": "12.5",
        "refunded": "0",
        "overage": "0",
        "allocations": [{"grantId": grant, "amount": "12.5"}],
        "lines": [
            {
                "price": None,
                "meter": "tokens",
                "quantity": "1000",
                "unitPrice": None,
                "amount": "12.5",
                "description": "tokens",
            }
        ],
        "wouldRefuse": False,
        "balanceAfter": "87.5",
        "cost": {"amount": "0.1", "currency": "USD"},
        "properties": {"model": "opus", "tokens": 1000},
        "occurredAt": "2026-01-31T09:00:00.250000Z",
        "recordedAt": "2026-01-31T09:30:00Z",
        "replayed": False,
    }
    assert ledger.ask(RECORD, {"e": event})["recordUsage"] == answer | {"replayed": True}


def test_a_refusal_says_what_was_needed_and_what_was_there() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "12.499999")
    # when
    answer = ledger.ask(RECORD, {"e": EVENT})["recordUsage"]
    # then
    assert answer == {
        "code": "INSUFFICIENT_FUNDS",
        "message": "12.5 CREDIT required, 12.499999 available: "
        "add a grant or raise the overage limit",
        "retryable": True,
        "asset": "CREDIT",
        "required": "12.5",
        "available": "12.499999",
        "topUpUrl": None,
    }


def test_the_same_event_otherwise_is_a_conflict_naming_the_field() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    ledger.charge("e", "12.5")
    # when
    answer = ledger.ask(RECORD, {"e": EVENT | {"amount": "13"}})["recordUsage"]
    # then
    assert (answer["code"], answer["key"], answer["field"]) == (
        "IDEMPOTENCY_CONFLICT",
        "e",
        "amount",
    )


def test_checking_decides_and_records_nothing() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "20")
    recorded = len(ledger.log.all)
    check = (
        CHARGE
        + """query($e: UsageEventInput!) { checkUsage(input: $e) {
               ...All ... on InsufficientFunds { required available } } }"""
    )
    # when
    fits = ledger.ask(check, {"e": EVENT})["checkUsage"]
    does_not = ledger.ask(check, {"e": EVENT | {"amount": "20.000001"}})["checkUsage"]
    # then
    assert (fits["status"], fits["balanceAfter"]) == ("SETTLED", "7.5")
    assert does_not == {"required": "20.000001", "available": "20"}
    assert len(ledger.log.all) == recorded


def test_recording_reads_nothing_but_a_scale_once() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    ledger.reader.reads.clear()
    # when
    ledger.charge("e1", "1")
    ledger.charge("e2", "1")
    ledger.charge("e3", "0", asset="USD")
    # then
    assert ledger.reader.reads == []


def test_a_charge_of_a_custom_asset_reads_its_scale_once_for_all() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.reader.reads.clear()
    ledger.ask(
        """mutation { adjustWallet(input: {idempotencyKey: "k", customerId: "ext:acme",
             asset: "CREDIT", amount: "5", reason: GIFT}) { __typename } }"""
    )
    # when
    ledger.charge("e1", "1")
    ledger.charge("e2", "1")
    # then
    assert ledger.reader.reads == ["asset"]


def test_a_batch_is_answered_item_by_item_in_order() -> None:
    # given (case L17, with a bad time in the middle)
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    events = [
        EVENT | {"eventId": "a", "amount": "5"},
        EVENT | {"eventId": "a", "amount": "5.00"},
        EVENT | {"eventId": "x", "occurredAt": "2026-01-31"},
        EVENT | {"eventId": "a", "amount": "6"},
        EVENT | {"eventId": "y", "amount": "-1"},
        EVENT | {"eventId": "b", "amount": "1"},
    ]
    # when
    answer = ledger.ask(
        """mutation($events: [UsageEventInput!]!) { recordUsageBatch(events: $events) {
             __typename
             ... on UsageCharge { eventId replayed balanceAfter }
             ... on InvalidInput { field }
             ... on IdempotencyConflict { field }
           } }""",
        {"events": events},
    )
    # then
    settled = {"__typename": "UsageCharge", "eventId": "a", "balanceAfter": "95"}
    assert answer["recordUsageBatch"] == [
        settled | {"replayed": False},
        settled | {"replayed": True},
        {"__typename": "InvalidInput", "field": "occurredAt"},
        {"__typename": "IdempotencyConflict", "field": "amount"},
        {"__typename": "InvalidInput", "field": "amount"},
        {"__typename": "UsageCharge", "eventId": "b", "replayed": False, "balanceAfter": "94"},
    ]


def test_a_batch_has_at_most_a_thousand_events() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    batch = """mutation($events: [UsageEventInput!]!) {
      recordUsageBatch(events: $events) { __typename } }"""
    event = EVENT | {"amount": "0"}
    # when
    ledger.ask(batch, {"events": []})
    error = ledger.fail(batch, {"events": [event] * 1_001})
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "1000" in error["message"]


def test_refunds_change_the_status() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10")
    charge = ledger.charge("e", "25", delivered=True)
    refund = """mutation($id: ID!, $k: String!, $amount: Decimal) {
      refundCharge(chargeId: $id, amount: $amount, reason: "r", idempotencyKey: $k) {
        ... on UsageCharge { status amount refunded overage replayed allocations { amount } }
        ... on InvalidInput { field message }
      } }"""
    # when
    part = ledger.ask(refund, {"id": charge, "k": "1", "amount": "20"})["refundCharge"]
    again = ledger.ask(refund, {"id": charge, "k": "1", "amount": "20.0"})["refundCharge"]
    beyond = ledger.ask(refund, {"id": charge, "k": "2", "amount": "6"})["refundCharge"]
    rest = ledger.ask(refund, {"id": charge, "k": "3"})["refundCharge"]
    # then
    facts = {"amount": "25", "overage": "15", "allocations": [{"amount": "10"}]}
    assert part == facts | {"status": "PARTIALLY_REFUNDED", "refunded": "20", "replayed": False}
    assert again == part | {"replayed": True}
    assert beyond["field"] == "amount"
    assert rest == facts | {"status": "REFUNDED", "refunded": "25", "replayed": False}


def test_a_charge_is_found_by_id_or_by_event() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10")
    charge = ledger.charge("e", "1")
    other = ledger.charge("e", "2", source="gateway")
    # when
    answer = ledger.ask(
        """query($id: ID!) {
             byId: charge(id: $id) { id }
             byEvent: charge(eventId: "e") { id }
             bySource: charge(eventId: "e", source: "gateway") { id }
             byNull: charge(eventId: "e", source: null) { id }
             no: charge(eventId: "never") { id }
             not: charge(id: "not-an-id") { id }
           }""",
        {"id": charge.upper()},
    )
    # then
    assert answer == {
        "byId": {"id": charge},
        "byEvent": {"id": charge},
        "bySource": {"id": other},
        "byNull": {"id": charge},
        "no": None,
        "not": None,
    }


def test_a_shadow_charge_is_observed_and_takes_nothing() -> None:
    # given
    ledger = MemoryRuntime().with_customer(mode="SHADOW")
    # when
    answer = ledger.ask(RECORD, {"e": EVENT})["recordUsage"]
    # then
    assert answer["status"] == "OBSERVED"
    assert (answer["allocations"], answer["overage"], answer["wouldRefuse"]) == ([], "0", True)
    assert [line["amount"] for line in answer["lines"]] == ["12.5"]


# Adjustments


def test_an_adjustment_leads_to_what_it_made() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    adjust = """mutation($a: AdjustmentInput!) { adjustWallet(input: $a) {
      ... on Adjustment {
        amount balanceAfter replayed
        grant { source remaining replayed } charge { amount source lines { meter } replayed }
      }
    } }"""
    base = {"idempotencyKey": "1", "customerId": "ext:acme", "asset": "CREDIT"}
    # when
    credit = ledger.ask(adjust, {"a": base | {"amount": "5", "reason": "GIFT"}})["adjustWallet"]
    debit = {"idempotencyKey": "2", "amount": "-2", "reason": "FEE"}
    taken = ledger.ask(adjust, {"a": base | debit})["adjustWallet"]
    again = ledger.ask(adjust, {"a": base | debit})["adjustWallet"]
    # then
    assert credit == {
        "amount": "5",
        "balanceAfter": "5",
        "replayed": False,
        "grant": {"source": "PROMOTIONAL", "remaining": "5", "replayed": False},
        "charge": None,
    }
    assert (taken["amount"], taken["balanceAfter"], taken["grant"]) == ("-2", "3", None)
    assert taken["charge"]["amount"] == "2"
    assert taken["charge"]["lines"] == [{"meter": "adjustment"}]
    assert again == taken | {"replayed": True, "charge": taken["charge"] | {"replayed": True}}


# Holds


def test_a_hold_tells_what_is_set_aside() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "100")
    # when
    hold = ledger.ask(AUTHORIZE, {"e": EVENT | {"amount": "40", "ttlSeconds": 60}})
    # then
    hold_id = hold["authorizeUsage"].pop("id")
    assert hold["authorizeUsage"] == {
        "status": "OPEN",
        "amount": "40",
        "captured": "0",
        "expiresAt": "2026-01-31T09:31:00Z",
        "allocations": [{"grantId": grant, "amount": "40"}],
        "balanceAfter": "60",
        "replayed": False,
    }
    charge = ledger.ask('{ charge(eventId: "e") { status amount lines { amount } } }')
    assert charge == {"charge": {"status": "AUTHORIZED", "amount": "0", "lines": []}}
    node = ledger.ask(
        "query($id: ID!) { node(id: $id) { __typename ... on Hold { status } } }", {"id": hold_id}
    )
    assert node == {"node": {"__typename": "Hold", "status": "OPEN"}}


def test_a_hold_past_its_time_is_lapsed_by_the_clock() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    ledger.hold("e", "40", ttlSeconds=60)
    open_holds = '{ holds(customerId: "ext:acme") { status } }'
    assert ledger.ask(open_holds) == {"holds": [{"status": "OPEN"}]}
    # when
    ledger.set_clock(START + timedelta(seconds=60))
    # then
    again = {"e": EVENT | {"amount": "40", "ttlSeconds": 60}}
    replay = ledger.ask(AUTHORIZE, again)["authorizeUsage"]
    assert (replay["status"], replay["allocations"], replay["replayed"]) == ("LAPSED", [], True)
    assert ledger.ask(open_holds) == {"holds": []}


def test_partial_captures_leave_the_rest_held() -> None:
    # given (case L15)
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "100")
    hold = ledger.hold("e", "60")
    capture = """mutation($id: ID!, $amount: Decimal, $event: String, $final: Boolean) {
      captureUsage(holdId: $id, amount: $amount, eventId: $event, final: $final) {
        ... on UsageCharge { eventId status amount balanceAfter }
        ... on Problem { message }
      } }"""
    # when
    first = ledger.ask(capture, {"id": hold, "amount": "20", "event": "a", "final": False})
    held = ledger.ask(HOLD + '{ holds(customerId: "ext:acme") { ...All } }')["holds"]
    last = ledger.ask(capture, {"id": hold, "amount": "30", "event": "b"})
    # then
    assert first["captureUsage"] == {
        "eventId": "a", "status": "SETTLED", "amount": "20", "balanceAfter": "40",
    }  # fmt: skip
    assert [(each["amount"], each["captured"], each["allocations"]) for each in held] == [
        ("60", "20", [{"grantId": grant, "amount": "40"}])
    ]
    assert last["captureUsage"]["balanceAfter"] == "50"
    assert ledger.ask('{ holds(customerId: "ext:acme") { id } }') == {"holds": []}


def test_open_holds_are_told_oldest_first() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    made = [ledger.hold(event, "1") for event in ("z", "m", "a")]
    ledger.ask(
        "mutation($id: ID!) { extendHold(holdId: $id, ttlSeconds: 9000) { __typename } }",
        {"id": made[0]},
    )
    # when
    answer = ledger.ask('{ holds(customerId: "ext:acme") { id } }')
    # then
    assert [each["id"] for each in answer["holds"]] == made


def test_a_released_hold_answers_the_wallet() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "100")
    hold = ledger.hold("e", "40")
    release = """mutation($id: ID!) { releaseHold(holdId: $id) {
      ... on Wallet { account(asset: "CREDIT") { available held } }
      ... on InvalidState { state retryable }
    } }"""
    # when, then
    assert ledger.ask(release, {"id": hold})["releaseHold"] == {
        "account": {"available": "100", "held": "0"}
    }
    assert ledger.ask(release, {"id": hold})["releaseHold"] == {
        "state": "RELEASED", "retryable": False,
    }  # fmt: skip


def test_several_mutations_of_one_request_see_each_other() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    answer = ledger.ask(
        """mutation {
             a: issueGrant(input: {idempotencyKey: "a", customerId: "ext:acme", asset: "CREDIT",
               amount: "5", source: PROMOTIONAL}) { ... on CreditGrant { remaining } }
             b: adjustWallet(input: {idempotencyKey: "b", customerId: "ext:acme", asset: "CREDIT",
               amount: "-2", reason: FEE}) { ... on Adjustment { balanceAfter } }
             c: issueGrant(input: {idempotencyKey: "a", customerId: "ext:acme", asset: "CREDIT",
               amount: "5", source: PROMOTIONAL}) { ... on CreditGrant { remaining } }
           }"""
    )
    # then
    assert answer == {
        "a": {"remaining": "5"}, "b": {"balanceAfter": "3"}, "c": {"remaining": "3"},
    }  # fmt: skip
