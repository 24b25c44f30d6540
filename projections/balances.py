"""Read model `balances`: wallets, their accounts, every grant and every hold.

Tables: wallets, accounts, grants, holds. Events: the wallet's stream and nothing else, all
of it but what moves nothing (UsageObserved, overage on invoices, limits, what is watched).
Units are the asset's smallest.

A grant's status is the wallet's word: PENDING, ACTIVE, EXHAUSTED (nothing is left and
nothing took the rest), LAPSED, VOIDED, REFUNDED. What is available depends on the time
of asking, so no table has it: see `available_units`, and `wallets` for due work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Event
from domain.grants.terms import GrantTerms
from domain.wallet import overage
from domain.wallet.events import (
    AccountOpened,
    ChargeReversed,
    GrantBecameEffective,
    GrantCredited,
    GrantExpiring,
    GrantExtended,
    GrantLapsed,
    GrantRevoked,
    HoldCaptured,
    HoldExtended,
    HoldLapsed,
    HoldPlaced,
    HoldReleased,
    LimitSet,
    ModeChanged,
    OveragePaid,
    OverageSettled,
    Part,
    Range,
    UsageCredited,
    UsageDebited,
    WalletFrozen,
    WalletOpened,
    WalletUnfrozen,
)
from domain.wallet.expiry import notice_at
from projections.database import Connection
from projections.kept import KeptRows
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Location, Table


@dataclass(slots=True)
class WalletRow:
    tenant: str
    wallet_id: str
    customer_id: str
    mode: str
    frozen: bool


@dataclass(slots=True)
class AccountRow:
    """incurred: all overage there ever was; repaid by grants; forgiven by refunds; paid by
    invoices or credited on them.
    """

    tenant: str
    wallet_id: str
    asset: str
    scale: int
    granted: int
    burned: int
    expired: int
    revoked: int
    held: int
    uncovered_held: int
    incurred: int
    repaid: int
    forgiven: int
    paid: int
    overage_limit: int | None

    @property
    def owed(self) -> int:
        return self.incurred - self.repaid - self.forgiven - self.paid


@dataclass(slots=True)
class GrantRow:
    """notice_at: when it falls due to tell that it expires soon; None if it does not."""

    tenant: str
    grant_id: str
    wallet_id: str
    asset: str
    source: str
    status: str
    amount: int
    remaining: int
    held: int
    burned: int
    expired: int
    revoked: int
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    lapses_at: datetime | None
    issued_at: datetime
    meters: Sequence[str] | None
    notice_at: datetime | None


@dataclass(slots=True)
class HoldRow:
    """units: all that was ever asked to be held; held: what still is, of which uncovered is
    of no grant; captured: what was settled. A shadow hold counts nowhere.
    """

    tenant: str
    hold_id: str
    charge_id: str
    wallet_id: str
    asset: str
    meter: str
    status: str
    shadow: bool
    units: int
    held: int
    uncovered: int
    captured: int
    pinned: dict[str, int]
    expires_at: datetime
    placed_at: datetime


WALLETS = Table("wallets", WalletRow, 2, "uuid uuid uuid text boolean")
ACCOUNTS = Table(
    "accounts",
    AccountRow,
    3,
    "uuid uuid text integer units units units units units units units units units units units",
)
GRANTS = Table(
    "grants",
    GrantRow,
    2,
    "uuid uuid uuid text text text units units units units units units integer"
    " time time time time json time",
)
HOLDS = Table(
    "holds",
    HoldRow,
    2,
    "uuid uuid uuid uuid text text text boolean units units units units json time time",
)


@dataclass(slots=True)
class State:
    """The rows of a batch, by their ids."""

    wallets: dict[str, WalletRow] = field(default_factory=dict)
    accounts: dict[tuple[str, str], AccountRow] = field(default_factory=dict)
    grants: dict[str, GrantRow] = field(default_factory=dict)
    holds: dict[str, HoldRow] = field(default_factory=dict)

    def burn(self, account: AccountRow, parts: Iterable[Part], *, pinned: bool = False) -> None:
        for grant_id, units in parts:
            grant = self.grants[grant_id]
            grant.burned += units
            grant.remaining -= units
            account.burned += units
            if pinned:
                grant.held -= units
            _exhaust(grant)

    def pin(self, account: AccountRow, parts: Iterable[Part], uncovered: int) -> None:
        for grant_id, units in parts:
            self.grants[grant_id].held += units
            account.held += units
        account.held += uncovered
        account.uncovered_held += uncovered

    def unpin(self, account: AccountRow, parts: Iterable[Part], uncovered: int) -> None:
        for grant_id, units in parts:
            self.grants[grant_id].held -= units
            account.held -= units
        account.held -= uncovered
        account.uncovered_held -= uncovered


def available_units(account: AccountRow, grants: Iterable[GrantRow], at: datetime) -> int:
    """Return what the account could pay at `at`, whatever the meter, from what is recorded.

    Free parts of usable grants, less what holds set aside beyond grants, less overage owed.
    """
    usable = sum(
        grant.remaining - grant.held
        for grant in grants
        if grant.status == "ACTIVE" and (grant.expires_at is None or at < grant.expires_at)
    )
    return usable - account.uncovered_held - account.owed


# A wallet's life


def _open(state: State, tenant: str, event: WalletOpened) -> None:
    wallet_id = event.originator_id
    state.wallets[wallet_id] = WalletRow(
        tenant, wallet_id, event.customer_id, event.mode, frozen=False
    )


def _open_account(state: State, tenant: str, event: AccountOpened) -> None:
    wallet_id = event.originator_id
    state.accounts[wallet_id, event.asset] = AccountRow(
        tenant, wallet_id, event.asset, event.scale, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    )


def _set_limit(state: State, _: str, event: LimitSet) -> None:
    state.accounts[event.originator_id, event.asset].overage_limit = event.limit_units


def _change_mode(state: State, _: str, event: ModeChanged) -> None:
    state.wallets[event.originator_id].mode = event.mode


def _freeze(state: State, _: str, event: WalletFrozen) -> None:
    state.wallets[event.originator_id].frozen = True


def _unfreeze(state: State, _: str, event: WalletUnfrozen) -> None:
    state.wallets[event.originator_id].frozen = False


# Grants


def _credit(state: State, tenant: str, event: GrantCredited) -> None:
    terms = event.terms
    status = "ACTIVE" if event.effective else "PENDING"
    state.grants[terms.grant_id] = GrantRow(
        tenant, terms.grant_id, event.originator_id, event.asset, terms.source, status,
        terms.amount_units, terms.amount_units, 0, 0, 0, 0, terms.priority, terms.effective_at,
        terms.expires_at, terms.lapses_at, terms.issued_at, terms.meters, notice_at(terms),
    )  # fmt: skip
    state.accounts[event.originator_id, event.asset].granted += terms.amount_units


def _make_effective(state: State, _: str, event: GrantBecameEffective) -> None:
    state.grants[event.grant_id].status = "ACTIVE"


def _extend_grant(state: State, _: str, event: GrantExtended) -> None:
    grant = state.grants[event.grant_id]
    grant.expires_at = event.expires_at
    grant.lapses_at = event.lapses_at
    grant.notice_at = notice_at(terms_of(grant))


def _tell_expiry(state: State, _: str, event: GrantExpiring) -> None:
    state.grants[event.grant_id].notice_at = None


def terms_of(grant: GrantRow) -> GrantTerms:
    return GrantTerms(
        grant.grant_id, grant.asset, grant.source, grant.amount, grant.priority,
        grant.effective_at, grant.expires_at, grant.lapses_at, grant.issued_at,
        None if grant.meters is None else tuple(grant.meters),
    )  # fmt: skip


def _lapse(state: State, _: str, event: GrantLapsed) -> None:
    grant = state.grants[event.grant_id]
    grant.status = "LAPSED"
    grant.remaining -= event.units
    grant.expired += event.units
    state.accounts[event.originator_id, event.asset].expired += event.units


def _revoke(state: State, _: str, event: GrantRevoked) -> None:
    grant = state.grants[event.grant_id]
    grant.remaining -= event.units
    grant.revoked += event.units
    state.accounts[event.originator_id, event.asset].revoked += event.units
    if event.ends is not None:
        grant.status = event.ends
    _exhaust(grant)


def _exhaust(grant: GrantRow) -> None:
    if not grant.remaining and grant.status in ("ACTIVE", "PENDING"):
        grant.status = "EXHAUSTED"


# Usage


def _debit(state: State, _: str, event: UsageDebited) -> None:
    account = state.accounts[event.originator_id, event.asset]
    state.burn(account, event.burned)
    account.incurred += _length(event.overage)


def _reverse(state: State, _: str, event: ChargeReversed | UsageCredited) -> None:
    account = state.accounts[event.originator_id, event.asset]
    account.forgiven += overage.length(event.forgiven)
    for part in event.returned:
        grant = state.grants[part.grant_id]
        if part.reopened is not None:
            grant.status = part.reopened.status
            if grant.notice_at is not None and event.timestamp >= grant.notice_at:
                grant.notice_at = None
        grant.burned -= part.units
        grant.remaining += part.units
        account.burned -= part.units


def _repay(state: State, _: str, event: OverageSettled) -> None:
    account = state.accounts[event.originator_id, event.asset]
    account.repaid += event.units
    state.burn(account, ((event.grant_id, event.units),))


def _pay_overage(state: State, _: str, event: OveragePaid) -> None:
    state.accounts[event.originator_id, event.asset].paid += event.units


def _length(incurred: Range | None) -> int:
    return incurred[1] - incurred[0] if incurred else 0


# Holds


def _place(state: State, tenant: str, event: HoldPlaced) -> None:
    state.holds[event.hold_id] = HoldRow(
        tenant, event.hold_id, event.charge_id, event.originator_id, event.asset, event.meter,
        "OPEN", event.shadow, event.units, event.units, event.uncovered_units, 0,
        dict(event.pinned), event.expires_at, event.timestamp,
    )  # fmt: skip
    account = state.accounts[event.originator_id, event.asset]
    state.pin(account, event.pinned, event.uncovered_units)


def _extend_hold(state: State, _: str, event: HoldExtended) -> None:
    hold = state.holds[event.hold_id]
    hold.units += event.added_units
    hold.held += event.added_units
    hold.uncovered += event.uncovered_units
    hold.expires_at = event.expires_at
    for grant_id, units in event.pinned:
        hold.pinned[grant_id] = hold.pinned.get(grant_id, 0) + units
    account = state.accounts[event.originator_id, event.asset]
    state.pin(account, event.pinned, event.uncovered_units)


def _capture(state: State, _: str, event: HoldCaptured) -> None:
    hold = state.holds[event.hold_id]
    account = state.accounts[event.originator_id, event.asset]
    for grant_id, units in (*event.burned_pinned, *event.released):
        hold.pinned[grant_id] -= units
        if not hold.pinned[grant_id]:
            del hold.pinned[grant_id]
    burned_pinned_units = sum(units for _, units in event.burned_pinned)
    hold.held -= event.released_units + burned_pinned_units
    hold.uncovered -= event.uncovered_released_units
    hold.captured += event.captured_units
    if event.final:
        hold.status = "CAPTURED"
    state.unpin(account, event.released, event.uncovered_released_units)
    account.held -= burned_pinned_units
    state.burn(account, event.burned_pinned, pinned=True)
    state.burn(account, event.burned)
    account.incurred += _length(event.overage)


def _release(state: State, _: str, event: HoldReleased) -> None:
    _end_hold(state, event, "RELEASED")


def _lapse_hold(state: State, _: str, event: HoldLapsed) -> None:
    _end_hold(state, event, "LAPSED")


def _end_hold(state: State, event: HoldReleased | HoldLapsed, status: str) -> None:
    hold = state.holds[event.hold_id]
    account = state.accounts[event.originator_id, event.asset]
    state.unpin(account, hold.pinned.items(), hold.uncovered)
    hold.status = status
    hold.held = hold.uncovered = 0
    hold.pinned = {}


_FOLD: dict[type[Event], Callable[[State, str, Any], None]] = {
    WalletOpened: _open,
    AccountOpened: _open_account,
    GrantCredited: _credit,
    GrantBecameEffective: _make_effective,
    GrantExtended: _extend_grant,
    GrantExpiring: _tell_expiry,
    GrantLapsed: _lapse,
    GrantRevoked: _revoke,
    UsageDebited: _debit,
    HoldPlaced: _place,
    HoldExtended: _extend_hold,
    HoldCaptured: _capture,
    HoldReleased: _release,
    HoldLapsed: _lapse_hold,
    ChargeReversed: _reverse,
    UsageCredited: _reverse,
    OverageSettled: _repay,
    OveragePaid: _pay_overage,
    LimitSet: _set_limit,
    ModeChanged: _change_mode,
    WalletFrozen: _freeze,
    WalletUnfrozen: _unfreeze,
}

_LATER_WALLET_EVENTS = {ModeChanged, WalletFrozen, WalletUnfrozen}
_LATER_HOLD_EVENTS = {HoldExtended, HoldCaptured, HoldReleased, HoldLapsed}


def _named(event: Any) -> Iterable[str]:
    return (event.grant_id,)


_GRANTS_OF: dict[type[Event], Callable[[Any], Iterable[str]]] = {
    GrantBecameEffective: _named,
    GrantExtended: _named,
    GrantExpiring: _named,
    GrantLapsed: _named,
    GrantRevoked: _named,
    OverageSettled: _named,
    HoldPlaced: lambda event: [grant_id for grant_id, _ in event.pinned],
    HoldExtended: lambda event: [grant_id for grant_id, _ in event.pinned],
    HoldCaptured: lambda event: [
        grant_id for grant_id, _ in (*event.burned_pinned, *event.burned, *event.released)
    ],
    HoldReleased: lambda event: [grant_id for grant_id, _ in event.released],
    HoldLapsed: lambda event: [grant_id for grant_id, _ in event.released],
    ChargeReversed: lambda event: [part.grant_id for part in event.returned],
    UsageCredited: lambda event: [part.grant_id for part in event.returned],
}


class Balances(ReadModel[State]):
    name = "balances"
    events: ClassVar[tuple[type[Event], ...]] = tuple(_FOLD)
    tables: ClassVar[tuple[Table[Any], ...]] = (WALLETS, ACCOUNTS, GRANTS, HOLDS)

    def __init__(self, location: Location, name: str | None = None) -> None:
        super().__init__(location, name)
        self._accounts = KeptRows(ACCOUNTS, 2)
        self._grants = KeptRows(GRANTS, 2)
        self.kept = (self._accounts, self._grants)

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> State:
        wallets: set[tuple[str, str]] = set()
        grants: set[tuple[str, str]] = set()
        holds: set[tuple[str, str]] = set()
        accounts: set[tuple[str, str]] = set()
        for _, tenant, event in batch:
            accounts.add((tenant, event.originator_id))
            if type(event) is UsageDebited:  # nearly all of them
                for grant_id, _ in event.burned:
                    grants.add((tenant, grant_id))
                continue
            if type(event) in _LATER_WALLET_EVENTS:
                wallets.add((tenant, event.originator_id))
            of_event = _GRANTS_OF.get(type(event))
            if of_event is not None:
                grants.update((tenant, grant_id) for grant_id in of_event(event))
            if type(event) in _LATER_HOLD_EVENTS:
                holds.add((tenant, event.hold_id))  # type: ignore[attr-defined]
        state = State()
        for wallet in WALLETS.load(connection, self.location, wallets):
            state.wallets[wallet.wallet_id] = wallet
        for account in self._accounts.load(connection, self.location, accounts):
            state.accounts[account.wallet_id, account.asset] = account
        for hold in HOLDS.load(connection, self.location, holds):
            state.holds[hold.hold_id] = hold
        for grant in self._grants.load(connection, self.location, grants):
            state.grants[grant.grant_id] = grant
        return state

    @staticmethod
    def fold(state: State, batch: Sequence[Recorded]) -> None:
        for _, tenant, event in batch:
            _FOLD[type(event)](state, tenant, event)

    def save(self, connection: Connection, state: State) -> None:
        WALLETS.upsert(connection, self.location, list(state.wallets.values()))
        accounts, grants = list(state.accounts.values()), list(state.grants.values())
        ACCOUNTS.upsert(connection, self.location, accounts)
        self._accounts.keep(accounts)
        GRANTS.upsert(connection, self.location, grants)
        self._grants.keep(grants)
        HOLDS.upsert(connection, self.location, list(state.holds.values()))
