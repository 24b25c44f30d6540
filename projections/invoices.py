"""Read model `invoices`: invoices as they stand, newest first by the position of their issue.

Table: invoices. Events: those of invoices. Amounts are minor units of the currency; due is
below zero for a customer's credit that no invoice has taken yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Event
from domain.invoicing.events import (
    InvoiceCredited,
    InvoiceCreditMoved,
    InvoiceGivenUp,
    InvoiceIssued,
    InvoicePaid,
    InvoiceVoided,
)
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table


@dataclass(slots=True)
class InvoiceRow:
    tenant: str
    invoice_id: str
    position: int
    customer_id: str
    number: str
    kind: str
    status: str
    currency: str
    subtotal: int
    tax: int
    total: int
    settled: int
    due: int
    given_up: bool
    issued_at: datetime
    due_at: datetime | None


INVOICES = Table(
    "invoices",
    InvoiceRow,
    2,
    "uuid uuid bigint uuid text text text text units units units units units boolean time time",
)

State = dict[str, InvoiceRow]


class Invoices(ReadModel[State]):
    name = "invoices"
    events: ClassVar[tuple[type[Event], ...]] = (
        InvoiceIssued,
        InvoicePaid,
        InvoiceCredited,
        InvoiceCreditMoved,
        InvoiceVoided,
        InvoiceGivenUp,
    )
    tables: ClassVar[tuple[Table[Any], ...]] = (INVOICES,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        later = {
            (tenant, event.originator_id)
            for _, tenant, event in batch
            if not isinstance(event, InvoiceIssued)
        }
        return {row.invoice_id: row for row in INVOICES.load(connection, self.location, later)}

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            if isinstance(event, InvoiceIssued):
                state[event.originator_id] = _issued(position, tenant, event)
            else:
                _change(state[event.originator_id], event)

    def save(self, connection: Connection, state: State) -> None:
        INVOICES.upsert(connection, self.location, [state[key] for key in sorted(state)])


def _issued(position: int, tenant: str, event: InvoiceIssued) -> InvoiceRow:
    row = InvoiceRow(
        tenant, event.originator_id, position, event.customer_id, event.number, event.kind,
        "ISSUED", event.currency, event.subtotal_minor, event.tax_minor, event.total_minor,
        0, event.total_minor, given_up=False, issued_at=event.timestamp, due_at=event.due_at,
    )  # fmt: skip
    _settle(row, event.paid_minor + sum(minor for _, minor in event.credits))
    return row


def _change(row: InvoiceRow, event: Event) -> None:
    match event:
        case InvoicePaid():
            _settle(row, event.minor)
        case InvoiceCredited():
            _settle(row, event.net_minor + event.tax_minor, credited=True)
        case InvoiceCreditMoved():
            row.due += event.minor
        case InvoiceVoided():
            row.status, row.due = "VOIDED", 0
        case InvoiceGivenUp():
            row.status, row.given_up = "UNCOLLECTIBLE", True
        case _:
            raise AssertionError(event)


def _settle(row: InvoiceRow, minor: int, *, credited: bool = False) -> None:
    if row.kind == "STATEMENT":
        return
    row.due -= minor
    row.settled += minor
    if row.due <= 0:
        row.status = "PAID"
    elif minor and not credited and not row.given_up:
        row.status = "PARTIALLY_PAID"
