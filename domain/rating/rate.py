"""What one usage event costs: its meters, their prices, a line for each, one charge.

Pure: `rate` gets the catalogue, by what the customer's usage is priced, and how far each
price has come in its cycle. It answers lines and the totals as they are after them; it
moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import gcd, lcm
from typing import Any, Protocol

from domain.catalog.meter import Aggregation, Meter
from domain.rating.cost import CostFunction
from domain.rating.price_list import ListedPrice, PriceLists
from domain.rating.pricing import PricingTerms
from domain.rating.quantity import ONE, distinct_value, measured, selects, text_of
from domain.rating.running_total import SEVERAL, RunningTotal, TotalKey
from domain.refusals import InvalidInput
from domain.struct import struct
from domain.subscriptions.cycles import Cycle


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


@struct(frozen=True, slots=True)
class RatedLine:
    """One meter's part of a charge. Units of the charge's asset.

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
    """amount_units: the sum of the lines; may be negative. totals: those that moved, as they
    are then. falling: the places of lines whose price may give back what it took.
    """

    asset: str
    scale: int
    amount_units: int
    lines: tuple[RatedLine, ...]
    totals: tuple[RunningTotal, ...]
    sights: tuple[Sight, ...] = ()
    falling: tuple[int, ...] = ()


Priced = tuple[Meter, ListedPrice, Cycle]


def rate(
    usage: Usage, terms: Sequence[PricingTerms], lists: PriceLists, standing: Standing
) -> Rated | None:
    """Rate an event by the first of `terms` that prices each of its meters.

    None where nothing prices it: it is recorded as nothing, in the meter's unpriced asset,
    by `unpriced`. Raises InvalidInput naming `properties`, `quantity` or `meter`.
    """
    meters = selected(usage, lists)
    priced, without = _prices(usage, meters, terms, lists)
    if not priced:
        return None
    first = priced[0][1].price
    for _, listed, _ in priced:
        if listed.price.asset != first.asset:
            raise _two_assets(priced[0][1], listed)
    lines: list[RatedLine] = []
    amount_units = 0
    moved: dict[TotalKey, RunningTotal] = {}
    sights: list[Sight] = []
    falling: list[int] = []
    for meter, listed, cycle in priced:
        key = (listed.product, listed.price.key, cycle.starts_at)
        before = moved.get(key) or standing.total(key, cycle.ends_at)
        before = before or _nothing_yet(listed, cycle)
        if before.asset != first.asset:  # a later version charges in another
            before = replace(before, asset=first.asset, amount_units=0, exact=None)
        sight = None
        if meter.aggregation == Aggregation.UNIQUE:
            sight = Sight(key, distinct_value(meter, usage.properties))
            fresh = sight not in sights and standing.unseen(key, sight.value)
            after_quantity = before.quantity + ONE if fresh else before.quantity
            sight = sight if fresh else None
            latest_at = None
        else:
            after_quantity, latest_at = _moved(meter, before, usage)
        cost = listed.cost
        factor = cost.table.factor(usage.properties) if cost.table is not None else 0
        units, exact = line_units(cost, before, after_quantity, factor)
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
            after_quantity,
            before.amount_units + units,
            exact,
            latest_at,
            listed.version if before.version in (0, listed.version) else SEVERAL,
        )
        if sight is not None:
            sights.append(sight)
        unit_price = cost.unit_price if cost.table is None else cost.table.unit_price(factor)
        lines.append(
            _line(meter, listed, cycle, before.quantity, after_quantity, units, unit_price)
        )
    lines += [_unpriced_line(meter, usage) for meter in without]
    return Rated(
        first.asset,
        first.scale,
        amount_units,
        tuple(lines),
        tuple(moved.values()),
        tuple(sights),
        tuple(falling),
    )


def selected(usage: Usage, lists: PriceLists) -> list[Meter]:
    """Return the meters that an event feeds. Raises InvalidInput where there are some of
    its type, and their filters select it for none.
    """
    of_type = lists.catalog.meters_of(usage.event_type)
    meters = [meter for meter in of_type if not meter.filters or selects(meter, usage.properties)]
    if of_type and not meters:
        named = ", ".join(meter.key for meter in of_type)[:200]
        raise InvalidInput(
            field="properties",
            reason=f"no meter of {usage.event_type} selects this event ({named}): mend their"
            " filters, or what it says",
        )
    return meters


def has_price(usage: Usage, terms: Sequence[PricingTerms], lists: PriceLists) -> bool:
    """Whether an event would be rated, so that it may not say its amount."""
    of_type = lists.catalog.meters_of(usage.event_type)
    meters = [meter for meter in of_type if selects(meter, usage.properties)]
    return bool(_prices(usage, meters, terms, lists)[0])


