"""What finance reads of grants, charges and months, through the running server."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.scenarios.accountant import balances, closed, lines, usd
from tests.scenarios.server import Client

pytestmark = pytest.mark.storage

SCHEDULE = """query ($month: String, $customer: ID, $grant: ID, $asOf: DateTime, $first: Int,
    $after: String) {
  revenueSchedule(month: $month, customerId: $customer, grantId: $grant, asOf: $asOf,
      first: $first, after: $after) {
    nodes { grantId customerId obligation currency period paid recognized breakage refunded
      escheated transferred remaining expected }
    pageInfo { hasNextPage endCursor } } }"""
UNBILLED_OF_REVENUE = """unbilledRollforward(fromMonth: "2026-01", toMonth: "2026-01",
  currency: "USD", account: "revenue_usage") { period }"""


def schedule(client: Client, **terms: Any) -> list[dict[str, str]]:
    """Return what is not zero of each row, without whose it is."""
    rows = client.ask(SCHEDULE, **terms)["revenueSchedule"]["nodes"]
    hidden = ("grantId", "customerId", "currency", "obligation")
    return [
        {name: figure for name, figure in row.items() if name not in hidden and figure != "0"}
        for row in rows
    ]


def test_what_became_of_each_payment(client: Client) -> None:
    # given
    used = client.grant("A", "100", paid=usd("100"), expiresAt="2026-02-20T00:00:00Z")["id"]
    ratable = client.grant(
        "B",
        "10",
        paid=usd("31"),
        recognition="RATABLE",
        priority=80,
        expiresAt="2026-02-10T10:00:00Z",
    )["id"]
    idle = client.grant("C", "10", paid=usd("5"), priority=90)["id"]
    charge = client.charge("e1", "30")["id"]
    client.refund(charge, "r1", "10")
    client.advance("2026-03-05T00:00:00Z")
    # then: by grant
    assert schedule(client, grant=used) == [
        {"period": "2026-01", "paid": "100", "recognized": "20", "remaining": "80"},
        {"period": "2026-02", "paid": "100", "breakage": "80"},
    ]
    # by days: 22 of January, 9 of February
    assert schedule(client, grant=ratable) == [
        {"period": "2026-01", "paid": "31", "recognized": "22", "remaining": "9",
         "expected": "22"},
        {"period": "2026-02", "paid": "31", "recognized": "9", "expected": "9"},
    ]  # fmt: skip
    # of a month: all that moved in it, or has a balance
    assert len(schedule(client, month="2026-02")) == 3
    assert schedule(client, month="2026-03") == [
        {"period": "2026-03", "paid": "5", "remaining": "5"}
    ]
    for month in ("2026-01", "2026-02", "2026-03"):
        owed = sum(Decimal(row.get("remaining", "0")) for row in schedule(client, month=month))
        assert owed == -Decimal(balances(client, month)["contract_liability"])
    # as of a time
    assert schedule(client, grant=idle, asOf="2026-01-09T00:00:00Z") == []
    assert schedule(client, month="2026-01", asOf="2026-02-01T00:00:00Z") == schedule(
        client, month="2026-01"
    )
    # pages
    page = client.ask(SCHEDULE, first=2)["revenueSchedule"]
    assert page["pageInfo"]["hasNextPage"]
    rest = client.ask(SCHEDULE, first=9, after=page["pageInfo"]["endCursor"])["revenueSchedule"]
    assert page["nodes"] + rest["nodes"] == client.ask(SCHEDULE)["revenueSchedule"]["nodes"]
    assert len(client.ask(SCHEDULE, customer="ext:acme")["revenueSchedule"]["nodes"]) == 5
    assert schedule(client, customer="ext:other") == []
    # the closes agree
    closed(client, "2026-01")
    closed(client, "2026-02")


def test_drill_down_from_grant_and_charge(client: Client) -> None:
    grant = client.grant("A", "1000", paid=usd("120"), tax="20", expiresAt="2026-01-20T00:00:00Z")
    charge = client.charge("e1", "300")["id"]
    client.advance("2026-01-20T00:00:00Z")
    shown = client.ask(
        """query ($grant: ID!, $charge: ID!) {
          grant(id: $grant) { tax recognized breakage liability
            schedule { period paid recognized breakage remaining } }
          charge(id: $charge) { recognized { amount currency }
            entries { number lines { account debit credit } } }
        }""",
        grant=grant["id"],
        charge=charge,
    )
    assert shown["grant"] == {
        "tax": "20", "recognized": "30", "breakage": "70", "liability": "0",
        "schedule": [{"period": "2026-01", "paid": "100", "recognized": "30", "breakage": "70",
                      "remaining": "0"}],
    }  # fmt: skip
    assert shown["charge"]["recognized"] == [usd("30")]
    (entry,) = shown["charge"]["entries"]
    assert (entry["number"], lines(entry)) == (
        2, {"contract_liability": "30", "revenue_usage": "-30"},
    )  # fmt: skip


def test_what_lies_ahead(client: Client) -> None:
    client.grant("A", "100", paid=usd("100"))
    client.charge("e1", "30")
    client.grant(
        "B", "10", paid=usd("730"), recognition="RATABLE", expiresAt="2028-01-10T10:00:00Z"
    )
    client.grant("C", "5", paid=usd("50"), effectiveAt="2027-06-01T00:00:00Z")
    ahead = """query ($asOf: DateTime) { remainingPerformanceObligation(asOf: $asOf) {
      currency total within12Months beyond12Months deferred unbilled excludedRefundable } }"""
    assert client.ask(ahead)["remainingPerformanceObligation"] == [
        {
            "currency": "USD", "total": "850", "within12Months": "435", "beyond12Months": "415",
            "deferred": "850", "unbilled": "0", "excludedRefundable": "0",
        }
    ]  # fmt: skip
    client.advance("2026-01-11T00:00:00Z")
    (later,) = client.ask(ahead)["remainingPerformanceObligation"]
    assert (later["total"], later["within12Months"]) == ("849", "435")
    (then,) = client.ask(ahead, asOf="2026-01-10T12:00:00Z")["remainingPerformanceObligation"]
    assert (then["total"], then["within12Months"]) == ("850", "435")


def test_unbilled_and_revenue_by_what_earned_it(client: Client) -> None:
    # given
    client.ask("""mutation {
      setExchangeRate(asset: "CREDIT", currency: "USD", unitPrice: "0.01",
        effectiveAt: "2026-01-01T00:00:00Z") { __typename }
      setWalletMode(customerId: "ext:acme", mode: HYBRID) { __typename }
    }""")
    client.grant("A", "1000", paid=usd("10"), expiresAt="2026-02-05T00:00:00Z")
    client.charge("e1", "400", meter="images")
    client.charge("e2", "2100")
    client.advance("2026-02-10T00:00:00Z")
    client.answer("""mutation { answer: issueInvoice(customerId: "ext:acme", currency: "USD") {
      __typename } }""")
    client.grant("B", "1000", paid=usd("10"), expiresAt="2026-02-20T00:00:00Z")
    client.advance("2026-02-20T00:00:00Z")
    # then
    rows = client.ask("""{ unbilledRollforward(fromMonth: "2026-01", toMonth: "2026-02",
      currency: "USD") { period opening recognized invoiced repaid creditLoss closing } }""")
    assert rows["unbilledRollforward"] == [
        {"period": "2026-01", "opening": "0", "recognized": "15", "invoiced": "0", "repaid": "0",
         "creditLoss": "0", "closing": "15"},
        {"period": "2026-02", "opening": "15", "recognized": "0", "invoiced": "15", "repaid": "0",
         "creditLoss": "0", "closing": "0"},
    ]  # fmt: skip

    def by(key: str) -> list[tuple[str, str, str, str]]:
        found = client.ask(
            """query ($by: RevenueBy!) { revenueBy(by: $by, fromMonth: "2026-01",
              toMonth: "2026-02") { key period usage breakage ratable concessions } }""",
            by=key,
        )["revenueBy"]
        return [(row["key"], row["period"], row["usage"], row["breakage"]) for row in found]

    assert by("METER") == [
        ("images", "2026-01", "4", "0"), ("tokens", "2026-01", "21", "0"),
        ("", "2026-02", "0", "10"),
    ]  # fmt: skip
    assert [row[1:] for row in by("CUSTOMER")] == [
        ("2026-01", "25", "0"), ("2026-02", "0", "10"),
    ]  # fmt: skip
    assert by("TYPE") == [
        ("overage", "2026-01", "15", "0"), ("usage", "2026-01", "10", "0"),
        ("expiry", "2026-02", "0", "10"),
    ]  # fmt: skip


def test_what_is_no_account_month_or_cursor(client: Client) -> None:
    for query, field in (
        ('revenueSchedule(month: "2026") { nodes { period } }', "month"),
        ('revenueSchedule(after: "x") { nodes { period } }', "after"),
        (UNBILLED_OF_REVENUE, "account"),
        ('revenueBy(by: METER, fromMonth: "2026-02", toMonth: "2026-01") { key }', "toMonth"),
        ('period(month: "2026-1") { month }', "month"),
    ):  # fmt: skip
        (error,) = client.errors("{ " + query + " }")
        assert error["extensions"]["field"] == field
