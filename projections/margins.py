"""Read model `margins`: what charges earn and cost, and the tasks that they make up.

Tables: margin_grants, margin_lines, tasks, task_amounts. Events: those of charges, and the
grants' issues for what a unit of each is worth; the wallet's never. Revenue is what the
charge's own units of paid grants are worth (each grant by cumulative rounding, so that all
its charges together earn what was paid for it), and its overage at its rate. A charge's
lines share its revenue and its cost by their amounts. Money is in units of the currency.

A priced charge that neither earned nor cost anything is not kept: nothing asks for it. Should
something come later of it, what it is is told again by the event that began it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from domain.aggregate import Event
from domain.grants.events import CostBasis, GrantIssued
from domain.money.asset import currency
from domain.money.currencies import EXPONENTS
from domain.money.rounding import part_of
from domain.revenue import charge_revenue
from domain.usage.events import (
    ChargeAuthorized,
    ChargeBegun,
    ChargeCaptured,
    ChargeCorrected,
    ChargeCredited,
    ChargeObserved,
    ChargeRefunded,
    ChargeRerated,
    ChargeSettled,
    ChargeWithdrawn,
    Reported,
)
from domain.wallet.events import Part, Range
from projections.database import Connection
from projections.kept import KeptRows
from projections.log import Events, Recorded
from projections.read_model import ReadModel
from projections.tables import Location, Table

NONE = ""
"""Of a currency, subject, product or vendor: there is none."""
HOLD = -1
"""The line of what was authorised; it stays beside the lines that are captured."""


@dataclass(slots=True)
class BasisRow:
    """`paid` bought `for_units`; `burned` of them, net of what charges gave back."""

    tenant: str
    grant_id: str
    currency: str
    paid: int
    for_units: int
    burned: int

    def move(self, units: int) -> int:
        """Burn units, or give them back (below zero); return the revenue that moves."""
        before, self.burned = self.burned, self.burned + units
        basis = charge_revenue.CostBasis(self.paid, self.for_units)
        return charge_revenue.usage_part(basis, before, self.burned)


@dataclass(slots=True)
class LineRow:
    """See the migration. counted: whether it is a charge's; a hold's is not. unpriced: a meter
    counted it, and no price did.
    """

    tenant: str
    charge_id: str
    line: int
    currency: str
    customer_id: str
    subject: str
    product: str
    meter: str
    vendor: str
    occurred_at: datetime
    asset: str
    amount: int
    revenue: int
    cost: int
    overage: int
    overage_refunded: int
    overage_revenue: int
    counted: bool
    unpriced: bool


@dataclass(slots=True)
class TaskRow:
    tenant: str
    customer_id: str
    subject: str
    position: int
    charges: int
    started_at: datetime
    last_at: datetime


@dataclass(slots=True)
class TaskAmountRow:
    tenant: str
    customer_id: str
    subject: str
    asset: str
    amount: int


BASES = Table("margin_grants", BasisRow, 2, "uuid uuid text units units units")
LINES = Table(
    "margin_lines",
    LineRow,
    4,
    "uuid uuid integer text uuid text text text text time text units units units units units"
    " units boolean boolean",
)
TASKS = Table("tasks", TaskRow, 3, "uuid uuid text bigint bigint time time")
TASK_AMOUNTS = Table("task_amounts", TaskAmountRow, 4, "uuid uuid text text units")


@dataclass(slots=True)
class State:
    """bases, lines: by grant and by charge. known: the charges that were there before the batch.
    later: the charges of which something comes that is not their first event; moneyless: the
    first events of those without lines.
    """

    bases: dict[str, BasisRow] = field(default_factory=dict)
    lines: dict[str, list[LineRow]] = field(default_factory=dict)
    tasks: dict[tuple[str, str, str], TaskRow] = field(default_factory=dict)
    amounts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    known: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    moneyless: dict[str, Recorded] = field(default_factory=dict)

    def lines_of(self, charge_id: str) -> list[LineRow]:
        """Return a charge's lines, made now if it had none to keep."""
        first = self.moneyless.pop(charge_id, None)
        if first is not None:
            _write(self, _begun(*first))
        return self.lines[charge_id]


