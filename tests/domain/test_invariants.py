"""The ledger's five invariants, attacked at random: every command, any order, exact moments.

Each step is decided twice, by the ledger and by the model, and every figure is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from application.commands.answers import AdjustmentAnswer, Answer, ChargeAnswer, HoldAnswer
from application.commands.requests import (
    AdjustmentReason,
    AdjustWallet,
    AuthorizeUsage,
    CaptureUsage,
    Command,
    ConfigureTenant,
    DefineAsset,
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
from domain import identity
from domain.grants.events import GrantSource
from domain.grants.grant import CreditGrant
from domain.refusals import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    Refusal,
)
from domain.usage.charge import UsageCharge
from domain.wallet.account import (
    GRANT_BECOMES_EFFECTIVE,
    GRANT_EXPIRES,
    GRANT_EXPIRES_SOON,
    Account,
)
from domain.wallet.burndown import OpenGrant, burn_order
from domain.wallet.events import WalletMode
from domain.wallet.expiry import notice_at
from domain.wallet.overage import length
from domain.wallet.wallet import Wallet
from tests import model
from tests.books import START, Books, reloaded

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

CUSTOMERS = ("ext:acme", "ext:blue")
METERS = ("tokens", "images")
THEMES = ("overage", "holds", "deaths")
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
TICK = timedelta(microseconds=1)
SOURCES: tuple[GrantSource, ...] = (
    "PAID",
    "PROMOTIONAL",
    "INCLUDED",
    "ADJUSTMENT",
    "COMPENSATION",
)

# Mostly one wallet and one asset, so that what is rare meets what is rare.
customers = st.sampled_from(("ext:acme",) * 5 + ("ext:blue",))
assets = st.sampled_from(("POINT",) * 7 + ("MILE",))
meters = st.sampled_from(METERS)
some = st.integers(0, 20)
picks = st.integers(0, 99)
flags = st.booleans()
seldom = st.sampled_from((False, False, False, True))


def of_theme(*themes: str) -> Callable[[F], F]:
    """A rule of these themes, and of "everything": few rules at a time go deeper."""

    def fits(machine: LedgerMachine) -> bool:
        return machine.theme == "everything" or machine.theme in themes

    return precondition(fits)


@dataclass
class Named:
    """The ledger's own names, for the model."""

    tenant: str

    def grant(self, command: str, key: str) -> str:
        return identity.grant_id(self.tenant, command, key)

    def compensation(self, key: str, grant: str) -> str:
        return identity.derived_id("grant", self.tenant, "refundCharge", key, grant)

    def charge(self, source: str, event_id: str) -> str:
        return identity.charge_id(self.tenant, source, event_id)

    def hold(self, charge: str) -> str:
        return identity.hold_id(self.tenant, charge)


