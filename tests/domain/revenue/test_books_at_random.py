"""What holds of the books whatever happens, in whatever order: sales, usage that comes late,
reversals, changed estimates, days that end, months that close and open again.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from application.commands.accounting_requests import (
    AbandonClose,
    BeginClose,
    CompleteClose,
    EndDays,
    ReopenPeriod,
    SetAccountingPolicy,
)
from application.commands.invoice_requests import CreditedLine, IssueCreditNote, IssueInvoice
from application.commands.requests import (
    AdjustWallet,
    Money,
    RecordGrantPayment,
    RefundGrant,
    RerateWallet,
    RunDueWork,
    SetExchangeRate,
    SetOverageLimit,
    SetWalletMode,
    VoidGrant,
    WithdrawCharge,
)
from application.commands.subscription_requests import (
    CancelSubscription,
    ChangeSubscription,
    Subscribe,
)
from domain import identity
from domain.invoicing.billing import BillingAccount, billing_id
from domain.invoicing.draft import Draft, DraftCycle, DraftLine
from domain.invoicing.events import BilledOverage
from domain.money.exact import exact_value
from domain.refusals import Refusal
from domain.revenue.books import Books as RevenueBooks
from domain.revenue.books import Movements, movements_of
from domain.revenue.chart import CHART
from domain.revenue.folding import FOLD, fold
from domain.revenue.journal import JournalEntry
from domain.revenue.liability import liability_months_of
from domain.revenue.months import last_day, local_day, month_after, month_before, month_of
from domain.revenue.schedule import schedule_of
from domain.revenue.tenant_books import TenantBooks
from domain.revenue.terms import Terms, terms_of
from domain.revenue.trial_balance import Balance, trial_balance_hash
from domain.revenue.unbilled import UnbilledWallet
from domain.wallet import overage
from tests.books import CODEC, START, Books
from tests.catalogue import TierSaid, meter, publish, said_price, use
from tests.plans import Plans, flat, included, seat

ORDER = [account.key for account in CHART]
COLUMNS = ("paid", "recognized", "breakage", "refunded", "escheated", "transferred", "delivered")
PRODUCTS = ("plain", "team", "credits", "ready")
picks = st.integers(0, 99)
units = st.integers(1, 40)
unit_prices = st.sampled_from(("0", "0.5", "1", "3"))
shares = st.sampled_from(("0", "0.1", "0.25", "0.5", "0.999"))
prices = st.sampled_from(("10", "3.33", "0.01", "100", "7.77"))


class BooksMachine(RuleBasedStateMachine):
    """One customer who pays, uses and changes their mind; a tenant who closes months."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.revenue = RevenueBooks()
        self.position = 0
        self.number = 0
        self.grants: list[str] = []
        self.charges: list[Any] = []
        self.subscriptions: list[str] = []
        self.hashes: dict[str, str] = {}
        self.sums: Counter[tuple[str, str, str, bool]] = Counter()
        self.liability = 0
        self.moved: dict[str, dict[str, Movements]] = {}
        self.terms: dict[str, Terms] = {}

    @initialize(timezone=st.sampled_from(("UTC", "America/New_York", "Asia/Tokyo")))
    def begin(self, timezone: str) -> None:
        self.do(SetAccountingPolicy("2026-01", timezone=timezone))
        self.do(SetExchangeRate("CREDIT", "USD", "0.07", START - timedelta(days=60)))
        plans = Plans(self.books, money=None)
        plans.publish("plain", [flat("31")])
        plans.publish("team", [seat("3.33"), flat("2", key="base", in_advance=False)])
        rolling = included("10", rollover=True, rollover_limit="5", recognition="ON_USAGE")
        plans.publish("credits", [flat("20")], [rolling])
        plans.publish("ready", [flat("10")], [included("5", recognition="RATABLE")])
        meter(self.books, "level", "LATEST", unpriced_asset="CREDIT")
        meter(self.books, "calls", unpriced_asset="CREDIT")
        self.do(SetOverageLimit("ext:acme", "CREDIT", "100"))
        self.versions = 0
        self.change_prices("1", "1")

    # Means

    @property
    def now(self) -> datetime:
        return self.books.clock.at

    @property
    def tenant(self) -> TenantBooks:
        return self.revenue.tenant(self.books.tenant_id)

    def name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    def do(self, command: Any) -> Any:
        """Return the answer; None if it is refused."""
        try:
            answer = self.books.do(command)
        except Refusal:
            answer = None
        self.fold()
        return answer

    def fold(self) -> None:
        """Fold what was recorded, event by event, from state as a table would keep it."""
        rows = self.books.log.rows[self.position :]
        for stream, version, topic, state in rows:
            self.position += 1
            event = CODEC.decode(topic, state, stream, version)
            if type(event) not in FOLD:
                continue
            before, closed = len(self.revenue.entries), self.tenant.closed_through
            self.keep_and_load()
            fold(self.revenue, self.position, self.books.tenant_id, event)
            new = self.revenue.entries[before:]
            for number, entry in enumerate(new, start=before + 1):
                self.post(entry, number, closed)
            self.note_movements(new)
            self.terms |= {each.obligation_id: each for each in self.revenue.terms}
            self.revenue.terms.clear()
            if new:
                owed = sum(o.liability for o in self.revenue.obligations.values())
                accrued = sum(each.amount for each in self.tenant.accruals)
                assert self.liability == owed - accrued

    def post(self, entry: JournalEntry, number: int, closed: str) -> None:
        assert entry.number == number
        assert entry.balanced()
        assert all(entry.amounts)
        assert entry.kind != "AUTOMATIC" or entry.period > closed
        for account, amount in zip(entry.accounts, entry.amounts, strict=True):
            self.sums[entry.period, entry.fact, account, amount > 0] += amount
            if account == "contract_liability":
                self.liability -= amount

    def note_movements(self, new: list[JournalEntry]) -> None:
        for (_, obligation_id, period), moved in movements_of(new).items():
            kept = self.moved.setdefault(obligation_id, {}).setdefault(period, moved)
            if kept is not moved:
                for column in COLUMNS:
                    setattr(kept, column, getattr(kept, column) + getattr(moved, column))

    def keep_and_load(self) -> None:
        """Let state go through the text in which a table keeps it."""
        tenants, wallets = self.revenue.tenants, self.revenue.wallets
        for tenant_id, tenant in tenants.items():
            tenants[tenant_id] = msgspec.convert(
                msgspec.json.decode(msgspec.json.encode(tenant)), TenantBooks
            )
        for wallet_id, wallet in wallets.items():
            wallets[wallet_id] = msgspec.convert(
                msgspec.json.decode(msgspec.json.encode(wallet)), UnbilledWallet
            )

    # What customers do

    @rule(
        amount=units, price=prices, taxed=st.booleans(), ends=st.integers(0, 70),
        how=st.sampled_from(("RECEIVED", "RECEIVED", "DUE", "CANCELLABLE")),
        bundle=st.sampled_from((None, None, "b1", "b2", "RATABLE")),
    )  # fmt: skip
    def buy(self, **drawn: Any) -> None:
        ends_at = self.now + timedelta(days=drawn["ends"], hours=5) if drawn["ends"] else None
        terms: dict[str, Any] = {"expires_at": ends_at, "payment": drawn["how"]}
        if drawn["taxed"] and drawn["price"] != "0.01":
            terms["tax"] = "0.5"
        if drawn["bundle"] != "RATABLE":
            terms["bundle_id"] = drawn["bundle"]
        elif ends_at is not None:
            terms["recognition"] = "RATABLE"
        self.give(str(drawn["amount"]), paid=Money(drawn["price"], "USD"), **terms)

    @rule(amount=units, bundle=st.sampled_from((None, "b1", "b2")))
    def give_free(self, amount: int, bundle: str | None) -> None:
        self.give(str(amount), source="PROMOTIONAL", bundle_id=bundle)

    def give(self, amount: str, **terms: Any) -> None:
        with suppress(Refusal):
            self.grants.append(self.books.grant(self.name(), amount, **terms))
        self.fold()

    @rule(amount=units, late_hours=st.sampled_from((0, 0, 1, 30, 24 * 12, 24 * 34)))
    def use(self, amount: int, late_hours: int) -> None:
        occurred = self.now - timedelta(hours=late_hours)
        with suppress(Refusal):
            charge = self.books.charge(self.name(), str(amount), occurred_at=occurred)
            self.charges.append(charge)
        self.fold()

    @rule(
        what=st.sampled_from(("level", "calls")), quantity=st.integers(0, 30),
        late_hours=st.sampled_from((0, 0, 30)),
    )  # fmt: skip
    def use_at_a_price(self, what: str, quantity: int, late_hours: int) -> None:
        occurred = self.now - timedelta(hours=late_hours)
        with suppress(Refusal):
            charge = use(self.books, self.name(), what, str(quantity), occurred_at=occurred)
            self.charges.append(charge)
        self.fold()

    @rule(level=unit_prices, calls=unit_prices)
    def change_prices(self, level: str, calls: str) -> None:
        """The latest level at a unit price; calls at a volume price that falls."""
        volume = (TierSaid(calls, "20"), TierSaid("0.1"))
        publish(
            self.books, "rates",
            said_price("level", "UNIT", unit_price=level, asset="CREDIT"),
            said_price("calls", "VOLUME", tiers=volume, asset="CREDIT"),
        )  # fmt: skip
        self.versions += 1
        self.fold()

    @rule(pick=picks, what=st.sampled_from((None, "level", "calls")), days=st.integers(1, 40))
    def rate_anew(self, pick: int, what: str | None, days: int) -> None:
        version = pick % self.versions + 1
        since, until = self.now - timedelta(days=days), self.now + timedelta(days=1)
        wallet_id = self.books.wallet().id
        anew = RerateWallet(wallet_id, "rates", version, since, until, "t", what, dry=False)
        if self.do(anew) is not None:
            assert self.do(anew).charges == 0

    @rule(pick=picks)
    def withdraw_a_charge(self, pick: int) -> None:
        if self.charges:
            self.do(WithdrawCharge(self.charges[pick % len(self.charges)].id, "t"))

    @rule(credited=st.sampled_from((None, None, "0.50")))
    def invoice_the_overage(self, credited: str | None) -> None:
        """All of it that is on no invoice, at its rate; a part of that may be credited."""
        account = self.books.wallet().accounts.get("CREDIT")
        ranges = tuple(account.unbilled()) if account is not None else ()
        units = overage.length(ranges)
        exact = exact_value(units, 6, "0.07")
        line = DraftLine("month:2026-01", "CREDIT", None, None, exact, 1, units, "tokens", "CREDIT")
        cycle = DraftCycle("month:2026-01", "2026-01", exact, 0)
        customer = identity.customer_id(self.books.tenant_id, "acme")
        stream = self.books.log.stream(billing_id(self.books.tenant_id, customer))
        billing = BillingAccount.fold(stream)
        version = billing.version if billing is not None else 0
        billed = (BilledOverage("CREDIT", ranges),)
        draft = Draft("USD", version, (line,), (cycle,), billed)
        answer = self.do(IssueInvoice("ext:acme", "USD", draft)) if ranges else None
        if answer is not None and credited is not None:
            lines = (CreditedLine(1, credited),)
            self.do(IssueCreditNote(answer.invoice.id, lines, "t", self.name()))

    @rule(pick=picks, share=st.sampled_from((None, "1", "0.5")), compensate=st.booleans())
    def give_back_a_charge(self, pick: int, share: str | None, compensate: bool) -> None:
        if self.charges:
            charge = self.charges[pick % len(self.charges)]
            with suppress(Refusal):
                self.books.refund(charge, self.name(), share, compensate=compensate)
            self.fold()

    @rule(pick=picks, amount=st.sampled_from((None, "1", "0.5")), money=st.booleans())
    def refund_a_grant(self, pick: int, amount: str | None, money: bool) -> None:
        if self.grants:
            asked = Money("0.02", "USD") if money else None
            self.do(
                RefundGrant(self.grants[pick % len(self.grants)], "t", amount, asked, self.name())
            )

    @rule(pick=picks, keep=st.booleans())
    def void_a_grant(self, pick: int, keep: bool) -> None:
        if self.grants:
            self.do(VoidGrant(self.grants[pick % len(self.grants)], "t", keep))

    @rule(pick=picks)
    def pay_a_grant(self, pick: int) -> None:
        if self.grants:
            self.do(RecordGrantPayment(self.grants[pick % len(self.grants)], self.name()))

    @rule(amount=units, reason=st.sampled_from(("FORFEITURE", "CORRECTION", "FEE")))
    def take_away(self, amount: int, reason: Any) -> None:
        self.do(AdjustWallet(self.name(), "ext:acme", "CREDIT", f"-{amount}", reason))

    @rule(amount=units)
    def apologise(self, amount: int) -> None:
        self.do(AdjustWallet(self.name(), "ext:acme", "CREDIT", str(amount), "SERVICE_CREDIT"))

    @rule(mode=st.sampled_from(("HYBRID", "CONTROL")))
    def change_mode(self, mode: Any) -> None:
        self.do(SetWalletMode("ext:acme", mode))

    @rule(
        product=st.sampled_from(PRODUCTS), collection=st.sampled_from(("WALLET", "INVOICE")),
        quantity=st.integers(1, 3),
    )  # fmt: skip
    def subscribe(self, product: str, collection: Any, quantity: int) -> None:
        answer = self.do(
            Subscribe(self.name(), "ext:acme", product, quantity=quantity, collection=collection)
        )
        if answer is not None:
            self.subscriptions.append(answer.subscription_id)

    @rule(
        pick=picks, product=st.sampled_from(PRODUCTS), quantity=st.integers(1, 3),
        includes=st.sampled_from(("REPLACE", "CARRY", "PRORATE")),
    )  # fmt: skip
    def change_plan(self, pick: int, product: str, quantity: int, includes: Any) -> None:
        if self.subscriptions:
            subscription = self.subscriptions[pick % len(self.subscriptions)]
            self.do(ChangeSubscription(subscription, product, None, quantity, includes=includes))

    @rule(pick=picks, later=st.booleans())
    def cancel(self, pick: int, later: bool) -> None:
        if self.subscriptions:
            subscription = self.subscriptions[pick % len(self.subscriptions)]
            self.do(CancelSubscription(subscription, at_cycle_end=later))

    # What the tenant does

    @rule(
        method=st.sampled_from(("AS_EXPIRED", "PROPORTIONAL", "PROPORTIONAL", "REMOTE")),
        estimate=shares, escheat=st.sampled_from((None, "0", "0.25", "1")), later=st.booleans(),
        portfolio=st.sampled_from((None, None, "asset:CREDIT", "source:PROMOTIONAL")),
    )  # fmt: skip
    def change_policy(
        self, method: Any, estimate: str, escheat: str | None, later: bool, portfolio: str | None
    ) -> None:
        month = month_of(local_day(self.now, self.tenant.timezone))
        self.do(
            SetAccountingPolicy(
                month_after(month) if later else month, portfolio, None, method, estimate, escheat,
                remote_months=1, evidence="seen",
            )
        )  # fmt: skip

    @rule(days=st.sampled_from((1, 1, 3, 10, 33)), hours=st.integers(0, 23))
    def time_passes(self, days: int, hours: int) -> None:
        """As the runner does it: what has lapsed first, then the days, in order."""
        self.books.later(days=days, hours=hours)
        self.do(RunDueWork(self.books.wallet().id))
        yesterday = local_day(self.now, self.tenant.timezone) - timedelta(days=1)
        month = month_before(month_of(yesterday))
        while month <= month_of(yesterday):
            self.do(EndDays(min(last_day(month), yesterday)))
            month = month_after(month)

    @rule(accrual=st.sampled_from((None, None, "1.5")), fails=st.sampled_from((False, False, True)))
    def close_a_month(self, accrual: str | None, fails: bool) -> None:
        month = month_after(self.tenant.closed_through or "2025-12")
        said = (accrual, "USD") if accrual is not None else None
        if self.do(BeginClose(month, said)) is None:
            return
        if fails:
            self.do(AbandonClose(month, ()))
            return
        self.hashes[month] = self.hash_of(month)
        self.do(CompleteClose(month, self.position, self.hashes[month], ()))

    @rule()
    def open_a_month_again(self) -> None:
        month = self.tenant.closed_through
        if month and self.do(ReopenPeriod(month, "a mistake")) is not None:
            del self.hashes[month]

    # What holds

    def hash_of(self, month: str) -> str:
        opening: Counter[str] = Counter()
        moved: Counter[tuple[str, bool]] = Counter()
        for (period, _, account, debit), amount in self.sums.items():
            if period < month:
                opening[account] += amount
            elif period == month:
                moved[account, debit] += amount
        rows = [
            Balance(key, "USD", opening[key], moved[key, True], -moved[key, False])
            for key in ORDER
            if key in opening or (key, True) in moved or (key, False) in moved
        ]
        return trial_balance_hash(month, rows)

    @invariant()
    def a_closed_month_stays_as_it_is(self) -> None:
        assert {month: self.hash_of(month) for month in self.hashes} == self.hashes

    @invariant()
    def every_grant_ends_at_what_was_paid(self) -> None:
        for o in self.revenue.obligations.values():
            months = self.moved.get(o.obligation_id, {})
            rows = list(schedule_of(o, [months[period] for period in sorted(months)]))
            assert (rows[-1].remaining if rows else 0) == o.liability
            assert o.liability >= 0
            if o.ended and not o.remaining_units:
                assert o.liability == 0

    @invariant()
    def the_terms_that_are_kept_are_those_that_hold(self) -> None:
        for o in self.revenue.obligations.values():
            kept = self.terms[o.obligation_id]
            assert kept == terms_of(o, kept.position, kept.recorded_at)

    @invariant()
    def nothing_moves_the_liability_without_a_cause(self) -> None:
        if self.sums:
            facts = [
                (period, fact, key, -minor) for (period, fact, key, _), minor in self.sums.items()
            ]
            months = [period for period, _, _, _ in facts]
            rows = liability_months_of(facts, {}, (min(months), max(months)))
            assert [row.other for row in rows] == [0] * len(rows)
            assert rows[-1].closing == self.liability

    @invariant()
    def credits_are_those_of_the_wallet(self) -> None:
        account = self.books.wallet().accounts.get("CREDIT")
        live = {} if account is None else account.grants
        for o in self.revenue.obligations.values():
            kept = live.get(o.obligation_id)
            if kept is not None and o.obligation_id not in self.lapsing():
                assert kept.remaining_units == o.remaining_units

    def lapsing(self) -> set[str]:
        """Grants that have ended by now, which nobody has written yet."""
        return {
            grant_id
            for grant_id in self.grants
            for grant in [self.books.grant_state(grant_id)]
            if grant.issued.expires_at is not None and grant.issued.expires_at <= self.now
        }

    def teardown(self) -> None:
        """Folded again from zero, the books are the same, to the byte."""
        again = RevenueBooks()
        for position, (stream, version, topic, state) in enumerate(self.books.log.rows, start=1):
            event = CODEC.decode(topic, state, stream, version)
            if type(event) in FOLD:
                fold(again, position, self.books.tenant_id, event)
        assert written(again.entries) == written(self.revenue.entries)
        assert again.obligations == self.revenue.obligations


def written(entries: list[JournalEntry]) -> bytes:
    return msgspec.json.encode(entries)


def test_books_at_random() -> None:
    run_state_machine_as_test(
        BooksMachine, settings=settings(max_examples=40, stateful_step_count=30)
    )


@pytest.mark.soak
def test_books_at_random_for_long() -> None:
    run_state_machine_as_test(
        BooksMachine, settings=settings(max_examples=2_000, stateful_step_count=60)
    )
