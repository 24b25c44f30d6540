"""Read model `notifications`: what is worth telling, in the order of the log.

Tables: notifications, notified_wallets (whose wallet it is). Of crossings only those into the
state that is worth telling. Units are the asset's smallest, those of a document's currency
likewise; the threshold of a budget is percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from domain.aggregate import Event
from domain.grants.events import Paid
from domain.identity import derived_id
from domain.invoicing.events import InvoiceIssued, InvoicePaid
from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.money.decimals import decimal_of
from domain.revenue.period import PeriodClosed
from domain.tenancy.stops import ReadModelStopped
from domain.wallet.events import GrantExpiring, HoldLapsed, WalletOpened
from domain.wallet.spend_events import ThresholdCrossed
from domain.wallet.top_up import TopUpOpened, TopUpTold
from domain.wallet.watch_events import TopUpReported
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table

NotificationKind = Literal[
    "BALANCE_LOW",
    "BUDGET_THRESHOLD",
    "BUDGET_EXHAUSTED",
    "GRANT_SOURCE_EXHAUSTED",
    "FIRST_OVERAGE",
    "TOP_UP_REQUESTED",
    "TOP_UP_ACTION_REQUIRED",
    "TOP_UP_DECLINED",
    "TOP_UP_SUSPENDED",
    "RUNAWAY_TOP_UP",
    "HOLD_LAPSED",
    "GRANT_EXPIRING",
    "UNPRICED_USAGE",
    "INVOICE_ISSUED",
    "PAYMENT_RECEIVED",
    "DISPUTE_OPENED",
    "PERIOD_CLOSED",
    "PROJECTION_STOPPED",
]
PERCENT: tuple[NotificationKind, ...] = ("BUDGET_THRESHOLD", "BUDGET_EXHAUSTED")
"""Kinds whose threshold is percent."""


@dataclass(slots=True)
class NotificationRow:
    tenant: str
    position: int
    place: int
    notification_id: str
    kind: str
    customer_id: str | None
    subject: str | None
    asset: str | None
    threshold: int | None
    amount: int | None
    at: datetime
    data: dict[str, Any]


@dataclass(slots=True)
class NotifiedWalletRow:
    tenant: str
    wallet_id: str
    customer_id: str


NOTIFICATIONS = Table(
    "notifications",
    NotificationRow,
    3,
    "uuid bigint integer uuid text uuid text text units units time json",
)
NOTIFIED_WALLETS = Table("notified_wallets", NotifiedWalletRow, 2, "uuid uuid uuid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one event tells. customer_id: None for whose wallet the event is of."""

    kind: NotificationKind
    customer_id: str | None = None
    subject: str | None = None
    asset: str | None = None
    threshold: int | None = None
    amount: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """customers: by wallet; new_wallets, rows: what the batch adds."""

    customers: dict[str, str] = field(default_factory=dict)
    new_wallets: list[NotifiedWalletRow] = field(default_factory=list)
    rows: list[NotificationRow] = field(default_factory=list)


def _crossed(event: ThresholdCrossed) -> Iterator[Told]:
    if event.direction == "DOWN":
        return
    data: dict[str, Any] = {}
    threshold: int | None = event.threshold
    if event.kind in PERCENT:
        data = {"budgetId": event.about}
    elif event.kind == "GRANT_SOURCE_EXHAUSTED":
        data = {"source": event.about, "nextSource": event.next_source}
        threshold = None
    elif event.kind == "UNPRICED_USAGE":
        yield Told(kind=event.kind, asset=event.asset, data={"meter": event.about})
        return
    yield Told(
        kind=event.kind,
        subject=event.subject,
        asset=event.asset,
        threshold=threshold,
        amount=event.units,
        data=data,
    )


def _hold_lapsed(event: HoldLapsed) -> Iterator[Told]:
    data = {"holdId": event.hold_id}
    yield Told(kind="HOLD_LAPSED", asset=event.asset, amount=event.released_units, data=data)


def _grant_expiring(event: GrantExpiring) -> Iterator[Told]:
    data = {"grantId": event.grant_id, "expiresAt": event.expires_at.isoformat()}
    yield Told(kind="GRANT_EXPIRING", asset=event.asset, amount=event.units, data=data)


def _requested(event: TopUpOpened) -> Iterator[Told]:
    yield Told(
        kind="TOP_UP_REQUESTED",
        customer_id=event.customer_id,
        asset=event.asset,
        amount=event.units,
        data={"requestId": event.originator_id, "price": _money(event.price)},
    )


