"""Read model `charges`: usage charges and authorisations, and the sums of their usage.

Tables: charges, and those of usage_rollups. Events: ChargeSettled, ChargeObserved,
ChargeCredited, ChargeAuthorized, ChargeCaptured, AuthorizationReleased, ChargeRefunded,
ChargeWithdrawn, ChargeRerated; the wallet's never. Units are the asset's smallest, of a cost
its currency's. `position` is where the charge settled, so that a captured hold stands with its
time; `forgiven` is what refunds took of overage still owed, `made_good` of overage on an invoice;
`refunded` counts what withdrawing and re-rating gave back, too; the line that a `plain` one has on
a statement is told by its row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Event
from domain.usage.events import (
    AuthorizationReleased,
    ChargeAuthorized,
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
from domain.wallet import overage
from domain.wallet.events import Range
from projections.database import Connection
from projections.log import Events, Recorded
from projections.read_model import ReadModel
from projections.tables import Location, Table
from projections.usage_rollups import (
    ROLLUP_PROPERTIES,
    USAGE_ROLLUPS,
    begin_sums,
    forget_empty,
    put_in,
    put_in_added,
    take_out,
)


@dataclass(slots=True)
class ChargeRow:
    """Found by its position, since ids are random and an index of them would be the largest."""

    tenant: str
    position: int
    charge_id: str
    customer_id: str
    wallet_id: str
    meter: str
    subject: str | None
    source: str
    event_id: str
    asset: str
    status: str
    amount: int
    overage: int
    refunded: int
    forgiven: int
    quantity: str | None
    cost: int | None
    cost_currency: str | None
    occurred_at: datetime
    recorded_at: datetime
    properties: Any
    corrected: bool = False
    made_good: int = 0
    plain: bool = False


CHARGES = Table(
    "charges",
    ChargeRow,
    2,
    "uuid bigint uuid uuid uuid text text text text text text units units units units"
    " decimal units text time time json boolean units boolean",
)


class State(dict[str, ChargeRow]):
    """Charges by their ids; `before`: the keys of those that were there before the batch."""

    def __init__(self, charges: Iterable[ChargeRow]) -> None:
        super().__init__((charge.charge_id, charge) for charge in charges)
        self.before = {each.charge_id: (each.tenant, each.position) for each in self.values()}


def _opened(
    position: int,
    tenant: str,
    event: ChargeSettled | ChargeObserved | ChargeCredited | ChargeAuthorized,
    status: str,
    amount: int,
) -> ChargeRow:
    reported = event.reported
    cost_units, currency = _cost(reported)
    return ChargeRow(
        tenant, position, event.originator_id, event.customer_id, event.wallet_id,
        reported.meter, reported.subject, reported.source, reported.event_id, event.asset,
        status, amount, 0, 0, 0, reported.quantity, cost_units, currency,
        reported.occurred_at, event.timestamp, event.private.get("properties"),
    )  # fmt: skip


def _settle(state: State, position: int, tenant: str, event: ChargeSettled) -> None:
    charge = _opened(position, tenant, event, "SETTLED", event.amount_units)
    charge.overage = _length(event.overage)
    charge.plain = event.plain
    if event.adjustment is not None:
        charge.properties = {"reason": event.adjustment}
    state[event.originator_id] = charge


def _credit(state: State, position: int, tenant: str, event: ChargeCredited) -> None:
    """A charge below zero; of an authorisation it is the capture."""
    charge = _opened(position, tenant, event, "SETTLED", -event.units)
    charge.forgiven = overage.length(event.forgiven)
    charge.made_good = overage.length(event.invoiced)
    state[event.originator_id] = charge


def _observe(state: State, position: int, tenant: str, event: ChargeObserved) -> None:
    state[event.originator_id] = _opened(position, tenant, event, "OBSERVED", event.amount_units)


def _authorize(state: State, position: int, tenant: str, event: ChargeAuthorized) -> None:
    state[event.originator_id] = _opened(position, tenant, event, "AUTHORIZED", 0)


def _capture(state: State, position: int, _: str, event: ChargeCaptured) -> None:
    charge = state[event.originator_id]
    charge.position = position
    charge.status = "OBSERVED" if event.observed else "SETTLED"
    charge.amount = event.amount_units
    charge.overage = _length(event.overage)
    charge.recorded_at = event.timestamp
    charge.properties = event.private.get("properties")
    _report(charge, event.reported)


def _report(charge: ChargeRow, reported: Reported) -> None:
    charge.meter = reported.meter
    charge.subject = reported.subject
    charge.quantity = reported.quantity
    charge.cost, charge.cost_currency = _cost(reported)
    charge.occurred_at = reported.occurred_at


def _cost(reported: Reported) -> tuple[int | None, str | None]:
    cost = reported.paid_to_vendor
    return (cost.units, cost.currency) if cost else (None, None)


def _release(state: State, _position: int, _: str, event: AuthorizationReleased) -> None:
    state[event.originator_id].status = "RELEASED"


def _refund(state: State, _position: int, _: str, event: ChargeRefunded) -> None:
    charge = state[event.originator_id]
    charge.refunded += event.units
    charge.forgiven += overage.length(event.forgiven)
    charge.status = "REFUNDED" if charge.refunded == charge.amount else "PARTIALLY_REFUNDED"


def _withdraw(state: State, position: int, tenant: str, event: ChargeWithdrawn) -> None:
    charge = state[event.originator_id]
    observed = charge.status == "OBSERVED"
    _correct(state, position, tenant, event)
    charge.status = "WITHDRAWN"
    if observed:  # nobody had paid for it; others may have, for what it made dearer
        of_others = event.overage_units + sum(units for _, units in event.from_allocations)
        charge.refunded = charge.amount + of_others


def _correct(state: State, _position: int, _: str, event: ChargeCorrected) -> None:
    charge = state[event.originator_id]
    charge.corrected = True
    charge.refunded += event.units
    charge.forgiven += overage.length(event.forgiven)
    charge.made_good += overage.length(event.invoiced)
    charge.overage += _length(event.overage)


def _length(incurred: Range | None) -> int:
    return incurred[1] - incurred[0] if incurred else 0


_FOLD: dict[type[Event], Callable[[State, int, str, Any], None]] = {
    ChargeSettled: _settle,
    ChargeObserved: _observe,
    ChargeCredited: _credit,
    ChargeAuthorized: _authorize,
    ChargeCaptured: _capture,
    AuthorizationReleased: _release,
    ChargeRefunded: _refund,
    ChargeWithdrawn: _withdraw,
    ChargeRerated: _correct,
}

_LATER_EVENTS = _FOLD.keys() - {ChargeSettled, ChargeObserved, ChargeAuthorized}


class Charges(ReadModel[State]):
    name = "charges"
    events: ClassVar[tuple[type[Event], ...]] = tuple(_FOLD)
    tables: ClassVar[tuple[Table[Any], ...]] = (CHARGES, USAGE_ROLLUPS, ROLLUP_PROPERTIES)
    terms: ClassVar[tuple[Table[Any], ...]] = (ROLLUP_PROPERTIES,)

    def __init__(
        self, location: Location, name: str | None = None, rolled_up: Sequence[str] = ()
    ) -> None:
        """rolled_up: the properties by which sums of usage are kept, once folded from zero."""
        super().__init__(location, name)
        self._rolled_up = tuple(rolled_up)

    def beside(self, location: Location, name: str) -> Charges:
        return Charges(location, name, self._rolled_up)

    def load(self, connection: Connection, batch: Events) -> State:
        later = {event.originator_id for _, _, event in batch if type(event) in _LATER_EVENTS}
        # It stands at one of its own events, the first or the one that settled it.
        keys = batch.positions_before(connection, later)
        return State(CHARGES.load(connection, self.location, keys))

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            _FOLD[type(event)](state, position, tenant, event)

    def save(self, connection: Connection, state: State) -> None:
        tenants = dict.fromkeys(charge.tenant for charge in state.values())
        begin_sums(connection, self.location, tenants, self._rolled_up)
        known = [state[charge_id] for charge_id in state.before]
        changed = take_out(connection, self.location, list(state.before.values()))
        at = [(charge.tenant, charge.position) for charge in known]
        CHARGES.delete(connection, self.location, set(state.before.values()).difference(at))
        CHARGES.upsert(connection, self.location, known)
        added = [charge for charge in state.values() if charge.charge_id not in state.before]
        CHARGES.insert_with(connection, self.location, added, put_in_added(self.location))
        put_in(connection, self.location, at)
        forget_empty(connection, self.location, changed)
