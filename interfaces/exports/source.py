"""Where an export reads: one tenant's books up to one position."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from domain.calendar.zones import zone_named
from domain.revenue.chart import CHART
from interfaces.exports.accounts import AccountNames
from interfaces.exports.entries import Balance, Chapter, Detail, ExportEntry
from interfaces.exports.journal_entries import summaries, whole
from projections.database import Connection
from projections.export_documents import ExportDocuments
from projections.export_queries import AccountSum, ExportQueries
from projections.queries import ReadModels
from projections.tables import Location

_IN_CHART: dict[str, int] = {account.key: order for order, account in enumerate(CHART)}


@dataclass(frozen=True, slots=True)
class Source:
    """models, queries, documents: of the read models, which have passed `position`.

    timezone: the tenant's. scale: how many places an asset has, by its key. standing: the
    tables of wallets and books as of the position.
    """

    tenant_id: str
    position: int
    months: tuple[str, str]
    models: ReadModels
    queries: ExportQueries
    documents: ExportDocuments
    names: AccountNames
    functional_currency: str
    timezone: str
    scale: Callable[[str], int]
    standing: Callable[[], AbstractContextManager[tuple[Connection, Location]]]

    def entries(self, detail: Detail) -> Iterator[ExportEntry]:
        """Yield the journal of these months, by date and number."""
        asked = (self.tenant_id, self.months, self.position)
        if detail == "FULL":
            return whole(self.queries.entries(*asked), self.functional_currency)
        summed = self.queries.summed(*asked, detail)
        return summaries(summed, detail, self.functional_currency)

    def currencies(self) -> list[str]:
        """Return the currencies of all entries by the end of these months."""
        sums = self.queries.sums_by_end_of(self.tenant_id, self.months[1], self.position)
        return sorted({each.currency for each in sums})

    def span(self) -> tuple[datetime, datetime]:
        """Return when these months begin, and when the month after them does."""
        first, last = self.months
        return self._midnight(first_day(first)), self._midnight(day_after(last))

    def as_of_day(self) -> date:
        """Return the last day of these months, or that of the position, if it is earlier."""
        recorded_at = self.documents.recorded_at(self.tenant_id, self.position)
        today = recorded_at.astimezone(zone_named(self.timezone)).date()
        return min(day_after(self.months[1]) - timedelta(days=1), today)

    def _midnight(self, day: date) -> datetime:
        local = datetime.combine(day, time(), zone_named(self.timezone))
        return local.astimezone(UTC)

    def chapter(self, entries: Iterator[ExportEntry]) -> Chapter:
        """Return the months with what they open and close at."""
        first, last = self.months
        opening = self.queries.sums_before(self.tenant_id, first, self.position)
        closing = self.queries.sums_by_end_of(self.tenant_id, last, self.position)
        return Chapter(
            from_month=first,
            to_month=last,
            opens=first_day(first),
            closes=day_after(last),
            position=self.position,
            opening=tuple(each for each in _balances(opening) if each.minor),
            closing=_balances(closing),
            entries=entries,
        )


def first_day(month: str) -> date:
    return date(int(month[:4]), int(month[5:]), 1)


def day_after(month: str) -> date:
    """Return the first day after a month."""
    year, number = int(month[:4]), int(month[5:])
    return date(year + 1, 1, 1) if number == 12 else date(year, number + 1, 1)


def _balances(sums: list[AccountSum]) -> tuple[Balance, ...]:
    ordered = sorted(sums, key=lambda each: (each.currency, _IN_CHART[each.account]))
    return tuple(Balance(each.account, each.currency, each.amount) for each in ordered)
