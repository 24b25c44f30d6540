"""How cost tables are set, and what they say of an event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from application.commands.answers import CostTableAnswer
from application.commands.cost_requests import SetCostTable
from application.commands.prices import scalar
from application.work import Work
from domain.costs.table import CostRow, CostTerms
from domain.money.asset import currency
from domain.money.decimals import canonical
from domain.refusals import NotFound
from domain.usage.events import Reported


def set_cost_table(work: Work, command: SetCostTable) -> CostTableAnswer:
    """Say what usage costs from a time on. The newest said again writes nothing.

    Raises NotFound (currency), InvalidInput naming what is wrong.
    """
    if currency(command.currency) is None:
        raise NotFound(what="currency", key=command.currency)
    catalog = work.catalog
    terms = cost_terms(command)
    catalog.set_cost_table(command.key, terms, command.effective_at, work.now)
    return CostTableAnswer(catalog.costs.by_key[command.key].newest)


def cost_terms(command: SetCostTable) -> CostTerms:
    return CostTerms(
        event_type=command.event_type,
        vendor=command.vendor,
        currency=command.currency,
        per=canonical(command.per),
        dimensions=command.dimensions,
        rows=tuple(
            CostRow(
                tuple(sorted((name, scalar(value)) for name, value in row.match.items())),
                row.property,
                canonical(row.unit_cost),
            )
            for row in command.rows
        ),
    )


def with_vendor_cost(work: Work, reported: Reported, properties: Any) -> Reported:
    """Return a report with what the cost tables say it cost, unless the client said that."""
    tables = work.catalog.costs
    if reported.cost is not None or not tables.by_key:
        return reported
    cost = tables.cost(reported.meter, reported.occurred_at, reported.quantity, properties or {})
    return reported if cost is None else replace(reported, vendor_cost=cost)
