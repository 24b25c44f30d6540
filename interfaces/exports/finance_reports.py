"""What finance closes and discloses by, as sheets: schedules, what is to come, who owes, what
was decided and what was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from domain.identity import accounting_id, period_id
from domain.money.decimals import decimal_of
from domain.revenue.accounting import AccountingPolicySet
from domain.revenue.months import months_from
from domain.revenue.period import PeriodClosed, PeriodReopened
from interfaces.exports.entries import fixed
from interfaces.exports.request import Report
from interfaces.exports.sheets import FINEST_PLACES, Cell, Column, Sheet
from interfaces.exports.source import Source
from projections.backtest import breakage_backtest
from projections.tie_out import tie_out as ties

Rows = Iterator[tuple[Cell, ...]]

_SCHEDULE = (
    "paid", "recognized", "breakage", "refunded", "escheated", "transferred", "remaining",
    "expected",
)  # fmt: skip
_AGES = ("not_due", "days_1_to_30", "days_31_to_60", "days_61_to_90", "over_90_days")
_DAYS_OF_AN_AGE = 30


def revenue_schedule(source: Source) -> Sheet:
    """A row an obligation and month in which it moved: what was paid, and what became of it."""

    def rows() -> Rows:
        first, last = source.months
        for row in source.models.schedule_rows(source.tenant_id, as_of=source.position):
            if first <= row.period <= last:
                yield (
                    row.period, row.obligation_id, row.grant_id, row.customer_id, row.title,
                    row.currency,
                    *(fixed(getattr(row, name), row.currency) for name in _SCHEDULE),
                )  # fmt: skip

    texts = ("period", "obligation_id", "grant_id", "customer_id", "obligation", "currency")
    return Sheet((*map(Column, texts), *_decimals(_SCHEDULE)), rows())


def waterfall(source: Source) -> Sheet:
    """A row a month of sale and a month: what of its sales left the liability, and is left."""
    moved = _SCHEDULE[:6]

    def rows() -> Rows:
        sums: dict[tuple[str, str, str], list[int]] = {}
        of_all = source.models.schedule_rows(source.tenant_id, as_of=source.position)
        for _, months in groupby(of_all, key=lambda row: row.obligation_id):
            paid = 0
            for row in months:
                added = sums.setdefault((row.currency, row.sold_in, row.period), [0] * len(moved))
                added[0] += row.paid - paid
                paid = row.paid
                for place, name in enumerate(moved[1:], start=1):
                    added[place] += getattr(row, name)
        remaining: dict[tuple[str, str], int] = {}
        for (currency, cohort, period), figures in sorted(sums.items()):
            left = remaining.get((currency, cohort), 0) + figures[0] - sum(figures[1:])
            remaining[currency, cohort] = left
            if source.months[0] <= period <= source.months[1]:
                shown = (*figures, left)
                yield (cohort, period, currency, *(fixed(each, currency) for each in shown))

    texts = ("sold_in", "period", "currency")
    return Sheet((*map(Column, texts), *_decimals((*moved, "remaining"))), rows())


def rpo(source: Source) -> Sheet:
    """A row a currency: what is owed for what was paid, by when it is expected to be revenue."""
    as_of = source.as_of_day()

    def rows() -> Rows:
        for each in source.models.liability_ahead(source.tenant_id, as_of, source.position):
            figures = (each.within_a_year + each.beyond, each.within_a_year, each.beyond)
            yield (as_of, each.currency, *(fixed(figure, each.currency) for figure in figures))

    columns = (Column("as_of", "date"), Column("currency"))
    return Sheet((*columns, *_decimals(("total", "within_12_months", "beyond_12_months"))), rows())


def ageing(source: Source) -> Sheet:
    """A row an invoice, or a grant sold on account, that is receivable by the last month's end,
    by days past due; a grant is due when it is claimed. They sum to the account `receivable`.
    """
    as_of = source.as_of_day()

    def rows() -> Rows:
        for each in source.models.open_items(source.tenant_id, as_of, source.position):
            due = each.due or each.since
            late = (as_of - due).days
            age = min(max(-(-late // _DAYS_OF_AN_AGE), 0), len(_AGES) - 1)
            balance, none = fixed(each.amount, each.currency), fixed(0, each.currency)
            yield (
                as_of, each.customer_id, each.invoice_id, each.grant_id, each.since, due,
                max(late, 0), each.currency, balance,
                *(balance if place == age else none for place in range(len(_AGES))),
            )  # fmt: skip

    columns = (
        Column("as_of", "date"), Column("customer_id"), Column("invoice_id"), Column("grant_id"),
        Column("since", "date"), Column("due_on", "date"), Column("days_overdue", "integer"),
        Column("currency"),
    )  # fmt: skip
    return Sheet((*columns, *_decimals(("balance", *_AGES))), rows())


def breakage(source: Source) -> Sheet:
    """A row a month of sale, asset and source: what an estimate is held to, by what lapsed."""

    def rows() -> Rows:
        with source.standing() as (connection, location):
            found = breakage_backtest(connection, location, source.tenant_id)
        for row in found:
            if source.months[0] <= row.cohort <= source.months[1]:
                figures = (row.granted, row.burned, row.lapsed, row.ended, row.ended_lapsed)
                yield (
                    row.cohort, row.asset, row.source,
                    *(decimal_of(figure, row.scale) for figure in figures),
                )  # fmt: skip

    texts = ("sold_in", "asset", "source")
    decimals = ("granted", "burned", "lapsed", "ended", "lapsed_of_ended")
    return Sheet(
        (*map(Column, texts), *(Column(name, "decimal", FINEST_PLACES) for name in decimals)),
        rows(),
    )


def tie_out(source: Source) -> Sheet:
    """A row an asset and currency: the units that remain in wallets and in the books, and the
    liability for them; and a row a currency: the liability by grants, schedules and journal.
    """

    def rows() -> Rows:
        with source.standing() as (connection, location):
            assets, money = ties(connection, location, source.tenant_id)
        for each in assets:
            yield (
                each.asset, each.currency, decimal_of(each.wallets, each.scale),
                decimal_of(each.books, each.scale), fixed(each.liability, each.currency), None,
                None, None, not each.differing and each.wallets == each.books,
            )  # fmt: skip
        for tie in money:
            sides = (tie.grants, tie.schedules, tie.journal, tie.accrued)
            yield (
                None, tie.currency, None, None,
                *(fixed(side, tie.currency) for side in sides), tie.ties,
            )  # fmt: skip

    columns = (
        Column("asset"), Column("currency"),
        Column("wallets", "decimal", FINEST_PLACES), Column("books", "decimal", FINEST_PLACES),
        *_decimals(("grants", "schedules", "journal", "accrued")), Column("ties", "boolean"),
    )  # fmt: skip
    return Sheet(columns, rows())


def policies(source: Source) -> Sheet:
    """A row a decision on accounting, of whatever month, in the order in which they were made."""
    told = (
        "promotional", "breakage_method", "breakage_estimate", "escheat_share", "loss",
        "evidence", "bundle_election_note",
    )  # fmt: skip

    def rows() -> Rows:
        ids = [accounting_id(source.tenant_id)]
        for position, at, event in source.documents.stream(source.tenant_id, ids, source.position):
            if isinstance(event, AccountingPolicySet):
                setting = event.setting
                yield (
                    at, setting.effective_from, setting.portfolio,
                    *(getattr(setting, name) for name in told), setting.remote_months,
                    setting.refundable_days, position,
                )  # fmt: skip

    columns = (
        Column("recorded_at", "time"), Column("effective_from"), Column("portfolio"),
        *map(Column, told), Column("remote_months", "integer"),
        Column("refundable_days", "integer"), Column("position", "integer"),
    )  # fmt: skip
    return Sheet(columns, rows())


def close_certificate(source: Source) -> Sheet:
    """A row a check of each close of these months; one of each reopening, with its reason."""

    def rows() -> Rows:
        ids = [period_id(source.tenant_id, month) for month in months_from(*source.months)]
        for position, at, event in source.documents.stream(source.tenant_id, ids, source.position):
            if isinstance(event, PeriodClosed):
                of = (event.month, "CLOSED", at, event.actor, event.position)
                for each in event.checks:
                    yield (
                        *of,
                        event.trial_balance_hash,
                        each.name,
                        each.passed,
                        each.detail,
                        position,
                    )
            elif isinstance(event, PeriodReopened):
                reason = event.private.get("reason")
                yield (
                    event.month, "REOPENED", at, None, None, None, None, None, reason, position,
                )  # fmt: skip

    columns = (
        Column("period"), Column("act"), Column("recorded_at", "time"), Column("actor"),
        Column("checked_position", "integer"), Column("trial_balance_hash"), Column("check"),
        Column("passed", "boolean"), Column("detail"), Column("position", "integer"),
    )  # fmt: skip
    return Sheet(columns, rows())


def _decimals(names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(Column(name, "decimal") for name in names)


FINANCE_SHEETS: dict[Report, Callable[[Source], Sheet]] = {
    "REVENUE_SCHEDULE": revenue_schedule,
    "WATERFALL": waterfall,
    "RPO": rpo,
    "AGEING": ageing,
    "BREAKAGE": breakage,
    "TIE_OUT": tie_out,
    "POLICIES": policies,
    "CLOSE_CERTIFICATE": close_certificate,
}
