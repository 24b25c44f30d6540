"""Plans that are paid by invoice: their fees on the draft, on the invoice and in the books."""

from __future__ import annotations

import pytest

from tests.scenarios.accountant import balances, closed, posted
from tests.scenarios.server import Client
from tests.scenarios.test_invoices import CREDIT, Office, amounts
from tests.scenarios.test_plans_in_the_books import publish, subscribe
from tests.scenarios.test_subscriptions_over_http import Plans

pytestmark = pytest.mark.storage


@pytest.fixture
def office(client: Client) -> Office:
    """Acme subscribes to a plan of 31.00 a month on 01-10, paid by invoice."""
    office = Office(client)
    plans = Plans(client)
    plans.publish("pro", fee="31.00")
    told = plans.subscribe("pro", collection="INVOICE")
    assert told["collection"] == "INVOICE", told
    return office


def standing(client: Client, month: str = "2026-02") -> dict[str, str]:
    """Return what accounts stand at, those at zero left out."""
    return {key: amount for key, amount in balances(client, month).items() if amount != "0"}


def test_a_fee_is_billed_and_leaves_nothing_unbilled(client: Client, office: Office) -> None:
    # given a fee, and usage that no credits cover
    client.charge("e1", "1500")
    draft = office.draft()
    assert sorted(amounts(draft)) == ["15", "31"]
    # when
    invoice = office.issue()
    # then
    assert (invoice["total"], len(invoice["lines"])) == ("46", 2)
    assert standing(client, "2026-01") == {
        "receivable": "46", "contract_liability": "-31", "revenue_usage": "-15",
    }  # fmt: skip
    assert office.draft()["lines"] == []
    # when it is voided, both are unbilled again
    office.void(invoice)
    assert sorted(amounts(office.draft())) == ["15", "31"]
    assert standing(client, "2026-01") == {
        "unbilled_receivable": "46", "contract_liability": "-31", "revenue_usage": "-15",
    }  # fmt: skip


def test_each_cycle_s_fee_is_billed_once(client: Client, office: Office) -> None:
    office.pay(office.issue(), "31")
    client.advance("2026-02-15T00:00:00Z")
    draft = office.draft()
    assert [(line["amount"], line["servicePeriod"]) for line in draft["lines"]] == [
        ("31", "2026-02")
    ]
    office.pay(office.issue(), "31")
    assert office.draft()["lines"] == []
    found = standing(client)
    assert found["cash"] == "62"
    assert "unbilled_receivable" not in found
    assert "receivable" not in found


def test_a_credit_note_on_a_fee_that_is_not_earned(client: Client, office: Office) -> None:
    # given
    invoice = office.issue()
    # when
    note = office.credit(invoice, "10")
    # then: nothing was earned, so no revenue is conceded
    assert note["total"] == "10", note
    assert posted(client, "2026-01")[-1] == {"contract_liability": "10", "receivable": "-10"}
    # and what is left of the fee is earned by its days
    client.advance("2026-02-10T00:00:00Z")
    office.credit(invoice, "3", key="n2")
    found = standing(client)
    assert found == {
        "receivable": "18", "revenue_ratable": "-21", "revenue_concessions": "3",
    }  # fmt: skip
    closed(client, "2026-01")


def test_a_credit_note_on_a_fee_that_is_earned_in_part(client: Client, office: Office) -> None:
    # given: usage of 15.00, and a fee of 31.00 of which ten days are earned
    office.tax("0.2")
    client.charge("e1", "1500")
    invoice = office.issue()
    client.advance("2026-01-20T00:00:00Z")
    assert standing(client, "2026-01")["revenue_ratable"] == "-10"
    # when
    fee, usage = (amounts(invoice).index(amount) + 1 for amount in ("31", "15"))
    lines = [{"line": fee, "amount": "15.50"}, {"line": usage, "amount": "5"}]
    note = client.answer(CREDIT, id=invoice["id"], lines=lines, key="n1")
    # then
    assert note["total"] == "24.6", note
    assert posted(client, "2026-01")[-2:] == [
        {
            "revenue_concessions": "5", "contract_liability": "10.5", "tax_payable": "3.1",
            "receivable": "-18.6",
        },
        {"revenue_concessions": "5", "tax_payable": "1", "receivable": "-6"},
    ]  # fmt: skip
    # and
    client.advance("2026-02-10T00:00:00Z")
    found = standing(client)
    assert (found["revenue_ratable"], found["revenue_concessions"]) == ("-20.5", "10")
    assert "contract_liability" not in found
    closed(client, "2026-01")


def test_a_credit_note_on_a_fee_that_its_credits_share(client: Client) -> None:
    # given: of 20.00 for 100 credits that roll over, 6.00 are earned
    office = Office(client)
    publish(client, "pro", "20", amount="100", rollover=True, rolloverLimit="50")
    client.advance("2026-02-01T00:00:00Z")
    subscribe(client, "pro", collection="INVOICE")
    client.charge("e1", "30")
    invoice = office.issue()
    # when
    office.credit(invoice, "10")
    # then
    assert posted(client, "2026-02")[-1] == {
        "revenue_concessions": "3", "contract_liability": "7", "receivable": "-10",
    }  # fmt: skip
    schedule = client.ask(
        """{ revenueSchedule { nodes {
          obligation paid recognized refunded transferred remaining } } }"""
    )["revenueSchedule"]["nodes"]
    told = {row.pop("obligation"): row for row in schedule}
    assert told["CREDIT, included"] == {
        "paid": "20", "recognized": "6", "refunded": "7", "transferred": "0", "remaining": "7",
    }  # fmt: skip
    # and all that is left lapses or rolls over at what it carries
    client.advance("2026-03-01T00:00:00Z")
    found = standing(client, "2026-02")
    assert (found["revenue_breakage"], found["revenue_usage"]) == ("-2", "-6")
    rows = client.ask(
        """{ rollforward(fromMonth: "2026-01", toMonth: "2026-03", currency: "USD") {
          refunds other closing } }"""
    )["rollforward"]
    assert [row["other"] for row in rows] == ["0", "0", "0"]
    assert rows[1]["refunds"] == "7"
    closed(client, "2026-01")
    closed(client, "2026-02")


def test_a_fee_that_the_wallet_cannot_pay_is_billed_as_a_fee(client: Client) -> None:
    # given: 11.00 in the wallet, a fee of 31.00
    office = Office(client)
    publish(client, "pro", "31")
    client.grant("money", "11", asset="USD", paid={"amount": "11", "currency": "USD"})
    subscribe(client, "pro")
    assert standing(client, "2026-01") == {
        "cash": "11", "unbilled_receivable": "20", "contract_liability": "-31",
    }  # fmt: skip
    # when
    invoice = office.issue()
    # then
    assert [(line["description"], line["amount"]) for line in invoice["lines"]] == [
        ("Fee fee", "20")
    ]
    # and what is credited of it was not earned
    office.credit(invoice, "5")
    assert posted(client, "2026-01")[-1] == {"contract_liability": "5", "receivable": "-5"}
    client.advance("2026-02-10T00:00:00Z")
    assert standing(client)["revenue_ratable"] == "-26"
    closed(client, "2026-01")
