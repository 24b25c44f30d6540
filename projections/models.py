"""All read models there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.balances import Balances
from projections.budgets import Budgets
from projections.charges import Charges
from projections.customers import Customers
from projections.invoices import Invoices
from projections.journal import Journal
from projections.margins import Margins
from projections.notifications import Notifications
from projections.read_model import ReadModel
from projections.statement import Statement
from projections.subscriptions import Subscriptions
from projections.tables import Location
from projections.top_ups import TopUps
from projections.unbilled import UnbilledModel

READ_MODELS: tuple[type[ReadModel[Any]], ...] = (
    Balances,
    Budgets,
    Charges,
    Customers,
    Statement,
    Journal,
    Margins,
    Invoices,
    UnbilledModel,
    Subscriptions,
    TopUps,
    Notifications,
)


def read_models(schema: str = "ledger_00", rolled_up: Sequence[str] = ()) -> list[ReadModel[Any]]:
    """Return every read model on the tables of a shard.

    rolled_up: the properties of usage events by which sums are kept.
    """
    location = Location(schema)
    return [
        Charges(location, rolled_up=rolled_up) if model is Charges else model(location)
        for model in READ_MODELS
    ]
