"""The command about what usage costs the tenant, as what the client said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application.commands import checks
from domain.refusals import InvalidInput

MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class CostRowSaid:
    """match: a JSON object, each dimension with its value; "*" is any."""

    match: Any
    unit_cost: str
    property: str | None = None

    def check(self, field: str) -> None:
        checks.decimal(self.unit_cost, f"{field}.unitCost")
        checks.optional_identifier(self.property, f"{field}.property")
        checks.properties(self.match, f"{field}.match")
        if self.match is None or len(self.match) > MOST_NAMES:
            raise InvalidInput(field=f"{field}.match", reason="must be a JSON object")
        for name, value in self.match.items():
            checks.identifier(name, f"{field}.match")
            if isinstance(value, Mapping | list):
                raise InvalidInput(
                    field=f"{field}.match",
                    reason=f"{name} must be a text, a number or true or false",
                )


@dataclass(frozen=True, slots=True)
class SetCostTable:
    """effective_at: None is now."""

    key: str
    event_type: str
    currency: str
    dimensions: tuple[str, ...]
    rows: tuple[CostRowSaid, ...]
    vendor: str | None = None
    per: str = "1"
    effective_at: datetime | None = None

    def check(self) -> None:
        checks.identifier(self.key, "key")
        checks.meter(self.event_type, "eventType")
        checks.optional_identifier(self.vendor, "vendor")
        checks.asset_key(self.currency, "currency")
        checks.positive(self.per, "per")
        if len(self.dimensions) > MOST_NAMES:
            raise InvalidInput(field="dimensions", reason=f"at most {MOST_NAMES}")
        for name in self.dimensions:
            checks.identifier(name, "dimensions")
        for place, row in enumerate(self.rows):
            row.check(f"rows[{place}]")
