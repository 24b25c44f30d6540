"""One asset's account in a wallet: its grants, what they can still pay, what is owed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from operator import itemgetter

from domain.grants.terms import GrantTerms
from domain.wallet import overage
from domain.wallet.burndown import BurnKey, OpenGrant, burn_order
from domain.wallet.events import (
    GrantReturn,
    Part,
    Range,
)
from domain.wallet.expiry import expiry_was_told, notice_at

Scope = tuple[str, ...] | None
DueKey = tuple[datetime, int, str, str]

# At one instant holds lapse, grants expire, grants become effective, then cycles begin (what
# rolls over, fees, included credits). What is told and asked for comes after all of that.
HOLD_LAPSES, GRANT_EXPIRES, GRANT_BECOMES_EFFECTIVE, SUBSCRIPTION_TURNS = 0, 1, 2, 3
GRANT_EXPIRES_SOON, TOP_UP_WAIT_ENDS = 8, 9


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as a snapshot keeps it."""

    asset: str
    scale: int
    granted_units: int
    burned_units: int
    expired_units: int
    revoked_units: int
    held_units: int
    uncovered_held_units: int
    incurred_units: int
    owed: tuple[Range, ...]
    invoiced: tuple[Range, ...]
    limit_units: int | None
    grants: tuple[OpenGrant, ...]
    used_up: tuple[str, ...] = ()
    credited: tuple[Range, ...] = ()


