"""The journal and what is summed from it: revenue, liabilities, months."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread

from domain.identity import journal_entry_id
from domain.money.currencies import EXPONENTS
from domain.refusals import InvalidInput
from domain.revenue.facts import BY_KEY
from domain.revenue.journal import JournalEntry as Entry
from domain.revenue.liability import LiabilityMonth
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import field
from interfaces.graphql.inputs import said
from interfaces.graphql.nodes import PageInfo, page_size
from interfaces.graphql.scalars import ExactDecimal, InstantText, Long, exact
from interfaces.graphql.times import optional_instant
from interfaces.months import check_month, check_months
from projections.finance_queries import FINANCE_MODELS
from projections.pages import BadCursor
from projections.queries import ReadModels


@strawberry.enum
class EntryKind(Enum):
    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"
    ACCRUAL = "ACCRUAL"
    REVERSAL = "REVERSAL"


@strawberry.type
class JournalLine:
    account: str = strawberry.field(description="A key of the chart of accounts.")
    debit: ExactDecimal
    credit: ExactDecimal
    functional_debit: ExactDecimal
    functional_credit: ExactDecimal


@strawberry.type(description="Balanced debits and credits of one fact; never changed.")
class JournalEntry:
    id: strawberry.ID
    number: Long = strawberry.field(description="Gapless, in order of the log.")
    kind: EntryKind
    recorded_at: datetime
    actor: str
    position: Long
    reverses: strawberry.ID | None
    charge_id: strawberry.ID | None
    invoice_id: strawberry.ID | None
    exchange_rate: ExactDecimal | None
    date: str
    period: str = strawberry.field(description="The month of `date`.")
    service_period: str
    currency: str
    description: str
    grant_id: strawberry.ID | None
    customer_id: strawberry.ID | None
    lines: list[JournalLine]


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
class FinanceQueries:
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
        models, tenant_id = await _models(context)
        try:
            page = await to_thread.run_sync(
                lambda: models.journal_page(tenant_id, month, size, place, at)
            )
        except BadCursor:
            raise InvalidInput(field="after", reason="no cursor of this list") from None
        return JournalConnection(
            nodes=await _entries(context, page.nodes),
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )

    @field("Every account with entries by the end of a month.")
    async def trial_balance(
        self, info: Info, *, month: str, as_of: InstantText | None = strawberry.UNSET
    ) -> list[TrialBalanceRow]:
        check_month(month, "month")
        at = optional_instant(said(as_of), "asOf")
        models, tenant_id = await _models(info.context)
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
        models, tenant_id = await _models(info.context)
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


def money(minor: int, currency: str) -> ExactDecimal:
    """Return minor units of a currency as a decimal."""
    return exact(minor, EXPONENTS[currency])


async def _entries(context: RequestContext, entries: list[Entry]) -> list[JournalEntry]:
    reader, tenant_id = context.runtime.reader, context.caller.tenant_id
    positions = [entry.position for entry in entries]
    actors = await to_thread.run_sync(lambda: reader.actors(tenant_id, positions))
    functional = await to_thread.run_sync(
        lambda: context.runtime.read_models.functional_currency(tenant_id)
    )
    return [_entry_of(entry, actors[entry.position], functional) for entry in entries]


def _entry_of(entry: Entry, actor: str, functional: str) -> JournalEntry:
    return JournalEntry(
        id=strawberry.ID(journal_entry_id(entry.tenant, entry.number)),
        number=Long(entry.number),
        kind=EntryKind(entry.kind),
        recorded_at=entry.recorded_at,
        actor=actor,
        position=Long(entry.position),
        reverses=(
            None
            if entry.reverses is None
            else strawberry.ID(journal_entry_id(entry.tenant, entry.reverses))
        ),
        charge_id=_id(entry.charge_id),
        invoice_id=_id(entry.invoice_id),
        exchange_rate=None if entry.exchange_rate is None else ExactDecimal(entry.exchange_rate),
        date=entry.date.isoformat(),
        period=entry.period,
        service_period=entry.service_period,
        currency=entry.currency,
        description=BY_KEY[entry.fact].title,
        grant_id=_id(entry.grant_id),
        customer_id=_id(entry.customer_id),
        lines=[
            JournalLine(
                account=account,
                debit=money(max(amount, 0), entry.currency),
                credit=money(max(-amount, 0), entry.currency),
                functional_debit=money(max(own, 0), functional),
                functional_credit=money(max(-own, 0), functional),
            )
            for account, amount, own in zip(
                entry.accounts, entry.amounts, entry.functional, strict=True
            )
        ],
    )


def _id(text: str | None) -> strawberry.ID | None:
    return None if text is None else strawberry.ID(text)


async def _models(context: RequestContext) -> tuple[ReadModels, str]:
    """Return the read models, once the journal shows what the client knows of."""
    await context.wait_for_lists(None, FINANCE_MODELS)
    return context.runtime.read_models, context.caller.tenant_id
