"""Wallets, accounts and grants as they stand at the clock's time, or as of another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from interfaces.graphql.times import rfc3339
from tests.interfaces.graphql.memory import START, MemoryRuntime

HOUR = timedelta(hours=1)

WALLET = """
query($at: DateTime) {
  wallet(customerId: "ext:acme", asOf: $at) {
    mode frozen asOf customer { externalId }
    accounts {
      asset { key kind scale }
      available held overage overageInvoiced overageLimit pending
    }
  }
}
"""
GRANTS = """
query($at: DateTime, $spent: Boolean) {
  wallet(customerId: "ext:acme", asOf: $at) {
    account(asset: "CREDIT") {
      available
      grants(includeSpent: $spent) {
        id status amount remaining burned expired revoked refundable expiresAt
      }
    }
  }
}
"""


def account(ledger: MemoryRuntime, **variables: Any) -> dict[str, Any]:
    (found,) = ledger.ask(WALLET, variables)["wallet"]["accounts"]
    return dict(found)


def grants(ledger: MemoryRuntime, **variables: Any) -> list[dict[str, Any]]:
    return list(ledger.ask(GRANTS, variables)["wallet"]["account"]["grants"])


def figures(grant: dict[str, Any]) -> tuple[str, ...]:
    """status, remaining, burned, expired, revoked"""
    return tuple(grant[each] for each in ("status", "remaining", "burned", "expired", "revoked"))


def test_a_new_wallet_has_no_accounts() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    wallet = ledger.ask(WALLET)["wallet"]
    # then
    assert wallet == {
        "mode": "CONTROL",
        "frozen": False,
        "asOf": "2026-01-31T09:30:00Z",
        "customer": {"externalId": "acme"},
        "accounts": [],
    }


def test_an_account_tells_its_figures() -> None:
    # given
    ledger = MemoryRuntime().with_customer(mode="HYBRID")
    ledger.grant("a", "100")
    ledger.grant("b", "7.5", effectiveAt=rfc3339(START + HOUR))
    ledger.charge("e1", "12.5")
    ledger.hold("e2", "40")
    # when
    found = account(ledger)
    # then
    assert found == {
        "asset": {"key": "CREDIT", "kind": "CUSTOM", "scale": 6},
        "available": "47.5",
        "held": "40",
        "overage": "0",
        "overageInvoiced": "0",
        "overageLimit": "0",
        "pending": "7.5",
    }


def test_overage_counts_against_available() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10")
    ledger.charge("e", "25", delivered=True)
    # when
    found = account(ledger)
    # then
    assert (found["available"], found["overage"]) == ("-15", "15")


def test_no_limit_is_null() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    answer = ledger.ask(
        """mutation { setOverageLimit(customerId: "ext:acme", asset: "USD", limit: null) {
             ... on Wallet { accounts { asset { key kind } overageLimit } }
           } }"""
    )
    # then
    assert answer["setOverageLimit"]["accounts"] == [
        {"asset": {"key": "USD", "kind": "CURRENCY"}, "overageLimit": None}
    ]


def test_accounts_stand_in_the_order_of_their_keys() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    for key in ("USD", "CREDIT", "EUR"):
        ledger.grant(key, "1", asset=key)
    # when
    wallet = ledger.ask(WALLET)["wallet"]
    # then
    assert [each["asset"]["key"] for each in wallet["accounts"]] == ["CREDIT", "EUR", "USD"]


def test_an_account_that_is_not_there_is_null() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    answer = ledger.ask('{ wallet(customerId: "ext:acme") { account(asset: "USD") { held } } }')
    # then
    assert answer == {"wallet": {"account": None}}


def test_available_for_a_meter_counts_the_grants_in_whose_scope_it_is() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10")
    ledger.grant("b", "40", meters=["images"])
    # when
    answer = ledger.ask(
        """{ wallet(customerId: "ext:acme") { account(asset: "CREDIT") {
             available tokens: availableFor(meter: "tokens") images: availableFor(meter: "images")
           } } }"""
    )
    # then
    assert answer["wallet"]["account"] == {"available": "50", "tokens": "10", "images": "50"}


@pytest.mark.parametrize(
    "reference", ["ext:nobody", "nobody", "00000000-0000-0000-0000-000000000000"]
)
def test_an_unknown_customer_has_no_wallet(reference: str) -> None:
    answer = MemoryRuntime().ask(
        "query($id: ID!) { wallet(customerId: $id) { id } customer(id: $id) { id } }",
        {"id": reference},
    )
    assert answer == {"wallet": None, "customer": None}


def test_a_customer_is_found_by_either_id_in_any_case() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    first = ledger.ask('{ customer(externalId: "acme") { id wallet { id } } }')["customer"]
    # then
    for reference in ("ext:acme", first["id"], first["id"].upper()):
        found = ledger.ask("query($id: ID!) { customer(id: $id) { id } }", {"id": reference})
        assert found == {"customer": {"id": first["id"]}}


# Grants


def test_grants_stand_in_burn_down_order_while_they_live() -> None:
    # given: L1's grants, without the paid ones' money
    ledger = MemoryRuntime().with_customer()
    paid = {"source": "PAID", "paid": {"amount": "10", "currency": "USD"}}
    a = ledger.grant("a", "100", **paid)
    b = ledger.grant("b", "30")
    c = ledger.grant("c", "50", expiresAt=rfc3339(START + 240 * HOUR), **paid)
    d = ledger.grant("d", "20", priority=10, **paid)
    # when
    ledger.charge("e", "60")
    # then
    assert [(each["id"], each["remaining"]) for each in grants(ledger)] == [
        (c, "10"),
        (b, "30"),
        (a, "100"),
    ]
    assert [each["id"] for each in grants(ledger, spent=True)] == [d, c, b, a]


def test_the_figures_of_a_grant_add_up_through_its_life() -> None:
    # given (case L19)
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "100", source="PAID", paid={"amount": "10", "currency": "USD"})
    ledger.charge("e1", "30")
    hold = ledger.hold("e2", "20")
    one = (
        "query($id: ID!) { grant(id: $id) { status remaining burned expired revoked refundable } }"
    )
    before = ledger.ask(one, {"id": grant})["grant"]
    # when
    voided = ledger.ask(
        """mutation($id: ID!) { voidGrant(id: $id, reason: "unpaid") {
             ... on CreditGrant { status remaining burned expired revoked refundable }
           } }""",
        {"id": grant},
    )["voidGrant"]
    ledger.ask(
        'mutation($id: ID!) { captureUsage(holdId: $id, amount: "15") { __typename } }',
        {"id": hold},
    )
    after = ledger.ask(one, {"id": grant})["grant"]
    # then
    assert (figures(before), before["refundable"]) == (("ACTIVE", "70", "30", "0", "0"), "50")
    assert (figures(voided), voided["refundable"]) == (("VOIDED", "20", "30", "0", "50"), "0")
    assert (figures(after), after["refundable"]) == (("VOIDED", "0", "45", "0", "55"), "0")


def test_an_expiry_that_is_not_written_yet_counts() -> None:
    # given (case L2)
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "10", expiresAt=rfc3339(START + HOUR))
    ledger.charge("e", "4")
    # when
    ledger.set_clock(START + HOUR)
    # then
    assert account(ledger)["available"] == "0"
    assert grants(ledger) == []
    (dead,) = grants(ledger, spent=True)
    assert dead["id"] == grant
    assert figures(dead) == ("EXPIRED", "0", "4", "6", "0")
    node = ledger.ask("query($id: ID!) { grant(id: $id) { status expired } }", {"id": grant})
    assert node == {"grant": {"status": "EXPIRED", "expired": "6"}}
    assert [type(event).__name__ for event in ledger.log.all].count("GrantExpired") == 0


def test_a_grant_that_expired_with_a_held_part_stays_active() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10", expiresAt=rfc3339(START + HOUR))
    ledger.hold("e", "4", ttlSeconds=7_200)
    # when
    ledger.set_clock(START + HOUR)
    # then
    (held,) = grants(ledger)
    assert figures(held) == ("ACTIVE", "4", "0", "6", "0")
    assert held["refundable"] == "0"
    assert account(ledger)["held"] == "4"


def test_a_pending_grant_becomes_active_by_the_clock() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10", effectiveAt=rfc3339(START + HOUR))
    # when, then
    assert [each["status"] for each in grants(ledger)] == ["PENDING"]
    ledger.set_clock(START + HOUR)
    assert [each["status"] for each in grants(ledger)] == ["ACTIVE"]


def test_a_pending_grant_that_repays_all_is_exhausted_by_the_clock() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    paid = {"amount": "1", "currency": "USD"}
    grant = ledger.grant("a", "5", source="PAID", paid=paid, effectiveAt=rfc3339(START + HOUR))
    ledger.charge("e", "8", delivered=True)
    # when
    ledger.set_clock(START + HOUR)
    # then
    (dead,) = grants(ledger, spent=True)
    assert (dead["id"], *figures(dead)) == (grant, "EXHAUSTED", "0", "5", "0", "0")
    assert account(ledger)["overage"] == "3"


@pytest.mark.parametrize(
    "amount, paid, unit_cost",
    [
        ("100", "10", "0.1"),
        ("3", "10.00", "3.333333333333333333"),
        ("30000", "0.000000001", "0.000000000000033333"),
        ("0.000001", "1000", "1000000000"),
        ("7", "0", "0"),
    ],
)
def test_the_unit_cost_is_what_a_unit_was_paid_with(amount: str, paid: str, unit_cost: str) -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", amount, source="PAID", paid={"amount": paid, "currency": "USD"})
    # when
    answer = ledger.ask(
        "query($id: ID!) { grant(id: $id) { unitCost paid { amount currency } } }", {"id": grant}
    )
    # then
    shortest = {"10.00": "10"}.get(paid, paid)
    assert answer["grant"] == {
        "unitCost": unit_cost,
        "paid": {"amount": shortest, "currency": "USD"},
    }


def test_a_compensation_grant_has_the_unit_cost_of_the_old_one() -> None:
    # given: a charge whose grant was voided since
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant("a", "100", source="PAID", paid={"amount": "10", "currency": "USD"})
    charge = ledger.charge("e", "30")
    ledger.ask(
        'mutation($id: ID!) { voidGrant(id: $id, reason: "r") { __typename } }', {"id": grant}
    )
    # when
    ledger.ask(
        """mutation($id: ID!) { refundCharge(chargeId: $id, amount: "10", reason: "r",
             idempotencyKey: "k", compensate: true) { __typename } }""",
        {"id": charge},
    )
    # then
    answer = ledger.ask(
        """{ wallet(customerId: "ext:acme") { account(asset: "CREDIT") {
             grants { source amount unitCost paid { amount } }
           } } }"""
    )
    assert answer["wallet"]["account"]["grants"] == [
        {"source": "COMPENSATION", "amount": "10", "unitCost": "0.1", "paid": None}
    ]


def test_terms_are_told_as_they_were_given() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    grant = ledger.grant(
        "a", "5", source="COMMITMENT", asset="USD", priority=3, meters=["b", "a"],
        recognition="RATABLE", reference="pi_1", metadata={"note": "x"},
        effectiveAt=rfc3339(START + HOUR), expiresAt=rfc3339(START + 2 * HOUR),
    )  # fmt: skip
    # when
    answer = ledger.ask(
        """query($id: ID!) { grant(id: $id) {
             asset source status priority meters recognition reference metadata
             effectiveAt expiresAt issuedAt replayed paid { amount } unitCost
           } }""",
        {"id": grant.upper()},
    )
    # then
    assert answer["grant"] == {
        "asset": "USD",
        "source": "COMMITMENT",
        "status": "PENDING",
        "priority": 3,
        "meters": ["a", "b"],
        "recognition": "RATABLE",
        "reference": "pi_1",
        "metadata": {"note": "x"},
        "effectiveAt": "2026-01-31T10:30:00Z",
        "expiresAt": "2026-01-31T11:30:00Z",
        "issuedAt": "2026-01-31T09:30:00Z",
        "replayed": False,
        "paid": None,
        "unitCost": None,
    }


def test_a_repeated_grant_says_so() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    issue = """mutation { issueGrant(input: {idempotencyKey: "k", customerId: "ext:acme",
        asset: "CREDIT", amount: "5", source: PROMOTIONAL}) {
        ... on CreditGrant { replayed remaining } } }"""
    # when
    first, second = ledger.ask(issue), ledger.ask(issue)
    # then
    assert first["issueGrant"] == {"replayed": False, "remaining": "5"}
    assert second["issueGrant"] == {"replayed": True, "remaining": "5"}


# As of


def test_a_wallet_as_of_a_time_knows_nothing_later() -> None:
    # given: at 09:30 a grant that ends at 11:30; at 10:30 a charge
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10", expiresAt=rfc3339(START + 2 * HOUR))
    ledger.set_clock(START + HOUR)
    ledger.charge("e", "4")
    ledger.set_clock(START + 3 * HOUR)
    # when
    told = {
        hours: account(ledger, at=rfc3339(START + hours * HOUR))["available"]
        for hours in (0, 1, 2, 3)
    }
    # then
    assert told == {0: "10", 1: "6", 2: "0", 3: "0"}
    assert ledger.ask(WALLET, {"at": rfc3339(START - HOUR)}) == {"wallet": None}
    past = ledger.ask(WALLET, {"at": "2026-01-31T10:30:00+01:00"})["wallet"]
    assert past["asOf"] == "2026-01-31T09:30:00Z"


def test_grants_as_of_a_time_stand_as_they_stood() -> None:
    # given: used up at 10:30, given back at 11:30, when another grant comes
    ledger = MemoryRuntime().with_customer()
    ledger.grant("a", "10")
    ledger.set_clock(START + HOUR)
    charge = ledger.charge("e", "10")
    ledger.set_clock(START + 2 * HOUR)
    ledger.ask(
        """mutation($id: ID!) { refundCharge(chargeId: $id, amount: "4", reason: "r",
             idempotencyKey: "k") { __typename } }""",
        {"id": charge},
    )
    ledger.grant("b", "1")
    # when
    told = {
        hours: [
            figures(each) for each in grants(ledger, at=rfc3339(START + hours * HOUR), spent=True)
        ]
        for hours in (0, 1, 2)
    }
    # then
    assert told == {
        0: [("ACTIVE", "10", "0", "0", "0")],
        1: [("EXHAUSTED", "0", "10", "0", "0")],
        2: [("ACTIVE", "4", "6", "0", "0"), ("ACTIVE", "1", "0", "0", "0")],
    }
    assert grants(ledger, at=rfc3339(START + HOUR)) == []


def test_a_frozen_wallet_and_its_mode_are_told() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    answer = ledger.ask(
        """mutation {
             setWalletMode(customerId: "ext:acme", mode: SHADOW) { ... on Wallet { mode frozen } }
             freezeWallet(customerId: "ext:acme", reason: "r") { ... on Wallet { mode frozen } }
           }"""
    )
    # then
    assert answer == {
        "setWalletMode": {"mode": "SHADOW", "frozen": False},
        "freezeWallet": {"mode": "SHADOW", "frozen": True},
    }