# What a line is


class Line(NamedTuple):
    product: str
    meter: str
    amount: int
    unpriced: bool = False


class Settled(NamedTuple):
    """What a charge's settlement says, whichever event it is."""

    tenant: str
    position: int
    charge_id: str
    customer_id: str
    reported: Reported
    asset: str
    lines: tuple[Line, ...]
    allocations: tuple[Part, ...]
    overage: Range | None
    private: dict[str, Any]


def _settle(state: State, charge: Settled) -> None:
    _write(state, charge)
    _count(state, charge)


def _write(state: State, charge: Settled) -> None:
    """Add a charge's lines, and move what its grants have earned."""
    revenue = _earned(state, charge.allocations)
    overage, overage_revenue, overage_currency = _overage(charge)
    if overage_revenue:
        revenue[overage_currency] = revenue.get(overage_currency, 0) + overage_revenue
    paid = charge.reported.paid_to_vendor
    cost = {} if paid is None else {paid.currency: paid.units}
    amounts = [line.amount for line in charge.lines]
    rows = state.lines.setdefault(charge.charge_id, [])
    subject, vendor = charge.reported.subject, _vendor(charge)
    for name in sorted(revenue.keys() | cost.keys()) or (_currency_of(charge.asset),):
        earned, spent = split(revenue.get(name, 0), amounts), split(cost.get(name, 0), amounts)
        for number, line in enumerate(charge.lines):
            first = number == 0
            rows.append(
                LineRow(
                    charge.tenant, charge.charge_id, number, name, charge.customer_id,
                    subject or NONE, line.product, line.meter, vendor,
                    charge.reported.occurred_at, charge.asset, line.amount, earned[number],
                    spent[number], overage if first else 0, 0,
                    overage_revenue if first and name == overage_currency else 0,
                    counted=True, unpriced=line.unpriced,
                )
            )  # fmt: skip


def _earned(state: State, parts: Iterable[Part]) -> dict[str, int]:
    """Burn units of grants; return the revenue that they make, by currency."""
    revenue: dict[str, int] = {}
    for grant_id, units in parts:
        basis = state.bases.get(grant_id)
        if basis is not None:
            revenue[basis.currency] = revenue.get(basis.currency, 0) + basis.move(units)
    return revenue


def _overage(charge: Settled) -> tuple[int, int, str]:
    """Return a charge's overage, and what it is worth in which currency."""
    if charge.overage is None:
        return 0, 0, NONE
    units = charge.overage[1] - charge.overage[0]
    return units, units if currency(charge.asset) else 0, _currency_of(charge.asset)


def _currency_of(asset: str) -> str:
    return asset if currency(asset) else NONE


def _vendor(charge: Settled) -> str:
    by_table = charge.reported.vendor_cost
    if by_table is not None and by_table.vendor is not None:
        return by_table.vendor
    said = (charge.private.get("properties") or {}).get("vendor")
    return said if isinstance(said, str) else NONE


def split(total: int, amounts: Sequence[int]) -> list[int]:
    """Share a total by amounts, by cumulative rounding; all to the first if they come to 0."""
    if len(amounts) == 1:
        return [total]
    whole = sum(amounts)
    if not whole:
        return [total] + [0] * (len(amounts) - 1)
    sign = 1 if whole > 0 else -1
    shares: list[int] = []
    before = 0
    for amount in amounts:
        after = before + amount * sign
        shares.append(part_of(total, before, after, whole * sign))
        before = after
    return shares


