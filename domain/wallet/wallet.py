"""The wallet: the one consistency boundary for spending, and the one lock.

Each command checks everything, refusals first, then states its events. Whoever changes a
grant or a charge also appends to its wallet, in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain.aggregate import Event
from domain.catalog.catalog import Catalog
from domain.grants.events import (
    Figures,
    GrantActivated,
    GrantExpired,
    GrantRepaidOverage,
    GrantReturnRevoked,
    GrantRolledOver,
)
from domain.grants.terms import GrantTerms
from domain.money.asset import Asset
from domain.refusals import InsufficientFunds, InvalidState
from domain.subscriptions.rolling import turn_at
from domain.usage.events import AuthorizationReleased
from domain.wallet import overage
from domain.wallet.account import (
    GRANT_EXPIRES,
    GRANT_EXPIRES_SOON,
    HOLD_LAPSES,
    SUBSCRIPTION_TURNS,
    TOP_UP_WAIT_ENDS,
    Account,
    DueKey,
)
from domain.wallet.budgets import BudgetCount
from domain.wallet.burndown import OpenGrant, burn_down
from domain.wallet.derived_budgets import BudgetCounted, DerivedBudget
from domain.wallet.events import (
    AccountOpened,
    ChargeReversed,
    GrantBecameEffective,
    GrantCredited,
    GrantEnd,
    GrantExpiring,
    GrantExtended,
    GrantLapsed,
    GrantReturn,
    GrantRevoked,
    HoldLapsed,
    OverageCredited,
    OverageInvoiced,
    OveragePaid,
    OverageSettled,
    OverageUninvoiced,
    Part,
    Range,
    RevocationCause,
)
from domain.wallet.limits import Limits, changed, tell_crossed
from domain.wallet.modes import beyond_limit
from domain.wallet.payers import Share, payers_told, share_out
from domain.wallet.standing import WalletStanding
from domain.wallet.tally import Tally
from domain.wallet.telling import tell_exhausted, tell_overage, tell_postponed, tell_source
from domain.wallet.totals import RatedMove, TotalsMoved, unpaid
from domain.wallet.watches import Quoting, no_quotes
from domain.wallet.watching import end_wait, look_at


@dataclass(slots=True)
class Settlement:
    """What a charge took. Units of its asset."""

    allocations: tuple[Part, ...]
    overage: Range | None
    would_refuse: bool
    observed: bool
    balance_after_units: int
    burned_pinned: tuple[Part, ...] = ()
    held_units: int = 0
    budgets: tuple[str, ...] = ()


class Wallet(WalletStanding):
    """Decides upon what it is. What it holds and what limits it are decided beside it."""

    TOPIC = "wallet"

    # Time

    def fall_due(
        self,
        until: datetime,
        recorded_at: datetime | None = None,
        catalog: Catalog | None = None,
        quoting: Quoting = no_quotes,
        *,
        pausing: bool = False,
    ) -> None:
        """Write what fell due by `until`, in order of its time; what is told and asked for
        only after all of an instant.

        recorded_at: when it is written; None: each at its due time (a test clock). catalog:
        of what subscriptions follow; None: they stay with the version they have. pausing: go no
        further once a top-up was asked for.
        """
        due = self.due
        while due and due[0][0] <= until:
            instant = due[0][0]
            self.postponed = {}
            while due and due[0][0] <= instant:
                due_at = due[0][0]
                at = self.time(due_at if recorded_at is None else recorded_at)
                self._do(due[0], at, catalog)
            at = self.time(instant if recorded_at is None else recorded_at)
            tell_postponed(self, at)
            # A top-up is asked for today, so what is past asks for none that is over.
            asks = recorded_at is None or not due or due[0][0] > until
            asked = [
                look_at(self, watch, instant, at, asks=asks, quoting=quoting)
                for watch in self.watches.values()
            ]
            if pausing and any(asked):
                return

    def _do(self, due: DueKey, at: datetime, catalog: Catalog | None) -> None:
        due_at, what, asset, subject_id = due
        if what == HOLD_LAPSES:
            self._lapse_hold(subject_id, due_at, at)
        elif what == GRANT_EXPIRES:
            if any(each.rolls(subject_id, due_at) for each in self.enrolments.values()):
                del self.due[0]  # the turn of its subscription follows at this instant
            else:
                self._expire(asset, subject_id, due_at, at)
        elif what == SUBSCRIPTION_TURNS:
            turn_at(self, self.enrolments[subject_id], due_at, at, catalog)
        elif what == GRANT_EXPIRES_SOON:
            self._tell_expiry(asset, subject_id, due_at, at)
        elif what == TOP_UP_WAIT_ENDS:
            end_wait(self, self.watches[asset], due_at, at)
        else:
            self._make_effective(asset, subject_id, due_at, at)

    def _lapse_hold(self, hold_id: str, due_at: datetime, at: datetime) -> None:
        hold = self.holds[hold_id]
        released = tuple(hold.pinned.items())
        limits = self.limits(hold.asset, hold.subject, (), at)
        self.record(
            HoldLapsed(
                self.id,
                self.next_version(),
                at,
                hold.asset,
                hold_id,
                released,
                hold.held_units,
                due_at,
            )
        )
        self.also(
            AuthorizationReleased(hold.charge_id, hold.charge_version + 1, at, "LAPSED", due_at)
        )
        if limits is not None:
            limits.tell_crossed()
        self.settle_dead(hold.asset, released, due_at, at)

    def _expire(self, asset: str, grant_id: str, due_at: datetime, at: datetime) -> None:
        grant = self.accounts[asset].changing(grant_id)
        units = grant.free_units
        self.record(GrantLapsed(self.id, self.next_version(), at, asset, grant_id, units, due_at))
        self.also(
            GrantExpired(
                grant_id, grant.stream_version, at, units, grant.held_units, due_at, grant.figures
            )
        )

    def _tell_expiry(self, asset: str, grant_id: str, due_at: datetime, at: datetime) -> None:
        grant = self.accounts[asset].grants[grant_id]
        expires_at = grant.terms.expires_at
        assert expires_at is not None
        self.record(
            GrantExpiring(
                self.id,
                self.next_version(),
                at,
                asset,
                grant_id,
                grant.remaining_units,
                expires_at,
                due_at,
            )
        )

    def lapse_excess(self, asset: str, grant_id: str, units: int, at: datetime) -> None:
        """Let a part of a grant lapse that ends, where the rest of it rolls over."""
        grant = self.accounts[asset].changing(grant_id)
        due_at = grant.terms.expires_at
        assert due_at is not None
        self.record(GrantLapsed(self.id, self.next_version(), at, asset, grant_id, units, due_at))
        self.also(
            GrantExpired(
                grant_id, grant.stream_version, at, units, grant.held_units, due_at, grant.figures
            )
        )

    def roll_over(self, asset: str, grant_id: str, units: int, into: str, at: datetime) -> None:
        """Take what rolls over off a grant that has ended; the caller credits it anew."""
        grant = self.accounts[asset].changing(grant_id)
        after = self.revoke(asset, grant_id, units, "ROLLOVER", None, at)
        self.also(GrantRolledOver(grant_id, grant.stream_version, at, units, into, after))

    def _make_effective(self, asset: str, grant_id: str, due_at: datetime, at: datetime) -> None:
        account = self.accounts[asset]
        grant = account.changing(grant_id)
        self.record(GrantBecameEffective(self.id, self.next_version(), at, asset, grant_id, due_at))
        self.also(GrantActivated(grant_id, grant.stream_version, at, due_at))
        if grant.terms.source in account.used_up:
            tell_source(self, asset, grant.terms.source, at)
        self._repay_overage(grant, at)

    # Grants

    def credit(self, asset: Asset, terms: GrantTerms, at: datetime) -> None:
        """Take a grant; a PAID one without scope repays overage first."""
        account = self.account_of(asset, at)
        effective = terms.effective_at <= at
        self.record(
            GrantCredited(self.id, self.next_version(), at, account.asset, terms, effective)
        )
        if effective:
            if terms.source in account.used_up:
                tell_source(self, account.asset, terms.source, at)
            self._repay_overage(account.grants[terms.grant_id], at)

    def revoke(
        self,
        asset: str,
        grant_id: str,
        units: int,
        cause: RevocationCause,
        ends: GrantEnd | None,
        at: datetime,
    ) -> Figures:
        """Take units off a grant; answer its figures then. The caller states the grant's event."""
        grant = self.accounts[asset].changing(grant_id)
        self.record(
            GrantRevoked(self.id, self.next_version(), at, asset, grant_id, units, cause, ends)
        )
        return grant.figures

    def extend_grant(
        self,
        asset: str,
        grant_id: str,
        expires_at: datetime | None,
        lapses_at: datetime | None,
        at: datetime,
    ) -> None:
        """Move the end of a live grant. The caller states the grant's event."""
        self.record(
            GrantExtended(self.id, self.next_version(), at, asset, grant_id, expires_at, lapses_at)
        )

    def _repay_overage(self, grant: OpenGrant, at: datetime) -> None:
        terms = grant.terms
        account = self.accounts[terms.asset]
        unbilled = account.unbilled()
        units = min(grant.free_units, overage.length(unbilled))
        if terms.source != "PAID" or terms.meters is not None or not units:
            return
        ranges = overage.oldest(unbilled, units)
        version = grant.stream_version + 1
        self.record(
            OverageSettled(
                self.id, self.next_version(), at, terms.asset, terms.grant_id, units, ranges
            )
        )
        self.also(
            GrantRepaidOverage(terms.grant_id, version, at, self.id, terms.asset, units, ranges)
        )
        tell_exhausted(self, [grant], at)
        tell_overage(self, terms.asset, at)

    def settle_dead(
        self, asset: str, parts: Iterable[Part], due_at: datetime, at: datetime
    ) -> None:
        """What a hold gave back to a grant that died meanwhile expires or is revoked."""
        account = self.accounts[asset]
        for grant_id, _ in parts:
            grant = account.grants.get(grant_id)
            if grant is None or grant.status == "ACTIVE":
                continue
            if grant.held_units and not grant.free_units:
                continue
            if grant.status == "LAPSED":
                self._expire(asset, grant_id, due_at, at)
                continue
            units = grant.free_units
            after = self.revoke(asset, grant_id, units, "HOLD_RETURN", None, at)
            self.also(GrantReturnRevoked(grant_id, grant.stream_version, at, units, after))

    # Invoices

    def invoice_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """Put overage that is owed and on no invoice on one."""
        self.record(OverageInvoiced(self.id, self.next_version(), at, asset, invoice_id, ranges))

    def uninvoice_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """Take what is still owed of a voided invoice off it."""
        still = overage.within(self.accounts[asset].invoiced, ranges)
        if still:
            self.record(
                OverageUninvoiced(self.id, self.next_version(), at, asset, invoice_id, still)
            )

    def pay_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """No longer owe what an invoice's payment or credit note covers."""
        paid = overage.within(self.accounts[asset].owed, ranges)
        if paid:
            units = overage.length(paid)
            self.record(
                OveragePaid(self.id, self.next_version(), at, asset, invoice_id, units, paid)
            )
            tell_overage(self, asset, at)

    def credit_overage(
        self, asset: str, invoice_id: str, ranges: tuple[Range, ...], at: datetime
    ) -> None:
        """Note what a credit note gave back, so that it does not go back again."""
        self.record(OverageCredited(self.id, self.next_version(), at, asset, invoice_id, ranges))

    # Usage

    def check_spendable(self, *, delivered: bool) -> None:
        """Raises InvalidState while the wallet is frozen and the work is not done yet."""
        if self.frozen and not delivered:
            raise frozen(self.id)

    def charge(
        self,
        asset: Asset,
        charge_id: str,
        meter: str,
        units: int,
        occurred_at: datetime,
        at: datetime,
        *,
        delivered: bool = False,
        as_control: bool = False,
        subject: str | None = None,
        derived: Sequence[DerivedBudget] = (),
        rated: RatedMove | None = None,
        shares: tuple[Share, ...] = (),
    ) -> Settlement:
        """Settle a charge against grants, in burn-down order.

        delivered: the work is done, so it is recorded whatever the balance. as_control: an
        adjustment, real in every mode. derived: the budgets that templates make of the
        subject. rated: the totals that it moves; shares: its lines, where the payers of one are
        known. units below zero: only in SHADOW, where nothing is burned. Raises, first match
        wins: InvalidState (frozen), SpendLimitReached, InsufficientFunds.
        """
        self.check_spendable(delivered=delivered)
        mode = "CONTROL" if as_control else self.mode
        limits = self.limits(asset.key, subject, derived, at) if units else None
        reached = limits.reached(asset, units, units) if limits is not None else None
        if reached is not None and mode == "CONTROL" and not delivered:
            raise reached
        account = self.accounts.get(asset.key)
        payable_units = account.available_for_units(meter, occurred_at, at) if account else 0
        limit_units = account.limit_units if account else 0
        would_refuse = beyond_limit(units, payable_units, limit_units)
        if would_refuse and mode == "CONTROL" and not delivered:
            raise InsufficientFunds(
                asset=asset.key,
                scale=asset.scale,
                required_units=units,
                available_units=payable_units,
            )

        # Nothing may fail from here on.
        would_refuse = would_refuse or reached is not None
        counts, counted = self._counted(limits, units) if limits is not None else ((), ())
        if account is None:
            account = self.account_of(asset, at)
        if mode == "SHADOW":
            moved = unpaid(rated)
            self._tell(account, charge_id, units, (), None, True, at, counts, moved)
            if limits is not None:
                limits.tell_crossed()
            return Settlement((), None, would_refuse, True, account.available_units(at))
        burned, uncovered_units = burn_down(account.payers(meter), units, occurred_at, at)
        incurred = account.to_incur(uncovered_units)
        grants = account.debit(burned, incurred)
        moved = rated
        if shares:
            moved = self.moved_by(account, rated, shares, burned, incurred)
        self._tell(account, charge_id, units, burned, incurred, False, at, counts, moved)
        tell_exhausted(self, grants, at)
        if incurred is not None:
            tell_overage(self, asset.key, at)
        if limits is not None:
            limits.tell_crossed()
        return Settlement(
            burned, incurred, would_refuse, False, account.available_units(at), budgets=counted
        )

    def moved_by(
        self,
        account: Account,
        rated: RatedMove | None,
        shares: tuple[Share, ...],
        burned: tuple[Part, ...],
        incurred: Range | None,
    ) -> RatedMove | None:
        """Return what a charge's event says of totals: with who paid, where that is known."""
        if rated is None or not shares:
            return rated
        payers = self.totals.payers
        if rated.paid:
            payers = payers | payers_told(rated.paid)
        falls = any(share.units < 0 for share in shares)
        owed = account.unbilled() if falls else ()
        paid = share_out(shares, payers, owed, burned, incurred).paid
        return replace(rated, paid=rated.paid + paid)

    def reverse(
        self,
        asset: str,
        charge_id: str,
        units: int,
        forgiven: tuple[Range, ...],
        returned: Iterable[GrantReturn],
        at: datetime,
        *,
        budgets: tuple[BudgetCount, ...] = (),
        rated: TotalsMoved | None = None,
    ) -> None:
        """Give back what a refund returns. What may not stay is taken off by the caller.

        budgets: how far what they have spent falls (`Budgets.lowered`). rated: what of
        totals it changes.
        """
        lowered = [self.budgets.by_id[budget_id] for budget_id, _ in budgets]
        before = self.budgets.used(lowered, at)
        self.record(
            ChargeReversed(
                self.id,
                self.next_version(),
                at,
                asset,
                charge_id,
                units,
                forgiven,
                tuple(returned),
                budgets,
                rated,
            )
        )
        after = self.budgets.used(lowered, at)
        for budget, was, now in zip(lowered, before, after, strict=True):
            tell_crossed(self, budget, budget.mark_of(was), budget.mark_of(now), at)
        self.tell_returned(asset, at)

    def tell_returned(self, asset: str, at: datetime) -> None:
        """Tell what ends where an account gets something back."""
        for source in sorted(self.accounts[asset].used_up):
            tell_source(self, asset, source, at)
        tell_overage(self, asset, at)

    def lapse_return(self, asset: str, grant_id: str, at: datetime) -> None:
        """Let what a refund returned to an expired grant expire at once."""
        self._expire(asset, grant_id, at, at)

    # Limits

    def limits(
        self, asset: str, subject: str | None, derived: Sequence[DerivedBudget], at: datetime
    ) -> Limits | None:
        """Return what limits spending of a subject; None if nothing does."""
        budgets = self.budgets
        if not budgets.by_id and not derived and asset not in budgets.maxima:
            return None
        return Limits(self, asset, subject, derived, at)

    def _counted(
        self, limits: Limits | None, units: int
    ) -> tuple[tuple[BudgetCount, ...], tuple[str, ...]]:
        """The same, folded at once: the event comes later."""
        counts, counted = changed(limits, units)
        if counts:
            self.budgets.count(counts)
        return counts, counted

    def look(self, before: dict[str, int], at: datetime, quoting: Quoting) -> None:
        """Tell and ask for what a command has made due. before: `watched_units` then."""
        now = self.watched_units(at)
        for asset, units in before.items():
            look_at(self, self.watches[asset], at, at, asks=now[asset] < units, quoting=quoting)

    # Writing

    def also(self, event: Event) -> None:
        """State an event of another stream that this wallet's lock guards."""
        self._pending_events.append(event)

    @property
    def waiting(self) -> bool:
        """Whether charges wait to be stated as one event."""
        return self._tally is not None or bool(self.counted)

    def next_version(self) -> int:
        """Return the version of the next event, once waiting charges have theirs."""
        if self._tally is not None:
            self._state(self._tally)
        return self.version + 1

    def seal(self) -> None:
        """State the charges that wait as one event, and what derived budgets have spent."""
        if self._tally is not None:
            self._state(self._tally)
        if self.counted:
            self._state_counted()

    def _state(self, tally: Tally) -> None:
        """State the charges of a tally as one event."""
        self._tally = None
        event = tally.event(self.id, self.version + 1)
        # Each charge was folded when it was decided.
        self._version += 1
        self._modified_on = tally.at
        self._pending_events.append(event)

    def _tell(
        self,
        account: Account,
        charge_id: str,
        units: int,
        burned: tuple[Part, ...],
        incurred: Range | None,
        observed: bool,
        at: datetime,
        counts: tuple[BudgetCount, ...] = (),
        moved: RatedMove | None = None,
    ) -> None:
        tally = self._tally
        if tally is None or not tally.takes(account.asset, observed, at):
            if tally is not None:
                self._state(tally)
            tally = self._tally = Tally(account.asset, observed, at)
        tally.add(charge_id, units, burned, incurred, counts)
        if moved is not None:
            self.totals.advance(moved)
            tally.move(moved)

    def _state_counted(self) -> None:
        """State what derived budgets have spent, each once, in streams of their own."""
        for budget in self.counted.values():
            assert budget.counted_at is not None
            budget.version += 1
            self.also(
                BudgetCounted(
                    budget.budget_id,
                    budget.version,
                    budget.counted_at,
                    self.id,
                    self.customer_id,
                    budget.template_id,
                    budget.subject,
                    budget.asset,
                    budget.starts_at,
                    budget.resets_at,
                    budget.spent_units,
                )
            )
            budget.counted_at = None
        self.counted = {}

    def account_of(self, asset: Asset, at: datetime) -> Account:
        if asset.key not in self.accounts:
            self.record(AccountOpened(self.id, self.next_version(), at, asset.key, asset.scale))
        return self.accounts[asset.key]

    # Copies

    def copied(self) -> Wallet:
        """Return a copy to decide upon and throw away."""
        self.seal()
        return self._as_it_is()

    @property
    def pending_events(self) -> list[Any]:
        """What was decided and is not committed, in order; shared by a unit of work."""
        return self._pending_events

    def as_of(self, at: datetime, catalog: Catalog | None = None) -> Wallet:
        """Return the wallet with what falls due by `at`, writing nothing."""
        if not self.due or self.due[0][0] > at:
            return self
        later = self._as_it_is()
        later.fall_due(at, catalog=catalog)
        return later


def frozen(wallet_id: str) -> InvalidState:
    return InvalidState(
        state="FROZEN",
        reason=f"wallet {wallet_id} is frozen: unfreeze it, or report delivered work",
        passes_later=True,
    )
