"""Read model `journal`: every accounting entry, and what the next one depends on.

Tables: journal, its sums (journal_sums, obligation_months), and the state of the books
(obligations with their terms, unbilled_wallets, tenant_books). Events: those of
domain/revenue/folding, of grants, charges, periods and what they need; the wallet's never.
Entries are only added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, LiteralString

import msgspec
from psycopg.sql import SQL

from domain.aggregate import Event
from domain.grants.events import (
    GrantExpired,
    GrantIssued,
    GrantRefunded,
    GrantRepaidOverage,
    GrantReturnRevoked,
    GrantTermsExtended,
    GrantVoided,
)
from domain.grants.payment import GrantPaymentReceived
from domain.invoicing.events import InvoiceCredited
from domain.revenue.accounting import AccountingPolicySet
from domain.revenue.books import Books, Movements, movements_of
from domain.revenue.folding import FOLD, fold
from domain.revenue.journal import JournalEntry
from domain.revenue.obligation import Obligation
from domain.revenue.period import AccountingDayEnded
from domain.revenue.tenant_books import TenantBooks
from domain.revenue.terms import Terms
from domain.revenue.unbilled import UnbilledWallet
from domain.subscriptions.events import (
    FEE_EVENTS,
    CycleStarted,
    FeeEvent,
    PeriodStarted,
    PlanChanged,
    SubscriptionCanceled,
    credits_of,
)
from domain.usage.events import (
    ChargeCaptured,
    ChargeCorrected,
    ChargeCredited,
    ChargeRefunded,
    ChargeRerated,
    ChargeSettled,
    ChargeWithdrawn,
)
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table


@dataclass(slots=True)
class SumRow:
    """debit, credit: in minor units, neither below zero; entries: how many have the account.
    recorded_on: the day (UTC) on which they were recorded.
    """

    tenant: str
    period: str
    currency: str
    fact: str
    account: str
    recorded_on: date
    debit: int
    credit: int
    functional: int
    entries: int


@dataclass(slots=True)
class MonthRow:
    tenant: str
    obligation_id: str
    period: str
    paid: int
    recognized: int
    breakage: int
    refunded: int
    escheated: int
    transferred: int
    delivered: int
    entries: int


@dataclass(slots=True)
class WalletRow:
    tenant: str
    wallet_id: str
    state: Any


@dataclass(slots=True)
class BooksRow:
    tenant: str
    state: Any


JOURNAL = Table(
    "journal",
    JournalEntry,
    2,
    "uuid bigint bigint time text text date text text text text uuid uuid uuid uuid uuid uuid"
    " text text bigint texts unitses unitses",
)
SUMS = Table("journal_sums", SumRow, 6, "uuid text text text text date units units units bigint")
MONTHS = Table(
    "obligation_months",
    MonthRow,
    3,
    "uuid uuid text units units units units units units units bigint",
)
OBLIGATIONS = Table(
    "obligations",
    Obligation,
    2,
    "uuid uuid uuid uuid uuid text integer text text text boolean text text units units units"
    " text boolean units units units units units units units units units boolean boolean date"
    " date date integer text texts text",
)
TERMS = Table(
    "obligation_terms", Terms, 3, "uuid uuid bigint time text boolean units units date date"
)
WALLETS = Table("unbilled_wallets", WalletRow, 2, "uuid uuid document")
BOOKS = Table("tenant_books", BooksRow, 1, "uuid document")


def _own(event: Any) -> Iterable[str]:
    return (event.originator_id,)


def _allocated(event: ChargeSettled | ChargeCaptured) -> Iterable[str]:
    return [grant_id for grant_id, _ in event.allocations]


def _returned(event: ChargeRefunded | ChargeCredited) -> Iterable[str]:
    grants = [grant_id for grant_id, _ in event.returned]
    return [event.originator_id, *grants, *event.compensations]


def _issued(event: GrantIssued) -> Iterable[str]:
    rolled = event.origin.kind == "ROLLOVER" and event.origin.grant_id
    return (rolled,) if rolled else ()


def _of_plan(event: FeeEvent) -> Iterable[str]:
    """Return the fees and included credits that a subscription's event is about."""
    yield from (line.fee_id for line in event.fees)
    yield from (credit.fee_id for credit in credits_of(event))
    if isinstance(event, CycleStarted | PeriodStarted | PlanChanged):
        yield from event.running
        yield from (line.grant_id for line in event.grants)
    if isinstance(event, PlanChanged | SubscriptionCanceled):
        yield from event.ended
        yield from (grant_id for grant_id, _ in event.revoked)


