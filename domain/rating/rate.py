"""What one usage event costs: its meters, their prices, a line for each, one charge.

Pure: `rate` gets the prices that hold for the customer, and how far each has come in its
cycle. It answers lines and the totals as they are after them; it moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from domain.metering.meter import Aggregation, Meter
from domain.metering.quantity import ONE, distinct_value, measured, text_of
from domain.rating.cost import CostFunction
from domain.rating.dimensions import Exact, TableRow
from domain.rating.running_total import SEVERAL, RunningTotal, TotalKey
from domain.rating.tariff import MeterPrice, Tariff
from domain.refusals import InvalidInput
from domain.struct import struct


@struct(frozen=True, slots=True)
class Usage:
    """What an event says. event_type: its `meter`; quantity: a decimal."""

    event_type: str
    quantity: str | None
    properties: Mapping[str, Any]
    occurred_at: datetime


class Standing(Protocol):
    """How far a customer's cycles have come."""

    def total(self, key: TotalKey, ends_at: datetime) -> RunningTotal | None: ...

    def unseen(self, key: TotalKey, value: str) -> bool:
        """Whether UNIQUE meets a value for the first time in its cycle."""
        ...

    def returnable_units(self, total: RunningTotal, units: int) -> int:
        """Return the most that the price can give back of what it took in the cycle; at least
        `units` if it can give back as much.
        """
        ...


@struct(frozen=True, slots=False)
class RatedLine:
    """One meter's part of a charge. Units of the charge's asset. Without slots it is encoded
    in half the time.

    quantity: by how much the cycle's total moved, from `before` to `after`, as decimals.
    product, version, price, starts_at, ends_at (of the cycle): None where no price matched.
    overridden: the price was agreed with the customer. unit_price: of a price by the unit,
    what one unit costs after the discount; None of other models, and where no decimal says it.
    """

    product: str | None
    version: int | None
    price: str | None
    overridden: bool
    meter: str
    quantity: str
    amount_units: int
    before: str
    after: str
    starts_at: datetime | None
    ends_at: datetime | None
    unit_price: str | None = None


@struct(frozen=True, slots=True)
class Sight:
    """A value of UNIQUE, met for the first time in its cycle."""

    key: TotalKey
    value: str


@struct(frozen=True, slots=True)
class Rated:
    """amount_units: the sum of the lines; may be negative. totals: those that moved, by their
    keys, as they are then. falling: the places of lines whose price may give back what it took.
    """

    asset: str
    scale: int
    amount_units: int
    lines: tuple[RatedLine, ...]
    totals: dict[TotalKey, RunningTotal]
    sights: tuple[Sight, ...] = ()
    falling: tuple[int, ...] = ()


def rate(usage: Usage, tariff: Tariff, standing: Standing) -> Rated | None:
    """Rate an event by what holds for it.

    None where nothing prices it: it is recorded as nothing, in the meter's unpriced asset,
    by `unpriced`. Raises InvalidInput naming `properties`, `quantity` or `meter`.
    """
    priced, without = tariff.fed_by(usage.properties)
    if not priced:
        return None
    first = priced[0].listed.price
    if len(priced) > 1:
        _check_one_asset(priced)
    lines: list[RatedLine] = []
    amount_units = 0
    moved: dict[TotalKey, RunningTotal] = {}
    sights: list[Sight] = []
    falling: list[int] = []
    for meter, listed, cycle, key in priced:
        before = moved.get(key) or standing.total(key, cycle.ends_at)
        before = before or RunningTotal(*key, cycle.ends_at, first.asset)
        if before.asset != first.asset:  # a later version charges in another
            before = replace(before, asset=first.asset, amount_units=0, exact=None)
        latest_at = None
        if listed.adds_up:
            after = before.quantity + measured(meter, usage.quantity, usage.properties)
        elif meter.aggregation == Aggregation.UNIQUE:
            sight = Sight(key, distinct_value(meter, usage.properties))
            after = before.quantity
            if sight not in sights and standing.unseen(key, sight.value):
                after += ONE
                sights.append(sight)
        else:
            after, latest_at = _moved_to(meter, before, usage)
        cost = listed.cost
        row = cost.table.row(usage.properties) if cost.table is not None else None
        units, exact = line_units(cost, before, after, row)
        if units < 0:
            units = -min(-units, standing.returnable_units(before, -units))
        amount_units += units
        if listed.may_fall:
            falling.append(len(lines))
        moved[key] = RunningTotal(
            before.product,
            before.price,
            before.starts_at,
            before.ends_at,
            before.asset,
            after,
            before.amount_units + units,
            exact,
            latest_at,
            listed.version if before.version in (0, listed.version) else SEVERAL,
        )
        lines.append(
            RatedLine(
                listed.product,
                listed.version or None,
                listed.price.key,
                listed.overridden,
                meter.key,
                text_of(after - before.quantity),
                units,
                text_of(before.quantity),
                text_of(after),
                cycle.starts_at,
                cycle.ends_at,
                row.unit_price if row is not None else cost.unit_price,
            )
        )
    if without:
        lines += [_unpriced_line(meter, usage) for meter in without]
    return Rated(
        first.asset,
        first.scale,
        amount_units,
        tuple(lines),
        moved,
        tuple(sights),
        tuple(falling),
    )


