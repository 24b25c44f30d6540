"""What an account is called in a file: by the tenant's mapping, else by the chart's key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.revenue.chart import BY_KEY

_ROOTS = {
    "ASSET": "assets",
    "LIABILITY": "liabilities",
    "REVENUE": "revenues",
    "EXPENSE": "expenses",
}
_BEANCOUNT_ROOTS = {
    "ASSET": "Assets",
    "LIABILITY": "Liabilities",
    "REVENUE": "Income",
    "EXPENSE": "Expenses",
}
OPENING = "equity:opening_balances"
BEANCOUNT_OPENING = "Equity:Opening-balances"

_UNSAFE = re.compile(r"[^\w .&/()-]")
_NOT_BEANCOUNT = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class AccountNames:
    """mapping: (code, name) by key, of those that the tenant has mapped."""

    mapping: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def code(self, key: str) -> str:
        mapped = self.mapping.get(key)
        return mapped[0] if mapped else BY_KEY[key].code

    def name(self, key: str) -> str:
        mapped = self.mapping.get(key)
        return mapped[1] if mapped else key

    def title(self, key: str) -> str:
        """Return the name in words, as people read it."""
        mapped = self.mapping.get(key)
        return mapped[1] if mapped else BY_KEY[key].name

    def path(self, key: str) -> str:
        """Return the account as hledger and ledger write it: "liabilities:contract_liability"."""
        mapped = self.mapping.get(key)
        leaf = _plain(f"{mapped[0]} {mapped[1]}") if mapped else key
        return f"{_ROOTS[BY_KEY[key].type]}:{leaf}"

    def beancount(self, key: str) -> str:
        """Return the account as beancount writes it: "Liabilities:Contract-liability".

        Its names have letters, digits and dashes, and begin with a capital or a digit.
        """
        mapped = self.mapping.get(key)
        leaf = _NOT_BEANCOUNT.sub("-", f"{mapped[0]}-{mapped[1]}" if mapped else key).strip("-")
        leaf = leaf or key.replace("_", "-")
        return f"{_BEANCOUNT_ROOTS[BY_KEY[key].type]}:{leaf[:1].upper()}{leaf[1:]}"


def _plain(name: str) -> str:
    """Return a name without what would end it: two blanks, tabs, colons, semicolons, brackets."""
    return " ".join(_UNSAFE.sub(" ", name).split()) or "unnamed"