def _corrected(event: ChargeCorrected) -> Iterable[str]:
    back, taken = event.returned, event.allocations
    grants = [each for each, _ in (*back, *taken)]
    return [event.originator_id, *grants, *event.compensations]


def _credited(event: InvoiceCredited) -> Iterable[str]:
    return [fee for line in event.lines for fee in line.fees]


OBLIGATIONS_OF: dict[type[Event], Callable[[Any], Iterable[str]]] = {
    ChargeSettled: _allocated,
    ChargeCaptured: _allocated,
    ChargeRefunded: _returned,
    ChargeCredited: _returned,
    ChargeWithdrawn: _corrected,
    ChargeRerated: _corrected,
    GrantPaymentReceived: lambda event: (event.grant_id,),
    GrantRepaidOverage: _own,
    GrantExpired: _own,
    GrantTermsExtended: _own,
    GrantVoided: _own,
    GrantRefunded: _own,
    GrantReturnRevoked: _own,
    GrantIssued: _issued,
    InvoiceCredited: _credited,
    **dict.fromkeys(FEE_EVENTS, _of_plan),
}

WALLET_OF: frozenset[type[Event]] = frozenset(
    (
        ChargeSettled,
        ChargeCaptured,
        ChargeRefunded,
        ChargeCredited,
        ChargeWithdrawn,
        ChargeRerated,
        GrantRepaidOverage,
        *FEE_EVENTS,
    )
)


_octets = msgspec.json.Encoder().encode
_books_of = msgspec.json.Decoder(TenantBooks).decode
_wallet_of = msgspec.json.Decoder(UnbilledWallet).decode


@dataclass(slots=True)
class Loaded(Books):
    """as_loaded: wallets by id, since few change by what is charged."""

    as_loaded: dict[str, bytes] = field(default_factory=dict)


