"""Read model `customers`: the tenant's customers, newest first.

Table: customers. Events: CustomerCreated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Event
from domain.customers.customer import CustomerCreated
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


CUSTOMERS = Table("customers", CustomerRow, 2, "uuid uuid text uuid bigint time")

State = list[CustomerRow]


class Customers(ReadModel[State]):
    name = "customers"
    events: ClassVar[tuple[type[Event], ...]] = (CustomerCreated,)
    tables: ClassVar[tuple[Table[Any], ...]] = (CUSTOMERS,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:  # noqa: ARG002
        return []

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            assert isinstance(event, CustomerCreated)
            state.append(
                CustomerRow(
                    tenant,
                    event.originator_id,
                    event.external_id,
                    event.wallet_id,
                    position,
                    event.timestamp,
                )
            )

    def save(self, connection: Connection, state: State) -> None:
        CUSTOMERS.insert(connection, self.location, state)