class LedgerMachine(RuleBasedStateMachine):
    """Two customers, two assets, one clock. `theme`: which rules there are."""

    theme = "everything"

    def __init__(self) -> None:
        super().__init__()
        self.books = new_books()
        self.model = model.Model(Named(self.books.tenant_id), START)
        for customer in CUSTOMERS:
            self.model.open(customer)
        self.grace_seconds = 0
        self.sent: list[tuple[datetime, str, Command]] = []
        self.steps = 0
        self.dead: dict[str, tuple[int, CreditGrant]] = {}

    @initialize(
        grace_seconds=st.sampled_from((0, 0, 3_600)),
        units=st.integers(10, 80),
        life=st.sampled_from((None, HOUR, HOUR, DAY)),
    )
    def begin(self, grace_seconds: int, units: int, life: timedelta | None) -> None:
        self.grace_seconds = grace_seconds
        self.books.do(ConfigureTenant(settlement_grace_seconds=grace_seconds))
        self.model.grace = timedelta(seconds=grace_seconds)
        if self.theme == "overage":
            self.send(SetWalletMode("ext:acme", "HYBRID"))
            return
        money = Money("10", "USD")
        ends = self.now + life if life is not None else None
        grant = IssueGrant(self.name("g"), "ext:acme", "POINT", str(units), paid=money)
        self.send(replace(grant, expires_at=ends))

    # What there is to name

    @property
    def now(self) -> datetime:
        return self.books.clock.at

    def name(self, prefix: str) -> str:
        return f"{prefix}{len(self.sent)}"

    def grants(self) -> list[model.Grant]:
        return [grant for each in self.model.wallets.values() for grant in each.grants.values()]

    def holds(self) -> list[model.Hold]:
        return [hold for each in self.model.wallets.values() for hold in each.holds.values()]

    def charges(self) -> list[model.Charge]:
        return [charge for each in self.model.wallets.values() for charge in each.charges.values()]

    def owner(self, command: Any) -> str:
        for customer, wallet in self.model.wallets.items():
            if (
                getattr(command, "customer", "") == customer
                or getattr(command, "wallet_id", "") == self.wallet_id(customer)
                or getattr(command, "grant_id", "") in wallet.grants
                or getattr(command, "hold_id", "") in wallet.holds
                or getattr(command, "charge_id", "") in wallet.charges
                or any(getattr(command, "charge_id", "") == h.charge for h in wallet.holds.values())
            ):
                return customer
        raise AssertionError(command)

    def wallet_id(self, customer: str) -> str:
        customer_id = identity.customer_id(self.books.tenant_id, customer.removeprefix("ext:"))
        return identity.wallet_id(self.books.tenant_id, customer_id)

    def live(self, customer: str) -> Wallet:
        wallet = self.books.cache.get(self.wallet_id(customer))
        assert wallet is not None
        return wallet

    def anything_due(self) -> bool:
        return any(is_due(self.live(customer), self.now) for customer in CUSTOMERS)

    # Sending

    def send(self, command: Command) -> None:
        """Let both decide; their answers must be the same."""
        self.sent.append((self.now, self.owner(command), command))
        rows, due = len(self.books.log.rows), self.anything_due()
        expected = self.model.do(command)
        try:
            answer: Answer | Refusal = self.books.do(command)
        except Refusal as refusal:
            answer = refusal
        self.compare(answer, expected)
        if isinstance(answer, Refusal) and not due:
            assert len(self.books.log.rows) == rows

    def send_together(self, commands: Sequence[Command]) -> None:
        self.sent += [(self.now, self.owner(command), command) for command in commands]
        expected = [self.model.do(command) for command in commands]
        answers = self.books.do_together(commands)
        for answer, each in zip(answers, expected, strict=True):
            self.compare(answer, each)

    def compare(self, answer: Answer | Refusal, expected: model.Accepted | model.Refused) -> None:
        if isinstance(expected, model.Refused):
            assert isinstance(answer, Refusal), (answer, expected)
            assert refused(answer) == expected
            return
        assert not isinstance(answer, Refusal), (answer, expected)
        assert getattr(answer, "replayed", False) == expected.replayed
        made = expected.made
        if isinstance(answer, ChargeAnswer):
            assert isinstance(made, model.Charge)
            compare_charge(answer.charge, made)
        elif isinstance(answer, HoldAnswer):
            assert isinstance(made, model.Hold)
            compare_authorization(answer.charge, made)
        elif isinstance(answer, AdjustmentAnswer):
            assert answer.balance_after_units == expected.balance_after

    # Time

    @of_theme("holds", "deaths")
    @rule(pick=picks, early=flags)
    def reach_a_boundary(self, pick: int, early: bool) -> None:
        """Go to the very moment at which something ends or begins, or just before it."""
        ends = [grant.expires_at for grant in self.grants() if grant.expires_at is not None]
        moments = sorted({*self.model.boundaries(), *ends})
        moments = [moment - TICK if early else moment for moment in moments]
        moments = [moment for moment in moments if moment > self.now]
        if moments:
            self.set_clock(moments[min(pick, len(moments) - 1) if pick < 3 else 0])

    @of_theme("holds", "deaths")
    @rule(span=st.sampled_from((TICK, MINUTE, MINUTE, HOUR)))
    def wait(self, span: timedelta) -> None:
        self.set_clock(self.now + span)

    def set_clock(self, at: datetime) -> None:
        self.books.clock.at = self.model.now = at
        self.model.fall_due()

    @of_theme()
    @rule(customer=customers)
    def run_due_work(self, customer: str) -> None:
        self.send(RunDueWork(self.wallet_id(customer)))
        assert not is_due(self.live(customer), self.now)

    # Grants

    @of_theme("deaths")
    @rule(
        customer=customers,
        asset=assets,
        units=st.integers(1, 60),
        source=st.sampled_from(SOURCES),
        priority=st.sampled_from((50, 50, 10, 90)),
        effective=st.sampled_from((None, None, timedelta(), -HOUR, HOUR, 2 * DAY)),
        life=st.sampled_from((None, None, TICK, MINUTE, HOUR, DAY)),
        scope=st.sampled_from((None, None, None, ("images",), METERS[::-1])),
        paid=st.sampled_from(("10", "0", "3.33")),
        reference=st.sampled_from((None, None, "p1", "p2")),
    )
    def issue_grant(
        self,
        *,
        customer: str,
        asset: str,
        units: int,
        source: GrantSource,
        priority: int,
        effective: timedelta | None,
        life: timedelta | None,
        scope: tuple[str, ...] | None,
        paid: str,
        reference: str | None,
    ) -> None:
        start = self.now + (effective or timedelta())
        command = IssueGrant(
            self.name("g"),
            customer,
            asset,
            str(units),
            source,
            paid=Money(paid, "USD") if source == "PAID" else None,
            priority=priority,
            effective_at=start if effective is not None else None,
            expires_at=start + life if life is not None else None,
            meters=scope,
            reference=reference and f"{customer}-{reference}",
        )
        self.send(command)

    @of_theme("overage", "holds")
    @rule(customer=customers, units=st.integers(1, 80), paid=flags)
    def issue_plain_grant(self, customer: str, units: int, paid: bool) -> None:
        money = Money("10", "USD") if paid else None
        source: GrantSource = "PAID" if paid else "PROMOTIONAL"
        self.send(IssueGrant(self.name("g"), customer, "POINT", str(units), source, money))

    @of_theme("overage")
    @precondition(lambda self: self.owed())
    @rule(share=st.sampled_from((2, 3, 4, 1)))
    def repay_a_part(self, share: int) -> None:
        money = Money("10", "USD")
        units = max(1, self.owed() // share)
        self.send(IssueGrant(self.name("g"), "ext:acme", "POINT", str(units), paid=money))

    def owed(self) -> int:
        return self.model.wallets["ext:acme"].owed("POINT")

    @of_theme("holds", "deaths")
    @precondition(lambda self: self.grants())
    @rule(pick=picks, in_use=flags)
    def void_grant(self, pick: int, in_use: bool) -> None:
        self.send(VoidGrant(self.grant(pick, in_use).id, "mistake"))

    def grant(self, pick: int, in_use: bool) -> model.Grant:
        """Return any grant; or one that holds and charges have touched, if there is one."""
        used = [grant for grant in self.grants() if grant.held or grant.burned]
        return pick_of(used if used and in_use else self.grants(), pick)

    @of_theme("deaths")
    @precondition(lambda self: self.grants())
    @rule(
        pick=picks,
        credit=st.sampled_from((None, "1", "7", "30", "all")),
        money=st.sampled_from((None, None, "1", "3.33", "0.000000001", "11")),
        keyed=flags,
    )
    def refund_grant(self, pick: int, credit: str | None, money: str | None, keyed: bool) -> None:
        grant = self.grant(pick, in_use=True)
        if credit == "all":
            credit = str(max(grant.free, 1))
        self.send(
            RefundGrant(
                grant.id,
                "unhappy",
                credit,
                Money(money, "USD") if money is not None else None,
                self.name("k") if keyed else None,
            )
        )

    @of_theme("deaths")
    @precondition(lambda self: self.grants())
    @rule(pick=picks, by=st.sampled_from((None, TICK, HOUR, DAY, -TICK, -HOUR, timedelta())))
    def extend_grant(self, pick: int, by: timedelta | None) -> None:
        """To never, to a moment from now, or to earlier than its end."""
        grant = self.grant(pick, in_use=True)
        self.send(ExtendGrant(grant.id, self.now + by if by is not None else None, "goodwill"))

    @of_theme("overage")
    @rule(
        customer=customers,
        units=st.integers(1, 30),
        reason=st.sampled_from(
            ("EXTERNAL_TOPUP", "GIFT", "SERVICE_CREDIT", "CORRECTION", "FORFEITURE", "FEE")
        ),
        debit=flags,
        life=st.sampled_from((None, HOUR, -HOUR)),
        reference=st.sampled_from((None, "p1")),
    )
    def adjust_wallet(
        self,
        *,
        customer: str,
        units: int,
        reason: AdjustmentReason,
        debit: bool,
        life: timedelta | None,
        reference: str | None,
    ) -> None:
        if reason in ("FORFEITURE", "FEE") or (reason == "CORRECTION" and debit):
            self.send(AdjustWallet(self.name("a"), customer, "POINT", str(-units), reason))
            return
        self.send(
            AdjustWallet(
                self.name("a"),
                customer,
                "POINT",
                str(units),
                reason,
                Money("5", "USD") if reason == "EXTERNAL_TOPUP" else None,
                reference and f"{customer}-{reference}",
                self.now + life if life is not None else None,
            )
        )

    # Usage

    @of_theme("overage", "deaths")
    @rule(
        customer=customers,
        asset=assets,
        units=some,
        meter=meters,
        ago=st.sampled_from(
            (None, None, None, timedelta(), HOUR, 35 * DAY, 35 * DAY + TICK, -5 * MINUTE, -HOUR)
        ),
        delivered=seldom,
    )
    def record_usage(
        self,
        *,
        customer: str,
        asset: str,
        units: int,
        meter: str,
        ago: timedelta | None,
        delivered: bool,
    ) -> None:
        occurred = self.now - ago if ago is not None else None
        self.send(self.usage(customer, asset, units, meter, occurred, delivered=delivered))

    @of_theme("deaths")
    @precondition(lambda self: any(grant.expires_at for grant in self.grants()))
    @rule(pick=picks, units=some, early=flags)
    def record_usage_of_an_expiring_grant(self, pick: int, units: int, early: bool) -> None:
        """Usage that occurred just before, or at, the end of a grant."""
        expiring = [grant for grant in self.grants() if grant.expires_at is not None]
        grant = pick_of(expiring, pick)
        assert grant.expires_at is not None
        customer = self.owner(VoidGrant(grant.id, ""))
        occurred = grant.expires_at - (TICK if early else timedelta())
        self.send(self.usage(customer, grant.asset, units, "tokens", occurred))

    @of_theme("overage")
    @rule(
        charged=st.lists(st.tuples(customers, assets, some, meters, seldom), min_size=1),
        repeat=flags,
        held=st.booleans(),
        pick=picks,
    )
    def record_usage_together(
        self,
        charged: list[tuple[str, str, int, str, bool]],
        repeat: bool,
        held: bool,
        pick: int,
    ) -> None:
        """One batch: charges of both customers, a repetition, a hold, a capture."""
        commands: list[Command] = [
            replace(
                self.usage(customer, asset, units, meter, delivered=delivered),
                event_id=f"{self.name('b')}-{place}",
            )
            for place, (customer, asset, units, meter, delivered) in enumerate(charged)
        ]
        if repeat:
            commands.append(commands[0])
        if held:
            commands.insert(len(commands) // 2, self.authorization("ext:acme", "POINT", 5, 60))
        if self.holds():
            commands.insert(1, CaptureUsage(pick_of(self.holds(), pick).id))
        self.send_together(commands)

    @of_theme()
    @rule(customer=customers, units=some, meter=meters)
    def check_usage(self, customer: str, units: int, meter: str) -> None:
        """Decided as if recorded; nothing is."""
        command = self.usage(customer, "POINT", units, meter)
        expected = deepcopy(self.model).do(command)
        rows = len(self.books.log.rows)
        try:
            answer: Answer | Refusal = self.books.do(replace(command, dry=True))
        except Refusal as refusal:
            answer = refusal
        self.compare(answer, expected)
        assert len(self.books.log.rows) == rows

    def usage(
        self,
        customer: str,
        asset: str,
        units: int,
        meter: str,
        occurred: datetime | None = None,
        *,
        delivered: bool = False,
    ) -> RecordUsage:
        return RecordUsage(
            self.name("e"),
            customer,
            meter,
            occurred_at=occurred,
            amount=str(units),
            asset=asset,
            delivered=delivered,
        )

    @of_theme("overage", "deaths")
    @precondition(lambda self: self.charges())
    @rule(
        pick=picks,
        units=st.sampled_from((None, None, 1, 5, "all", "more")),
        compensate=flags,
        hard=flags,
    )
    def refund_charge(
        self, pick: int, units: int | str | None, compensate: bool, hard: bool
    ) -> None:
        """Any charge; or one whose overage was repaid, or which a grant paid that is dead."""
        dead = {grant.id for grant in self.grants() if grant.dead or not grant.remaining}
        charges = [
            charge
            for charge in self.charges()
            if dead & set(charge.allocations) or any(unit.repaid_by for unit in charge.overage)
        ]
        charge = pick_of(charges if charges and hard else self.charges(), pick)
        left = charge.amount - charge.refunded
        amount = {"all": left or 1, "more": left + 1}.get(str(units), units)
        self.send(
            RefundCharge(
                charge.id,
                "test",
                self.name("r"),
                str(amount) if amount is not None else None,
                compensate,
            )
        )

    # Holds

    @of_theme("holds", "deaths")
    @rule(
        customer=customers,
        asset=assets,
        units=st.integers(1, 20),
        ttl_seconds=st.sampled_from((900, 7_200, 1, 60)),
        twice=flags,
    )
    def authorize_usage(
        self, customer: str, asset: str, units: int, ttl_seconds: int, twice: bool
    ) -> None:
        self.send(self.authorization(customer, asset, units, ttl_seconds))
        if twice:
            self.send(self.authorization(customer, asset, units // 2 + 1, ttl_seconds))

    def authorization(
        self, customer: str, asset: str, units: int, ttl_seconds: int
    ) -> AuthorizeUsage:
        return AuthorizeUsage(
            self.name("h"),
            customer,
            METERS[len(self.sent) % 2],
            amount=str(units),
            asset=asset,
            ttl_seconds=ttl_seconds,
        )

    @of_theme("holds")
    @precondition(lambda self: self.holds())
    @rule(
        pick=picks,
        live=flags,
        more=st.sampled_from((None, 0, -1, -5, 1, 10, -1_000)),
        own=flags,
        final=flags,
        delivered=seldom,
        quantity=st.sampled_from((None, "3")),
    )
    def capture_usage(
        self,
        *,
        pick: int,
        live: bool,
        more: int | None,
        own: bool,
        final: bool,
        delivered: bool,
        quantity: str | None,
    ) -> None:
        hold = self.hold(pick, live)
        amount = None if more is None else str(max(0, hold.held + more))
        self.send(
            CaptureUsage(
                hold.id,
                amount,
                quantity,
                None if own else self.name("c"),
                final or own,
                delivered,
            )
        )

    def hold(self, pick: int, live: bool = True) -> model.Hold:
        """Return any hold; or an open one, if there is one."""
        holds = [hold for hold in self.holds() if hold.status == "OPEN"]
        return pick_of(holds if holds and live else self.holds(), pick)

    @of_theme("holds")
    @precondition(lambda self: self.holds())
    @rule(
        pick=picks,
        ttl_seconds=st.sampled_from((None, 1, 3_600)),
        more=st.sampled_from((None, 0, -1, 5, 20)),
    )
    def extend_hold(self, pick: int, ttl_seconds: int | None, more: int | None) -> None:
        hold = self.hold(pick)
        amount = None if more is None else str(max(1, hold.amount + more))
        if ttl_seconds is not None or amount is not None:
            self.send(ExtendHold(hold.id, ttl_seconds, amount))

    @of_theme("holds", "deaths")
    @precondition(lambda self: self.holds())
    @rule(pick=picks)
    def release_hold(self, pick: int) -> None:
        self.send(ReleaseHold(self.hold(pick).id))

    # Settings

    @of_theme("holds")
    @rule(customer=customers, mode=st.sampled_from(("CONTROL", "HYBRID", "SHADOW", "CONTROL")))
    def set_wallet_mode(self, customer: str, mode: WalletMode) -> None:
        self.send(SetWalletMode(customer, mode))

    @of_theme("overage")
    @rule(customer=customers, limit=st.sampled_from(("0", "5", "30", None)))
    def set_overage_limit(self, customer: str, limit: str | None) -> None:
        self.send(SetOverageLimit(customer, "POINT", limit))

    @of_theme("holds")
    @rule(customer=customers, freeze=seldom)
    def freeze_or_unfreeze(self, customer: str, freeze: bool) -> None:
        self.send(FreezeWallet(customer, "fraud") if freeze else UnfreezeWallet(customer))

    # Said twice

    @of_theme("overage")
    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def say_again(self, pick: int) -> None:
        self.send(self.sent[-1 - pick % len(self.sent)][2])

    @of_theme()
    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def say_otherwise(self, pick: int) -> None:
        """The same key with other content."""
        command = self.sent[-1 - pick % len(self.sent)][2]
        if isinstance(command, RecordUsage | AuthorizeUsage | IssueGrant):
            assert command.amount is not None
            command = replace(command, amount=str(int(command.amount) + 1))
        elif isinstance(command, RefundCharge):
            command = replace(command, compensate=not command.compensate)
        elif isinstance(command, AdjustWallet):
            command = replace(command, amount=str(int(command.amount) * 2))
        elif isinstance(command, CaptureUsage) and command.amount is not None:
            command = replace(command, amount=str(int(command.amount) + 1))
        self.send(command)

    @of_theme()
    @precondition(lambda self: self.holds())
    @rule(pick=picks, other=picks, units=some, how=st.sampled_from(("usage", "capture", "hold")))
    def share_an_event_id(self, pick: int, other: int, units: int, how: str) -> None:
        """Events of recordUsage, authorizeUsage and captureUsage share one space."""
        hold = pick_of(self.holds(), pick)
        if how == "usage":
            command = self.usage(hold.customer, hold.asset, units, hold.meter)
            self.send(replace(command, event_id=hold.event_id))
        elif how == "capture":
            own = [each for each in self.holds() if each.customer == hold.customer]
            self.send(CaptureUsage(pick_of(own, other).id, "1", event_id=hold.event_id))
        else:
            events = [
                command.event_id
                for _, customer, command in self.sent
                if isinstance(command, RecordUsage | CaptureUsage) and customer == hold.customer
            ]
            taken = next((event for event in reversed(events) if event is not None), "e")
            again = self.authorization(hold.customer, hold.asset, units + 1, 60)
            self.send(replace(again, event_id=taken))

    # After each step

    @invariant()
    def every_figure_is_the_models(self) -> None:
        self.steps += 1
        for customer in CUSTOMERS:
            live = self.live(customer)
            wallet = live.as_of(self.now)
            expected = self.model.wallets[customer]
            assert (wallet.mode, wallet.frozen) == (expected.mode, expected.frozen)
            for account in wallet.accounts.values():
                check_account(account, wallet, self.now)
                compare_account(account, expected, self.now)
            compare_holds(wallet, expected)
            if not is_due(live, self.now):
                self.compare_grants(wallet, expected)
            if self.steps % 10 == 0:
                check_memory(live, self.books)

    def compare_grants(self, wallet: Wallet, expected: model.Wallet) -> None:
        for grant in expected.grants.values():
            kept = wallet.accounts[grant.asset].grants.get(grant.id)
            told = self.told(grant.id)
            assert told.status == grant.status
            assert told.expires_at == grant.expires_at
            figures = kept or told.figures
            assert (figures.burned_units, figures.expired_units, figures.revoked_units) == (
                grant.burned,
                grant.expired,
                grant.revoked,
            )
            assert (kept.remaining_units if kept else 0) == grant.remaining
            assert (kept.held_units if kept else 0) == grant.held
            if kept is not None:
                assert kept.stream_version == told.version

    def told(self, grant_id: str) -> CreditGrant:
        """Return a grant as its own stream tells it."""
        versions = len(self.books.log.streams[grant_id])
        if self.dead.get(grant_id, (0, None))[0] != versions:
            self.dead[grant_id] = (versions, self.books.grant_state(grant_id))
        return self.dead[grant_id][1]

    # In the end

    def teardown(self) -> None:
        books = self.books
        for customer in CUSTOMERS:
            check_memory(self.live(customer), books)
        for charge in self.charges():
            told = UsageCharge.fold(books.log.stream(charge.id))
            assert told is not None
            compare_charge(told, charge)
        made = Counter(
            stream
            for stream, _, topic, _ in books.log.rows
            if topic in ("charge.settled", "charge.observed", "charge.captured")
        )
        assert set(made.values()) <= {1}
        for customer in CUSTOMERS:
            self.compare_with_the_customer_alone(customer)

    def compare_with_the_customer_alone(self, customer: str) -> None:
        """What happens in other wallets does not matter to any figure."""
        alone = new_books()
        alone.do(ConfigureTenant(settlement_grace_seconds=self.grace_seconds))
        for at, owner, command in self.sent:
            if owner == customer:
                alone.clock.at = at
                alone.do_together([command])
        wallet = alone.cache.get(self.wallet_id(customer))
        assert wallet is not None
        assert wallet.as_of(self.now).state() == self.live(customer).as_of(self.now).state()


def new_books() -> Books:
    books = Books()
    books.do(DefineAsset("POINT", "Points", scale=0))
    books.do(DefineAsset("MILE", "Miles", scale=0))
    for customer in CUSTOMERS:
        books.customer(customer.removeprefix("ext:"))
    return books


def pick_of(several: Sequence[T], pick: int) -> T:
    return several[-1 - pick % len(several)]


def is_due(wallet: Wallet, now: datetime) -> bool:
    return bool(wallet.due) and wallet.due[0][0] <= now


def refused(refusal: Refusal) -> model.Refused:
    match refusal:
        case InvalidInput(field=about) | IdempotencyConflict(field=about):
            return model.Refused(refusal.code, about)
        case InvalidState(state=about) | NotFound(what=about):
            return model.Refused(refusal.code, about)
        case InsufficientFunds():
            return model.Refused(
                refusal.code, None, refusal.required_units, refusal.available_units
            )
        case _:
            raise AssertionError(refusal)


# What is said of a charge and a hold


def compare_charge(charge: UsageCharge, expected: model.Charge) -> None:
    assert charge.id == expected.id
    assert charge.status == expected.status
    assert charge.amount_units == expected.amount
    assert charge.refunded_units == expected.refunded
    assert dict(charge.allocations) == expected.allocations
    assert charge.refunded_parts == expected.back
    assert charge.overage_units == len(expected.overage)
    assert charge.would_refuse == expected.would_refuse
    assert charge.balance_after_units == expected.balance_after
    paid = sum(units for _, units in charge.allocations) + charge.overage_units
    assert paid == (0 if charge.status == "OBSERVED" else charge.amount_units)


def compare_authorization(charge: UsageCharge, expected: model.Hold) -> None:
    hold = charge.authorization
    assert hold is not None
    assert (hold.hold_id, hold.status) == (expected.id, expected.status)
    assert (hold.units, hold.captured_units) == (expected.amount, expected.captured)
    assert hold.expires_at == expected.expires_at
    assert hold.balance_after_units == expected.balance_after


# What a wallet says


def compare_account(account: Account, expected: model.Wallet, now: datetime) -> None:
    asset = account.asset
    grants = expected.of(asset)
    assert account.available_units(now) == expected.available(asset, now)
    for meter in METERS:
        payable = account.available_for_units(meter, now, now)
        assert payable == expected.available(asset, now, meter)
    assert account.held_units == expected.held(asset)
    assert account.owed_units == expected.owed(asset)
    assert account.pending_units == expected.pending(asset)
    assert account.limit_units == expected.limits.get(asset, 0)
    assert account.granted_units == sum(grant.units for grant in grants)
    assert account.burned_units == sum(grant.burned for grant in grants)
    assert account.expired_units == sum(grant.expired for grant in grants)
    assert account.revoked_units == sum(grant.revoked for grant in grants)
    live = {grant.id for grant in grants if grant.remaining}
    assert set(account.grants) == live


def compare_holds(wallet: Wallet, expected: model.Wallet) -> None:
    holds = {hold.id: hold for hold in expected.open_holds()}
    assert set(wallet.holds) == set(holds)
    for hold_id, hold in wallet.holds.items():
        other = holds[hold_id]
        pinned = {
            grant.id: grant.at(other.place)
            for grant in expected.of(other.asset)
            if grant.at(other.place)
        }
        assert hold.pinned == pinned
        assert (hold.held_units, hold.uncovered_units) == (other.held, other.uncovered)
        assert (hold.shadow, hold.expires_at) == (other.shadow, other.expires_at)


def check_account(account: Account, wallet: Wallet, now: datetime) -> None:
    """granted = remaining + burned + expired + revoked; available = usable remaining - held
    (less what dead grants keep pinned) - owed; nothing is negative.
    """
    grants = account.grants.values()
    remaining_units = sum(grant.remaining_units for grant in grants)
    assert account.granted_units == (
        remaining_units + account.burned_units + account.expired_units + account.revoked_units
    )
    usable = [grant for grant in grants if grant.pays_at(now, now)]
    dead_held_units = sum(grant.held_units for grant in grants if grant not in usable)
    assert account.available_units(now) == (
        sum(grant.remaining_units for grant in usable)
        - (account.held_units - dead_held_units)
        - account.owed_units
    )
    for grant in grants:
        assert 0 <= grant.held_units <= grant.remaining_units <= grant.terms.amount_units
        assert min(grant.burned_units, grant.expired_units, grant.revoked_units) >= 0
        assert grant.terms.amount_units == (
            grant.remaining_units + grant.burned_units + grant.expired_units + grant.revoked_units
        )
        pinned = [hold.pinned.get(grant.terms.grant_id, 0) for hold in wallet.holds.values()]
        assert grant.held_units == sum(pinned)
    holds = [hold for hold in wallet.holds.values() if hold.asset == account.asset]
    real = [hold for hold in holds if not hold.shadow]
    assert account.held_units == sum(hold.held_units for hold in real)
    assert account.uncovered_held_units == sum(hold.uncovered_units for hold in real)
    for hold in real:
        assert hold.held_units == sum(hold.pinned.values()) + hold.uncovered_units
    assert min(account.held_units, account.uncovered_held_units, account.owed_units) >= 0


def check_memory(live: Wallet, books: Books) -> None:
    """A wallet in memory is what its log tells, what its snapshot tells, and consistent."""
    folded = Wallet.fold(books.log.stream(live.id))
    assert folded is not None
    others = [folded, reloaded(live)]
    use_up(live.copied())
    for other in others:
        assert other.version == live.version
        assert other.recorded_at == live.recorded_at
        assert other.state() == live.state()
        assert other.due == live.due
        for asset, account in live.accounts.items():
            assert shape(other.accounts[asset]) == shape(account)
    assert live.due == sorted(due_by_hand(live))
    for account in live.accounts.values():
        check_indexes(account)
    for hold in live.holds.values():
        assert hold.charge_version == len(books.log.streams[hold.charge_id])


def use_up(scratch: Wallet) -> None:
    """Spend all of a copy and let all of it fall due; the wallet that it is of must not move."""
    for account in scratch.accounts.values():
        for grant in list(account.grants.values()):
            if grant.status == "ACTIVE" and grant.free_units:
                account.debit([(grant.terms.grant_id, grant.free_units)], None)
        check_indexes(account)
    scratch.fall_due(datetime.max.replace(tzinfo=UTC))
    for account in scratch.accounts.values():
        check_indexes(account)


def shape(account: Account) -> tuple[Any, ...]:
    """Return what an account keeps beside its state, so as not to count it anew."""
    queues = {
        scope: [grant.terms.grant_id for _, grant in queue]
        for scope, queue in account.queues.items()
    }
    told = (account.pending_units, account.owed_units)
    return account.usable, queues, *told, account.graced, account.active


def check_indexes(account: Account) -> None:
    paying: dict[Any, list[OpenGrant]] = {}
    for grant in account.in_burn_order():
        if grant.status == "ACTIVE" and grant.free_units:
            paying.setdefault(grant.terms.meters, []).append(grant)
    pending = [grant for grant in account.grants.values() if grant.status == "PENDING"]
    assert shape(account) == (
        {scope: sum(grant.free_units for grant in several) for scope, several in paying.items()},
        {scope: [grant.terms.grant_id for grant in each] for scope, each in paying.items()},
        sum(grant.remaining_units for grant in pending),
        length(account.owed),
        sorted(
            (terms.expires_at, terms.grant_id)
            for terms in (grant.terms for grant in account.grants.values())
            if terms.expires_at is not None and terms.lapses_at != terms.expires_at
        ),
        Counter(
            grant.terms.source for grant in account.grants.values() if grant.status == "ACTIVE"
        ),
    )
    for queue in account.queues.values():
        assert all(key == burn_order(grant.terms) for key, grant in queue)
        assert queue == sorted(queue, key=lambda entry: entry[0])


def due_by_hand(wallet: Wallet) -> list[Any]:
    due: list[Any] = [hold.due_key() for hold in wallet.holds.values()]
    for account in wallet.accounts.values():
        for grant in account.grants.values():
            terms = grant.terms
            if grant.status in ("ACTIVE", "PENDING") and terms.lapses_at is not None:
                due.append((terms.lapses_at, GRANT_EXPIRES, account.asset, terms.grant_id))
                told_at = notice_at(terms)
                if told_at is not None and not grant.expiry_told:
                    due.append((told_at, GRANT_EXPIRES_SOON, account.asset, terms.grant_id))
            if grant.status == "PENDING":
                due.append(
                    (terms.effective_at, GRANT_BECOMES_EFFECTIVE, account.asset, terms.grant_id)
                )
    return due


def attack(theme: str, examples: int, steps: int) -> None:
    machine = type(f"{theme.title()}Machine", (LedgerMachine,), {"theme": theme})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=steps)
    )


def test_invariants_hold_whatever_comes() -> None:
    attack("everything", 200, 50)


@pytest.mark.parametrize("theme", THEMES)
def test_invariants_hold_where_it_is_hardest(theme: str) -> None:
    attack(theme, 200, 50)


@pytest.mark.soak
@pytest.mark.parametrize("theme", ["everything", *THEMES])
def test_invariants_hold_for_long(theme: str) -> None:
    attack(theme, 3_000, 100)
