"""Entries of the journal, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import strawberry
from anyio import to_thread

from domain.identity import journal_entry_id
from domain.money.currencies import EXPONENTS
from domain.revenue.facts import BY_KEY
from domain.revenue.journal import JournalEntry as Entry
from interfaces.graphql.context import RequestContext
from interfaces.graphql.scalars import ExactDecimal, Long, exact
from projections.finance_queries import FINANCE_MODELS
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


def money(minor: int, currency: str) -> ExactDecimal:
    """Return minor units of a currency as a decimal."""
    return exact(minor, EXPONENTS[currency])


async def entries_of(context: RequestContext, entries: Sequence[Entry]) -> list[JournalEntry]:
    """Return entries with their actors and functional amounts."""
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


async def finance_models(context: RequestContext) -> tuple[ReadModels, str]:
    """Return the read models, once the journal shows what the client knows of."""
    await context.wait_for_lists(None, FINANCE_MODELS)
    return context.runtime.read_models, context.caller.tenant_id
