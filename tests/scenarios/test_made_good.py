"""Invoiced usage that turns out to cost less, through the running server."""

from __future__ import annotations

import pytest

from tests.scenarios.server import Client
from tests.scenarios.test_exports import export, fetched, table
from tests.scenarios.test_invoices import Office, balances
from tests.scenarios.test_rating_over_http import WITHDRAW, meter, publish, tiered, use

pytestmark = pytest.mark.storage


def test_the_invoice_stays_and_credits_make_it_good(client: Client) -> None:
    # given 990 units for 99 CREDIT, at 0.01 USD, all of it invoiced
    office = Office(client)
    meter(client, "tokens")
    publish(client, {**tiered("VOLUME"), "asset": "CREDIT"})
    first = use(client, "a", "tokens", "990")
    issued = office.issue()
    assert issued["total"] == "0.99"
    # when the tier of all units is reached
    credit = use(client, "b", "tokens", "20")
    # then
    assert credit["amount"] == "-18.2"
    assert office.read(issued)["amountDue"] == "0.99"
    assert client.account()["available"] == "-80.8"
    assert balances(client) == {
        "receivable": "0.99",
        "contract_liability": "-0.18",
        "revenue_usage": "-0.81",
    }
    # when it never happened
    client.answer(WITHDRAW, id=first["id"])
    # then
    assert office.read(issued)["amountDue"] == "0.99"
    assert client.account()["available"] == "-2"
    assets, money = table(fetched(client, export(client, report="TIE_OUT")))
    assert (assets["wallets"], assets["books"], assets["ties"]) == ("97", "97", "true")
    assert (money["grants"], money["journal"], money["ties"]) == ("0.97", "0.97", "true")
