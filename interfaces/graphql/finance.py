"""The journal and what is summed from it: revenue, liabilities, months."""

from __future__ import annotations

import strawberry
from anyio import to_thread

from domain.money.currencies import EXPONENTS
from domain.refusals import InvalidInput
from domain.revenue.liability import LiabilityMonth
from interfaces.graphql.accounting_fields import AccountingQueries
from interfaces.graphql.context import Info
from interfaces.graphql.fields import field
from interfaces.graphql.inputs import said
from interfaces.graphql.journal import JournalEntry, entries_of, finance_models, money
from interfaces.graphql.nodes import PageInfo, page_size
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.schedules import ScheduleQueries
from interfaces.graphql.times import optional_instant
from interfaces.months import check_month, check_months
from projections.pages import BadCursor


@strawberry.type(description="By number.")
class JournalConnection:
    nodes: list[JournalEntry]
    page_info: PageInfo


@strawberry.type(description="Opening and closing: debits above zero, since inception.")
class TrialBalanceRow:
    account: str
    currency: str
    opening: ExactDecimal
    debit: ExactDecimal
    credit: ExactDecimal
    closing: ExactDecimal


@strawberry.type(
    description="Opening + billings + reversals - recognized - breakage - refunds - chargebacks"
    " - unclaimedProperty - repayments + deposits + transfers + fx = closing."
)
class Rollforward:
    period: str
    currency: str
    opening: ExactDecimal
    billings: ExactDecimal
    reversals: ExactDecimal
    recognized: ExactDecimal
    recognized_from_opening: ExactDecimal = strawberry.field(
        description="The part of `recognized` that the month opened with."
    )
    breakage: ExactDecimal
    refunds: ExactDecimal
    chargebacks: ExactDecimal
    unclaimed_property: ExactDecimal
    repayments: ExactDecimal
    deposits: ExactDecimal
    transfers: ExactDecimal
    fx: ExactDecimal
    other: ExactDecimal
    closing: ExactDecimal


@strawberry.type
class FinanceQueries(AccountingQueries, ScheduleQueries):
    @field("Entries dated in a month; `asOf`: recorded by then.")
    async def journal(
        self,
        info: Info,
        *,
        month: str,
        as_of: InstantText | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> JournalConnection:
        context, size, place = info.context, page_size(first), said(after)
        check_month(month, "month")
        at = optional_instant(said(as_of), "asOf")
        models, tenant_id = await finance_models(context)
        try:
            page = await to_thread.run_sync(
                lambda: models.journal_page(tenant_id, month, size, place, at)
            )
        except BadCursor:
            raise InvalidInput(field="after", reason="no cursor of this list") from None
        return JournalConnection(
            nodes=await entries_of(context, page.nodes),
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )

    @field("Every account with entries by the end of a month.")
    async def trial_balance(
        self, info: Info, *, month: str, as_of: InstantText | None = strawberry.UNSET
    ) -> list[TrialBalanceRow]:
        check_month(month, "month")
        at = optional_instant(said(as_of), "asOf")
        models, tenant_id = await finance_models(info.context)
        balances = await to_thread.run_sync(lambda: models.trial_balance(tenant_id, month, at))
        return [
            TrialBalanceRow(
                account=each.account,
                currency=each.currency,
                opening=money(each.opening, each.currency),
                debit=money(each.debit, each.currency),
                credit=money(each.credit, each.currency),
                closing=money(each.closing, each.currency),
            )
            for each in balances
        ]

    @field("What moved the contract liability, month by month; `other` is always zero.")
    async def rollforward(
        self,
        info: Info,
        *,
        from_month: str,
        to_month: str,
        currency: str,
        as_of: InstantText | None = strawberry.UNSET,
    ) -> list[Rollforward]:
        check_months(from_month, to_month)
        if currency not in EXPONENTS:
            raise InvalidInput(field="currency", reason="no currency of ISO 4217")
        at = optional_instant(said(as_of), "asOf")
        models, tenant_id = await finance_models(info.context)
        months = await to_thread.run_sync(
            lambda: models.liability_months(tenant_id, (from_month, to_month), currency, at)
        )
        return [_rollforward_of(each, currency) for each in months]


def _rollforward_of(row: LiabilityMonth, currency: str) -> Rollforward:
    # No fact of the journal is a chargeback, a deposit or a remeasurement yet.
    none = money(0, currency)
    return Rollforward(
        period=row.period,
        currency=currency,
        opening=money(row.opening, currency),
        billings=money(row.billings, currency),
        reversals=money(row.reversals, currency),
        recognized=money(row.recognized, currency),
        recognized_from_opening=money(row.recognized_from_opening, currency),
        breakage=money(row.breakage, currency),
        refunds=money(row.refunds, currency),
        chargebacks=none,
        unclaimed_property=money(row.unclaimed_property, currency),
        repayments=money(row.repayments, currency),
        deposits=none,
        transfers=money(row.transfers, currency),
        fx=none,
        other=money(row.other, currency),
        closing=money(row.closing, currency),
    )
