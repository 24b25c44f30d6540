"""Writes docs/finance.md: what each fact does in the books, from the journal's own table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domain.revenue.chart import CHART
from domain.revenue.examples import EXAMPLES, Step
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
- `revenueSchedule`: of each grant and plan, month by month, paid = recognised + breakage + refunded
  + escheated + transferred + remaining. `remainingPerformanceObligation`: what of it is expected
  within twelve months: ratable grants by their days, credits that may be used at any time at once.
  Its `unbilled` is 0: a fee is deferred from its period's start on, invoiced or not, and a minimum
  commitment binds for as long as the subscription is not cancelled, so day by day (606-10-25-3).
- `unbilledRollforward`, `revenueBy`: what is not invoiced yet, and revenue by what earned it.
- `period(month)`: whether it is closed, what was checked, what came late.
- `asOf` counts only what was recorded by then.

Amounts are in the currency paid, rounded half-even to its ISO 4217 digits on the cumulative
figure, so that parts sum to the whole. An entry is dated by the day of its fact, in the tenant's
zone; what lapses, by the last moment that it could be used; a refund, by when it was recorded.
A grant's payment is `RECEIVED`, `DUE` (a receivable until `recordGrantPayment`) or `CANCELLABLE`
(no entry until it is paid or used). `tax` goes to `tax_payable`, `fee` to `payment_costs`.

As of a time or a position, every report shows what was recorded by then, told by the terms that
held then: a schedule of January is not changed by an extension in March. Exports take a position;
what credits and money tied to at an earlier one is folded anew from the log.

## What a company does

Amounts in USD. Each is done by a test, which compares every entry.

"""
_FACTS = """\
## What each fact does

"""
_END = """\
## Policies

`setAccountingPolicy` says what holds for a portfolio from a month on: `product:pro` beats
`source:PROMOTIONAL` beats `asset:CREDIT` beats the tenant's default. What is left out stays as it
was. Method, estimate and escheat share reach all living grants: they catch up on the day the
policy is recorded, or on the first of its month if that is later. A month that is closed takes no
policy and no rate.

- `AS_EXPIRED` (the default): what lapses is breakage when it lapses.
- `PROPORTIONAL`: the share `breakageEstimate` that is expected to stay unused is recognised with
  what burns. Needs `evidence`.
- `REMOTE`: what remains of credits that never expire is recognised after `remoteMonths` without a
  charge. Needs `evidence`.
- `escheatShare` of what lapses goes to `unclaimed_property`.
- `promotional: NONE` gives free credits of a purchase no share of its price; needs
  `bundleElectionNote`. A price is shared by the estimates of the day on which each free grant
  joins; a later estimate does not share it anew (606-10-32-43).

`timezone` and `functionalCurrency` are the tenant's, until its journal has begun; `counterfoil
configure --timezone` leaves the zone of begun books as well.

What is no policy, because the standards leave no choice (ASC 606 and IFRS 15 agree): credits that
are paid for are a liability until they are used, lapse or are given back; tax is never revenue;
revenue is recognised on the cumulative figure, so that reversals and changed estimates catch up;
what is given back beyond its carrying amount lowers breakage, then revenue; free credits of a
purchase share its price; nothing is posted into a closed month.

## Plans

A fee in advance is a contract liability of the plan: from the wallet it takes the liability of the
grants that pay, and what they cannot is unbilled; by invoice all of it is unbilled. It is earned by
whole days; where the included credits roll over they are what was bought, share the fee and earn it
as they burn, lapse or roll over. A fee in arrears, and a commitment's shortfall, are earned when
they are due.

A plan that changes in mid-term is prospective: what was recognised stays, and what is left of the
old fee and the new one is earned over what remains (ASC 606-10-25-13).

## Invoices

Overage and fees are unbilled when they are due, a claim once they are on an invoice; an invoice
bills exactly what was posted. A credit note lowers the price. Of usage that is earned, so it
concedes revenue. Of a fee that is earned by day, or by the credits that share it, the part that
was earned by then is conceded and the rest leaves the liability: a fee of 31.00 for January,
credited by 15.50 on the 11th when 10.00 are earned, concedes 5.00 and lowers the liability by
10.50 (ASC 606-10-32-42 to 32-45). What a voided invoice billed is unbilled again; what is given up
is a credit loss, and what is paid after that a recovery.

## Days and months

A local day that is over is an event; what time makes of it (a day of a `RATABLE` grant, use that
has become remote, a policy that begins, an accrual taken back) is posted on it, day by day, also
after a downtime.

`closePeriod(month)`, or `counterfoil close 2026-01`, closes months in order, never the running one.
From then on nothing is posted into the month: usage of it that comes later is dated when it was
recorded and carries the month as its `servicePeriod`; `period(month) { late }` counts it. What is
checked, and pinned with the hash of the trial balance:

| check | holds when |
|---|---|
| `month_over` | the month is over in the tenant's zone |
| `earlier_months_closed` | the month before is closed |
| `days_ended` | all its days have ended |
| `due_work_done` | nothing that fell due in it waits to be written |
| `read_models_current` | wallets and journal have both folded the log up to there |
| `journal_balanced` | each entry balances, and the accounts' sums are those of the entries |
| `rollforward_ties` | every movement of the contract liability has its cause |
| `wallets_tie` | per asset, wallets and books have the same credits; their money is the journal's |

Of an open month, `period(month) { checks }` and `counterfoil close 2026-01 --check` say what stands
in the way. `accrual` posts usage that is still expected and is taken back on the next first.
`reopenPeriod` opens the last closed month again, with a reason, and is counted.

## Out of scope

- Credits that third parties redeem (ASC 405-20-40-4): the tenant is then an agent of a payment.
- A financing component: the customer chooses when to use the credits (ASC 606-10-32-17(a)).
- Costs of obtaining a contract, and the bank: `cash` is a clearing account, the general ledger has
  the bank's.

## Not there yet

- Disputes, deposits, transfers and remeasurement have no facts: their columns are zero. Refundable
  days must be 0.
- Rates of `setFxRate` are kept and used by no entry: one in another currency than the functional
  one has functional amounts of zero.
- Expected shortfalls of commitments.
- Incentives, repricing of a living grant and an estimate for open volume cycles.
"""


def finance() -> str:
    """The guide to the books."""
    lines = [_BEGINNING]
    for example in EXAMPLES:
        lines += [f"**{example.title}**", "", "| what is done | debit | credit |", "|---|---|---|"]
        lines += [row for step in example.steps for row in _rows(step)]
        lines.append("")
    lines += [_FACTS, "| fact | debit | credit | source |", "|---|---|---|---|"]
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
    text = "\n".join([*lines, "", _END])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _rows(step: Step) -> Iterator[str]:
    """Yield a row an entry; the first says what is done."""
    if not step.entries:
        yield f"| {step.done} | no entry | |"
    for place, entry in enumerate(step.entries):
        done = "" if place else step.done
        debits = [(key, amount) for key, amount in entry.items() if not amount.startswith("-")]
        credited = [(key, amount[1:]) for key, amount in entry.items() if amount.startswith("-")]
        if not credited:  # from one grant to another
            credited = debits
        yield f"| {done} | {_amounts(debits)} | {_amounts(credited)} |"


def _amounts(lines: Iterable[tuple[str, str]]) -> str:
    return ", ".join(
        f"`{key}`" if amount == "0.00" else f"`{key}` {amount}" for key, amount in lines
    )


def _named(keys: tuple[str, ...]) -> str:
    return ", ".join(f"`{key}`" for key in keys)