def unpriced(usage: Usage, tariff: Tariff) -> tuple[str, tuple[RatedLine, ...]]:
    """Return the asset in which usage that nothing prices is recorded, and its lines of 0.

    Raises InvalidInput naming `amount` where its meters have no such asset.
    """
    _, meters = tariff.fed_by(usage.properties)
    asset = next((each.unpriced_asset for each in meters if each.unpriced_asset), None)
    if asset is None:
        raise InvalidInput(
            field="amount", reason=f"meter {usage.event_type} has no price: say the amount"
        )
    return asset, tuple(_unpriced_line(meter, usage) for meter in meters)


def sights(usage: Usage, tariff: Tariff) -> list[Sight]:
    """Return the values that rating an event will ask for; none of one that is refused."""
    try:
        priced, _ = tariff.fed_by(usage.properties)
        return [
            Sight(each.key, distinct_value(each.meter, usage.properties))
            for each in priced
            if each.meter.aggregation == Aggregation.UNIQUE
        ]
    except InvalidInput:
        return []


def line_units(
    cost: CostFunction, before: RunningTotal, after_quantity: int, row: TableRow | None
) -> tuple[int, Exact | None]:
    """Return what moving a cycle's quantity costs, and a price's exact cost then.

    The one rule: cost(b) - cost(a), rounded on the totals. A price by dimensions keeps its
    cost as an exact fraction, because it depends on more than the quantity. row: of its table.
    """
    moved = after_quantity - before.quantity
    if cost.per_event:
        return cost.percentage(moved), None
    priced = cost.priced(after_quantity) - cost.priced(before.quantity) if cost.free else moved
    exact = None
    if row is None:
        units = cost.cost(after_quantity) - cost.cost(before.quantity)
    else:
        exact_before = before.exact or (before.amount_units, 1)
        exact = row.added(exact_before, priced)
        units = cost.between(exact_before, exact)
    return cost.of_event(units, priced) if cost.adds_to_events else units, exact


def _moved_to(meter: Meter, before: RunningTotal, usage: Usage) -> tuple[int, datetime | None]:
    """Return the cycle's value after an event of MAX or LATEST, and when the latest was."""
    value = measured(meter, usage.quantity, usage.properties)
    if meter.aggregation == Aggregation.MAX:
        return max(before.quantity, value), None
    if before.latest_at is not None and usage.occurred_at < before.latest_at:
        return before.quantity, before.latest_at
    return value, usage.occurred_at


def _unpriced_line(meter: Meter, usage: Usage) -> RatedLine:
    """Return the line of a meter without a price: what it would count, for nothing."""
    if meter.aggregation == Aggregation.UNIQUE:
        distinct_value(meter, usage.properties)
        quantity = ONE
    else:
        quantity = measured(meter, usage.quantity, usage.properties)
    counted = text_of(quantity)
    return RatedLine(None, None, None, False, meter.key, counted, 0, "0", counted, None, None)


def _check_one_asset(priced: Sequence[MeterPrice]) -> None:
    one = priced[0].listed
    for each in priced:
        other = each.listed
        if other.price.asset != one.price.asset:
            raise InvalidInput(
                field="meter",
                reason=f"price {one.price.key} of {one.product} is in {one.price.asset}, price"
                f" {other.price.key} of {other.product} in {other.price.asset}: an event is"
                " charged in one asset, report one for each",
            )
