"""Gapless numbers: a stream a tenant and series, whose n-th event takes number n.

The log's own key (stream, version) lets nobody take a number twice, and none is skipped: the
event is written in the transaction of the document that it numbers.

Source: Council Directive 2006/112/EC, article 226 (2): a sequential number, based on one or
more series, which uniquely identifies the invoice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from domain.aggregate import Aggregate, Event
from domain.identity import derived_id

Series = Literal["INV", "RCT", "STM", "CRN"]

LEAST_DIGITS = 6


@dataclass(frozen=True)
class NumberTaken(Event):
    """`document_id`: the invoice or credit note that has this number."""

    TOPIC: ClassVar[str] = "numbers.taken"
    series: str
    document_id: str

    def apply(self, aggregate: Numbers) -> None:
        aggregate.series = self.series


class Numbers(Aggregate):
    """A series. Only its last version is ever asked for."""

    TOPIC = "numbers"
    series: str


def series_id(tenant: str, series: Series) -> str:
    return derived_id("numbers", tenant, series)


def number_text(series: str, number: int) -> str:
    """Return a number as documents show it: INV-000001."""
    return f"{series}-{number:0{LEAST_DIGITS}d}"


def number_of(text: str) -> tuple[str, int] | None:
    """Return series and number of such a text; None if it is none."""
    series, dash, digits = text.partition("-")
    if not (dash and digits.isascii() and digits.isdigit() and len(digits) <= 18):
        return None
    number = int(digits)
    return (series, number) if number_text(series, number) == text else None
