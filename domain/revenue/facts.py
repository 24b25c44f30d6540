"""Every fact that has an entry: what is debited, what is credited, on which authority.

Readable alone: an entry of a fact uses no other accounts than its row names, which is
asserted when it is posted and printed in docs/finance.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from domain.revenue.chart import AccountKey

Movement = Literal[
    "BILLING",
    "RECOGNITION",
    "REVERSAL",
    "REFUND",
    "REPAYMENT",
    "TRANSFER",
    "NONE",
]
"""Where a fact's contract liability stands in the rollforward."""


@dataclass(frozen=True, slots=True)
class Fact:
    key: str
    title: str
    debit: tuple[AccountKey, ...]
    credit: tuple[AccountKey, ...]
    movement: Movement
    source: str

    @property
    def accounts(self) -> frozenset[str]:
        return frozenset((*self.debit, *self.credit))


FACTS: tuple[Fact, ...] = (
    Fact(
        "payment", "Credits are paid for",
        ("cash", "payment_costs"), ("contract_liability", "tax_payable"),
        "BILLING", "ASC 606-10-45-2; IFRS 15.106",
    ),
    Fact(
        "claim", "Credits are sold on account, the claim has no conditions",
        ("receivable",), ("contract_liability", "tax_payable"),
        "BILLING", "ASC 606-10-45-2, 45-4; IFRS 15.106, 108",
    ),
    Fact(
        "settlement", "The claim for credits is paid",
        ("cash", "payment_costs"), ("receivable",),
        "NONE", "ASC 606-10-45-4; IFRS 15.108",
    ),
    Fact(
        "bundle_share", "A purchase shares its price with the free credits that came with it",
        ("contract_liability",), ("contract_liability",),
        "TRANSFER", "ASC 606-10-55-41 to 55-45, 32-31; IFRS 15.B39 to B43, 74",
    ),
    Fact(
        "service_credit", "Credits are promised for a fault",
        ("revenue_concessions",), ("contract_liability",),
        "BILLING", "ASC 606-10-32-25 to 32-27; IFRS 15.70 to 72",
    ),
    Fact(
        "plan_fee", "A plan's fee is charged, to the wallet or to be invoiced",
        ("contract_liability", "unbilled_receivable"), ("contract_liability",),
        "BILLING", "ASC 606-10-45-2, 25-13; IFRS 15.106, 21",
    ),
    Fact(
        "plan_fee_credit", "A plan's fee is given back for the time or credits that are left",
        ("contract_liability",), ("contract_liability", "unbilled_receivable"),
        "REFUND", "ASC 606-10-25-10 to 25-13; IFRS 15.18 to 21",
    ),
    Fact(
        "plan_share", "A plan's fee is shared over the credits that it includes",
        ("contract_liability",), ("contract_liability",),
        "TRANSFER", "ASC 606-10-32-31, 25-19 to 25-22; IFRS 15.74, 27 to 30",
    ),
    Fact(
        "rollover", "Credits roll over into the next period",
        ("contract_liability",), ("contract_liability",),
        "TRANSFER", "ASC 606-10-25-13; IFRS 15.21",
    ),
    Fact(
        "usage", "Credits burn",
        ("contract_liability", "revenue_breakage"),
        ("revenue_usage", "revenue_breakage", "unclaimed_property"),
        "RECOGNITION", "ASC 606-10-25-30, 55-46 to 55-49; IFRS 15.38, B44 to B47",
    ),
    Fact(
        "day", "A day of a stand-ready obligation ends",
        ("contract_liability",), ("revenue_ratable",),
        "RECOGNITION", "ASC 606-10-25-27(a), 25-31; IFRS 15.35(a), 39",
    ),
    Fact(
        "expiry", "Credits lapse unused",
        ("contract_liability", "revenue_usage"),
        ("revenue_breakage", "revenue_usage", "unclaimed_property"),
        "RECOGNITION", "ASC 606-10-55-48 to 55-49; IFRS 15.B46 to B47",
    ),
    Fact(
        "remote", "The use of credits that never expire has become remote",
        ("contract_liability",), ("revenue_breakage", "unclaimed_property"),
        "RECOGNITION", "ASC 606-10-55-48; IFRS 15.B46",
    ),
    Fact(
        "estimate", "A policy or its estimate changes and catches up",
        ("contract_liability", "revenue_breakage", "unclaimed_property"),
        ("contract_liability", "revenue_breakage", "unclaimed_property"),
        "RECOGNITION", "ASC 250-10-45-17, 606-10-55-48; IAS 8.36",
    ),
    Fact(
        "charge_refund", "A charge is given back to the credits that paid",
        ("revenue_usage", "revenue_breakage", "unclaimed_property"),
        ("contract_liability", "revenue_breakage", "unclaimed_property"),
        "REVERSAL", "ASC 606-10-32-10, 55-22 to 55-29; IFRS 15.55, B20 to B27",
    ),
    Fact(
        "compensation", "Credits that could not return go on as another grant",
        ("contract_liability",), ("contract_liability",),
        "TRANSFER", "ASC 606-10-25-13; IFRS 15.21",
    ),
    Fact(
        "overage_credit", "Overage that is on an invoice is given back as credits",
        ("revenue_usage",), ("contract_liability",),
        "REVERSAL", "ASC 606-10-32-10, 45-2; IFRS 15.55, 106",
    ),
    Fact(
        "grant_refund", "Money is given back for credits",
        ("contract_liability", "tax_payable", "revenue_breakage", "revenue_concessions"),
        ("cash", "receivable", "revenue_breakage"),
        "REFUND", "ASC 606-10-32-10, 55-22 to 55-29; IFRS 15.55",
    ),
    Fact(
        "void", "A sale is undone: what was not used",
        ("contract_liability", "tax_payable", "revenue_breakage", "revenue_concessions"),
        ("receivable", "cash", "revenue_breakage"),
        "REFUND", "ASC 606-10-25-10 to 25-13; IFRS 15.18 to 21",
    ),
    Fact(
        "void_after_use", "A sale is undone: what was used, where the claim ends",
        ("revenue_concessions", "tax_payable"), ("receivable", "cash"),
        "NONE", "ASC 606-10-32-5 to 32-9; IFRS 15.50 to 54",
    ),
    Fact(
        "correction", "A back office takes credits away: it reverses the sale",
        ("contract_liability", "tax_payable", "revenue_breakage", "revenue_concessions"),
        ("cash", "receivable", "revenue_breakage"),
        "REFUND", "ASC 250-10-45-23; IAS 8.42",
    ),
    Fact(
        "overage", "Usage that no credits cover",
        ("unbilled_receivable", "revenue_usage"), ("revenue_usage", "unbilled_receivable"),
        "NONE", "ASC 606-10-45-3 to 45-4, 25-30; IFRS 15.107 to 108",
    ),
    Fact(
        "overage_refund", "Overage that is still owed is given back",
        ("revenue_usage", "unbilled_receivable"), ("unbilled_receivable", "revenue_usage"),
        "NONE", "ASC 606-10-32-10; IFRS 15.55",
    ),
    Fact(
        "repayment", "Credits repay overage",
        ("contract_liability", "revenue_usage", "revenue_breakage"),
        ("unbilled_receivable", "revenue_usage", "revenue_breakage", "unclaimed_property"),
        "REPAYMENT", "ASC 606-10-25-13, 45-3; IFRS 15.21, 107",
    ),
    Fact(
        "invoice", "What was unbilled is invoiced",
        ("receivable",), ("unbilled_receivable", "tax_payable"),
        "NONE", "ASC 606-10-45-4; IFRS 15.108",
    ),
    Fact(
        "invoice_void", "An unpaid invoice is voided: what it billed is unbilled again",
        ("unbilled_receivable", "tax_payable"), ("receivable",),
        "NONE", "ASC 606-10-45-3 to 45-4; IFRS 15.107 to 108",
    ),
    Fact(
        "invoice_payment", "An invoice is paid",
        ("cash",), ("receivable",),
        "NONE", "ASC 606-10-45-4; IFRS 15.108",
    ),
    Fact(
        "invoice_recovery", "An invoice is paid that was given up",
        ("cash",), ("credit_loss",),
        "NONE", "ASC 326-20-35-8 to 35-9; IFRS 9.5.5.8",
    ),
    Fact(
        "credit_note", "A credit note reduces an invoice of what is earned, or is not yet",
        ("revenue_concessions", "contract_liability", "tax_payable"), ("receivable",),
        "REFUND", "ASC 606-10-32-5 to 32-9, 32-42 to 32-45; IFRS 15.50 to 54, 87 to 90",
    ),
    Fact(
        "uncollectible", "What is due on an invoice is given up",
        ("credit_loss",), ("receivable",),
        "NONE", "ASC 326-20-35-8; IFRS 9.5.4.4",
    ),
    Fact(
        "accrual", "A close expects late usage",
        ("contract_liability",), ("revenue_usage",),
        "RECOGNITION", "ASC 606-10-25-30, 270-10-45-4; IFRS 15.38",
    ),
    Fact(
        "accrual_reversal", "The accrual is taken back",
        ("revenue_usage",), ("contract_liability",),
        "RECOGNITION", "ASC 270-10-45-4; IAS 34.28",
    ),
)  # fmt: skip

BY_KEY: dict[str, Fact] = {fact.key: fact for fact in FACTS}
ACCOUNTS_OF: dict[str, frozenset[str]] = {fact.key: fact.accounts for fact in FACTS}
