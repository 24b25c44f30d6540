"""Worked cases of the ledger, through the running server with a test clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.scenarios.server import Client

pytestmark = pytest.mark.storage


def allocations(charge: dict[str, Any], names: dict[str, str]) -> dict[str, str]:
    return {names[each["grantId"]]: each["amount"] for each in charge["allocations"]}


def test_l1_burn_down(client: Client) -> None:
    # given
    names = {
        client.grant("A", "100")["id"]: "A",
        client.grant("B", "30", source="PROMOTIONAL")["id"]: "B",
        client.grant("C", "50", expiresAt="2026-01-20T10:00:00Z")["id"]: "C",
        client.grant("D", "20", priority=10)["id"]: "D",
    }
    # then
    assert allocations(client.charge("e1", "60"), names) == {"D": "20", "C": "40"}
    assert allocations(client.charge("e2", "60"), names) == {"C": "10", "B": "30", "A": "20"}
    refused = client.charge("e3", "80.000001")
    assert (refused["code"], refused["required"], refused["available"]) == (
        "INSUFFICIENT_FUNDS",
        "80.000001",
        "80",
    )
    assert client.account()["available"] == "80"


def test_l2_expiry(client: Client) -> None:
    client.grant("A", "10", expiresAt="2026-02-01T00:00:00Z")
    assert client.advance("2026-01-31T23:59:59.999999Z") == "2026-01-31T23:59:59.999999Z"
    assert client.charge("e1", "4")["status"] == "SETTLED"
    client.advance("2026-02-01T00:00:00Z")
    refused = client.charge("e2", "1")
    assert (refused["code"], refused["available"]) == ("INSUFFICIENT_FUNDS", "0")
    wallet = client.ask(
        """{ wallet(customerId: "ext:acme") {
          account(asset: "CREDIT") { grants(includeSpent: true) { status burned expired } } } }"""
    )["wallet"]
    assert wallet["account"]["grants"] == [{"status": "EXPIRED", "burned": "4", "expired": "6"}]


def test_l4_hold(client: Client) -> None:
    client.grant("A", "100")
    hold = client.authorize("h1", "40")
    assert (hold["status"], hold["balanceAfter"]) == ("OPEN", "60")
    assert client.charge("e1", "70")["code"] == "INSUFFICIENT_FUNDS"
    captured = client.capture(hold["id"], "25")
    assert (captured["amount"], captured["balanceAfter"]) == ("25", "75")
    again = client.capture(hold["id"], "25")
    assert (again["id"], again["replayed"]) == (captured["id"], True)
    conflict = client.capture(hold["id"], "26")
    assert (conflict["code"], conflict["field"]) == ("IDEMPOTENCY_CONFLICT", "amount")
    assert client.account()["held"] == "0"


def test_l13_late_capture(client: Client) -> None:
    client.grant("A", "100")
    hold = client.authorize("h1", "40")
    client.advance("2026-01-10T10:15:00Z")
    assert client.account()["available"] == "100"
    charge = client.capture(hold["id"], "25")
    assert (charge["status"], charge["eventId"]) == ("SETTLED", "h1")
    assert client.account()["available"] == "75"
    found = client.ask(
        "query ($id: ID!) { node(id: $id) { ... on Hold { status captured } } }", id=hold["id"]
    )
    assert found["node"] == {"status": "LAPSED", "captured": "25"}


def test_l7_refund(client: Client) -> None:
    a = client.grant("A", "10", expiresAt="2026-01-11T10:00:00Z")["id"]
    b = client.grant("B", "90")["id"]
    charge = client.charge("e1", "25")
    assert allocations(charge, {a: "A", b: "B"}) == {"A": "10", "B": "15"}
    refunded = client.refund(charge["id"], "r1", "20")
    assert (refunded["status"], refunded["refunded"]) == ("PARTIALLY_REFUNDED", "20")
    assert client.account()["available"] == "95"
    refused = client.refund(charge["id"], "r2", "6")
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "amount")
    assert "at most 5" in refused["message"]


@pytest.mark.parametrize(
    "mode, status, available, overage",
    [("SHADOW", "OBSERVED", "10", "0"), ("HYBRID", "SETTLED", "-15", "15")],
)
def test_l6_modes(client: Client, mode: str, status: str, available: str, overage: str) -> None:
    client.ask(
        """mutation ($mode: WalletMode!) {
          setWalletMode(customerId: "ext:acme", mode: $mode) { __typename } }""",
        mode=mode,
    )
    client.grant("A", "10")
    charge = client.charge("e1", "25")
    assert (charge["status"], charge["wouldRefuse"]) == (status, True)
    account = client.account()
    assert (account["available"], account["overage"]) == (available, overage)


def test_l6_control_with_a_limit(client: Client) -> None:
    limit = """mutation ($l: Decimal) {
      setOverageLimit(customerId: "ext:acme", asset: "CREDIT", limit: $l) { __typename } }"""
    client.grant("A", "10")
    assert client.charge("e1", "25")["code"] == "INSUFFICIENT_FUNDS"
    client.ask(limit, l="15")
    assert client.charge("e1", "25")["overage"] == "15"
    client.grant("B", "40")
    account = client.account()
    assert (account["available"], account["overage"]) == ("25", "0")


def test_l16_delivered(client: Client) -> None:
    client.grant("A", "10")
    assert client.charge("e1", "25")["code"] == "INSUFFICIENT_FUNDS"
    charge = client.charge("e1", "25", delivered=True)
    assert (charge["overage"], charge["wouldRefuse"]) == ("15", True)
    assert client.account()["available"] == "-15"


def test_l8_l17_idempotency(client: Client) -> None:
    client.grant("A", "100")
    first = client.charge("a", "5", properties={"model": "opus", "region": "eu"})
    again = client.charge("a", "5.00", properties={"region": "eu", "model": "opus"})
    assert (again["id"], again["replayed"]) == (first["id"], True)
    conflict = client.charge("a", "6")
    assert (conflict["code"], conflict["key"]) == ("IDEMPOTENCY_CONFLICT", "a")
    assert client.account()["available"] == "95"


def test_l18_payment_reference(client: Client) -> None:
    terms = {"paid": {"amount": "50.00", "currency": "USD"}, "reference": "pi_1"}
    with ThreadPoolExecutor(4) as pool:
        grants = list(pool.map(lambda _: client.grant("k1", "5000", **terms), range(4)))
    assert len({grant["id"] for grant in grants}) == 1
    assert sorted(grant["replayed"] for grant in grants) == [False, True, True, True]
    conflict = client.grant("k2", "5000", **terms)
    assert (conflict["code"], conflict["field"]) == ("IDEMPOTENCY_CONFLICT", "reference")
    assert grants[0]["id"] in conflict["message"]
    assert client.grant("k1", "6000", **terms)["field"] == "amount"


def test_r12_twelve_concurrent_spenders(client: Client) -> None:
    # given
    client.grant("A", "500")

    def spend(thread: int) -> list[str]:
        return [client.charge(f"e-{thread}-{number}", "1")["__typename"] for number in range(50)]

    # when
    with ThreadPoolExecutor(12) as pool:
        answers = [answer for part in pool.map(spend, range(12)) for answer in part]
    # then
    assert answers.count("UsageCharge") == 500
    assert answers.count("InsufficientFunds") == 100
    assert client.account()["available"] == "0"