def unpriced(usage: Usage, lists: PriceLists) -> tuple[str, tuple[RatedLine, ...]]:
    """Return the asset in which usage that nothing prices is recorded, and its lines of 0.

    Raises InvalidInput naming `amount` where its meters have no such asset.
    """
    meters = selected(usage, lists)
    asset = next((each.unpriced_asset for each in meters if each.unpriced_asset), None)
    if asset is None:
        raise InvalidInput(
            field="amount", reason=f"meter {usage.event_type} has no price: say the amount"
        )
    return asset, tuple(_unpriced_line(meter, usage) for meter in meters)


def sights(usage: Usage, terms: Sequence[PricingTerms], lists: PriceLists) -> list[Sight]:
    """Return the values that rating an event will ask for; none of one that is refused."""
    try:
        priced, _ = _prices(usage, selected(usage, lists), terms, lists)
        return [
            Sight(
                (listed.product, listed.price.key, cycle.starts_at),
                distinct_value(meter, usage.properties),
            )
            for meter, listed, cycle in priced
            if meter.aggregation == Aggregation.UNIQUE
        ]
    except InvalidInput:
        return []


def line_units(
    cost: CostFunction,
    before: RunningTotal,
    after_quantity: int,
    factor: int,
) -> tuple[int, tuple[int, int] | None]:
    """Return what moving a cycle's quantity costs, and a price's exact cost then.

    The one rule: cost(b) - cost(a), rounded on the totals. A price by dimensions keeps its
    cost as an exact fraction, because it depends on more than the quantity. factor: by its
    row, as `Table.factor` says it.
    """
    moved = after_quantity - before.quantity
    if cost.per_event:
        return cost.percentage(moved), None
    priced = cost.priced(after_quantity) - cost.priced(before.quantity)
    if cost.table is None:
        units = cost.cost(after_quantity) - cost.cost(before.quantity)
        return cost.of_event(units, priced), None
    # Fractions by hand: this is in every charge of a price by dimensions.
    numerator, denominator = before.exact or (before.amount_units, 1)
    of_table = cost.table.denominator
    common = of_table if of_table % denominator == 0 else lcm(of_table, denominator)
    exact_before = numerator * (common // denominator)
    exact = exact_before + priced * factor * (common // of_table)
    units = cost.rounded(exact, common) - cost.rounded(exact_before, common)
    shared = gcd(exact, common)
    return cost.of_event(units, priced), (exact // shared, common // shared)


def _prices(
    usage: Usage, meters: Sequence[Meter], terms: Sequence[PricingTerms], lists: PriceLists
) -> tuple[list[Priced], list[Meter]]:
    """Return the prices of meters, and the meters that have none."""
    of_terms = [(each.cycle, lists.of(each, usage.occurred_at)) for each in terms]
    priced: list[Priced] = []
    without: list[Meter] = []
    for meter in meters:
        for cycle, listed in of_terms:
            prices = listed.get(meter.key)
            if prices:
                priced += [(meter, price, cycle) for price in prices]
                break
        else:
            without.append(meter)
    return priced, without


def _moved(meter: Meter, before: RunningTotal, usage: Usage) -> tuple[int, datetime | None]:
    """Return the cycle's quantity after an event, and when its latest value was."""
    value = measured(meter, usage.quantity, usage.properties)
    if meter.aggregation == Aggregation.MAX:
        return max(before.quantity, value), None
    if meter.aggregation != Aggregation.LATEST:
        return before.quantity + value, None
    if before.latest_at is not None and usage.occurred_at < before.latest_at:
        return before.quantity, before.latest_at
    return value, usage.occurred_at


def _nothing_yet(listed: ListedPrice, cycle: Cycle) -> RunningTotal:
    return RunningTotal(
        listed.product, listed.price.key, cycle.starts_at, cycle.ends_at, listed.price.asset
    )


def _line(
    meter: Meter,
    listed: ListedPrice,
    cycle: Cycle,
    before: int,
    after: int,
    units: int,
    unit_price: str | None,
) -> RatedLine:
    return RatedLine(
        listed.product,
        listed.version or None,
        listed.price.key,
        listed.overridden,
        meter.key,
        text_of(after - before),
        units,
        text_of(before),
        text_of(after),
        cycle.starts_at,
        cycle.ends_at,
        unit_price,
    )


def _unpriced_line(meter: Meter, usage: Usage) -> RatedLine:
    """Return the line of a meter without a price: what it would count, for nothing."""
    if meter.aggregation == Aggregation.UNIQUE:
        distinct_value(meter, usage.properties)
        quantity = ONE
    else:
        quantity = measured(meter, usage.quantity, usage.properties)
    counted = text_of(quantity)
    return RatedLine(None, None, None, False, meter.key, counted, 0, "0", counted, None, None)


def _two_assets(one: ListedPrice, other: ListedPrice) -> InvalidInput:
    return InvalidInput(
        field="meter",
        reason=f"price {one.price.key} of {one.product} is in {one.price.asset}, price"
        f" {other.price.key} of {other.product} in {other.price.asset}: an event is charged in"
        " one asset, report one for each",
    )
