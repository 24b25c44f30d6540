"""What a cost table may not say. Each raises InvalidInput naming the field and what to do."""

from __future__ import annotations

from domain.costs.table import ANY, CostTerms
from domain.metering.quantity import comparable
from domain.refusals import InvalidInput

MOST_ROWS, MOST_DIMENSIONS = 5_000, 8


def check_cost_terms(terms: CostTerms) -> None:
    if not terms.rows:
        raise InvalidInput(field="rows", reason="a table without a row costs nothing: say one")
    if len(terms.rows) > MOST_ROWS:
        raise InvalidInput(field="rows", reason=f"at most {MOST_ROWS}")
    if terms.per == "0" or terms.per.startswith("-"):
        raise InvalidInput(field="per", reason="must be above zero")
    dimensions = terms.dimensions
    if len(dimensions) > MOST_DIMENSIONS or len(set(dimensions)) < len(dimensions):
        raise InvalidInput(field="dimensions", reason=f"at most {MOST_DIMENSIONS}, each once")
    met: set[object] = set()
    for place, row in enumerate(terms.rows):
        at = f"rows[{place}]"
        if row.unit_cost.startswith("-"):
            raise InvalidInput(field=f"{at}.unitCost", reason="must not be negative")
        for name, _ in row.match:
            if name not in dimensions:
                raise InvalidInput(
                    field=f"{at}.match",
                    reason=f"{name} is no dimension of this table: add it to dimensions",
                )
        said = (row.property, frozenset((n, comparable(v)) for n, v in row.match if v != ANY))
        if said in met:
            raise InvalidInput(field=f"{at}.match", reason="the same combination stands twice")
        met.add(said)
