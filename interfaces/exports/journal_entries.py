"""The journal's entries on their way out: whole, or summed up by day or month.

A summary has an entry a day or month, currency, product and rate, with each account once.
Its number says all of that in at most 21 characters with its prefix, which is what
QuickBooks takes, and is the same whenever it is made.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import groupby

from domain.refusals import InvalidInput
from domain.revenue.chart import CHART
from domain.revenue.facts import BY_KEY
from domain.revenue.journal import JournalEntry
from domain.revenue.months import month_of
from interfaces.exports.entries import Detail, ExportEntry, ExportLine
from projections.export_queries import SummedLine

_IN_CHART: dict[str, int] = {account.key: order for order, account in enumerate(CHART)}


def whole(
    entries: Iterable[tuple[JournalEntry, str | None, str]], functional_currency: str
) -> Iterator[ExportEntry]:
    """Yield entries as they are; each comes with its customer's own id and its actor."""
    for entry, customer, actor in entries:
        yield ExportEntry(
            number=str(entry.number),
            date=entry.date,
            period=entry.period,
            service_period=entry.service_period,
            kind=entry.kind,
            fact=entry.fact,
            title=BY_KEY[entry.fact].title,
            currency=entry.currency,
            functional_currency=functional_currency,
            exchange_rate=entry.exchange_rate,
            lines=tuple(
                ExportLine(*line)
                for line in zip(entry.accounts, entry.amounts, entry.functional, strict=True)
            ),
            customer=customer,
            customer_id=entry.customer_id,
            grant_id=entry.grant_id,
            charge_id=entry.charge_id,
            invoice_id=entry.invoice_id,
            meter=entry.meter,
            product=entry.product,
            reverses=None if entry.reverses is None else str(entry.reverses),
            position=entry.position,
            recorded_at=entry.recorded_at,
            actor=actor,
        )


def summaries(
    lines: Iterable[SummedLine], detail: Detail, functional_currency: str
) -> Iterator[ExportEntry]:
    """Yield an entry for each day or month, currency, product and rate, if anything is left."""
    for (day, currency, product, rate), group in groupby(
        lines, key=lambda each: (each.day, each.currency, each.product, each.exchange_rate)
    ):
        found = sorted(group, key=lambda each: _IN_CHART[each.account])
        kept = tuple(
            ExportLine(each.account, each.amount, each.functional)
            for each in found
            if each.amount or each.functional
        )
        if not kept:
            continue
        period = month_of(day)
        of_span = day.isoformat() if detail == "DAILY" else period
        yield ExportEntry(
            number=_summary_number(of_span, detail, currency, product, rate),
            date=day,
            period=period,
            service_period=period,
            kind="AUTOMATIC",
            fact="summary",
            title=f"Summary of {of_span}" + (f", {product}" if product else ""),
            currency=currency,
            functional_currency=functional_currency,
            exchange_rate=rate,
            lines=kept,
            product=product,
        )


def with_amounts(entries: Iterable[ExportEntry]) -> Iterator[ExportEntry]:
    """Leave out lines without an amount in the entry's currency, and entries of such alone:
    what was only remeasured in the functional currency.
    """
    for entry in entries:
        if all(line.minor for line in entry.lines):
            yield entry
        elif kept := tuple(line for line in entry.lines if line.minor):
            yield replace(entry, lines=kept)


def in_functional_currency(entries: Iterable[ExportEntry], layout: str) -> Iterator[ExportEntry]:
    """Yield entries in the functional currency, for a layout that takes no other.

    Raises InvalidInput: an entry of a currency that had no exchange rate.
    """
    for entry in entries:
        if entry.currency == entry.functional_currency:
            yield entry
            continue
        if entry.exchange_rate is None:
            raise InvalidInput(
                field="format",
                reason=f"{layout} takes {entry.functional_currency} alone, and entry"
                f" {entry.number} is in {entry.currency} without an exchange rate",
            )
        lines = tuple(
            ExportLine(line.account, line.functional_minor, line.functional_minor)
            for line in entry.lines
        )
        yield replace(entry, currency=entry.functional_currency, exchange_rate="1", lines=lines)


def _summary_number(
    span: str, detail: Detail, currency: str, product: str | None, rate: str | None
) -> str:
    number = f"{detail[0]}{span.replace('-', '')}{currency}"
    if product is None and rate in (None, "1"):
        return number
    told = f"{product or ''}\n{rate or ''}".encode()
    return f"{number}-{b32encode(sha256(told).digest()).decode()[:5]}"