def _count(state: State, charge: Settled) -> None:
    """Count a charge to the task that it is a part of, if it is of one."""
    subject = charge.reported.subject
    if subject is None:
        return
    key = (charge.tenant, charge.customer_id, subject)
    at = charge.reported.occurred_at
    task = state.tasks.get(key)
    if task is None:
        task = state.tasks[key] = TaskRow(*key, charge.position, 0, at, at)
    task.charges += 1
    task.started_at = min(task.started_at, at)
    task.last_at = max(task.last_at, at)
    state.amounts[*key, charge.asset] += sum(line.amount for line in charge.lines)


# Events


def _issue(state: State, _: int, tenant: str, event: GrantIssued) -> None:
    basis = event.cost_basis
    if basis is None and event.paid is not None:
        basis = CostBasis(event.paid, event.amount_units)
    if basis is not None and event.recognition == "ON_USAGE":
        state.bases[event.originator_id] = BasisRow(
            tenant, event.originator_id, basis.paid.currency, basis.paid.units, basis.for_units, 0
        )


def _begin(state: State, position: int, tenant: str, event: ChargeBegun) -> None:
    if not _moneyless(state, event):
        _settle(state, _begun(position, tenant, event))
        return
    if event.originator_id in state.later:
        state.moneyless[event.originator_id] = (position, tenant, event)
    if event.reported.subject is not None:
        _count(state, _begun(position, tenant, event))


def _moneyless(state: State, event: ChargeBegun) -> bool:
    """Whether a charge is one that nothing asks for: of no hold, priced, without money."""
    reported = event.reported
    return (
        reported.cost is None
        and reported.vendor_cost is None
        and event.originator_version == 1
        and event.asset not in EXPONENTS
        and not (state.bases and any(each in state.bases for each, _ in _parts(event)))
        and not (event.lines and any(line.price is None for line in event.lines))
    )


def _begun(position: int, tenant: str, event: Any) -> Settled:
    """Return what the event says that settled a charge, whichever it is."""
    overage = None
    if isinstance(event, ChargeSettled):
        overage = event.overage
    elif isinstance(event, ChargeCredited) and event.overage_units:
        overage = (event.overage_units, 0)
    return Settled(
        tenant, position, event.originator_id, event.customer_id, event.reported, event.asset,
        _lines(event, event.amount_units), _parts(event), overage, event.private,
    )  # fmt: skip


def _parts(event: ChargeBegun) -> tuple[Part, ...]:
    """Return what grants paid; below zero, what they got back."""
    if isinstance(event, ChargeSettled):
        return event.allocations
    if isinstance(event, ChargeCredited):
        return tuple((grant_id, -units) for grant_id, units in event.from_allocations)
    return ()


def _lines(
    event: ChargeSettled | ChargeObserved | ChargeCredited | ChargeCaptured, amount: int
) -> tuple[Line, ...]:
    """Return a charge's lines; of a stated amount there is one, of no product."""
    if not event.lines:
        return (Line(NONE, event.reported.meter, amount),)
    return tuple(
        Line(line.product or NONE, line.meter, line.amount_units, line.price is None)
        for line in event.lines
    )


def _authorize(state: State, _: int, tenant: str, event: ChargeAuthorized) -> None:
    reported = event.reported
    state.lines[event.originator_id] = [
        LineRow(
            tenant, event.originator_id, HOLD, NONE, event.customer_id, reported.subject or NONE,
            NONE, reported.meter, NONE, reported.occurred_at, event.asset, 0, 0, 0, 0, 0, 0,
            counted=False, unpriced=False,
        )
    ]  # fmt: skip


def _capture(state: State, position: int, tenant: str, event: ChargeCaptured) -> None:
    hold = state.lines[event.originator_id][0]
    charge = Settled(
        tenant, position, event.originator_id, hold.customer_id, event.reported, hold.asset,
        _lines(event, event.amount_units), event.allocations, event.overage, event.private,
    )  # fmt: skip
    _settle(state, charge)


