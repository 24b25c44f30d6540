"""Read model `statement`: what moved each account, line by line, with what it showed after.

Tables: statement_lines, statement_accounts, statement_subjects. Events: of the charges
ChargeSettled, ChargeCaptured (lines CHARGE and, on the meter of adjustments, ADJUSTMENT) and
ChargeAuthorized (whose it is); of the wallet all else that moves a balance, but not
UsageDebited, which sums up charges that have lines of their own; a charge below zero is told by
UsageCredited.

One event makes at most one line. Lines add up: `balance_after` is the sum of all changes,
and what the wallet itself answers as available at that place of the log (with a settlement
grace, until the grant lapses). A capture gives back the whole part of the hold that ends
(RELEASE), then takes its amount (CHARGE). What goes back to a grant that is dead is in no
change: it never becomes available. A repayment moves overage alone.

A plain charge, which moves the balance by its amount and nothing else, is told by its row of the
read model `charges`: of at most MOST_UNWRITTEN of them on end no line is written here.

`at` is when the change took effect: due_at of due work, else recorded_at; of a repayment that
of the grant, whose line is the one before. Units are the
asset's smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple

from domain.aggregate import Event
from domain.identity import ADJUSTMENT_METER
from domain.usage.events import (
    ChargeAuthorized,
    ChargeCaptured,
    ChargeCorrected,
    ChargeRerated,
    ChargeSettled,
    ChargeWithdrawn,
)
from domain.wallet import overage
from domain.wallet.events import (
    ChargeReversed,
    GrantBecameEffective,
    GrantCredited,
    GrantLapsed,
    GrantRevoked,
    HoldCaptured,
    HoldExtended,
    HoldLapsed,
    HoldPlaced,
    HoldReleased,
    OveragePaid,
    OverageSettled,
    Part,
    Range,
    UsageCredited,
)
from projections.database import Connection
from projections.kept import KeptRows
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Location, Table

StatementKind = Literal[
    "GRANT", "CHARGE", "HOLD", "RELEASE", "EXPIRY", "REVOCATION", "REFUND", "REPAYMENT",
    "ADJUSTMENT",
]  # fmt: skip

# What later lines must know of a subject: a grant that can pay (the rule, so kept only once it
# was otherwise), is not effective yet, or is dead; a hold that sets nothing aside; a charge.
_USABLE, _PENDING, _DEAD, _SHADOW, _AUTHORIZED = "USABLE", "PENDING", "DEAD", "SHADOW", "AUTHORIZED"

MOST_UNWRITTEN = 63
"""Plain charges between two lines that are written, so that few are read to tell a balance."""

_REVOKED = {
    "VOID": "Grant voided",
    "REFUND": "Grant refunded",
    "TRANSFER": "Transferred",
    "ROLLOVER": "Rolled over",
    "DISPUTE": "Payment disputed",
    "PLAN_CHANGE": "Plan changed",
    "COMPENSATED": "Moved to a compensation grant",
    "HOLD_RETURN": "Given back by a hold to a grant that had ended",
}


@dataclass(slots=True)
class LineRow:
    tenant: str
    wallet_id: str
    asset: str
    at: datetime
    position: int
    kind: StatementKind
    change: int
    balance_after: int
    held_after: int
    overage_after: int
    description: str
    grant_id: str | None = None
    charge_id: str | None = None
    hold_id: str | None = None


@dataclass(slots=True)
class StatementAccountRow:
    """What the account shows after its newest line. unwritten: lines since the last written."""

    tenant: str
    wallet_id: str
    asset: str
    at: datetime
    available: int
    held: int
    overage: int
    unwritten: int = 0


@dataclass(slots=True)
class SubjectRow:
    """units: of a PENDING grant, what it will bring."""

    tenant: str
    subject_id: str
    state: str
    wallet_id: str
    asset: str
    units: int = 0


LINES = Table(
    "statement_lines",
    LineRow,
    5,
    "uuid uuid text time bigint text units units units units text uuid uuid uuid",
)
STATEMENT_ACCOUNTS = Table(
    "statement_accounts", StatementAccountRow, 3, "uuid uuid text time units units units integer"
)
SUBJECTS = Table("statement_subjects", SubjectRow, 2, "uuid uuid text uuid text units")


@dataclass(slots=True)
class State:
    """The lines of a batch, and what it knows of accounts and subjects."""

    lines: list[LineRow] = field(default_factory=list)
    accounts: dict[tuple[str, str], StatementAccountRow] = field(default_factory=dict)
    subjects: dict[str, SubjectRow] = field(default_factory=dict)

    def state_of(self, subject_id: str) -> str:
        subject = self.subjects.get(subject_id)
        return _USABLE if subject is None else subject.state

    def usable(self, parts: Iterable[Part]) -> int:
        """Return the units of these parts that grants can pay with."""
        return sum(units for grant_id, units in parts if self.state_of(grant_id) == _USABLE)


class _Place(NamedTuple):
    """Where an event stands: in the log, and on whose account."""

    tenant: str
    position: int
    wallet_id: str
    asset: str
    at: datetime


def _write(
    state: State,
    place: _Place,
    kind: StatementKind,
    change: int,
    description: str,
    *,
    held: int = 0,
    owed: int = 0,
    grant_id: str | None = None,
    charge_id: str | None = None,
    hold_id: str | None = None,
) -> None:
    """Add a line; `held` and `owed` say how those moved."""
    tenant, position, wallet_id, asset, at = place
    account = state.accounts.get((wallet_id, asset))
    if account is None:
        account = state.accounts[wallet_id, asset] = StatementAccountRow(
            tenant, wallet_id, asset, at, 0, 0, 0
        )
    account.at = max(account.at, at)
    account.available += change
    account.held += held
    account.overage += owed
    account.unwritten = 0
    state.lines.append(
        LineRow(
            tenant, wallet_id, asset, account.at, position, kind, change,
            account.available, account.held, account.overage, description,
            grant_id, charge_id, hold_id,
        )
    )  # fmt: skip


def _place(tenant: str, position: int, event: Any, at: datetime | None = None) -> _Place:
    return _Place(tenant, position, event.originator_id, event.asset, at or event.timestamp)


def _remember(state: State, place: _Place, subject_id: str, what: str, units: int = 0) -> None:
    state.subjects[subject_id] = SubjectRow(
        place.tenant, subject_id, what, place.wallet_id, place.asset, units
    )


# Grants


def _credit(state: State, tenant: str, position: int, event: GrantCredited) -> None:
    terms = event.terms
    place = _place(tenant, position, event)
    if event.effective:
        description = f"{terms.source.capitalize()} grant"
        _write(state, place, "GRANT", terms.amount_units, description, grant_id=terms.grant_id)
    else:
        _remember(state, place, terms.grant_id, _PENDING, terms.amount_units)


def _make_effective(state: State, tenant: str, position: int, event: GrantBecameEffective) -> None:
    place = _place(tenant, position, event, event.due_at)
    units = state.subjects[event.grant_id].units
    _write(state, place, "GRANT", units, "Grant became effective", grant_id=event.grant_id)
    _remember(state, place, event.grant_id, _USABLE)


def _lapse(state: State, tenant: str, position: int, event: GrantLapsed) -> None:
    place = _place(tenant, position, event, event.due_at)
    if event.units and state.state_of(event.grant_id) == _USABLE:
        _write(state, place, "EXPIRY", -event.units, "Grant expired", grant_id=event.grant_id)
    _remember(state, place, event.grant_id, _DEAD)


def _revoke(state: State, tenant: str, position: int, event: GrantRevoked) -> None:
    place = _place(tenant, position, event)
    was = state.state_of(event.grant_id)
    # What rolls over is left of a grant that has just ended.
    if event.units and (was == _USABLE or event.cause == "ROLLOVER"):
        description = _REVOKED[event.cause]
        _write(state, place, "REVOCATION", -event.units, description, grant_id=event.grant_id)
    if event.ends is not None:
        _remember(state, place, event.grant_id, _DEAD)
    elif was == _PENDING:
        state.subjects[event.grant_id].units -= event.units


def _repay(state: State, tenant: str, position: int, event: OverageSettled) -> None:
    # The line before is the grant's, which may have come into effect long before it was written.
    at = state.accounts[event.originator_id, event.asset].at
    _write(
        state, _place(tenant, position, event, at), "REPAYMENT", 0, "Overage repaid by a grant",
        owed=-event.units, grant_id=event.grant_id,
    )  # fmt: skip


def _pay_overage(state: State, tenant: str, position: int, event: OveragePaid) -> None:
    _write(
        state, _place(tenant, position, event), "REPAYMENT", event.units,
        "Overage settled on an invoice", owed=-event.units,
    )  # fmt: skip


# Holds


def _hold(state: State, tenant: str, position: int, event: HoldPlaced) -> None:
    place = _place(tenant, position, event)
    if event.shadow:
        _remember(state, place, event.hold_id, _SHADOW)
        return
    _write(
        state, place, "HOLD", -event.units, f"Hold for {event.meter}", held=event.units,
        hold_id=event.hold_id, charge_id=event.charge_id,
    )  # fmt: skip


def _extend(state: State, tenant: str, position: int, event: HoldExtended) -> None:
    units = sum(part for _, part in event.pinned) + event.uncovered_units
    if units:
        place = _place(tenant, position, event)
        _write(state, place, "HOLD", -units, "Hold extended", held=units, hold_id=event.hold_id)


def _capture(state: State, tenant: str, position: int, event: HoldCaptured) -> None:
    burned = sum(units for _, units in event.burned_pinned)
    given_back = burned + state.usable(event.released) + event.uncovered_released_units
    ended = burned + sum(units for _, units in event.released) + event.uncovered_released_units
    if ended:
        place = _place(tenant, position, event)
        _write(
            state, place, "RELEASE", given_back, "Hold captured", held=-ended,
            hold_id=event.hold_id, charge_id=event.charge_id,
        )  # fmt: skip


def _release(state: State, tenant: str, position: int, event: HoldReleased) -> None:
    _end_hold(state, _place(tenant, position, event), event, "Hold released")


def _lapse_hold(state: State, tenant: str, position: int, event: HoldLapsed) -> None:
    _end_hold(state, _place(tenant, position, event, event.due_at), event, "Hold lapsed")


def _end_hold(
    state: State, place: _Place, event: HoldReleased | HoldLapsed, description: str
) -> None:
    if state.state_of(event.hold_id) == _SHADOW or not event.released_units:
        return
    pinned = sum(units for _, units in event.released)
    uncovered = event.released_units - pinned
    given_back = state.usable(event.released) + uncovered
    _write(
        state, place, "RELEASE", given_back, description, held=-event.released_units,
        hold_id=event.hold_id,
    )  # fmt: skip


# Charges


def _settle(state: State, tenant: str, position: int, event: ChargeSettled) -> None:
    account = state.accounts.get((event.wallet_id, event.asset))
    if (
        account is not None
        and account.unwritten < MOST_UNWRITTEN
        and event.plain
        and account.at <= event.timestamp
    ):
        account.at = event.timestamp
        account.available -= event.amount_units
        account.unwritten += 1
        return
    place = _Place(tenant, position, event.wallet_id, event.asset, event.timestamp)
    _charge(state, place, event, event.hold_id)


def _authorize(state: State, tenant: str, position: int, event: ChargeAuthorized) -> None:
    place = _Place(tenant, position, event.wallet_id, event.asset, event.timestamp)
    _remember(state, place, event.originator_id, _AUTHORIZED)


def _settle_hold(state: State, tenant: str, position: int, event: ChargeCaptured) -> None:
    if not event.observed:
        of = state.subjects[event.originator_id]
        place = _Place(tenant, position, of.wallet_id, of.asset, event.timestamp)
        _charge(state, place, event, None)


def _charge(
    state: State, place: _Place, event: ChargeSettled | ChargeCaptured, hold_id: str | None
) -> None:
    meter = event.reported.meter
    adjusted = meter == ADJUSTMENT_METER
    _write(
        state, place, "ADJUSTMENT" if adjusted else "CHARGE", -event.amount_units,
        "Adjustment" if adjusted else usage_of(meter), owed=_length(event.overage),
        charge_id=event.originator_id, hold_id=hold_id,
    )  # fmt: skip


def _correct(state: State, tenant: str, position: int, event: ChargeCorrected) -> None:
    """What a correction takes; what it gives back is told by the wallet."""
    owed = _length(event.overage)
    taken = owed + sum(units for _, units in event.allocations)
    if taken:
        place = _Place(tenant, position, event.wallet_id, event.asset, event.timestamp)
        _write(
            state, place, "CHARGE", -taken, f"Usage of {event.meter}, corrected", owed=owed,
            charge_id=event.originator_id,
        )  # fmt: skip


def _refund(state: State, tenant: str, position: int, event: ChargeReversed) -> None:
    _give_back(state, _place(tenant, position, event), event, "REFUND", "Charge refunded")


def _credit_usage(state: State, tenant: str, position: int, event: UsageCredited) -> None:
    place = _place(tenant, position, event)
    _give_back(state, place, event, "CHARGE", usage_of(event.meter))


def _give_back(
    state: State,
    place: _Place,
    event: ChargeReversed | UsageCredited,
    kind: StatementKind,
    description: str,
) -> None:
    for part in event.returned:
        if part.reopened is not None:
            what = _USABLE if part.reopened.status == "ACTIVE" else _DEAD
            if what != state.state_of(part.grant_id):
                _remember(state, place, part.grant_id, what)
    if not event.forgiven and not event.returned:
        return
    forgiven = overage.length(event.forgiven)
    returned = state.usable((part.grant_id, part.units) for part in event.returned)
    _write(
        state, place, kind, forgiven + returned, description, owed=-forgiven,
        charge_id=event.charge_id,
    )  # fmt: skip


def usage_of(meter: str) -> str:
    """Return what the line of a charge says."""
    return f"Usage of {meter}"


def _length(incurred: Range | None) -> int:
    return incurred[1] - incurred[0] if incurred else 0


_FOLD: dict[type[Event], Callable[[State, str, int, Any], None]] = {
    GrantCredited: _credit,
    GrantBecameEffective: _make_effective,
    GrantLapsed: _lapse,
    GrantRevoked: _revoke,
    HoldPlaced: _hold,
    HoldExtended: _extend,
    HoldCaptured: _capture,
    HoldReleased: _release,
    HoldLapsed: _lapse_hold,
    ChargeReversed: _refund,
    UsageCredited: _credit_usage,
    OverageSettled: _repay,
    OveragePaid: _pay_overage,
    ChargeSettled: _settle,
    ChargeAuthorized: _authorize,
    ChargeCaptured: _settle_hold,
    ChargeWithdrawn: _correct,
    ChargeRerated: _correct,
}

_OF_WALLETS = {ChargeSettled, ChargeAuthorized, ChargeWithdrawn, ChargeRerated}
_SUBJECTS_OF: dict[type[Event], Callable[[Any], Iterable[str]]] = {
    GrantBecameEffective: lambda event: (event.grant_id,),
    GrantLapsed: lambda event: (event.grant_id,),
    GrantRevoked: lambda event: (event.grant_id,),
    HoldCaptured: lambda event: [grant_id for grant_id, _ in event.released],
    HoldReleased: lambda event: [event.hold_id, *(grant_id for grant_id, _ in event.released)],
    HoldLapsed: lambda event: [event.hold_id, *(grant_id for grant_id, _ in event.released)],
    ChargeReversed: lambda event: [part.grant_id for part in event.returned],
    UsageCredited: lambda event: [part.grant_id for part in event.returned],
}


class Statement(ReadModel[State]):
    name = "statement"
    events: ClassVar[tuple[type[Event], ...]] = tuple(_FOLD)
    tables: ClassVar[tuple[Table[Any], ...]] = (LINES, STATEMENT_ACCOUNTS, SUBJECTS)

    def __init__(self, location: Location, name: str | None = None) -> None:
        super().__init__(location, name)
        self._accounts = KeptRows(STATEMENT_ACCOUNTS, 2)
        self.kept = (self._accounts,)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        accounts: set[tuple[str, str]] = set()
        subjects: set[tuple[str, str]] = set()
        for _, tenant, event in batch:
            if type(event) in _OF_WALLETS:
                accounts.add((tenant, event.wallet_id))  # type: ignore[attr-defined]
            elif type(event) is ChargeCaptured:
                subjects.add((tenant, event.originator_id))
            else:
                accounts.add((tenant, event.originator_id))
            of_event = _SUBJECTS_OF.get(type(event))
            if of_event is not None:
                subjects.update((tenant, subject_id) for subject_id in of_event(event))
        state = State()
        for subject in SUBJECTS.load(connection, self.location, subjects):
            state.subjects[subject.subject_id] = subject
            if subject.state == _AUTHORIZED:
                accounts.add((subject.tenant, subject.wallet_id))
        for account in self._accounts.load(connection, self.location, accounts):
            state.accounts[account.wallet_id, account.asset] = account
        return state

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            _FOLD[type(event)](state, tenant, position, event)

    def save(self, connection: Connection, state: State) -> None:
        LINES.insert(connection, self.location, state.lines)
        accounts = list(state.accounts.values())
        STATEMENT_ACCOUNTS.upsert(connection, self.location, accounts)
        self._accounts.keep(accounts)
        SUBJECTS.upsert(connection, self.location, list(state.subjects.values()))
