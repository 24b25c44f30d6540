"""Plans that are paid by invoice: their fees on the draft, on the invoice and in the books."""

from __future__ import annotations

import pytest

from tests.scenarios.accountant import balances
from tests.scenarios.server import Client
from tests.scenarios.test_invoices import Office, amounts
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