def _refund(state: State, _: int, tenant: str, event: ChargeRefunded | ChargeCorrected) -> None:
    rows = [row for row in state.lines_of(event.originator_id) if row.counted]
    given_back = [(grant_id, -units) for grant_id, units in event.from_allocations]
    revenue = Counter(_earned(state, given_back))
    of_others_units = event.overage_units
    for row in rows:
        units = min(of_others_units, row.overage - row.overage_refunded)
        if units > 0:
            before, after = row.overage_refunded, row.overage_refunded + units
            revenue[row.currency] -= part_of(row.overage_revenue, before, after, row.overage)
            row.overage_refunded = after
            of_others_units -= units
    if of_others_units and currency(event.asset):
        revenue[event.asset] -= of_others_units
    if isinstance(event, ChargeRerated):
        _price_anew(rows, event)
    if isinstance(event, ChargeCorrected):
        revenue.update(_earned(state, event.allocations))
        if event.overage is not None and currency(event.asset):
            revenue[event.asset] += event.overage[1] - event.overage[0]
    for name, units in revenue.items():
        of_currency = [row for row in rows if row.currency == name]
        if not of_currency:
            of_currency = _in_currency(rows, name)
            state.lines[event.originator_id] += of_currency
        shares = split(units, [_weight(row, event) for row in of_currency])
        for row, share in zip(of_currency, shares, strict=True):
            row.revenue += share
    first = rows[0]
    if first.subject != NONE:
        state.amounts[tenant, first.customer_id, first.subject, first.asset] -= event.units


def _price_anew(rows: Iterable[LineRow], event: ChargeRerated) -> None:
    """Say of each meter whether it has a price now, and of a meter that had none whose."""
    lines = {line.meter: line for line in event.lines}
    for row in rows:
        line = lines.get(row.meter)
        if line is not None:
            row.unpriced = line.price is None
            row.product = row.product or line.product or NONE


def _in_currency(rows: Sequence[LineRow], name: str) -> list[LineRow]:
    """Return a charge's lines in a currency that they have not earned in yet."""
    return [
        replace(
            row, currency=name, revenue=0, cost=0, overage=0, overage_refunded=0,
            overage_revenue=0,
        )
        for row in rows
        if row.currency == rows[0].currency
    ]  # fmt: skip


def _weight(row: LineRow, event: ChargeRefunded | ChargeCorrected) -> int:
    """Return by what a line shares: its amount, or what it came to once it had a price."""
    if row.amount or isinstance(event, ChargeRefunded):
        return row.amount
    return sum(line.amount_units for line in event.lines if line.meter == row.meter)


_FOLD: dict[type[Event], Callable[[State, int, str, Any], None]] = {
    GrantIssued: _issue,
    ChargeSettled: _begin,
    ChargeObserved: _begin,
    ChargeCredited: _begin,
    ChargeAuthorized: _authorize,
    ChargeCaptured: _capture,
    ChargeRefunded: _refund,
    ChargeWithdrawn: _refund,
    ChargeRerated: _refund,
}
_LATER_EVENTS = _FOLD.keys() - {GrantIssued, ChargeSettled, ChargeObserved, ChargeAuthorized}

# The parts of grants whose basis an event moves.
_PARTS_OF: dict[type[Event], Callable[[Any], Iterable[Part]]] = {
    ChargeSettled: lambda event: event.allocations,
    ChargeCaptured: lambda event: event.allocations,
    ChargeCredited: lambda event: event.from_allocations,
    ChargeRefunded: lambda event: event.from_allocations,
    ChargeWithdrawn: lambda event: (*event.from_allocations, *event.allocations),
    ChargeRerated: lambda event: (*event.from_allocations, *event.allocations),
}


