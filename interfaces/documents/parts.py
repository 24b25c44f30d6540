"""What documents have in common, as the template takes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.invoicing.parties import Party
from domain.invoicing.tax import TaxRate
from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of, units_of


def date_of(at: datetime) -> dict[str, int]:
    return {
        "year": at.year,
        "month": at.month,
        "day": at.day,
        "hour": at.hour,
        "minute": at.minute,
        "second": at.second,
    }


def shown_party(party: Party | None) -> dict[str, Any]:
    if party is None:
        return {"name": "", "lines": []}
    lines = [*party.address, party.country]
    if party.tax_id is not None:
        lines.append(f"Tax ID {party.tax_id}")
    return {"name": party.name, "lines": [line for line in lines if line]}


def column_of(title: str, *, grows: bool = False, number: bool = False) -> dict[str, Any]:
    return {"title": title, "grows": grows, "number": number}


def net_and_tax(
    net_minor: int, tax: TaxRate | None, tax_minor: int, currency: str
) -> list[list[Any]]:
    """Return the two rows that a total with tax is made of."""
    inclusive = tax is not None and tax.inclusive
    percent = decimal_of(units_of(tax.rate, 18) * 100, 18) if tax is not None else None
    words = f"{tax.name} {percent} %" if tax is not None else "Tax"
    return [
        ["Without tax" if inclusive else "Subtotal", money_of(net_minor, currency), False],
        [f"{words}, included" if inclusive else words, money_of(tax_minor, currency), False],
    ]


def day_of(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def money_of(minor: int, currency: str) -> str:
    """Return 1234567 cents as "12,345.67"."""
    exponent = EXPONENTS[currency]
    whole, part = divmod(abs(minor), 10**exponent)
    text = f"{whole:,}.{part:0{exponent}d}" if exponent else f"{whole:,}"
    return f"-{text}" if minor < 0 else text
