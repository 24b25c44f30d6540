"""Read model `customers`: the tenant's customers, newest first.

Table: customers. Events: CustomerCreated, CustomerUpdated. months: by which the default product
prices the customer's usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from domain.aggregate import Event
from domain.calendar.months import Months
from domain.customers.customer import CustomerCreated, CustomerUpdated
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table


@dataclass(slots=True)
class CustomerRow:
    tenant: str
    customer_id: str
    external_id: str
    wallet_id: str
    position: int
    created_at: datetime
    timezone: str
    months: Any


CUSTOMERS = Table("customers", CustomerRow, 2, "uuid uuid text uuid bigint time text json")

State = dict[str, CustomerRow]


class Customers(ReadModel[State]):
    name = "customers"
    events: ClassVar[tuple[type[Event], ...]] = (CustomerCreated, CustomerUpdated)
    tables: ClassVar[tuple[Table[Any], ...]] = (CUSTOMERS,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        keys = {
            (tenant, event.originator_id)
            for _, tenant, event in batch
            if isinstance(event, CustomerUpdated)
        }
        return {row.customer_id: row for row in CUSTOMERS.load(connection, self.location, keys)}

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            if isinstance(event, CustomerCreated):
                state[event.originator_id] = CustomerRow(
                    tenant,
                    event.originator_id,
                    event.external_id,
                    event.wallet_id,
                    position,
                    event.timestamp,
                    event.timezone,
                    Months(event.timezone),
                )
            elif isinstance(event, CustomerUpdated):
                row = state[event.originator_id]
                if event.timezone != row.timezone:
                    months = msgspec.convert(row.months, Months)
                    row.months = months.moved(event.timezone, event.timestamp)
                    row.timezone = event.timezone

    def save(self, connection: Connection, state: State) -> None:
        CUSTOMERS.upsert(connection, self.location, list(state.values()))
