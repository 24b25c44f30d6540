"""What rates usage of one type, of one customer at one time: each meter and its prices.

It says what is the same for every event of that type, so it is found once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from domain.calendar.cycles import Cycle
from domain.metering.meter import Meter
from domain.metering.quantity import selects
from domain.rating.listed_price import ListedPrice
from domain.rating.running_total import TotalKey
from domain.refusals import InvalidInput


class MeterPrice(NamedTuple):
    """A price that holds for a meter. key: of the total that it moves, in `cycle`."""

    meter: Meter
    listed: ListedPrice
    cycle: Cycle
    key: TotalKey


Fed = tuple[Sequence[MeterPrice], Sequence[Meter]]
"""The prices of what an event feeds, and the meters of it that have none."""


class Tariff:
    """meters: of the event type, in order of their keys; prices: of each, by its key, in the
    order of the version; of a meter without a price there are none.
    """

    __slots__ = ("_all", "_filtered", "_prices", "event_type", "meters")

    def __init__(
        self,
        event_type: str,
        meters: Sequence[Meter],
        prices: Mapping[str, Sequence[MeterPrice]],
    ) -> None:
        self.event_type = event_type
        self.meters = meters
        self._prices = prices
        self._filtered = any(meter.filters for meter in meters)
        self._all = self._fed(meters)

    def fed_by(self, properties: Mapping[str, Any]) -> Fed:
        """Return what an event feeds. Raises InvalidInput where there are meters of its type,
        and their filters select it for none.
        """
        if not self._filtered:
            return self._all
        meters = [each for each in self.meters if not each.filters or selects(each, properties)]
        if not meters:
            named = ", ".join(meter.key for meter in self.meters)[:200]
            raise InvalidInput(
                field="properties",
                reason=f"no meter of {self.event_type} selects this event ({named}): mend their"
                " filters, or what it says",
            )
        return self._fed(meters)

    def prices_any(self, properties: Mapping[str, Any]) -> bool:
        """Whether an event would be rated, so that it may not say its amount."""
        return any(
            meter.key in self._prices and selects(meter, properties) for meter in self.meters
        )

    def _fed(self, meters: Sequence[Meter]) -> Fed:
        priced: list[MeterPrice] = []
        for meter in meters:
            priced += self._prices.get(meter.key, ())
        return priced, [meter for meter in meters if meter.key not in self._prices]