class Account:
    """Sums and open grants of one asset. Units of the asset's smallest unit.

    granted = remaining + burned + expired + revoked, at every moment. `due` is the
    wallet's, ordered by time; this account's grants stand in it. used_up, in_overage: what
    was told of the sources of its grants and of what it owes. `credited`: of the overage that
    ever was, what credit notes gave back. `usable` and `queues` have
    a scope while one of its grants can pay; `graced`: grants that expire before they lapse,
    by expiry; `active`: how many ACTIVE grants each source has. `copied`: of an account
    that shares the grants of another (`shared`), which of them it has copied to change them.
    """

    __slots__ = (
        "active",
        "asset",
        "burned_units",
        "copied",
        "credited",
        "due",
        "expired_units",
        "graced",
        "granted_units",
        "grants",
        "held_units",
        "in_overage",
        "incurred_units",
        "invoiced",
        "limit_units",
        "owed",
        "owed_units",
        "pending_units",
        "queues",
        "revoked_units",
        "scale",
        "uncovered_held_units",
        "usable",
        "used_up",
    )

    def __init__(self, asset: str, scale: int, due: list[DueKey]) -> None:
        self.asset = asset
        self.scale = scale
        self.due = due
        self.grants: dict[str, OpenGrant] = {}
        self.granted_units = self.burned_units = self.expired_units = self.revoked_units = 0
        self.held_units = self.uncovered_held_units = self.pending_units = 0
        self.incurred_units = self.owed_units = 0
        self.owed: list[Range] = []
        self.invoiced: list[Range] = []
        self.credited: list[Range] = []
        self.limit_units: int | None = 0
        self.usable: dict[Scope, int] = {}
        self.queues: dict[Scope, list[tuple[BurnKey, OpenGrant]]] = {}
        self.graced: list[tuple[datetime, str]] = []
        self.active: dict[str, int] = {}
        self.used_up: set[str] = set()
        self.in_overage = False
        self.copied: set[str] | None = None

    # What it can pay

    def available_units(self, at: datetime) -> int:
        """Usable now, whatever the meter: free parts of usable grants, less what holds
        set aside beyond grants, less overage owed.
        """
        usable = sum(self.usable.values())
        if self.graced:
            usable -= self._past_expiry_units(at)
        return usable - self.uncovered_held_units - self.owed_units

    def available_for_units(self, meter: str, occurred_at: datetime, at: datetime) -> int:
        """The same, of grants whose scope lets them pay this meter."""
        usable = 0
        for scope, units in self.usable.items():
            if scope is None or meter in scope:
                usable += units
        if self.graced:
            usable -= self._past_expiry_units(min(occurred_at, at), meter)
        return usable - self.uncovered_held_units - self.owed_units

    def payers(self, meter: str) -> Iterator[OpenGrant]:
        """Return the grants that can pay this meter, in burn-down order."""
        queues = [queue for scope, queue in self.queues.items() if scope is None or meter in scope]
        if len(queues) == 1:
            return map(_grant, queues[0])
        return map(_grant, merge(*queues))

    def in_burn_order(self) -> list[OpenGrant]:
        """Return all open grants in burn-down order."""
        return sorted(self.grants.values(), key=lambda grant: burn_order(grant.terms))

    def _past_expiry_units(self, at: datetime, meter: str | None = None) -> int:
        """Return the free units of grants that are only good for usage before their expiry,
        which is not after `at`; of those that can pay a meter, if one is named.
        """
        units = 0
        for expires_at, grant_id in self.graced:
            if expires_at > at:
                break
            grant = self.grants[grant_id]
            scope = grant.terms.meters
            pays = meter is None or scope is None or meter in scope
            if pays and grant.status == "ACTIVE":
                units += grant.free_units
        return units

    def invoiced_units(self) -> int:
        """Of what is owed, what is on an invoice that is not paid yet."""
        return overage.length(self.invoiced)

    def unbilled(self) -> list[Range]:
        """Of what is owed, what is on no invoice."""
        return overage.without(self.owed, self.invoiced)

    def has_left(self, source: str) -> bool:
        """Whether a grant of this source can be used."""
        return source in self.active

    def next_source(self) -> str | None:
        """Return the source of the grant that pays next; None if none does."""
        heads = [queue[0] for queue in self.queues.values()]
        return min(heads, key=lambda head: head[0])[1].terms.source if heads else None

    # Folding

    def credit(self, terms: GrantTerms, effective: bool) -> None:
        grant = OpenGrant(terms, terms.amount_units, 0, 0, 0, 0, "PENDING", 1)
        self.granted_units += terms.amount_units
        self._admit(grant)
        if effective:
            self._activate(grant)
        else:
            self.pending_units += grant.remaining_units
            insort(self.due, self._effective_key(grant))

    def make_effective(self, grant_id: str) -> None:
        grant = self.changing(grant_id)
        self.pending_units -= grant.remaining_units
        self._drop_due(self._effective_key(grant))
        self._activate(grant)
        grant.stream_version += 1

    def extend(
        self, grant_id: str, expires_at: datetime | None, lapses_at: datetime | None
    ) -> None:
        grant = self.changing(grant_id)
        active = grant.status == "ACTIVE"
        if active:
            self._deactivate(grant, "ACTIVE")
        self._dismiss(grant)
        terms = grant.terms
        grant.terms = GrantTerms(
            terms.grant_id,
            terms.asset,
            terms.source,
            terms.amount_units,
            terms.priority,
            terms.effective_at,
            expires_at,
            lapses_at,
            terms.issued_at,
            terms.meters,
        )
        grant.expiry_told = False
        self._admit(grant)
        if active:
            self._activate(grant)
        grant.stream_version += 1

    def tell_expiry(self, grant_id: str) -> None:
        grant = self.changing(grant_id)
        self._drop_notice(grant)
        grant.expiry_told = True

    def lapse(self, grant_id: str, units: int) -> None:
        grant = self.changing(grant_id)
        self._end(grant, "LAPSED", units)
        grant.expired_units += units
        self.expired_units += units

    def revoke(self, grant_id: str, units: int, ends: str | None) -> None:
        grant = self.changing(grant_id)
        if ends is not None or grant.status not in ("ACTIVE", "PENDING"):
            self._end(grant, ends or grant.status, units)
        else:
            if grant.status == "PENDING":
                self.pending_units -= units
            self._move(grant, -units, 0)
            grant.stream_version += 1
            if not grant.remaining_units:
                self._dismiss(grant)
        grant.revoked_units += units
        self.revoked_units += units

    def debit(self, burned: Iterable[Part], incurred: Range | None) -> list[OpenGrant]:
        """Take what grants pay and what none covers; return the grants, as they are then."""
        grants: list[OpenGrant] = []
        for grant_id, units in burned:
            grant = self.changing(grant_id)
            self._burn(grant, units, 0)
            grants.append(grant)
        if incurred is not None:
            self._incur(incurred)
        return grants

    def pin(self, pinned: Iterable[Part], units: int, uncovered_units: int) -> None:
        for grant_id, part in pinned:
            self._move(self.changing(grant_id), 0, part)
        self.held_units += units
        self.uncovered_held_units += uncovered_units

    def unpin(self, released: Iterable[Part], units: int, uncovered_units: int) -> None:
        for grant_id, part in released:
            self._move(self.changing(grant_id), 0, -part)
        self.held_units -= units
        self.uncovered_held_units -= uncovered_units

    def debit_pinned(self, burned: Iterable[Part]) -> None:
        for grant_id, units in burned:
            self._burn(self.changing(grant_id), units, units)
            self.held_units -= units

    def reverse(
        self, forgiven: tuple[Range, ...], returned: Iterable[GrantReturn], at: datetime
    ) -> None:
        self._no_longer_owe(forgiven)
        for part in returned:
            if part.reopened is not None:
                self._reopen(part, at)
            grant = self.changing(part.grant_id)
            grant.burned_units -= part.units
            self.burned_units -= part.units
            self._move(grant, part.units, 0)

    def repay(self, grant_id: str, units: int, ranges: tuple[Range, ...]) -> None:
        self._no_longer_owe(ranges)
        grant = self.changing(grant_id)
        grant.stream_version += 1  # the grant's own stream says that it repaid
        self._burn(grant, units, 0)

    def invoice(self, ranges: Iterable[Range]) -> None:
        self.invoiced = overage.joined(self.invoiced, ranges)

    def uninvoice(self, ranges: Iterable[Range]) -> None:
        self.invoiced = overage.without(self.invoiced, ranges)

    def pay_overage(self, ranges: tuple[Range, ...]) -> None:
        self._no_longer_owe(ranges)

    def credit_overage(self, ranges: Iterable[Range]) -> None:
        self.credited = overage.joined(overage.without(self.credited, ranges), ranges)

    # Inside

    def _no_longer_owe(self, ranges: tuple[Range, ...]) -> None:
        self.owed = overage.without(self.owed, ranges)
        self.owed_units = overage.length(self.owed)
        if self.invoiced:
            self.invoiced = overage.without(self.invoiced, ranges)

    def _burn(self, grant: OpenGrant, units: int, pinned_units: int) -> None:
        grant.burned_units += units
        self.burned_units += units
        self._move(grant, -units, -pinned_units)
        if not grant.remaining_units and grant.status == "ACTIVE":
            grant.stream_version += 1
            self._dismiss(grant)

    def _incur(self, incurred: Range) -> None:
        assert incurred[0] == self.incurred_units
        overage.add(self.owed, incurred)
        self.owed_units += incurred[1] - incurred[0]
        self.incurred_units = incurred[1]

    def _reopen(self, part: GrantReturn, at: datetime) -> None:
        reopened = part.reopened
        assert reopened is not None
        grant = OpenGrant(
            reopened.terms,
            0,
            0,
            reopened.burned_units,
            reopened.expired_units,
            reopened.revoked_units,
            reopened.status,
            reopened.stream_version,
            expiry_was_told(reopened.terms, at),
        )
        self._admit(grant)

    def _end(self, grant: OpenGrant, status: str, units: int) -> None:
        if grant.status == "ACTIVE":
            self._deactivate(grant, status)
        elif grant.status == "PENDING":
            self.pending_units -= grant.remaining_units
            self._drop_due(self._effective_key(grant))
        grant.status = status
        self._unschedule(grant)
        grant.remaining_units -= units
        grant.stream_version += 1
        if not grant.remaining_units:
            self._dismiss(grant)

    def _move(self, grant: OpenGrant, remaining_units: int, held_units: int) -> None:
        before = grant.remaining_units - grant.held_units
        grant.remaining_units += remaining_units
        grant.held_units += held_units
        if grant.status == "ACTIVE":
            after = grant.remaining_units - grant.held_units
            if after and before:
                self.usable[grant.terms.meters] += after - before
            elif after:
                self._enqueue(grant, after)
            elif before:
                self._dequeue(grant, before)

    def _activate(self, grant: OpenGrant) -> None:
        if grant.status != "ACTIVE":
            grant.status = "ACTIVE"
            self._count_active(grant, 1)
        if grant.free_units:
            self._enqueue(grant, grant.free_units)

    def _deactivate(self, grant: OpenGrant, status: str) -> None:
        if grant.free_units:
            self._dequeue(grant, grant.free_units)
        if status != "ACTIVE":
            grant.status = status
            self._count_active(grant, -1)

    def _count_active(self, grant: OpenGrant, change: int) -> None:
        source = grant.terms.source
        left = self.active.get(source, 0) + change
        if left:
            self.active[source] = left
        else:
            del self.active[source]

    def _enqueue(self, grant: OpenGrant, free_units: int) -> None:
        scope = grant.terms.meters
        self.usable[scope] = self.usable.get(scope, 0) + free_units
        insort(self.queues.setdefault(scope, []), (burn_order(grant.terms), grant))

    def _dequeue(self, grant: OpenGrant, free_units: int) -> None:
        scope = grant.terms.meters
        queue = self.queues[scope]
        if len(queue) == 1:
            del self.queues[scope], self.usable[scope]
            return
        self.usable[scope] -= free_units
        del queue[bisect_left(queue, burn_order(grant.terms), key=_burn_key)]

    def _admit(self, grant: OpenGrant) -> None:
        terms = grant.terms
        self.grants[terms.grant_id] = grant
        if grant.status == "ACTIVE":
            self._count_active(grant, 1)
        if terms.expires_at is not None and terms.lapses_at != terms.expires_at:
            insort(self.graced, (terms.expires_at, terms.grant_id))
        if terms.lapses_at is not None and grant.status in ("ACTIVE", "PENDING"):
            insort(self.due, self._expiry_key(grant))
            notice = self._notice_key(grant)
            if notice is not None:
                insort(self.due, notice)

    def _dismiss(self, grant: OpenGrant) -> None:
        terms = grant.terms
        del self.grants[terms.grant_id]
        if grant.status == "ACTIVE":
            self._count_active(grant, -1)
        if terms.expires_at is not None and terms.lapses_at != terms.expires_at:
            del self.graced[bisect_left(self.graced, (terms.expires_at, terms.grant_id))]
        self._unschedule(grant)

    def _unschedule(self, grant: OpenGrant) -> None:
        if grant.terms.lapses_at is not None:
            self._drop_due(self._expiry_key(grant))
            self._drop_notice(grant)

    def _drop_notice(self, grant: OpenGrant) -> None:
        notice = self._notice_key(grant)
        if notice is not None:
            self._drop_due(notice)

    def _drop_due(self, key: DueKey) -> None:
        place = bisect_left(self.due, key)
        if place < len(self.due) and self.due[place] == key:
            del self.due[place]

    def _expiry_key(self, grant: OpenGrant) -> DueKey:
        assert grant.terms.lapses_at is not None
        return (grant.terms.lapses_at, GRANT_EXPIRES, self.asset, grant.terms.grant_id)

    def _notice_key(self, grant: OpenGrant) -> DueKey | None:
        told_at = None if grant.expiry_told else notice_at(grant.terms)
        if told_at is None:
            return None
        return (told_at, GRANT_EXPIRES_SOON, self.asset, grant.terms.grant_id)

    def _effective_key(self, grant: OpenGrant) -> DueKey:
        return (
            grant.terms.effective_at,
            GRANT_BECOMES_EFFECTIVE,
            self.asset,
            grant.terms.grant_id,
        )

    # Copies

    def changing(self, grant_id: str) -> OpenGrant:
        """Return a grant that is about to change; one of another account is copied first."""
        grant = self.grants[grant_id]
        if self.copied is None or grant_id in self.copied:
            return grant
        self.copied.add(grant_id)
        own = self.grants[grant_id] = replace(grant)
        if own.status == "ACTIVE" and own.free_units:
            key = burn_order(own.terms)
            queue = self.queues[own.terms.meters]
            queue[bisect_left(queue, key, key=_burn_key)] = (key, own)
        return own

    def shared(self, due: list[DueKey]) -> Account:
        """Return the account as it is, to change without changing this one: grants are copied
        when they change, not before, so a copy of many costs little. due: of its wallet.
        """
        account = copy(self)
        account.due = due
        account.grants = dict(self.grants)
        account.usable = dict(self.usable)
        account.queues = {scope: list(queue) for scope, queue in self.queues.items()}
        account.graced = list(self.graced)
        account.active = dict(self.active)
        account.used_up = set(self.used_up)
        account.owed = list(self.owed)
        account.invoiced = list(self.invoiced)
        account.copied = set()
        return account

    def to_incur(self, units: int) -> Range | None:
        """Return the overage that so many units would be; None if there are none."""
        return (self.incurred_units, self.incurred_units + units) if units else None

    def state(self) -> AccountState:
        return AccountState(
            self.asset,
            self.scale,
            self.granted_units,
            self.burned_units,
            self.expired_units,
            self.revoked_units,
            self.held_units,
            self.uncovered_held_units,
            self.incurred_units,
            tuple(self.owed),
            tuple(self.invoiced),
            self.limit_units,
            tuple(self.grants.values()),
            tuple(sorted(self.used_up)),
            tuple(self.credited),
        )

    @classmethod
    def restored(cls, state: AccountState, due: list[DueKey]) -> Account:
        account = cls(state.asset, state.scale, due)
        account.granted_units = state.granted_units
        account.burned_units = state.burned_units
        account.expired_units = state.expired_units
        account.revoked_units = state.revoked_units
        account.held_units = state.held_units
        account.uncovered_held_units = state.uncovered_held_units
        account.incurred_units = state.incurred_units
        account.owed = list(state.owed)
        account.owed_units = overage.length(state.owed)
        account.in_overage = account.owed_units > 0
        account.used_up = set(state.used_up)
        account.invoiced = list(state.invoiced)
        account.credited = list(state.credited)
        account.limit_units = state.limit_units
        for kept in state.grants:
            grant = OpenGrant(
                kept.terms,
                kept.remaining_units,
                kept.held_units,
                kept.burned_units,
                kept.expired_units,
                kept.revoked_units,
                kept.status,
                kept.stream_version,
                kept.expiry_told,
            )
            account._admit(grant)
            if grant.status == "ACTIVE":
                account._activate(grant)
            elif grant.status == "PENDING":
                account.pending_units += grant.remaining_units
                insort(due, account._effective_key(grant))
        return account


Queued = tuple[BurnKey, OpenGrant]


def _burn_key(entry: Queued) -> BurnKey:
    return entry[0]


_grant: Callable[[Queued], OpenGrant] = itemgetter(1)
