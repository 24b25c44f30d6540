"""A second ledger, slow and simple, to compare the real one with.

Credits of a grant lie in places: "free", "held <hold>", "burned <by>", "expired", "revoked".
Everything that happens is a move of units from one place of a grant to another; every figure
is a sum over moves. Overage is a list with one entry for each unit ever incurred. So amounts
must be small: whole units of assets of scale 0.

Time is eager: whoever sets `now` calls `fall_due`, so nothing is ever due and not applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Protocol

from application.commands.requests import (
    AdjustWallet,
    AuthorizeUsage,
    CaptureUsage,
    Command,
    ExtendGrant,
    ExtendHold,
    FreezeWallet,
    IssueGrant,
    Money,
    RecordUsage,
    RefundCharge,
    RefundGrant,
    ReleaseHold,
    RunDueWork,
    SetOverageLimit,
    SetWalletMode,
    UnfreezeWallet,
    VoidGrant,
)

LATE_WINDOW = timedelta(days=35)
FUTURE = timedelta(minutes=5)
FREE, EXPIRED, REVOKED, OVERAGE = "free", "expired", "revoked", "burned by overage"
DEBIT_METER = "adjustment"
CREDIT_SOURCE = {
    "EXTERNAL_TOPUP": "PAID",
    "GIFT": "PROMOTIONAL",
    "SERVICE_CREDIT": "COMPENSATION",
    "CORRECTION": "ADJUSTMENT",
}


class Names(Protocol):
    """How the ledger names what a command makes."""

    def grant(self, command: str, key: str) -> str: ...

    def compensation(self, key: str, grant: str) -> str: ...

    def charge(self, source: str, event_id: str) -> str: ...

    def hold(self, charge: str) -> str: ...


@dataclass
class Refused(Exception):
    """`about`: the field of bad input or a conflict, the state, or what is not found."""

    code: str
    about: str | None = None
    required: int | None = None
    available: int | None = None


@dataclass
class Accepted:
    """What a command answers; `made` is a charge or a hold, if it makes one."""

    replayed: bool = False
    made: Charge | Hold | None = None
    balance_after: int | None = None


@dataclass
class Grant:
    id: str
    asset: str
    units: int
    source: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    lapses_at: datetime | None
    issued_at: datetime
    meters: tuple[str, ...] | None
    paid: Fraction
    effective: bool = False
    lapsed: bool = False
    ended: str | None = None
    credits_back: int = 0
    money_back: Fraction = Fraction(0)
    moves: list[tuple[str, str, int]] = field(default_factory=list)

    def at(self, place: str) -> int:
        """Return how many units lie at this place, or at all places that begin so."""
        into = sum(units for _, to, units in self.moves if to.startswith(place))
        out = sum(units for start, _, units in self.moves if start.startswith(place))
        return into - out

    def move(self, start: str, to: str, units: int) -> None:
        assert units >= 0
        assert self.at(start) >= units or start == "issue", (start, to, units)
        self.moves.append((start, to, units))

    @property
    def free(self) -> int:
        return self.at(FREE)

    @property
    def held(self) -> int:
        return self.at("held ")

    @property
    def remaining(self) -> int:
        return self.free + self.held

    @property
    def burned(self) -> int:
        return self.at("burned ")

    @property
    def expired(self) -> int:
        return self.at(EXPIRED)

    @property
    def revoked(self) -> int:
        return self.at(REVOKED)

    @property
    def dead(self) -> bool:
        return self.ended is not None or self.lapsed

    @property
    def status(self) -> str:
        if self.ended is not None:
            return self.ended
        if not self.effective:
            return "PENDING"
        if self.remaining:
            return "ACTIVE"
        return "EXPIRED" if self.lapsed and self.expired else "EXHAUSTED"

    def usable(self, occurred: datetime, now: datetime) -> bool:
        """Whether usage that occurred then may burn it now."""
        if self.dead or not self.effective:
            return False
        return self.expires_at is None or now < self.expires_at or occurred < self.expires_at

    def pays(self, meter: str | None) -> bool:
        return meter is None or self.meters is None or meter in self.meters

    def burn_key(self) -> tuple[Any, ...]:
        """Lower priority, sooner expiry (never last), unpaid, older, then the id."""
        return (
            self.priority,
            self.expires_at is None,
            self.expires_at,
            self.source == "PAID",
            self.effective_at,
            self.issued_at,
            self.id,
        )


@dataclass
class OverageUnit:
    """One unit spent beyond grants: owed, repaid by a grant, or given back by a refund."""

    charge: str
    repaid_by: str | None = None
    given_back: bool = False

    @property
    def owed(self) -> bool:
        return self.repaid_by is None and not self.given_back


@dataclass
class Usage:
    """What is to be charged, before it is decided."""

    charge: str
    asset: str
    meter: str
    units: int
    occurred: datetime


@dataclass
class Charge:
    id: str
    customer: str
    asset: str
    meter: str
    amount: int
    allocations: dict[str, int]
    overage: list[OverageUnit]
    would_refuse: bool
    observed: bool
    balance_after: int
    refunded: int = 0
    back: dict[str, int] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.observed:
            return "OBSERVED"
        if not self.refunded:
            return "SETTLED"
        return "REFUNDED" if self.refunded == self.amount else "PARTIALLY_REFUNDED"


@dataclass
class Hold:
    """`amount`: all that was asked to be held; `held`: what still is, or was at its end."""

    id: str
    charge: str
    source: str
    event_id: str
    customer: str
    asset: str
    meter: str
    quantity: str | None
    amount: int
    held: int
    uncovered: int
    shadow: bool
    expires_at: datetime
    balance_after: int
    status: str = "OPEN"
    captured: int = 0

    @property
    def place(self) -> str:
        return f"held {self.id}"


@dataclass
class Wallet:
    customer: str
    mode: str = "CONTROL"
    frozen: bool = False
    limits: dict[str, int | None] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    charges: dict[str, Charge] = field(default_factory=dict)
    overage: dict[str, list[OverageUnit]] = field(default_factory=dict)

    def of(self, asset: str) -> list[Grant]:
        return [grant for grant in self.grants.values() if grant.asset == asset]

    def owed(self, asset: str) -> int:
        return sum(unit.owed for unit in self.overage.get(asset, []))

    def open_holds(self) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.status == "OPEN"]

    def held(self, asset: str) -> int:
        """Return what open holds set aside, of grants dead or alive and beyond them."""
        holds = [hold for hold in self.open_holds() if hold.asset == asset and not hold.shadow]
        return sum(hold.held for hold in holds)

    def available(
        self, asset: str, now: datetime, meter: str | None = None, occurred: datetime | None = None
    ) -> int:
        """Return usable remaining, less held (but not of grants that do not count), less owed."""
        counted = [
            grant
            for grant in self.of(asset)
            if grant.usable(occurred or now, now) and grant.pays(meter)
        ]
        pinned_elsewhere = sum(grant.held for grant in self.of(asset) if grant not in counted)
        remaining = sum(grant.remaining for grant in counted)
        return remaining - (self.held(asset) - pinned_elsewhere) - self.owed(asset)

    def pending(self, asset: str) -> int:
        return sum(grant.remaining for grant in self.of(asset) if grant.status == "PENDING")


class Model:
    """Decides every command as the ledger must, from what was accepted so far."""

    def __init__(self, names: Names, now: datetime, grace: timedelta = timedelta()) -> None:
        self.names = names
        self.now = now
        self.grace = grace
        self.wallets: dict[str, Wallet] = {}
        self.said: dict[tuple[str, ...], tuple[dict[str, Any], Any]] = {}
        self.payments: set[str] = set()
        self.whole: dict[tuple[str, ...], int] = {}

    def open(self, customer: str) -> None:
        self.wallets[customer] = Wallet(customer)

    # Time

    def boundaries(self) -> list[datetime]:
        """Return every moment from now on at which something changes by itself."""
        return sorted({due for due, *_ in self._due()})

    def fall_due(self) -> None:
        """Apply what has fallen due by `now`, in order of its time."""
        while due := [entry for entry in self._due() if entry[0] <= self.now]:
            _, rank, _, wallet, subject = min(due, key=lambda entry: entry[:3])
            if isinstance(subject, Hold):
                self._end_hold(wallet, subject, "LAPSED")
            elif rank == 1:
                subject.lapsed = True
                subject.move(FREE, EXPIRED, subject.free)
            else:
                self._make_effective(wallet, subject)

    def _due(self) -> Iterator[tuple[datetime, int, str, Wallet, Hold | Grant]]:
        for wallet in self.wallets.values():
            for hold in wallet.open_holds():
                yield hold.expires_at, 0, hold.id, wallet, hold
            for grant in wallet.grants.values():
                if grant.lapses_at is not None and not grant.dead and grant.remaining:
                    yield grant.lapses_at, 1, grant.id, wallet, grant
                if not grant.effective and grant.ended is None:
                    yield grant.effective_at, 2, grant.id, wallet, grant

    def _make_effective(self, wallet: Wallet, grant: Grant) -> None:
        grant.effective = True
        if grant.source != "PAID" or grant.meters is not None:
            return
        for unit in wallet.overage.get(grant.asset, []):
            if unit.owed and grant.free:
                unit.repaid_by = grant.id
                grant.move(FREE, OVERAGE, 1)

    # Commands

    def do(self, command: Command) -> Accepted | Refused:
        decide: dict[type, Callable[[Any], Accepted]] = {
            IssueGrant: self._issue,
            VoidGrant: self._void,
            RefundGrant: self._refund_grant,
            ExtendGrant: self._extend_grant,
            AdjustWallet: self._adjust,
            RecordUsage: self._record,
            AuthorizeUsage: self._authorize,
            CaptureUsage: self._capture,
            ExtendHold: self._extend_hold,
            ReleaseHold: self._release,
            RefundCharge: self._refund_charge,
            SetWalletMode: self._set_mode,
            SetOverageLimit: self._set_limit,
            FreezeWallet: self._freeze,
            UnfreezeWallet: self._freeze,
            RunDueWork: lambda _: Accepted(),
        }
        try:
            return decide[type(command)](command)
        except Refused as refused:
            return refused

    def _remembered(
        self, kind: tuple[str, ...], content: dict[str, Any], both: tuple[str, ...] = ()
    ) -> Any:
        """Return what this key made before, None if nothing; refuse other content."""
        if kind not in self.said:
            return None
        before, made = self.said[kind]
        for name, value in content.items():
            unsaid = name in both and None in (value, before[name])
            if value != before[name] and not unsaid:
                raise Refused("IDEMPOTENCY_CONFLICT", name)
        return made

    # Settings

    def _set_mode(self, command: SetWalletMode) -> Accepted:
        self.wallets[command.customer].mode = command.mode
        return Accepted()

    def _set_limit(self, command: SetOverageLimit) -> Accepted:
        limit = None if command.limit is None else int(command.limit)
        self.wallets[command.customer].limits[command.asset] = limit
        return Accepted()

    def _freeze(self, command: FreezeWallet | UnfreezeWallet) -> Accepted:
        self.wallets[command.customer].frozen = isinstance(command, FreezeWallet)
        return Accepted()

    # Grants

    def _issue(self, command: IssueGrant) -> Accepted:
        key = ("issueGrant", command.idempotency_key)
        content = {
            "customerId": command.customer,
            "asset": command.asset,
            "amount": int(command.amount),
            "source": command.source,
            "paid": _money(command.paid),
            "priority": command.priority,
            "effectiveAt": command.effective_at,
            "expiresAt": command.expires_at,
            "meters": command.meters,
            "reference": command.reference,
        }
        if self._remembered(key, content, both=("effectiveAt",)) is not None:
            return Accepted(replayed=True)
        self._check_payment(command.source, command.reference)
        effective_at = command.effective_at or self.now
        if command.expires_at is not None and command.expires_at <= max(self.now, effective_at):
            raise Refused("INVALID_INPUT", "expiresAt")
        grant = self._put(
            self.wallets[command.customer],
            Grant(
                id=self.names.grant(*key),
                asset=command.asset,
                units=int(command.amount),
                source=command.source,
                priority=command.priority,
                effective_at=effective_at,
                expires_at=command.expires_at,
                lapses_at=None if command.expires_at is None else command.expires_at + self.grace,
                issued_at=self.now,
                meters=command.meters,
                paid=_money(command.paid),
            ),
            command.reference,
        )
        self.said[key] = (content, grant)
        return Accepted()

    def _check_payment(self, source: str, reference: str | None) -> None:
        if source == "PAID" and reference in self.payments:
            raise Refused("IDEMPOTENCY_CONFLICT", "reference")

    def _put(self, wallet: Wallet, grant: Grant, reference: str | None = None) -> Grant:
        if grant.source == "PAID" and reference is not None:
            self.payments.add(reference)
        wallet.grants[grant.id] = grant
        grant.move("issue", FREE, grant.units)
        if grant.effective_at <= self.now:
            self._make_effective(wallet, grant)
        return grant

    def _living(self, grant_id: str) -> tuple[Wallet, Grant]:
        wallet, grant = self._find_grant(grant_id)
        state = "EXPIRED" if grant.status == "ACTIVE" and grant.lapsed else grant.status
        if state not in ("PENDING", "ACTIVE"):
            raise Refused("INVALID_STATE", state)
        return wallet, grant

    def _find_grant(self, grant_id: str) -> tuple[Wallet, Grant]:
        for wallet in self.wallets.values():
            if grant_id in wallet.grants:
                return wallet, wallet.grants[grant_id]
        raise Refused("NOT_FOUND", "grant")

    def _void(self, command: VoidGrant) -> Accepted:
        _, grant = self._living(command.grant_id)
        grant.ended = "VOIDED"
        grant.move(FREE, REVOKED, grant.free)
        return Accepted()

    def _refund_grant(self, command: RefundGrant) -> Accepted:
        _, grant = self._find_grant(command.grant_id)
        content = {
            "credits": None if command.credits is None else int(command.credits),
            "money": _money(command.money) if command.money else None,
            "reason": command.reason,
        }
        key = ("refundGrant", command.idempotency_key or "")
        if command.idempotency_key and self._remembered(key, content) is not None:
            return Accepted(replayed=True)
        if grant.source != "PAID":
            raise Refused("INVALID_STATE", grant.source)
        self._living(command.grant_id)
        if not grant.free:
            raise Refused("INVALID_STATE", "ACTIVE")
        money = _money(command.money) if command.money else None
        units = grant.free
        if money is not None and money > grant.paid - grant.money_back:
            raise Refused("INVALID_INPUT", "money")
        if command.credits is not None:
            units = int(command.credits)
        elif money is not None:
            units = _half_even(grant.units * (grant.money_back + money) / grant.paid)
            units -= _half_even(grant.units * grant.money_back / grant.paid)
            if not units:
                raise Refused("INVALID_INPUT", "money")
        if units > grant.free:
            raise Refused("INVALID_INPUT", "credits" if command.credits is not None else "money")
        if money is None:
            nano = 10**9
            price = grant.paid / grant.units * nano
            upto = _half_even(price * (grant.credits_back + units))
            money = Fraction(upto - _half_even(price * grant.credits_back), nano)
            money = min(money, grant.paid - grant.money_back)
        if units == grant.free:
            grant.ended = "REFUNDED"
        grant.move(FREE, REVOKED, units)
        grant.credits_back += units
        grant.money_back += money
        if command.idempotency_key:
            self.said[key] = (content, grant)
        return Accepted()

    def _extend_grant(self, command: ExtendGrant) -> Accepted:
        _, grant = self._living(command.grant_id)
        if grant.expires_at is not None and grant.expires_at <= self.now:
            raise Refused("INVALID_STATE", "EXPIRED")
        expires_at = command.expires_at
        if expires_at is not None and expires_at <= max(self.now, grant.effective_at):
            raise Refused("INVALID_INPUT", "expiresAt")
        if expires_at != grant.expires_at:
            grant.expires_at = expires_at
            grant.lapses_at = None if expires_at is None else expires_at + self.grace
        return Accepted()

    # Usage

    def _record(self, command: RecordUsage) -> Accepted:
        assert command.amount is not None
        assert command.asset is not None
        key = ("event", command.source, command.event_id)
        content = {
            "customerId": command.customer,
            "meter": command.meter,
            "quantity": command.quantity,
            "occurredAt": command.occurred_at,
            "amount": int(command.amount),
            "asset": command.asset,
        }
        if key in self.said and self.said[key][0].get("by") is not None:
            raise Refused("IDEMPOTENCY_CONFLICT", "eventId")
        before = self._remembered(key, content, both=("occurredAt",))
        if before is not None:
            return Accepted(replayed=True, made=before)
        occurred = command.occurred_at or self.now
        if not self.now - LATE_WINDOW <= occurred <= self.now + FUTURE:
            raise Refused("INVALID_INPUT", "occurredAt")
        if command.not_after is not None and self.now > command.not_after:
            raise Refused("INVALID_STATE", "PAST_NOT_AFTER")
        usage = Usage(
            self.names.charge(command.source, command.event_id),
            command.asset,
            command.meter,
            int(command.amount),
            occurred,
        )
        wallet = self.wallets[command.customer]
        charge = self._settle(wallet, usage, delivered=command.delivered)
        self.said[key] = (content, charge)
        return Accepted(made=charge)

    def _settle(
        self, wallet: Wallet, usage: Usage, *, delivered: bool = False, mode: str | None = None
    ) -> Charge:
        """Charge what is available; `mode` if other than the wallet's."""
        if wallet.frozen and not delivered:
            raise Refused("INVALID_STATE", "FROZEN")
        payable = wallet.available(usage.asset, self.now, usage.meter, usage.occurred)
        would_refuse = self._beyond(wallet, usage.asset, usage.units, payable)
        mode = mode or wallet.mode
        if would_refuse and mode == "CONTROL" and not delivered:
            raise Refused("INSUFFICIENT_FUNDS", None, usage.units, payable)
        allocations: dict[str, int] = {}
        overage: list[OverageUnit] = []
        if mode != "SHADOW":
            left = self._burn(wallet, usage, usage.units, allocations)
            overage = self._owe(wallet, usage, left)
        return self._keep(wallet, usage, allocations, overage, would_refuse=would_refuse, mode=mode)

    def _keep(
        self,
        wallet: Wallet,
        usage: Usage,
        allocations: dict[str, int],
        overage: list[OverageUnit],
        *,
        would_refuse: bool,
        mode: str,
    ) -> Charge:
        charge = Charge(
            id=usage.charge,
            customer=wallet.customer,
            asset=usage.asset,
            meter=usage.meter,
            amount=usage.units,
            allocations=allocations,
            overage=overage,
            would_refuse=would_refuse,
            observed=mode == "SHADOW",
            balance_after=wallet.available(usage.asset, self.now),
        )
        wallet.charges[charge.id] = charge
        return charge

    def _beyond(self, wallet: Wallet, asset: str, units: int, payable: int) -> bool:
        limit = wallet.limits.get(asset, 0)
        return limit is not None and units > 0 and units > payable + limit

    def _payers(
        self, wallet: Wallet, asset: str, meter: str, occurred: datetime
    ) -> Iterator[Grant]:
        for grant in sorted(wallet.of(asset), key=Grant.burn_key):
            if grant.pays(meter) and grant.usable(occurred, self.now) and grant.free:
                yield grant

    def _burn(self, wallet: Wallet, usage: Usage, units: int, allocations: dict[str, int]) -> int:
        """Burn what grants cover of `units`; return what they do not."""
        for grant in self._payers(wallet, usage.asset, usage.meter, usage.occurred):
            part = min(grant.free, units)
            if part:
                grant.move(FREE, f"burned by {usage.charge}", part)
                allocations[grant.id] = allocations.get(grant.id, 0) + part
                units -= part
        return units

    def _owe(self, wallet: Wallet, usage: Usage, units: int) -> list[OverageUnit]:
        incurred = [OverageUnit(usage.charge) for _ in range(units)]
        wallet.overage.setdefault(usage.asset, []).extend(incurred)
        return incurred

    def _adjust(self, command: AdjustWallet) -> Accepted:
        key = ("adjustWallet", command.idempotency_key)
        wallet = self.wallets[command.customer]
        units = int(command.amount)
        content = {
            "customerId": command.customer,
            "asset": command.asset,
            "amount": units,
            "reason": command.reason,
            "paid": _money(command.paid),
            "reference": command.reference,
            "expiresAt": command.expires_at,
        }
        before = self._remembered(key, content)
        if before is not None:
            return Accepted(replayed=True, balance_after=before[1])
        if units > 0:
            source = CREDIT_SOURCE[command.reason]
            self._check_payment(source, command.reference)
            if command.expires_at is not None and command.expires_at <= self.now:
                raise Refused("INVALID_INPUT", "expiresAt")
            self._put(
                wallet,
                Grant(
                    id=self.names.grant(*key),
                    asset=command.asset,
                    units=units,
                    source=source,
                    priority=50,
                    effective_at=self.now,
                    expires_at=command.expires_at,
                    lapses_at=command.expires_at and command.expires_at + self.grace,
                    issued_at=self.now,
                    meters=None,
                    paid=_money(command.paid),
                ),
                command.reference,
            )
        else:
            charge_id = self.names.charge("counterfoil:adjustment", command.idempotency_key)
            usage = Usage(charge_id, command.asset, DEBIT_METER, -units, self.now)
            self._settle(wallet, usage, mode="CONTROL")
        balance_after = wallet.available(command.asset, self.now)
        self.said[key] = (content, ("adjusted", balance_after))
        return Accepted(balance_after=balance_after)

    # Holds

    def _authorize(self, command: AuthorizeUsage) -> Accepted:
        assert command.amount is not None
        assert command.asset is not None
        key = ("event", command.source, command.event_id)
        content = {
            "customerId": command.customer,
            "meter": command.meter,
            "amount": int(command.amount),
            "asset": command.asset,
            "quantity": command.quantity,
            "ttlSeconds": command.ttl_seconds,
            "by": "hold",
        }
        if key in self.said and self.said[key][0].get("by") != "hold":
            raise Refused("IDEMPOTENCY_CONFLICT", "eventId")
        before = self._remembered(key, content)
        if before is not None:
            return Accepted(replayed=True, made=before)
        wallet = self.wallets[command.customer]
        if wallet.frozen:
            raise Refused("INVALID_STATE", "FROZEN")
        charge_id = self.names.charge(command.source, command.event_id)
        hold = Hold(
            id=self.names.hold(charge_id),
            charge=charge_id,
            source=command.source,
            event_id=command.event_id,
            customer=command.customer,
            asset=command.asset,
            meter=command.meter,
            quantity=command.quantity,
            amount=int(command.amount),
            held=0,
            uncovered=0,
            shadow=wallet.mode == "SHADOW",
            expires_at=self.now + timedelta(seconds=command.ttl_seconds),
            balance_after=0,
        )
        self._set_aside(wallet, hold, hold.amount)
        wallet.holds[hold.id] = hold
        hold.balance_after = wallet.available(hold.asset, self.now)
        self.said[key] = (content, hold)
        return Accepted(made=hold)

    def _set_aside(self, wallet: Wallet, hold: Hold, units: int) -> None:
        """Hold so many units more: of grants in burn order, then of nothing."""
        if not hold.shadow:
            payable = wallet.available(hold.asset, self.now, hold.meter)
            if wallet.mode == "CONTROL" and self._beyond(wallet, hold.asset, units, payable):
                raise Refused("INSUFFICIENT_FUNDS", None, hold.held + units, hold.held + payable)
            left = units
            for grant in self._payers(wallet, hold.asset, hold.meter, self.now):
                part = min(grant.free, left)
                grant.move(FREE, hold.place, part)
                left -= part
            hold.uncovered += left
        hold.held += units

    def _capture(self, command: CaptureUsage) -> Accepted:
        wallet, hold = self._find_hold(command.hold_id)
        own = command.event_id in (None, hold.event_id)
        if own and not command.final:
            raise Refused("INVALID_INPUT", "eventId")
        event_id = hold.event_id if own else command.event_id
        assert event_id is not None
        key = ("captured", hold.id) if own else ("event", hold.source, event_id)
        whole = self.whole.get(key, hold.held)
        units = whole if command.amount is None else int(command.amount)
        if key in self.said and not own and self.said[key][0].get("by") != hold.id:
            raise Refused("IDEMPOTENCY_CONFLICT", "eventId")
        content = {
            "amount": units,
            "quantity": command.quantity or hold.quantity,
            "by": hold.id,
        }
        before = self._remembered(key, content)
        if before is not None:
            return Accepted(replayed=True, made=before)
        charge_id = self.names.charge(hold.source, event_id)
        usage = Usage(charge_id, hold.asset, hold.meter, units, self.now)
        if hold.status == "LAPSED":
            charge = self._settle(wallet, usage, delivered=command.delivered)
        elif hold.status == "OPEN":
            charge = self._capture_open(wallet, hold, usage, command)
        else:
            raise Refused("INVALID_STATE", hold.status)
        if own:
            hold.captured += units
        self.said[key] = (content, charge)
        self.whole[key] = whole
        return Accepted(made=charge)

    def _capture_open(
        self, wallet: Wallet, hold: Hold, usage: Usage, command: CaptureUsage
    ) -> Charge:
        units = usage.units
        set_aside = 0 if hold.shadow else hold.held
        beyond = wallet.available(hold.asset, self.now, hold.meter)
        excess = units - set_aside
        if units > hold.held and wallet.frozen and not command.delivered:
            raise Refused("INVALID_STATE", "FROZEN")
        refused = excess > 0 and self._beyond(wallet, hold.asset, excess, beyond)
        if refused and wallet.mode == "CONTROL" and not command.delivered:
            raise Refused("INSUFFICIENT_FUNDS", None, units, set_aside + beyond)
        # What was held beyond grants would have been refused too.
        covered = excess <= 0 and not hold.uncovered
        would_refuse = not covered and self._beyond(wallet, hold.asset, units, set_aside + beyond)
        allocations: dict[str, int] = {}
        overage: list[OverageUnit] = []
        if wallet.mode != "SHADOW":
            left = self._burn_pinned(wallet, hold, usage, allocations)
            still_pinned = sum(grant.at(hold.place) for grant in wallet.of(hold.asset))
            left = self._burn(wallet, usage, left, allocations)
            overage = self._owe(wallet, usage, left)
            hold.held -= min(units, hold.held)
            if not hold.shadow:
                hold.uncovered = hold.held - still_pinned
        if command.event_id not in (None, hold.event_id):
            hold.captured += units
        if command.final:
            self._end_hold(wallet, hold, "CAPTURED")
        return self._keep(
            wallet, usage, allocations, overage, would_refuse=would_refuse, mode=wallet.mode
        )

    def _burn_pinned(
        self, wallet: Wallet, hold: Hold, usage: Usage, allocations: dict[str, int]
    ) -> int:
        """Burn what the hold pinned, in burn order; return what it does not cover."""
        left = usage.units
        for grant in sorted(wallet.of(hold.asset), key=Grant.burn_key):
            part = min(grant.at(hold.place), left)
            if part:
                grant.move(hold.place, f"burned by {usage.charge}", part)
                allocations[grant.id] = part
                left -= part
        return left

    def _end_hold(self, wallet: Wallet, hold: Hold, status: str) -> None:
        """Give what is still pinned back to its grants, dead or alive."""
        hold.status = status
        hold.uncovered = 0
        for grant in wallet.of(hold.asset):
            to = FREE
            if grant.ended is not None:
                to = REVOKED
            elif grant.lapsed:
                to = EXPIRED
            grant.move(hold.place, to, grant.at(hold.place))

    def _find_hold(self, hold_id: str) -> tuple[Wallet, Hold]:
        for wallet in self.wallets.values():
            if hold_id in wallet.holds:
                return wallet, wallet.holds[hold_id]
        raise Refused("NOT_FOUND", "hold")

    def _extend_hold(self, command: ExtendHold) -> Accepted:
        wallet, hold = self._find_hold(command.hold_id)
        if hold.status != "OPEN":
            raise Refused("INVALID_STATE", hold.status)
        expires_at = hold.expires_at
        if command.ttl_seconds is not None:
            expires_at = self.now + timedelta(seconds=command.ttl_seconds)
        amount = hold.amount if command.amount is None else int(command.amount)
        if expires_at < hold.expires_at:
            raise Refused("INVALID_INPUT", "ttlSeconds")
        if amount < hold.amount:
            raise Refused("INVALID_INPUT", "amount")
        if (amount, expires_at) == (hold.amount, hold.expires_at):
            return Accepted(replayed=True, made=hold)
        if wallet.frozen:
            raise Refused("INVALID_STATE", "FROZEN")
        self._set_aside(wallet, hold, amount - hold.amount)
        hold.amount = amount
        hold.expires_at = expires_at
        hold.balance_after = wallet.available(hold.asset, self.now)
        return Accepted(made=hold)

    def _release(self, command: ReleaseHold) -> Accepted:
        wallet, hold = self._find_hold(command.hold_id)
        if hold.status != "OPEN":
            raise Refused("INVALID_STATE", hold.status)
        self._end_hold(wallet, hold, "RELEASED")
        return Accepted()

    # Refunds of charges

    def _refund_charge(self, command: RefundCharge) -> Accepted:
        wallet, charge = self._find_charge(command.charge_id)
        key = ("refundCharge", command.idempotency_key)
        content = {
            "chargeId": command.charge_id,
            "amount": None if command.amount is None else int(command.amount),
            "compensate": command.compensate,
            "reason": command.reason,
        }
        if self._remembered(key, content) is not None:
            return Accepted(replayed=True, made=charge)
        if charge is None:
            hold = next(hold for hold in wallet.holds.values() if hold.charge == command.charge_id)
            raise Refused("INVALID_STATE", "AUTHORIZED" if hold.status == "OPEN" else "RELEASED")
        if charge.observed or charge.status == "REFUNDED":
            raise Refused("INVALID_STATE", charge.status)
        left = charge.amount - charge.refunded
        units = left if command.amount is None else int(command.amount)
        if not 0 < units <= left:
            raise Refused("INVALID_INPUT", "amount")

        ending, back = self._unwind(charge, units)
        grants = wallet.grants
        for grant_id, _ in back:
            ended = grants[grant_id].ended
            if ended is not None and not command.compensate:
                raise Refused("INVALID_STATE", ended)
        for unit in ending:
            unit.given_back = True
        compensated = self._give_back(charge, grants, back, compensate=command.compensate)
        for grant_id, amount in compensated.items():
            self._compensate(wallet, grants[grant_id], command.idempotency_key, amount)
        charge.refunded += units
        self.said[key] = (content, charge)
        return Accepted(made=charge)

    def _give_back(
        self,
        charge: Charge,
        grants: dict[str, Grant],
        back: list[tuple[str, str]],
        *,
        compensate: bool,
    ) -> dict[str, int]:
        """Move units back unit by unit; return what COMPENSATION grants are to replace."""
        compensated: dict[str, int] = {}
        for grant_id, by in back:
            grant = grants[grant_id]
            if by != OVERAGE:
                charge.back[grant_id] = charge.back.get(grant_id, 0) + 1
            dead = grant.dead or (grant.lapses_at is not None and grant.lapses_at <= self.now)
            if not dead:
                grant.move(by, FREE, 1)
            elif compensate:
                grant.move(by, REVOKED, 1)
                compensated[grant_id] = compensated.get(grant_id, 0) + 1
            else:
                # It had been used up before its end; what comes back has no more time.
                grant.lapsed = True
                grant.move(by, EXPIRED, 1)
        return compensated

    def _unwind(
        self, charge: Charge, units: int
    ) -> tuple[list[OverageUnit], list[tuple[str, str]]]:
        """Go backwards through a charge, unit by unit. Return the units of overage that end
        and, for each unit that a grant gets back, the grant and where it lies burned.
        """
        ending: list[OverageUnit] = []
        back: list[tuple[str, str]] = []
        for unit in reversed([unit for unit in charge.overage if not unit.given_back]):
            if len(ending) < units:
                ending.append(unit)
                if unit.repaid_by is not None:
                    back.append((unit.repaid_by, OVERAGE))
        left = units - len(ending)
        for grant_id, paid in reversed(charge.allocations.items()):
            part = min(paid - charge.back.get(grant_id, 0), left)
            back += [(grant_id, f"burned by {charge.id}")] * part
            left -= part
        return ending, back

    def _compensate(self, wallet: Wallet, old: Grant, key: str, units: int) -> None:
        self._put(
            wallet,
            Grant(
                id=self.names.compensation(key, old.id),
                asset=old.asset,
                units=units,
                source="COMPENSATION",
                priority=old.priority,
                effective_at=self.now,
                expires_at=None,
                lapses_at=None,
                issued_at=self.now,
                meters=old.meters,
                paid=Fraction(0),
            ),
        )

    def _find_charge(self, charge_id: str) -> tuple[Wallet, Charge | None]:
        for wallet in self.wallets.values():
            if charge_id in wallet.charges:
                return wallet, wallet.charges[charge_id]
            if any(hold.charge == charge_id for hold in wallet.holds.values()):
                return wallet, None
        raise Refused("NOT_FOUND", "charge")


def _money(money: Money | None) -> Fraction:
    return Fraction(money.amount) if money is not None else Fraction(0)


def _half_even(number: Fraction) -> int:
    return round(number)
