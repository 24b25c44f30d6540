"""A usage price of a product version, as it holds for one customer: compiled."""

from __future__ import annotations

from dataclasses import dataclass

from domain.catalog.price import Price, PriceModel
from domain.metering.meter import Aggregation, Meter
from domain.rating.cost import CostFunction


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """adds_up: whether each event adds its own to the cycle's quantity. may_fall: whether what
    the price takes of a cycle can become less as usage goes on.
    """

    product: str
    version: int
    price: Price
    overridden: bool
    cost: CostFunction
    adds_up: bool
    may_fall: bool


def listed(
    product: str, version: int, price: Price, meter: Meter, discount: str, *, overridden: bool
) -> ListedPrice:
    """Compile a meter's price. version: 0 where none holds, and it was agreed all the same."""
    aggregation = meter.aggregation
    return ListedPrice(
        product,
        version,
        price,
        overridden,
        CostFunction(price, discount),
        aggregation in (Aggregation.SUM, Aggregation.COUNT),
        price.model == PriceModel.VOLUME or aggregation == Aggregation.LATEST,
    )
