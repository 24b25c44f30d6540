"""A meter: which usage events count, and what is counted of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PropertyValue = str | int | float | bool | None


class Aggregation(StrEnum):
    """How the events of a cycle make its quantity."""

    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    UNIQUE = "UNIQUE"
    LATEST = "LATEST"


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """The property equals one of `values`."""

    property: str
    values: tuple[PropertyValue, ...]


@dataclass(frozen=True, slots=True)
class Meter:
    """property: what is read of an event, None for its `quantity`. less: properties taken
    off it. unpriced_asset: in which usage that no price matches is a zero charge.
    """

    key: str
    event_type: str
    aggregation: Aggregation = Aggregation.SUM
    property: str | None = None
    less: tuple[str, ...] = ()
    filters: tuple[PropertyFilter, ...] = ()
    unpriced_asset: str | None = None
