"""Credits sold on account, with tax, voided, refunded or given for a fault, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.accountant import balances, closed, entries, lines, period, usd
from tests.scenarios.server import REFUSED, Client
from tests.scenarios.test_journal import PAID, posted

pytestmark = pytest.mark.storage

VOID = (
    REFUSED
    + """mutation ($id: ID!, $keep: Boolean! = false) {
  answer: voidGrant(id: $id, reason: "never paid", keepClaim: $keep) {
    __typename ... on CreditGrant { status remaining } ...RefusedInDetail } }"""
)
REFUND = (
    REFUSED
    + """mutation ($id: ID!, $credits: Decimal, $money: MoneyInput) {
  answer: refundGrant(id: $id, credits: $credits, money: $money, reason: "test") {
    __typename ... on CreditGrant { status remaining } ...RefusedInDetail } }"""
)
ADJUST = (
    REFUSED
    + """mutation ($input: AdjustmentInput!) {
  answer: adjustWallet(input: $input) { __typename ...RefusedInDetail } }"""
)


def paid(client: Client, grant: str, reference: str = "wire-1") -> dict[str, Any]:
    return client.answer(PAID, grant=grant, reference=reference, fee="0")


def standing(client: Client) -> dict[str, str]:
    """Return what accounts stand at, those at zero left out."""
    return {key: amount for key, amount in balances(client, "2026-02").items() if amount != "0"}


def test_v22_tax_is_no_consideration(client: Client) -> None:
    # given
    grant = client.grant("A", "1000", paid=usd("120"), tax="20")["id"]
    client.charge("e1", "300")
    # when
    client.answer(REFUND, id=grant)
    # then
    assert posted(client) == [
        {"cash": "120", "contract_liability": "-100", "tax_payable": "-20"},
        {"contract_liability": "30", "revenue_usage": "-30"},
        {"contract_liability": "70", "tax_payable": "14", "cash": "-84"},
    ]


def test_v25_void_after_use(client: Client) -> None:
    # given
    grant = client.grant("A", "1000", paid=usd("100"), payment="DUE")["id"]
    client.charge("e1", "200")
    client.advance("2026-02-10T00:00:00Z")
    hashed = closed(client, "2026-01")["trialBalanceHash"]
    # when
    assert client.answer(VOID, id=grant)["status"] == "VOIDED"
    # then both are of the month in which it was voided
    assert posted(client)[:2] == [
        {"receivable": "100", "contract_liability": "-100"},
        {"contract_liability": "20", "revenue_usage": "-20"},
    ]
    february = entries(client, "2026-02")
    assert [lines(entry) for entry in february] == [
        {"contract_liability": "80", "receivable": "-80"},
        {"revenue_concessions": "20", "receivable": "-20"},
    ]
    told = client.ask('{ journal(month: "2026-02") { nodes { servicePeriod } } }')
    assert [entry["servicePeriod"] for entry in told["journal"]["nodes"]] == ["2026-02", "2026-01"]
    assert paid(client, grant)["code"] == "INVALID_STATE"
    assert period(client, "2026-01")["trialBalanceHash"] == hashed


def test_a_void_that_keeps_the_claim_is_still_paid(client: Client) -> None:
    grant = client.grant("A", "1000", paid=usd("60"), tax="10", payment="DUE")["id"]
    client.charge("e1", "300")
    client.answer(VOID, id=grant, keep=True)
    # the unused 70 % are taken back, and their tax; the used 30 % stay owed
    assert standing(client) == {
        "receivable": "18", "tax_payable": "-3", "revenue_usage": "-15",
    }  # fmt: skip


def test_what_the_customer_may_still_cancel_has_no_entry(client: Client) -> None:
    grant = client.grant("A", "1000", paid=usd("60"), payment="CANCELLABLE")["id"]
    assert posted(client) == []
    assert client.answer(VOID, id=grant)["status"] == "VOIDED"
    assert posted(client) == []


def test_burning_what_may_be_cancelled_makes_the_claim_unconditional(client: Client) -> None:
    # given
    grant = client.grant("A", "400", paid=usd("80"), payment="CANCELLABLE")["id"]
    client.charge("e1", "100")
    # then
    assert posted(client) == [
        {"receivable": "80", "contract_liability": "-80"},
        {"contract_liability": "20", "revenue_usage": "-20"},
    ]
    # when it is paid
    assert paid(client, grant)["__typename"] == "CreditGrant"
    assert posted(client)[2:] == [{"cash": "80", "receivable": "-80"}]


def test_paying_what_may_be_cancelled_is_the_sale(client: Client) -> None:
    grant = client.grant("A", "400", paid=usd("80"), tax="5", payment="CANCELLABLE")["id"]
    paid(client, grant)
    assert posted(client) == [{"cash": "80", "contract_liability": "-75", "tax_payable": "-5"}]


def test_a_refund_of_what_is_still_due_lowers_the_claim(client: Client) -> None:
    grant = client.grant("A", "1000", paid=usd("100"), payment="DUE")["id"]
    client.answer(REFUND, id=grant, credits="250")
    assert posted(client)[1:] == [{"contract_liability": "25", "receivable": "-25"}]


@pytest.mark.parametrize(
    "asked, field, told",
    [
        ({"credits": "700.000001"}, "credits", "700 CREDIT"),
        ({"money": usd("70.01")}, "money", "70 USD"),
        ({"money": {"amount": "1", "currency": "EUR"}}, "money.currency", "USD"),
    ],
)
def test_no_more_goes_back_than_is_refundable(
    client: Client, asked: dict[str, Any], field: str, told: str
) -> None:
    grant = client.grant("A", "1000", paid=usd("100"))["id"]
    client.charge("e1", "300")
    refused = client.answer(REFUND, id=grant, **asked)
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)
    assert told in refused["message"]
    assert standing(client) == {"cash": "100", "contract_liability": "-70", "revenue_usage": "-30"}


def test_v19_credits_repay_overage(client: Client) -> None:
    # given 15.00 of overage at 0.01
    client.ask(
        """mutation { setWalletMode(customerId: "ext:acme", mode: HYBRID) { __typename }
          setExchangeRate(asset: "CREDIT", currency: "USD", unitPrice: "0.01",
            effectiveAt: "2026-01-01T00:00:00Z") { __typename } }"""
    )
    client.charge("e1", "1500")
    # when 4 000 credits are bought for 36.00
    client.grant("A", "4000", paid=usd("36"))
    # then
    assert posted(client) == [
        {"unbilled_receivable": "15", "revenue_usage": "-15"},
        {"cash": "36", "contract_liability": "-36"},
        {"contract_liability": "13.5", "revenue_usage": "1.5", "unbilled_receivable": "-15"},
    ]
    assert client.account()["available"] == "2500"
    assert standing(client)["contract_liability"] == "-22.5"


def test_a_service_credit_is_a_concession_at_its_price(client: Client) -> None:
    client.ask("""mutation { setExchangeRate(asset: "CREDIT", currency: "USD",
      unitPrice: "0.02", effectiveAt: "2026-01-01T00:00:00Z") { __typename } }""")
    adjusted = {
        "customerId": "ext:acme", "asset": "CREDIT", "amount": "150", "reason": "SERVICE_CREDIT",
        "note": "slow", "idempotencyKey": "s1",
    }  # fmt: skip
    assert client.answer(ADJUST, input=adjusted)["__typename"] == "Adjustment"
    client.charge("e1", "100")
    assert posted(client) == [
        {"revenue_concessions": "3", "contract_liability": "-3"},
        {"contract_liability": "2", "revenue_usage": "-2"},
    ]


def test_v4_a_bonus_shares_the_price_of_its_purchase(client: Client) -> None:
    client.grant("A", "1000", paid=usd("100"), bundleId="b")
    client.grant("B", "250", source="PROMOTIONAL", bundleId="b")
    client.charge("e1", "500")
    assert standing(client) == {"cash": "100", "contract_liability": "-60", "revenue_usage": "-40"}
