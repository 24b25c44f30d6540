"""Writes docs/finance.md: what each fact does in the books, from the journal's own table."""

from __future__ import annotations

from domain.revenue.chart import CHART
from domain.revenue.facts import FACTS

_BEGINNING = """\
# Finance

The journal is folded from the log: one balanced entry a fact, numbered without gaps, never
changed. Rebuilt from the same log it is the same. Written by `python -m interfaces.reference`.

- `journal(month)`: entries by date, each with the event's position and actor, its grant,
  customer or charge.
- `trialBalance(month)`: opening, debits, credits and closing of each account, debit-positive.
- `rollforward(fromMonth, toMonth, currency)`: what moved the contract liability (ASC 606-10-50-8);
  `other`, what no cause explains, is zero.
- `asOf` counts only what was recorded by then.

Amounts are in the currency paid, rounded half-even to its ISO 4217 digits on the cumulative
figure, so that parts sum to the whole. An entry is dated by the day of its fact, in the tenant's
zone; what lapses, by the last moment that it could be used; a refund, by when it was recorded.
A grant's payment is `RECEIVED`, `DUE` (a receivable until `recordGrantPayment`) or `CANCELLABLE`
(no entry until it is paid or used). `tax` goes to `tax_payable`, `fee` to `payment_costs`.

## What each fact does
"""
_END = """\
## Not there yet

- Policies and a functional currency cannot be set over the API: breakage is recognised as credits
  expire, and functional amounts are US dollars. An entry in another currency has functional
  amounts of zero.
- Accounting days and months do not end yet: no month closes, nothing accrues, and `RATABLE` grants
  are not recognised day by day. Entries of `day`, `remote`, `estimate`, `accrual` and
  `accrual_reversal` wait for that.
- Issued invoices and credit notes have no entries: overage stays in `unbilled_receivable`.
- Disputes, deposits, transfers and remeasurement have no facts: their columns are zero.
"""


def finance() -> str:
    """The guide to the books."""
    lines = [_BEGINNING, "| fact | debit | credit | source |", "|---|---|---|---|"]
    lines += [
        f"| `{fact.key}`: {fact.title} | {_named(fact.debit)} | {_named(fact.credit)}"
        f" | {fact.source} |"
        for fact in FACTS
    ]
    lines += ["", "## Chart of accounts", "", "| key | code | name | type |", "|---|---|---|---|"]
    lines += [
        f"| `{account.key}` | {account.code} | {account.name} | {account.type.lower()} |"
        for account in CHART
    ]
    return "\n".join([*lines, "", _END])


def _named(keys: tuple[str, ...]) -> str:
    return ", ".join(f"`{key}`" for key in keys)
