"""What the books refuse, through the server: code, field, what to do; nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.accountant import CLOSE, PROBLEM, SET_POLICY, closed, usd
from tests.scenarios.server import Client
from tests.scenarios.test_bad_input import EVENTS
from tests.scenarios.test_invoices import CREDIT, PAY, Office
from tests.scenarios.test_periods import SET_RATE
from tests.scenarios.test_sales_on_account import REFUND

pytestmark = pytest.mark.storage

MAP = f"""mutation ($key: String!) {{ answer: mapAccount(key: $key, code: "1", name: "x") {{
  __typename {PROBLEM.replace("... on InvalidState { state } ... on PeriodClosed { period }", "")}
}} }}"""
REOPEN = f"""mutation ($month: String!) {{ answer: reopenPeriod(month: $month, reason: "x") {{
  __typename {PROBLEM} }} }}"""


def policy(month: str = "2026-02", **terms: Any) -> dict[str, Any]:
    return {"input": {"effectiveFrom": month, **terms}}


def test_what_the_books_refuse(client: Client) -> None:
    # given: January closed, an invoice of 15.00 and 20 % tax, 30 of 100 credits for $10.00 burned
    office = Office(client)
    office.tax("0.2")
    grant = client.grant("A", "100", paid=usd("10"))["id"]
    client.charge("e1", "30")
    client.charge("e2", "1570")
    half = client.grant("B", "50", paid=usd("5"), meters=["images"])["id"]
    client.advance("2026-04-03T00:00:00Z")
    invoice = office.issue()["id"]
    closed(client, "2026-01")
    estimated = {"breakageMethod": "PROPORTIONAL", "evidence": "seen"}
    line = [{"line": 1, "amount": "15.01"}]
    asked: list[tuple[str, dict[str, Any], str, str | None, str]] = [
        (CLOSE, {"month": "2026-03"}, "INVALID_STATE", "OPEN", "close it first"),
        (CLOSE, {"month": "2026-04"}, "INVALID_STATE", "OPEN", "close it once 2026-05 begins"),
        (CLOSE, {"month": "2025-12"}, "INVALID_STATE", "OPEN", "first month, 2026-01"),
        (CLOSE, {"month": "2026-13"}, "INVALID_INPUT", "month", "such as 2026-01"),
        (CLOSE, {"month": "2026-02", "accrual": usd("0")}, "INVALID_INPUT", "accrual.amount",
         "above zero"),
        (CLOSE, {"month": "2026-01", "accrual": usd("1")}, "PERIOD_CLOSED", "2026-01", "reopen"),
        (REOPEN, {"month": "2026-02"}, "INVALID_STATE", "OPEN", "2026-02 is open"),
        (SET_POLICY, policy(breakageEstimate="1", **estimated), "INVALID_INPUT",
         "breakageEstimate", "below 1"),
        (SET_POLICY, policy(breakageEstimate="-0.1", **estimated), "INVALID_INPUT",
         "breakageEstimate", "negative"),
        (SET_POLICY, policy(escheatShare="1.1"), "INVALID_INPUT", "escheatShare", "at most 1"),
        (SET_POLICY, policy(breakageMethod="PROPORTIONAL"), "INVALID_INPUT", "evidence",
         "needs the evidence"),
        (SET_POLICY, policy(promotional="NONE"), "INVALID_INPUT", "bundleElectionNote", "say why"),
        (SET_POLICY, policy(refundableDays=30), "INVALID_INPUT", "refundableDays", "must be 0"),
        (SET_POLICY, policy(timezone="Asia/Tokyo"), "INVALID_STATE", "BEGUN", "leave it out"),
        (SET_POLICY, policy(functionalCurrency="EUR"), "INVALID_STATE", "BEGUN", "leave it out"),
        (SET_POLICY, policy(timezone="UTC", portfolio="asset:CREDIT"), "INVALID_INPUT", "timezone",
         "name no portfolio"),
        (SET_POLICY, policy("2026-01", breakageEstimate="0.1"), "PERIOD_CLOSED", "2026-01",
         "reopen"),
        (CREDIT, {"id": invoice, "key": "n", "lines": line}, "INVALID_INPUT", "lines[0].amount",
         "15 USD of line 1 is left to credit"),
        (CREDIT, {"id": invoice, "key": "n", "lines": [{"line": 2, "amount": "1"}]},
         "INVALID_INPUT", "lines[0].line", "has lines 1 to 1"),
        (PAY, {"id": invoice, "amount": "18.01", "reference": "w"}, "INVALID_INPUT", "amount",
         "18 USD is due"),
        (REFUND, {"id": grant, "credits": "0.000001"}, "INVALID_STATE", "EXHAUSTED", ""),
        (
            REFUND,
            {"id": half, "credits": "50.000001"},
            "INVALID_INPUT",
            "credits",
            "50",
        ),
        (MAP, {"key": "petty_cash"}, "INVALID_INPUT", "key", "it has cash, receivable"),
        (SET_RATE, {"rate": "0", "date": "2026-04-01"}, "INVALID_INPUT", "rate", "above zero"),
        (SET_RATE, {"rate": "1.1", "date": "2026-01-31"}, "PERIOD_CLOSED", "2026-01", "reopen"),
    ]  # fmt: skip
    before = client.ask(EVENTS)
    for query, variables, code, named, told in asked:
        # when
        answer = client.answer(query, **variables)
        # then
        assert answer.get("code") == code, (variables, answer)
        found = answer.get("field", answer.get("state", answer.get("period")))
        assert (found, told in answer["message"]) == (named, True), (variables, answer)
    assert client.ask(EVENTS) == before
