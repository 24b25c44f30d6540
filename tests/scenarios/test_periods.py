"""Policies, days and months of the books, through the running server on a test clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.accountant import (
    EVIDENCE,
    PROBLEM,
    REOPEN,
    balances,
    close,
    closed,
    entries,
    lines,
    period,
    posted,
    proportional,
    set_policy,
    usd,
)
from tests.scenarios.server import Client

pytestmark = pytest.mark.storage

VOID = """mutation ($id: ID!) { answer: voidGrant(id: $id, reason: "test") { __typename } }"""
HYBRID = """mutation {
  setExchangeRate(asset: "CREDIT", currency: "USD", unitPrice: "0.01",
    effectiveAt: "2026-01-01T00:00:00Z") { __typename }
  setWalletMode(customerId: "ext:acme", mode: HYBRID) { __typename }
}"""


def test_v1_proportional_breakage(client: Client) -> None:
    # given
    proportional(client, "0.10")
    client.grant("A", "1000", paid=usd("1000"), expiresAt="2026-02-10T00:00:00Z")
    # when
    client.charge("e1", "450")
    set_policy(client, breakageEstimate="0.20")
    client.charge("e2", "350")
    client.charge("e3", "100")
    client.advance("2026-02-10T00:00:00Z")
    # then
    assert posted(client, "2026-01", "2026-02")[1:] == [
        {"contract_liability": "500", "revenue_usage": "-450", "revenue_breakage": "-50"},
        {"contract_liability": "62.5", "revenue_breakage": "-62.5"},
        {"contract_liability": "437.5", "revenue_usage": "-350", "revenue_breakage": "-87.5"},
        {"revenue_usage": "-100", "revenue_breakage": "100"},
    ]
    assert balances(client, "2026-02") == {
        "cash": "1000", "contract_liability": "0", "revenue_usage": "-900",
        "revenue_breakage": "-100",
    }  # fmt: skip


def test_an_estimate_of_a_later_month_begins_with_it(client: Client) -> None:
    client.grant("A", "1000", paid=usd("1000"))
    client.charge("e1", "450")
    proportional(client, "0.1", "2026-02")
    client.advance("2026-03-02T00:00:00Z")
    (catch_up,) = entries(client, "2026-02")
    assert (catch_up["date"], lines(catch_up)) == (
        "2026-02-01", {"contract_liability": "50", "revenue_breakage": "-50"},
    )  # fmt: skip


def test_v3_ratable_by_days(client: Client) -> None:
    client.advance("2026-01-16T00:00:00Z")
    client.grant(
        "A", "100", paid=usd("20"), recognition="RATABLE", expiresAt="2026-02-16T00:00:00Z"
    )
    client.charge("e1", "90")
    client.advance("2026-04-01T00:00:00Z")
    assert balances(client, "2026-01")["revenue_ratable"] == "-10.32"
    assert balances(client, "2026-02")["revenue_ratable"] == "-20"
    days = [entry["date"] for entry in entries(client, "2026-01")[1:]]
    assert days == [f"2026-01-{day}" for day in range(16, 32)]


def test_v7_escheat(client: Client) -> None:
    set_policy(client, escheatShare="0.25")
    client.grant("A", "100", paid=usd("50"), expiresAt="2026-01-20T00:00:00Z")
    client.charge("e1", "60")
    client.advance("2026-01-20T00:00:00Z")
    assert posted(client, "2026-01")[-1] == {
        "contract_liability": "20", "revenue_breakage": "-15", "unclaimed_property": "-5",
    }  # fmt: skip


def test_v8_a_closed_month_takes_nothing(client: Client) -> None:
    # given
    client.grant("A", "100", paid=usd("100"))
    client.charge("e1", "20")
    client.advance("2026-02-03T00:00:00Z")
    january = closed(client, "2026-01")
    before = balances(client, "2026-01")
    # when
    client.advance("2026-02-05T00:00:00Z")
    client.charge("e2", "5", occurredAt="2026-01-31T12:00:00Z")
    # then
    (late,) = entries(client, "2026-02")
    assert (late["date"], late["servicePeriod"], lines(late)) == (
        "2026-02-05", "2026-01", {"contract_liability": "5", "revenue_usage": "-5"},
    )  # fmt: skip
    after = period(client, "2026-01")
    assert after["trialBalanceHash"] == january["trialBalanceHash"]
    assert balances(client, "2026-01") == before
    assert after["late"] == [
        {"servicePeriod": "2026-01", "entries": 1, "amount": "5", "currency": "USD"}
    ]
    # and months close in order
    client.advance("2026-04-01T00:00:00Z")
    refused = close(client, "2026-03")
    assert (refused["__typename"], refused["state"]) == ("InvalidState", "OPEN")
    assert "2026-02" in refused["message"]
    closed(client, "2026-02")
    closed(client, "2026-03")


def test_neither_the_running_month_nor_one_outside_the_books_closes(client: Client) -> None:
    for month in ("2026-01", "2026-02", "2025-12"):
        assert close(client, month)["__typename"] == "InvalidState"
    refused = close(client, "2026-13")
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "month")


def test_what_stands_in_the_way_of_an_open_month(client: Client) -> None:
    client.grant("A", "100", paid=usd("100"))
    checks = {check["name"]: check["passed"] for check in period(client, "2026-01")["checks"]}
    assert checks == {
        "month_over": False, "earlier_months_closed": True, "days_ended": False,
        "due_work_done": True, "read_models_current": True, "journal_balanced": True,
        "rollforward_ties": True, "wallets_tie": True,
    }  # fmt: skip


def test_an_accrual_is_taken_back_on_the_next_first(client: Client) -> None:
    # given
    client.grant("A", "100", paid=usd("100"))
    client.advance("2026-02-03T00:00:00Z")
    # when
    january = closed(client, "2026-01", accrual=usd("7.5"))
    # then
    assert january["accrual"] == usd("7.5")
    accrued = entries(client, "2026-01")[-1]
    assert (accrued["kind"], accrued["date"], lines(accrued)) == (
        "ACCRUAL", "2026-01-31", {"contract_liability": "7.5", "revenue_usage": "-7.5"},
    )  # fmt: skip
    client.advance("2026-02-04T00:00:00Z")
    (reversal,) = entries(client, "2026-02")
    assert (reversal["kind"], reversal["date"], reversal["reverses"], lines(reversal)) == (
        "REVERSAL", "2026-02-01", accrued["id"],
        {"revenue_usage": "7.5", "contract_liability": "-7.5"},
    )  # fmt: skip
    client.advance("2026-03-01T00:00:00Z")
    closed(client, "2026-02")


def test_a_bad_accrual(client: Client) -> None:
    client.advance("2026-02-03T00:00:00Z")
    for accrual, field in (
        (usd("0"), "accrual.amount"),
        (usd("-1"), "accrual.amount"),
        (usd("0.001"), "accrual.amount"),
        ({"amount": "1", "currency": "CREDIT"}, "accrual.currency"),
    ):
        refused = close(client, "2026-01", accrual=accrual)
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", field)
    assert not period(client, "2026-01")["closed"]


def test_a_close_asked_again_answers_as_it_did(client: Client) -> None:
    client.advance("2026-02-03T00:00:00Z")
    first = closed(client, "2026-01")
    assert close(client, "2026-01") == first
    refused = close(client, "2026-01", accrual=usd("1"))
    assert (refused["__typename"], refused["period"]) == ("PeriodClosed", "2026-01")


def test_reopening_is_on_record(client: Client) -> None:
    # given
    client.grant("A", "100", paid=usd("100"))
    client.advance("2026-03-03T00:00:00Z")
    first = closed(client, "2026-01")
    closed(client, "2026-02")
    # when: the last first
    refused = client.answer(REOPEN, month="2026-01", reason="a mistake")
    assert (refused["__typename"], refused["state"]) == ("InvalidState", "CLOSED")
    client.answer(REOPEN, month="2026-02", reason="a mistake")
    reopened = client.answer(REOPEN, month="2026-01", reason="a mistake")
    # then
    assert (reopened["closed"], reopened["reopenings"]) == (False, 1)
    assert client.answer(REOPEN, month="2026-01", reason="again")["__typename"] == "InvalidState"
    client.charge("e1", "5", occurredAt="2026-01-31T12:00:00Z")
    assert [entry["date"] for entry in entries(client, "2026-01")] == ["2026-01-10", "2026-01-31"]
    assert closed(client, "2026-01")["trialBalanceHash"] != first["trialBalanceHash"]


def test_v25_void_after_use(client: Client) -> None:
    # given
    grant = client.grant("A", "1000", paid=usd("100"), payment="DUE")["id"]
    client.charge("e1", "200")
    client.advance("2026-02-03T00:00:00Z")
    closed(client, "2026-01")
    client.advance("2026-02-10T00:00:00Z")
    # when
    client.answer(VOID, id=grant)
    # then
    unused, used = entries(client, "2026-02")
    assert lines(unused) == {"contract_liability": "80", "receivable": "-80"}
    assert lines(used) == {"revenue_concessions": "20", "receivable": "-20"}
    assert (used["period"], used["servicePeriod"]) == ("2026-02", "2026-01")


def test_v26_cut_off_in_the_tenants_zone(client: Client) -> None:
    set_policy(client, timezone="America/New_York")
    client.grant("A", "100", paid=usd("100"))
    client.advance("2026-02-01T06:00:00Z")
    client.charge("e1", "10", occurredAt="2026-02-01T04:59:59Z")
    client.charge("e2", "20", occurredAt="2026-02-01T05:00:00Z")
    assert posted(client, "2026-01")[1:] == [{"contract_liability": "10", "revenue_usage": "-10"}]
    assert posted(client, "2026-02") == [{"contract_liability": "20", "revenue_usage": "-20"}]
    assert closed(client, "2026-01")["month"] == "2026-01"


def test_zone_and_currency_stay_once_the_books_have_begun(client: Client) -> None:
    client.grant("A", "100", paid=usd("100"))
    for change in ({"timezone": "Asia/Tokyo"}, {"functionalCurrency": "EUR"}):
        assert set_policy(client, **change)["__typename"] == "InvalidState"


def test_v19_overage_repaid(client: Client) -> None:
    client.ask(HYBRID)
    client.charge("e1", "1500")
    client.grant("A", "4000", paid=usd("36"))
    assert posted(client, "2026-01") == [
        {"unbilled_receivable": "15", "revenue_usage": "-15"},
        {"cash": "36", "contract_liability": "-36"},
        {"contract_liability": "13.5", "unbilled_receivable": "-15", "revenue_usage": "1.5"},
    ]
    assert client.account()["available"] == "2500"
    assert balances(client, "2026-01")["contract_liability"] == "-22.5"


def test_nothing_may_change_in_a_closed_month(client: Client) -> None:
    client.advance("2026-02-03T00:00:00Z")
    closed(client, "2026-01")
    for month in ("2026-01", "2025-06"):
        refused = set_policy(client, month, escheatShare="0.1")
        assert (refused["__typename"], refused["period"]) == ("PeriodClosed", "2026-01")
    refused = client.answer(SET_RATE, rate="1.08", date="2026-01-31")
    assert refused["__typename"] == "PeriodClosed"
    assert client.answer(SET_RATE, rate="1.08", date="2026-02-01")["month"] == "2026-02"


SET_RATE = f"""mutation ($rate: Decimal!, $date: String!) {{
  answer: setFxRate(currency: "EUR", functional: "USD", rate: $rate, date: $date) {{
    __typename ... on AccountingPeriod {{ month }} {PROBLEM} }} }}"""


def test_what_is_wrong_is_named(client: Client) -> None:
    for rate, date, field in (("0", "2026-01-10", "rate"), ("1", "2026-01-32", "date")):
        refused = client.answer(SET_RATE, rate=rate, date=date)
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", field)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"breakageEstimate": "1"}, "breakageEstimate"),
        ({"breakageEstimate": "-0.1"}, "breakageEstimate"),
        ({"breakageMethod": "REMOTE", "evidence": EVIDENCE}, "remoteMonths"),
        ({"effectiveFrom": "January"}, "effectiveFrom"),
        ({"portfolio": "asset:NOPE"}, "portfolio"),
    ]
    for terms, field in wrong:
        refused = set_policy(client, **terms)
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", field)


def test_accounts_and_policies_are_shown(client: Client) -> None:
    # given
    mapped = client.answer("""mutation {
      answer: mapAccount(key: "cash", code: "1001", name: "Stripe") {
        ... on AccountMappings { accounts { key code name } } } }""")
    proportional(client, "0.1", portfolio="asset:CREDIT")
    # when
    shown = client.ask("""{
      accounts { key code name }
      accountingPolicies(month: "2026-01") {
        portfolio breakageMethod breakageEstimate effectiveFrom timezone functionalCurrency } }""")
    # then
    assert mapped["accounts"] == shown["accounts"]
    assert shown["accounts"][0] == {"key": "cash", "code": "1001", "name": "Stripe"}
    assert len(shown["accounts"]) == 18
    whole = {"effectiveFrom": "2026-01", "timezone": "UTC", "functionalCurrency": "USD"}
    assert shown["accountingPolicies"] == [
        {"portfolio": None, "breakageMethod": "AS_EXPIRED", "breakageEstimate": "0", **whole},
        {"portfolio": "asset:CREDIT", "breakageMethod": "PROPORTIONAL", "breakageEstimate": "0.1",
         **whole},
    ]  # fmt: skip
