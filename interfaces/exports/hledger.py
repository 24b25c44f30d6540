"""A journal in the text of hledger and ledger: one syntax, declared in the way of each.

Everything is declared, so that `hledger check -s ordereddates` and `ledger --strict
--pedantic` have something to hold it to; what it closes at is asserted on the day after.

Source: hledger manual, "Journal"; ledger manual, "Journal Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from domain.money.currencies import EXPONENTS
from domain.revenue.chart import CHART
from interfaces.exports.accounts import OPENING, AccountNames
from interfaces.exports.entries import Balance, Chapter, ExportEntry, fixed


def hledger(chapter: Chapter, names: AccountNames, currencies: list[str]) -> Iterator[str]:
    """Yield the parts of a journal for hledger."""
    declared = [f"commodity {_sample(each)}\n" for each in currencies]
    yield from _journal(chapter, names, "".join(declared))


def ledger(chapter: Chapter, names: AccountNames, currencies: list[str]) -> Iterator[str]:
    """Yield the parts of a journal for ledger."""
    declared = [f"commodity {each}\n    format {_sample(each)}\n" for each in currencies]
    yield from _journal(chapter, names, "".join(declared))


def _journal(chapter: Chapter, names: AccountNames, commodities: str) -> Iterator[str]:
    paths = dict.fromkeys([names.path(account.key) for account in CHART] + [OPENING])
    accounts = "".join(f"account {path}\n" for path in paths)
    yield (
        f"; Journal of {chapter.from_month} to {chapter.to_month}, "
        f"of the log up to position {chapter.position}\n\n{commodities}\n{accounts}\n"
    )
    if chapter.opening:
        yield _opening(chapter, names)
    for entry in chapter.entries:
        yield _entry(entry, names)
    if chapter.closing:
        yield _closing(chapter.closes, chapter.closing, names)


def _entry(entry: ExportEntry, names: AccountNames) -> str:
    lines = "".join(
        f"    {names.path(line.account)}  {_amount(line.minor, entry.currency)}\n"
        for line in entry.lines
    )
    return f"{entry.date} ({entry.number}) {entry.title}{_origin(entry)}\n{lines}\n"


def _origin(entry: ExportEntry) -> str:
    """Return where it comes from as a comment; no colon, which would make it a tag."""
    parts = [
        f"{what} {which}"
        for what, which in (
            ("charge", entry.charge_id),
            ("grant", entry.grant_id),
            ("invoice", entry.invoice_id),
            ("service", entry.service_period if entry.service_period != entry.period else None),
            ("reverses", entry.reverses),
        )
        if which is not None
    ]
    return f"  ; {', '.join(parts)}" if parts else ""


def _opening(chapter: Chapter, names: AccountNames) -> str:
    totals: dict[str, int] = {}
    text = f"{chapter.opens} Opening balances\n"
    for each in chapter.opening:
        totals[each.currency] = totals.get(each.currency, 0) + each.minor
        text += f"    {names.path(each.account)}  {_amount(each.minor, each.currency)}\n"
    for currency, minor in totals.items():
        text += f"    {OPENING}  {_amount(-minor, currency)}\n"
    return text + "\n"


def _closing(day: date, closing: tuple[Balance, ...], names: AccountNames) -> str:
    sums: dict[tuple[str, str], int] = {}
    for each in closing:
        key = (names.path(each.account), each.currency)
        sums[key] = sums.get(key, 0) + each.minor
    lines = "".join(
        f"    {path}  {_amount(0, currency)} = {_amount(minor, currency)}\n"
        for (path, currency), minor in sums.items()
    )
    return f"{day} Closing balances\n{lines}"


def _amount(minor: int, currency: str) -> str:
    return f"{fixed(minor, currency)} {currency}"


def _sample(currency: str) -> str:
    """Return a figure in the currency's places; with a point, even where nothing follows it."""
    exponent = EXPONENTS[currency]
    return f"1000.{'0' * exponent} {currency}"
