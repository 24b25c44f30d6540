"""The chart of accounts. Keys are fixed; codes and names are the tenant's mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AccountKey = Literal[
    "cash",
    "receivable",
    "unbilled_receivable",
    "contract_asset",
    "contract_liability",
    "customer_deposits",
    "unclaimed_property",
    "tax_payable",
    "disputed_payments",
    "customer_incentives",
    "revenue_usage",
    "revenue_ratable",
    "revenue_breakage",
    "revenue_concessions",
    "payment_costs",
    "credit_loss",
    "marketing_expense",
    "fx_gain_loss",
]
AccountType = Literal["ASSET", "LIABILITY", "REVENUE", "EXPENSE"]


@dataclass(frozen=True, slots=True)
class Account:
    """code and name: those that hold until the tenant maps the key."""

    key: AccountKey
    type: AccountType
    code: str
    name: str


CHART: tuple[Account, ...] = (
    Account("cash", "ASSET", "1000", "Cash clearing"),
    Account("receivable", "ASSET", "1100", "Accounts receivable"),
    Account("unbilled_receivable", "ASSET", "1150", "Unbilled receivables"),
    Account("contract_asset", "ASSET", "1160", "Contract assets"),
    Account("disputed_payments", "ASSET", "1180", "Disputed payments"),
    Account("customer_incentives", "ASSET", "1190", "Customer incentives"),
    Account("contract_liability", "LIABILITY", "2000", "Contract liability"),
    Account("customer_deposits", "LIABILITY", "2050", "Customer deposits"),
    Account("unclaimed_property", "LIABILITY", "2100", "Unclaimed property"),
    Account("tax_payable", "LIABILITY", "2200", "Tax payable"),
    Account("revenue_usage", "REVENUE", "4000", "Revenue from usage"),
    Account("revenue_ratable", "REVENUE", "4010", "Revenue over time"),
    Account("revenue_breakage", "REVENUE", "4020", "Revenue from breakage"),
    Account("revenue_concessions", "REVENUE", "4090", "Concessions (contra revenue)"),
    Account("payment_costs", "EXPENSE", "5000", "Payment costs"),
    Account("marketing_expense", "EXPENSE", "5100", "Marketing expense"),
    Account("credit_loss", "EXPENSE", "5200", "Credit losses"),
    Account("fx_gain_loss", "EXPENSE", "5900", "Foreign exchange gain and loss"),
)

BY_KEY: dict[str, Account] = {account.key: account for account in CHART}
