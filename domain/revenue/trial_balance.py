"""A month's trial balance: what stands on each account, and the hash that a close pins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Balance:
    """Of an account in a month, in minor units; opening and closing are debit-positive, since
    inception.
    """

    account: str
    currency: str
    opening: int
    debit: int
    credit: int

    @property
    def closing(self) -> int:
        return self.opening + self.debit - self.credit


def trial_balance_hash(month: str, balances: Iterable[Balance]) -> str:
    """Return the SHA-256 of a trial balance: a line an account, tab-separated, in the order of
    currencies and the chart, after a line that names the month.
    """
    lines = [month]
    lines += [
        f"{each.currency}\t{each.account}\t{each.opening}\t{each.debit}\t{each.credit}"
        f"\t{each.closing}"
        for each in balances
    ]
    return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
