"""A tenant's books folded from a ledger in memory: entries and balances by account key."""

from __future__ import annotations

from collections import Counter

from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of
from domain.revenue.books import Books as RevenueBooks
from domain.revenue.folding import FOLD, fold
from domain.revenue.journal import JournalEntry
from tests.books import Books


def folded(books: Books) -> RevenueBooks:
    """Fold the whole log."""
    revenue = RevenueBooks()
    for position, event in enumerate(books.log.all(), start=1):
        if type(event) in FOLD:
            fold(revenue, position, books.tenant_id, event)
    return revenue


def lines_of(entry: JournalEntry) -> dict[str, str]:
    """Return an entry as account -> amount: debits above zero."""
    exponent = EXPONENTS[entry.currency]
    sums: Counter[str] = Counter()
    for account, amount in zip(entry.accounts, entry.amounts, strict=True):
        sums[account] += amount
    return {account: two_places(amount, exponent) for account, amount in sums.items()}


def journal(books: Books, since: int = 0) -> list[dict[str, str]]:
    """Return the entries as account -> amount, from number `since` + 1 on."""
    entries = folded(books).entries
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry.balanced() for entry in entries)
    return [lines_of(entry) for entry in entries[since:]]


def balance(books: Books, account: str, currency: str = "USD") -> str:
    """Return what stands on an account, debit-positive, except that liabilities and revenue
    are told as credit-positive.
    """
    return balances(books, currency).get(account, two_places(0, EXPONENTS[currency]))


def balances(books: Books, currency: str = "USD") -> dict[str, str]:
    sums: Counter[str] = Counter()
    for entry in folded(books).entries:
        if entry.currency == currency:
            for account, amount in zip(entry.accounts, entry.amounts, strict=True):
                sums[account] += amount
    exponent = EXPONENTS[currency]
    return {account: two_places(amount, exponent) for account, amount in sums.items() if amount}


def two_places(minor: int, exponent: int) -> str:
    """Return minor units with all their places: 50 cents are "0.50"."""
    text = decimal_of(minor, exponent)
    if not exponent:
        return text
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(exponent, '0')}"