class Margins(ReadModel[State]):
    name = "margins"
    events: ClassVar[tuple[type[Event], ...]] = tuple(_FOLD)
    tables: ClassVar[tuple[Table[Any], ...]] = (BASES, LINES, TASKS, TASK_AMOUNTS)

    def __init__(self, location: Location, name: str | None = None) -> None:
        super().__init__(location, name)
        self._bases = KeptRows(BASES, 2)
        self.kept = (self._bases,)

    def load(self, connection: Connection, batch: Events) -> State:
        state = State()
        later: set[tuple[str, str]] = set()
        grants: set[tuple[str, str]] = set()
        for _, tenant, event in batch:
            if type(event) is ChargeSettled:  # nearly all of them
                for grant_id, _ in event.allocations:
                    grants.add((tenant, grant_id))
                continue
            kind = type(event)
            if kind in _LATER_EVENTS:
                later.add((tenant, event.originator_id))
            parts_of = _PARTS_OF.get(kind)
            if parts_of is not None:
                grants.update((tenant, grant_id) for grant_id, _ in parts_of(event))
        state.later = frozenset(charge_id for _, charge_id in later)
        for line in LINES.load(connection, self.location, later):
            state.lines.setdefault(line.charge_id, []).append(line)
        for rows in state.lines.values():
            rows.sort(key=lambda row: (row.line, row.currency))
        state.known = frozenset(state.lines)
        without = state.later - state.lines.keys()
        for first in batch.beginnings(connection, without):
            state.moneyless[first[2].originator_id] = first
        bases = self._bases.load(connection, self.location, grants)
        state.bases = {row.grant_id: row for row in bases}
        tasks = set(_tasks([*state.moneyless.values(), *batch], state.lines))
        state.tasks = {
            (row.tenant, row.customer_id, row.subject): row
            for row in TASKS.load(connection, self.location, tasks)
        }
        for row in TASK_AMOUNTS.load(connection, self.location, tasks):
            state.amounts[row.tenant, row.customer_id, row.subject, row.asset] = row.amount
        return state

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            _FOLD[type(event)](state, position, tenant, event)

    def save(self, connection: Connection, state: State) -> None:
        at = self.location
        bases = [state.bases[key] for key in sorted(state.bases)]
        BASES.upsert(connection, at, bases)
        self._bases.keep(bases)
        # In the order of the key, so that neighbours in the index are written together.
        added = sorted(state.lines.keys() - state.known)
        LINES.insert(connection, at, [row for each in added for row in state.lines[each]])
        known = sorted(state.known)
        LINES.upsert(connection, at, [row for each in known for row in state.lines[each]])
        TASKS.upsert(connection, at, [state.tasks[key] for key in sorted(state.tasks)])
        amounts = [TaskAmountRow(*key, state.amounts[key]) for key in sorted(state.amounts)]
        TASK_AMOUNTS.upsert(connection, at, amounts)


def _tasks(
    batch: Sequence[Recorded], lines: dict[str, list[LineRow]]
) -> Iterator[tuple[str, str, str]]:
    """Yield the tasks that a batch moves: tenant, customer, subject."""
    customers: dict[str, str] = {}
    for _, tenant, event in batch:
        if type(event) is ChargeSettled and event.reported.subject is None:
            continue  # nearly all of them
        match event:
            case ChargeSettled() | ChargeObserved() | ChargeCredited():
                if event.reported.subject is not None:
                    yield tenant, event.customer_id, event.reported.subject
            case ChargeAuthorized():
                customers[event.originator_id] = event.customer_id
                if event.reported.subject is not None:
                    yield tenant, event.customer_id, event.reported.subject
            case ChargeCaptured():
                known = lines.get(event.originator_id)
                customer_id = known[0].customer_id if known else customers[event.originator_id]
                if event.reported.subject is not None:
                    yield tenant, customer_id, event.reported.subject
            case ChargeRefunded() | ChargeCorrected():
                for row in lines.get(event.originator_id, ())[-1:]:
                    if row.subject != NONE:
                        yield tenant, row.customer_id, row.subject
            case _:
                pass
