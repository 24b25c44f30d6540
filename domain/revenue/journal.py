"""A journal entry: balanced debits and credits of one accounting fact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.revenue.chart import BY_KEY, AccountKey

EntryKind = Literal["AUTOMATIC", "MANUAL", "ACCRUAL", "REVERSAL"]
Line = tuple[AccountKey, int]
"""An account and minor units of the entry's currency: a debit above zero, a credit below."""


_UNITS_PER_MINOR: dict[str, int] = {
    key: 10 ** (CURRENCY_SCALE - exponent) for key, exponent in EXPONENTS.items()
}


@dataclass(slots=True)
class JournalEntry:
    """One fact, with lines as columns: accounts, and what each is debited (credits are
    negative) in minor units of `currency` and of the functional currency.

    number: gapless per tenant, in order of `position`, the log's event that it stands on.
    period: the month of `date`; service_period: the month in which the service was given.
    from_grant_id: where `fact` moves a liability, the grant that it leaves. reverses: the
    number of the entry that this one takes back.
    """

    tenant: str
    number: int
    position: int
    recorded_at: datetime
    kind: EntryKind
    fact: str
    date: date
    period: str
    service_period: str
    currency: str
    exchange_rate: str | None
    customer_id: str | None
    grant_id: str | None
    obligation_id: str | None
    from_grant_id: str | None
    charge_id: str | None
    invoice_id: str | None
    meter: str | None
    product: str | None
    reverses: int | None
    accounts: list[str]
    amounts: list[int]
    functional: list[int]

    @property
    def earned(self) -> int:
        """Minor units of revenue, concessions taken off."""
        return -sum(
            amount
            for account, amount in zip(self.accounts, self.amounts, strict=True)
            if BY_KEY[account].type == "REVENUE"
        )

    def balanced(self) -> bool:
        return not sum(self.amounts) and not sum(self.functional)


def units_per_minor(currency: str) -> int:
    """Return how many units of the ledger make one minor unit of documents.

    Money is kept at scale 9, documents are in the currency's exponent (ISO 4217): of USD
    10^7 units make a cent, of JPY 10^9 a yen.
    """
    return _UNITS_PER_MINOR[currency]


def merged(lines: Iterable[Line]) -> list[Line]:
    """Return the lines with each account once, in order of first mention, zeros left out."""
    sums: dict[AccountKey, int] = {}
    for account, amount in lines:
        sums[account] = sums.get(account, 0) + amount
    return [(account, amount) for account, amount in sums.items() if amount]
