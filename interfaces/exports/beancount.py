"""A journal in the text of beancount.

What it closes at is asserted on the first day after, to the last place (`~ 0.00`), because
beancount else lets half of the last place pass.

Source: Beancount Language Syntax, "Balance Assertions", "Local Tolerances".
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.revenue.chart import CHART
from interfaces.exports.accounts import BEANCOUNT_OPENING, AccountNames
from interfaces.exports.entries import Chapter, ExportEntry, fixed


def beancount(chapter: Chapter, names: AccountNames, currencies: list[str]) -> Iterator[str]:
    """Yield the parts of a journal for beancount."""
    paths = [names.beancount(account.key) for account in CHART] + [BEANCOUNT_OPENING]
    opens = "".join(f"{chapter.opens} open {path}\n" for path in dict.fromkeys(paths))
    operating = "".join(f'option "operating_currency" "{each}"\n' for each in currencies)
    yield (
        f"; Journal of {chapter.from_month} to {chapter.to_month}, "
        f"of the log up to position {chapter.position}\n\n"
        f'option "title" "Journal"\n{operating}\n{opens}\n'
    )
    if chapter.opening:
        yield _opening(chapter, names)
    for entry in chapter.entries:
        yield _entry(entry, names)
    sums: dict[tuple[str, str], int] = {}
    for each in chapter.closing:
        key = (names.beancount(each.account), each.currency)
        sums[key] = sums.get(key, 0) + each.minor
    for (path, currency), minor in sums.items():
        amount, exactly = fixed(minor, currency), fixed(0, currency)
        yield f"{chapter.closes} balance {path}  {amount} ~ {exactly} {currency}\n"


def _entry(entry: ExportEntry, names: AccountNames) -> str:
    facts = "".join(
        f'  {what}: "{which}"\n'
        for what, which in (
            ("number", entry.number),
            ("charge", entry.charge_id),
            ("grant", entry.grant_id),
            ("invoice", entry.invoice_id),
            ("service", entry.service_period if entry.service_period != entry.period else None),
            ("reverses", entry.reverses),
        )
        if which is not None
    )
    lines = "".join(
        f"  {names.beancount(line.account)}  {fixed(line.minor, entry.currency)} {entry.currency}\n"
        for line in entry.lines
    )
    return f'{entry.date} * "{_quoted(entry.title)}"\n{facts}{lines}\n'


def _opening(chapter: Chapter, names: AccountNames) -> str:
    totals: dict[str, int] = {}
    text = f'{chapter.opens} * "Opening balances"\n'
    for each in chapter.opening:
        totals[each.currency] = totals.get(each.currency, 0) + each.minor
        path = names.beancount(each.account)
        text += f"  {path}  {fixed(each.minor, each.currency)} {each.currency}\n"
    for currency, minor in totals.items():
        text += f"  {BEANCOUNT_OPENING}  {fixed(-minor, currency)} {currency}\n"
    return text + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