class Journal(ReadModel[Loaded]):
    name = "journal"
    events: ClassVar[tuple[type[Event], ...]] = tuple(FOLD)
    tables: ClassVar[tuple[Table[Any], ...]] = (
        JOURNAL,
        SUMS,
        MONTHS,
        OBLIGATIONS,
        TERMS,
        WALLETS,
        BOOKS,
    )

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> Loaded:
        told: dict[type[Event], list[tuple[str, Any]]] = {}
        for _, tenant, event in batch:
            told.setdefault(type(event), []).append((tenant, event))
        obligations: set[tuple[str, str]] = set()
        wallets: set[tuple[str, str]] = set()
        for kind, several in told.items():
            if (ids := OBLIGATIONS_OF.get(kind)) is not None:
                obligations |= {(tenant, each) for tenant, event in several for each in ids(event)}
            if kind in WALLET_OF:
                wallets |= {(tenant, event.wallet_id) for tenant, event in several}
        bundles = [
            (tenant, event.bundle_id)
            for tenant, event in told.get(GrantIssued, ())
            if event.bundle_id is not None
        ]
        credited = [fee for _, event in told.get(InvoiceCredited, ()) for fee in _credited(event)]
        days: dict[str, set[date]] = {}
        for tenant, event in told.get(AccountingDayEnded, ()):
            days.setdefault(tenant, set()).add(event.day)
        reaches_all = {tenant for tenant, _ in told.get(AccountingPolicySet, ())}
        books = Loaded()
        tenants = {tenant for _, tenant, _ in batch}
        for row in BOOKS.load(connection, self.location, [(tenant,) for tenant in tenants]):
            books.tenants[row.tenant] = _books_of(row.state)
        reaches_all |= {
            tenant for tenant, ended in days.items() if books.tenant(tenant).days_reach_all(ended)
        }
        self._load_obligations(connection, books, obligations, bundles, credited)
        self._load_living(connection, books, reaches_all, days.keys() - reaches_all)
        if reaches_all:
            wallets |= {(each.tenant, each.wallet_id) for each in books.obligations.values()}
        # A grant whose sale is unconditional by its first burn may share with its purchase.
        for wallet in WALLETS.load(connection, self.location, wallets):
            known = books.wallets[wallet.wallet_id] = _wallet_of(wallet.state)
            books.as_loaded[wallet.wallet_id] = _octets(known)
        return books

    def _load_obligations(
        self,
        connection: Connection,
        books: Books,
        obligations: set[tuple[str, str]],
        bundles: list[tuple[str, str]],
        credited: list[str],
    ) -> None:
        for o in OBLIGATIONS.load(connection, self.location, obligations):
            books.obligations[o.obligation_id] = o
        # Booking a sale shares its price over its purchase.
        bundles += [
            (o.tenant, o.bundle_id)
            for o in books.obligations.values()
            if o.bundle_id is not None and not o.booked
        ]
        select = self.location.query(
            "SELECT {columns} FROM {obligations} o WHERE ", columns=OBLIGATIONS.selected()
        )
        wanted: list[tuple[LiteralString, tuple[list[str], ...]]] = []
        if bundles:
            of_tenants, of_bundles = (list(column) for column in zip(*bundles, strict=True))
            condition = "tenant = ANY(%s) AND bundle_id = ANY(%s)"
            wanted.append((condition, (of_tenants, of_bundles)))
        if credited:
            # A fee's credits that were sold with it.
            wanted.append(("fee_ids <> '{{}}' AND fee_ids && %s::text[]", (credited,)))
        for condition, parameters in wanted:
            found = connection.execute(select + self.location.query(condition), parameters)
            for row in found:
                o = OBLIGATIONS.row_of(row)
                books.obligations.setdefault(o.obligation_id, o)

    def _load_living(
        self,
        connection: Connection,
        books: Books,
        reaches_all: Iterable[str],
        reaches_ratable: Iterable[str],
    ) -> None:
        """Load what days and policies may reach: all that still is, or what is ratable."""
        select = self.location.query(
            "SELECT {columns} FROM {obligations} o WHERE tenant = ANY(%s) AND NOT ended",
            columns=OBLIGATIONS.selected(),
        )
        for tenants, which in ((reaches_all, ""), (reaches_ratable, " AND ratable")):
            if wanted := list(tenants):
                for row in connection.execute(select + SQL(which), (wanted,)):
                    o = OBLIGATIONS.row_of(row)
                    books.obligations.setdefault(o.obligation_id, o)

    @staticmethod
    def fold(state: Loaded, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            fold(state, position, tenant, event)

    def save(self, connection: Connection, state: Loaded) -> None:
        JOURNAL.insert(connection, self.location, state.entries)
        SUMS.add(connection, self.location, sums_of(state.entries))
        MONTHS.add(
            connection, self.location, list(map(_month_row, movements_of(state.entries).values()))
        )
        obligations = state.obligations
        OBLIGATIONS.upsert(connection, self.location, [obligations[k] for k in sorted(obligations)])
        TERMS.insert(connection, self.location, state.terms)
        wallets = [
            WalletRow(each.tenant, each.wallet_id, each)
            for wallet_id, each in sorted(state.wallets.items())
            if _octets(each) != state.as_loaded.get(wallet_id)
        ]
        WALLETS.upsert(connection, self.location, wallets)
        rows = [BooksRow(each.tenant, each) for each in state.tenants.values()]
        BOOKS.upsert(connection, self.location, rows)


def sums_of(entries: Iterable[JournalEntry]) -> list[SumRow]:
    """Return the sums of these entries, by month, currency, fact, account and day, in order."""
    # Most of a batch are alike: each column of their lines is summed at once.
    alike: dict[tuple[Any, ...], list[JournalEntry]] = {}
    for entry in entries:
        key = (
            entry.tenant, entry.period, entry.currency, entry.fact, entry.recorded_at.date(),
            *entry.accounts,
        )  # fmt: skip
        alike.setdefault(key, []).append(entry)
    sums: dict[tuple[str, str, str, str, str, date], SumRow] = {}
    for (tenant, period, currency, fact, recorded_on, *accounts), several in alike.items():
        amounts = zip(*(entry.amounts for entry in several), strict=True)
        functionals = zip(*(entry.functional for entry in several), strict=True)
        for account, moved, functional in zip(accounts, amounts, functionals, strict=True):
            of_account = (tenant, period, currency, fact, account, recorded_on)
            row = sums.get(of_account)
            if row is None:
                row = sums[of_account] = SumRow(*of_account, 0, 0, 0, 0)
            debit = sum(amount for amount in moved if amount > 0)
            row.debit += debit
            row.credit += debit - sum(moved)
            row.functional += sum(functional)
            row.entries += len(moved)
    return [sums[key] for key in sorted(sums)]


def _month_row(moved: Movements) -> MonthRow:
    return MonthRow(
        moved.tenant, moved.obligation_id, moved.period, moved.paid, moved.recognized,
        moved.breakage, moved.refunded, moved.escheated, moved.transferred, moved.delivered,
        moved.entries,
    )  # fmt: skip