def _told(event: TopUpTold) -> Iterator[Told]:
    kinds: dict[str, NotificationKind] = {
        "ACTION_REQUIRED": "TOP_UP_ACTION_REQUIRED",
        "DECLINED": "TOP_UP_DECLINED",
    }
    if event.outcome in kinds:
        yield Told(
            kind=kinds[event.outcome],
            customer_id=event.customer_id,
            asset=event.asset,
            amount=event.units,
            data={"requestId": event.originator_id},
        )
    if event.paid is not None:
        yield Told(
            kind="PAYMENT_RECEIVED",
            customer_id=event.customer_id,
            asset=event.paid.currency,
            amount=event.paid.units,
            data={
                "requestId": event.originator_id,
                "grantId": event.grant_id,
                "reference": event.reference,
            },
        )


def _reported(event: TopUpReported) -> Iterator[Told]:
    if event.suspends:
        data = {"requestId": event.request_id, "declines": event.declines}
        yield Told(kind="TOP_UP_SUSPENDED", asset=event.asset, data=data)


def _issued(event: InvoiceIssued) -> Iterator[Told]:
    yield Told(
        kind="INVOICE_ISSUED",
        customer_id=event.customer_id,
        asset=event.currency,
        amount=_units(event.total_minor, event.currency),
        data={
            "invoiceId": event.originator_id,
            "number": event.number,
            "kind": event.kind,
            "dueAt": event.due_at.isoformat() if event.due_at else None,
        },
    )


def _paid(event: InvoicePaid) -> Iterator[Told]:
    yield Told(
        kind="PAYMENT_RECEIVED",
        customer_id=event.customer_id,
        asset=event.currency,
        amount=_units(event.minor, event.currency),
        data={"invoiceId": event.originator_id, "reference": event.reference},
    )


def _stopped(event: ReadModelStopped) -> Iterator[Told]:
    yield Told(
        kind="PROJECTION_STOPPED",
        data={
            "projection": event.read_model,
            "position": event.position,
            "type": event.topic,
            "because": event.because,
        },
    )


def _closed(event: PeriodClosed) -> Iterator[Told]:
    yield Told(kind="PERIOD_CLOSED", data={"month": event.month})


_TELLS: dict[type[Event], Callable[[Any], Iterator[Told]]] = {
    ThresholdCrossed: _crossed,
    HoldLapsed: _hold_lapsed,
    GrantExpiring: _grant_expiring,
    TopUpOpened: _requested,
    TopUpTold: _told,
    TopUpReported: _reported,
    InvoiceIssued: _issued,
    InvoicePaid: _paid,
    PeriodClosed: _closed,
    ReadModelStopped: _stopped,
}
_OF_WALLETS = (ThresholdCrossed, HoldLapsed, GrantExpiring, TopUpReported)


class Notifications(ReadModel[State]):
    name = "notifications"
    events: ClassVar[tuple[type[Event], ...]] = (WalletOpened, *_TELLS)
    tables: ClassVar[tuple[Table[Any], ...]] = (NOTIFICATIONS, NOTIFIED_WALLETS)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        wallets = {
            (tenant, event.originator_id)
            for _, tenant, event in batch
            if isinstance(event, _OF_WALLETS)
        }
        found = NOTIFIED_WALLETS.load(connection, self.location, wallets)
        return State({row.wallet_id: row.customer_id for row in found})

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            if isinstance(event, WalletOpened):
                wallet_id = event.originator_id
                state.customers[wallet_id] = event.customer_id
                state.new_wallets.append(NotifiedWalletRow(tenant, wallet_id, event.customer_id))
                continue
            for place, told in enumerate(_TELLS[type(event)](event)):
                customer_id = told.customer_id or state.customers.get(event.originator_id)
                state.rows.append(_row(tenant, position, place, customer_id, told, event))

    def save(self, connection: Connection, state: State) -> None:
        NOTIFIED_WALLETS.insert(connection, self.location, state.new_wallets)
        NOTIFICATIONS.insert(connection, self.location, state.rows)


def _row(
    tenant: str, position: int, place: int, customer_id: str | None, told: Told, event: Event
) -> NotificationRow:
    stream, version = event.originator_id, str(event.originator_version)
    return NotificationRow(
        tenant, position, place, derived_id("notification", stream, version, str(place)),
        told.kind, customer_id, told.subject, told.asset, told.threshold, told.amount,
        event.timestamp, told.data,
    )  # fmt: skip


def _units(minor: int, currency: str) -> int:
    unit: int = 10 ** (CURRENCY_SCALE - EXPONENTS[currency])
    return minor * unit


def _money(paid: Paid | None) -> dict[str, str] | None:
    if paid is None:
        return None
    return {"amount": decimal_of(paid.units, CURRENCY_SCALE), "currency": paid.currency}
