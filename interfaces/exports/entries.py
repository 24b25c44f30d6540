"""Journal entries on their way out, whole or summed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of

Detail = Literal["FULL", "DAILY", "MONTHLY"]


@dataclass(frozen=True, slots=True)
class ExportLine:
    """`account`: a key of the chart. Minor units of the entry's currency and of the
    functional one; a debit above zero, a credit below.
    """

    account: str
    minor: int
    functional_minor: int


@dataclass(frozen=True, slots=True)
class ExportEntry:
    """number: unique in the file and the same in every file of the same detail, so that a
    second import is recognised.
    """

    number: str
    date: date
    period: str
    service_period: str
    kind: str
    fact: str
    title: str
    currency: str
    functional_currency: str
    exchange_rate: str | None
    lines: tuple[ExportLine, ...]
    customer: str | None = None
    customer_id: str | None = None
    grant_id: str | None = None
    charge_id: str | None = None
    invoice_id: str | None = None
    meter: str | None = None
    product: str | None = None
    reverses: str | None = None
    position: int | None = None
    recorded_at: datetime | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account stands at, in minor units, a debit above zero."""

    account: str
    currency: str
    minor: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of months. opening, closing: balances before and after; opens, closes: the
    first day, and the first day after.
    """

    from_month: str
    to_month: str
    opens: date
    closes: date
    position: int
    opening: tuple[Balance, ...]
    closing: tuple[Balance, ...]
    entries: Iterator[ExportEntry]


def fixed(minor: int, currency: str) -> str:
    """Return an amount with all the places of its currency: 1500 cents are "15.00"."""
    exponent = EXPONENTS[currency]
    if not exponent:
        return str(minor)
    whole, places = divmod(abs(minor), 10**exponent)
    return f"{'-' if minor < 0 else ''}{whole}.{places:0{exponent}d}"


def shortest(minor: int, currency: str) -> str:
    return decimal_of(minor, EXPONENTS[currency])
