"""What grants, usage, refunds and expiry do in the books, through the running server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.accountant import JOURNAL, TRIAL_BALANCE, balances, entries, lines, usd
from tests.scenarios.server import Client

pytestmark = pytest.mark.storage

PAID = """mutation ($grant: ID!, $reference: String!, $fee: Decimal) {
  answer: recordGrantPayment(grantId: $grant, reference: $reference, fee: $fee) {
    __typename ... on CreditGrant { id replayed } ... on Problem { code }
  }
}"""
REFUND_GRANT = """mutation ($id: ID!, $money: MoneyInput) {
  answer: refundGrant(id: $id, money: $money, reason: "test") {
    __typename ... on CreditGrant { status remaining } ... on Problem { code message }
  }
}"""
ROLLFORWARD = """query ($from: String!, $to: String!, $asOf: DateTime) {
  rollforward(fromMonth: $from, toMonth: $to, currency: "USD", asOf: $asOf) {
    period opening billings reversals recognized recognizedFromOpening breakage refunds
    chargebacks unclaimedProperty repayments deposits transfers fx other closing
  }
}"""
MONTHS = ("2026-01", "2026-02")


def posted(client: Client) -> list[dict[str, str]]:
    return [lines(entry) for month in MONTHS for entry in entries(client, month)]


def test_l1_revenue_of_a_burn_down(client: Client) -> None:
    client.grant("A", "100")
    client.grant("B", "30", source="PROMOTIONAL")
    client.grant("C", "50", paid=usd("4"), expiresAt="2026-01-20T10:00:00Z")
    client.grant("D", "20", paid=usd("2"), priority=10)
    client.charge("e1", "60")
    client.charge("e2", "60")
    assert balances(client, "2026-02") == {
        "cash": "16",
        "contract_liability": "-8",
        "revenue_usage": "-8",
    }


def test_l2_breakage_is_of_the_last_moment(client: Client) -> None:
    client.grant("A", "10", paid=usd("5"), expiresAt="2026-02-01T00:00:00Z")
    client.advance("2026-01-31T23:59:59.999999Z")
    client.charge("e1", "4")
    client.advance("2026-02-01T00:00:00Z")
    client.charge("e2", "1")
    expected = {"cash": "5", "contract_liability": "0"}
    expected |= {"revenue_usage": "-2", "revenue_breakage": "-3"}
    assert balances(client, "2026-01") == expected
    assert [entry["date"] for entry in entries(client, "2026-01")] == [
        "2026-01-10", "2026-01-31", "2026-01-31",
    ]  # fmt: skip
    assert entries(client, "2026-02") == []


def test_v5_refund_of_a_grant(client: Client) -> None:
    grant = client.grant("A", "1000", paid=usd("100"))["id"]
    client.charge("e1", "300")
    assert client.answer(REFUND_GRANT, id=grant) == {
        "__typename": "CreditGrant", "status": "REFUNDED", "remaining": "0",
    }  # fmt: skip
    assert posted(client) == [
        {"cash": "100", "contract_liability": "-100"},
        {"contract_liability": "30", "revenue_usage": "-30"},
        {"contract_liability": "70", "cash": "-70"},
    ]


def test_v6_refund_of_a_charge(client: Client) -> None:
    client.grant("A", "1000", paid=usd("100"))
    charge = client.charge("e1", "300")["id"]
    client.refund(charge, "r1", "100")
    assert posted(client)[2:] == [{"revenue_usage": "10", "contract_liability": "-10"}]


def test_v10_overage(client: Client) -> None:
    client.ask("""mutation { setExchangeRate(asset: "CREDIT", currency: "USD",
      unitPrice: "0.01", effectiveAt: "2026-01-01T00:00:00Z") { __typename } }""")
    client.ask("""mutation { setWalletMode(customerId: "ext:acme", mode: HYBRID) {
      __typename } }""")
    client.grant("A", "1000", paid=usd("10"))
    client.charge("e1", "2500")
    assert posted(client)[1:] == [
        {"contract_liability": "10", "revenue_usage": "-10"},
        {"unbilled_receivable": "15", "revenue_usage": "-15"},
    ]


@pytest.mark.parametrize(
    "amount, currency, thirds",
    [
        ("10.00", "USD", ["3.33", "3.34", "3.33"]),
        ("1000", "JPY", ["333", "334", "333"]),
        ("10.000", "KWD", ["3.333", "3.334", "3.333"]),
    ],
)
def test_v13_parts_make_the_whole(
    client: Client, amount: str, currency: str, thirds: list[str]
) -> None:
    client.grant("A", "3", paid={"amount": amount, "currency": currency})
    charges = [client.charge(f"e{number}", "1")["id"] for number in range(3)]
    usage = [{"contract_liability": part, "revenue_usage": f"-{part}"} for part in thirds]
    assert posted(client)[1:] == usage
    client.refund(charges[1], "r1")
    client.charge("e4", "1")
    last = thirds[2]
    assert posted(client)[4:] == [
        {"revenue_usage": last, "contract_liability": f"-{last}"},
        {"contract_liability": last, "revenue_usage": f"-{last}"},
    ]
    assert balances(client, "2026-02")["contract_liability"] == "0"


def test_v14_refund_with_a_bonus(client: Client) -> None:
    paid = client.grant("A", "1000", paid=usd("100"), bundleId="b")["id"]
    client.grant("B", "250", source="PROMOTIONAL", bundleId="b")
    client.charge("e1", "500")
    before = balances(client, "2026-02")
    assert (before["revenue_usage"], before["contract_liability"]) == ("-40", "-60")
    answer = client.answer(REFUND_GRANT, id=paid, money=usd("75"))
    assert answer["status"] == "REFUNDED", answer
    assert posted(client)[-1] == {
        "contract_liability": "60", "revenue_concessions": "15", "cash": "-75",
    }  # fmt: skip


def test_payment_of_a_claim(client: Client) -> None:
    grant = client.grant("A", "10", paid=usd("12"), tax="2", payment="DUE")["id"]
    given = {"grant": grant, "reference": "wire-1", "fee": "0.50"}
    first, again = client.answer(PAID, **given), client.answer(PAID, **given)
    assert (first["id"], first["replayed"], again["replayed"]) == (grant, False, True)
    assert client.answer(PAID, grant=grant, reference="wire-2")["code"] == "IDEMPOTENCY_CONFLICT"
    assert posted(client) == [
        {"receivable": "12", "contract_liability": "-10", "tax_payable": "-2"},
        {"cash": "11.5", "payment_costs": "0.5", "receivable": "-12"},
    ]


def test_pages_and_as_of(client: Client) -> None:
    client.grant("A", "1000", paid=usd("100"))
    client.advance("2026-01-12T10:00:00Z")
    client.charge("e1", "300")
    client.advance("2026-02-02T10:00:00Z")
    client.charge("e2", "100")
    # pages
    page = client.ask(JOURNAL, month="2026-01", first=1)["journal"]
    assert [entry["number"] for entry in page["nodes"]] == [1]
    assert page["nodes"][0]["actor"]
    assert page["pageInfo"]["hasNextPage"]
    after = page["pageInfo"]["endCursor"]
    page = client.ask(JOURNAL, month="2026-01", first=1, after=after)["journal"]
    assert [entry["number"] for entry in page["nodes"]] == [2]
    assert not page["pageInfo"]["hasNextPage"]
    # as of
    assert len(entries(client, "2026-01", asOf="2026-01-12T09:59:59Z")) == 1
    assert balances(client, "2026-02", asOf="2026-01-12T09:59:59Z") == {
        "cash": "100", "contract_liability": "-100",
    }  # fmt: skip
    assert balances(client, "2026-02", asOf="2026-02-02T10:00:00Z") == balances(client, "2026-02")
    # months
    rows = client.ask(TRIAL_BALANCE, month="2026-02")["trialBalance"]
    assert rows[1] == {
        "account": "contract_liability", "currency": "USD", "opening": "-70",
        "debit": "10", "credit": "0", "closing": "-60",
    }  # fmt: skip


@pytest.mark.parametrize(
    "asked", ["journal(month: %s) { nodes { id } }", "trialBalance(month: %s) { account }"]
)
def test_a_month_is_a_month(client: Client, asked: str) -> None:
    (error,) = client.errors("{ " + asked % '"2026-13"' + " }")
    assert (error["extensions"]["code"], error["extensions"]["field"]) == (
        "BAD_USER_INPUT",
        "month",
    )


def rolled(client: Client, first: str, last: str, **terms: Any) -> list[dict[str, str]]:
    """Return what is not zero of each month; `other` must be zero."""
    answer = client.ask(ROLLFORWARD, **{"from": first, "to": last}, **terms)["rollforward"]
    assert {row["other"] for row in answer} == {"0"}
    return [{name: figure for name, figure in row.items() if figure != "0"} for row in answer]


def test_v9_rollforward(client: Client) -> None:
    # given
    client.grant("A", "10", paid=usd("10"), expiresAt="2026-01-20T00:00:00Z", priority=90)
    refunded = client.grant("B", "40", paid=usd("40"), priority=80)["id"]
    client.grant("C", "250", paid=usd("250"))
    charge = client.charge("e1", "120")["id"]
    client.answer(REFUND_GRANT, id=refunded)
    client.advance("2026-02-03T00:00:00Z")
    january = {
        "period": "2026-01", "billings": "300", "recognized": "120", "breakage": "10",
        "refunds": "40", "closing": "130",
    }  # fmt: skip
    assert rolled(client, "2026-01", "2026-02") == [
        january,
        {"period": "2026-02", "opening": "130", "closing": "130"},
    ]
    # when
    client.grant("D", "20", paid=usd("20"), priority=10)
    client.charge("e2", "30")
    client.refund(charge, "r1", "5")
    # then: 20 of the month's own grant, 10 of what it opened with
    assert rolled(client, "2026-02", "2026-02") == [
        {
            "period": "2026-02", "opening": "130", "billings": "20", "recognized": "30",
            "recognizedFromOpening": "10", "closing": "125", "reversals": "5",
        }
    ]  # fmt: skip
    assert rolled(client, "2026-01", "2026-01", asOf="2026-01-15T00:00:00Z") == [
        {
            "period": "2026-01", "billings": "300", "recognized": "120", "refunds": "40",
            "closing": "140",
        }
    ]  # fmt: skip


def test_rollforward_shares_a_purchase(client: Client) -> None:
    client.grant("A", "1000", paid=usd("100"), bundleId="b")
    client.grant("B", "250", source="PROMOTIONAL", bundleId="b")
    client.charge("e1", "500")
    assert rolled(client, "2026-01", "2026-01") == [
        {"period": "2026-01", "billings": "100", "recognized": "40", "closing": "60"}
    ]


@pytest.mark.parametrize(
    "first, last, field",
    [
        ("2026", "2026-01", "fromMonth"),
        ("2026-02", "2026-01", "toMonth"),
        ("2000-01", "2026-01", "toMonth"),
    ],
)
def test_months_in_order(client: Client, first: str, last: str, field: str) -> None:
    (error,) = client.errors(ROLLFORWARD, **{"from": first, "to": last})
    assert error["extensions"]["field"] == field
