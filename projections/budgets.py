"""Read model `budgets`: what budgets that templates make have spent.

Table: derived_budgets. Events: BudgetCounted, each of which says all of its budget. Set
budgets are in their wallet. Units are the asset's smallest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Event
from domain.wallet.derived_budgets import BudgetCounted
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table


@dataclass(slots=True)
class DerivedBudgetRow:
    tenant: str
    budget_id: str
    wallet_id: str
    customer_id: str
    template_id: str
    subject: str
    asset: str
    starts_at: datetime
    resets_at: datetime | None
    spent: int
    counted_at: datetime
    version: int


DERIVED_BUDGETS = Table(
    "derived_budgets",
    DerivedBudgetRow,
    2,
    "uuid uuid uuid uuid uuid text text time time units time bigint",
)

State = dict[str, DerivedBudgetRow]


class Budgets(ReadModel[State]):
    name = "budgets"
    events: ClassVar[tuple[type[Event], ...]] = (BudgetCounted,)
    tables: ClassVar[tuple[Table[Any], ...]] = (DERIVED_BUDGETS,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:  # noqa: ARG002
        return {}

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for _, tenant, event in batch:
            assert isinstance(event, BudgetCounted)
            state[event.originator_id] = DerivedBudgetRow(
                tenant, event.originator_id, event.wallet_id, event.customer_id,
                event.template_id, event.subject, event.asset, event.starts_at, event.resets_at,
                event.spent_units, event.timestamp, event.originator_version,
            )  # fmt: skip

    def save(self, connection: Connection, state: State) -> None:
        DERIVED_BUDGETS.upsert(connection, self.location, list(state.values()))


def counted_of(row: DerivedBudgetRow) -> BudgetCounted:
    """Return the event that the row was made of."""
    return BudgetCounted(
        row.budget_id, row.version, row.counted_at, row.wallet_id, row.customer_id,
        row.template_id, row.subject, row.asset, row.starts_at, row.resets_at, row.spent,
    )  # fmt: skip
