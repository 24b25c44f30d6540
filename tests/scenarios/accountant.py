"""What a finance person asks of a running server: policies, months, entries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.scenarios.server import Client

JOURNAL = """query ($month: String!, $asOf: DateTime, $first: Int, $after: String) {
  journal(month: $month, asOf: $asOf, first: $first, after: $after) {
    nodes {
      id number kind actor date period servicePeriod currency grantId customerId chargeId
      description reverses lines { account debit credit functionalDebit functionalCredit }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
TRIAL_BALANCE = """query ($month: String!, $asOf: DateTime) {
  trialBalance(month: $month, asOf: $asOf) { account currency opening debit credit closing }
}"""
PROBLEM = """... on Problem { code message }
  ... on InvalidInput { field } ... on InvalidState { state } ... on PeriodClosed { period }"""
PERIOD = """month closed closedAt trialBalanceHash reopenings position
  accrual { amount currency } late { servicePeriod entries amount currency }
  checks { name passed detail }"""
SET_POLICY = f"""mutation ($input: AccountingPolicyInput!) {{
  answer: setAccountingPolicy(input: $input) {{
    __typename ... on AccountingPeriod {{ month closed }} {PROBLEM} }} }}"""
CLOSE = f"""mutation ($month: String!, $accrual: MoneyInput) {{
  answer: closePeriod(month: $month, accrual: $accrual) {{
    __typename ... on AccountingPeriod {{ {PERIOD} }} {PROBLEM} }} }}"""
REOPEN = f"""mutation ($month: String!, $reason: String!) {{
  answer: reopenPeriod(month: $month, reason: $reason) {{
    __typename ... on AccountingPeriod {{ {PERIOD} }} {PROBLEM} }} }}"""
EVIDENCE = "three years of expiries"


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def set_policy(client: Client, month: str = "2026-01", **terms: Any) -> dict[str, Any]:
    return client.answer(SET_POLICY, input={"effectiveFrom": month, **terms})


def proportional(client: Client, estimate: str, month: str = "2026-01", **terms: Any) -> None:
    said = {"breakageMethod": "PROPORTIONAL", "breakageEstimate": estimate, "evidence": EVIDENCE}
    assert set_policy(client, month, **said, **terms)["__typename"] == "AccountingPeriod"


def close(client: Client, month: str, **terms: Any) -> dict[str, Any]:
    return client.answer(CLOSE, month=month, **terms)


def closed(client: Client, month: str, **terms: Any) -> dict[str, Any]:
    """Close a month, which must succeed with every check passed."""
    period = close(client, month, **terms)
    assert period["__typename"] == "AccountingPeriod", period
    assert period["closed"]
    assert {check["passed"] for check in period["checks"]} == {True}
    return period


def period(client: Client, month: str) -> dict[str, Any]:
    query = f"query ($month: String!) {{ period(month: $month) {{ {PERIOD} }} }}"
    found: dict[str, Any] = client.ask(query, month=month)["period"]
    return found


def entries(client: Client, month: str, **terms: Any) -> list[dict[str, Any]]:
    """Return a month's entries; each must balance, in both currencies."""
    terms.setdefault("first", 500)
    nodes: list[dict[str, Any]] = client.ask(JOURNAL, month=month, **terms)["journal"]["nodes"]
    for entry in nodes:
        for debit, credit in (("debit", "credit"), ("functionalDebit", "functionalCredit")):
            debits = sum(Decimal(line[debit]) for line in entry["lines"])
            assert debits == sum(Decimal(line[credit]) for line in entry["lines"])
    return nodes


def lines(entry: dict[str, Any]) -> dict[str, str]:
    """Return an entry's amounts by account, credits below zero."""
    return {
        line["account"]: line["debit"] if line["debit"] != "0" else f"-{line['credit']}"
        for line in entry["lines"]
    }


def posted(client: Client, *months: str) -> list[dict[str, str]]:
    return [lines(entry) for month in months for entry in entries(client, month)]


def balances(client: Client, month: str = "2026-02", **terms: Any) -> dict[str, str]:
    """Return what stands on each account at a month's end; the rows must add up."""
    rows = client.ask(TRIAL_BALANCE, month=month, **terms)["trialBalance"]
    for row in rows:
        moved = Decimal(row["debit"]) - Decimal(row["credit"])
        assert Decimal(row["closing"]) == Decimal(row["opening"]) + moved
    assert sum(Decimal(row["closing"]) for row in rows) == 0
    return {row["account"]: row["closing"] for row in rows}
