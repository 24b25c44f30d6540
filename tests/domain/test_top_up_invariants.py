"""Alerts, thresholds and auto top-up under random histories."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

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

from application.commands.requests import (
    Money,
    ReleaseHold,
    RunDueWork,
    SetExchangeRate,
    SetWalletMode,
    UpdateCustomer,
    VoidGrant,
)
from application.commands.spend_requests import SetBudget
from application.commands.top_up_requests import (
    ReportTopUp,
    ResumeAutoTopUp,
    SetAutoTopUp,
    SetBalanceAlert,
)
from domain.calendar.cycles import calendar_day, calendar_month
from domain.calendar.zones import zone_named
from domain.money.decimals import units_of
from domain.refusals import Refusal
from domain.wallet.events import TimezoneSet
from domain.wallet.spend_events import ThresholdCrossed
from domain.wallet.top_up import TopUp, TopUpOpened, TopUpTold
from domain.wallet.watch_events import AlertSet, AutoTopUpSet
from tests.books import Books, reloaded

HOUR = timedelta(hours=1)
OUTCOMES = ["SETTLED", "SETTLED", "ACTION_REQUIRED", "DECLINED", "DECLINED", "FAILED"]
AMOUNTS = st.sampled_from(["0.000001", "1", "7", "20", "55"])


class WatchedWallet(RuleBasedStateMachine):
    """One customer in HYBRID or CONTROL, with an alert, a budget and an auto top-up."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.books.customer()
        self.keys = 0
        self.holds: list[str] = []
        self.grants: list[str] = []
        self.terms: dict[str, Any] = {}
        self.per_day = 0
        self.per_month: str | None = None

    @initialize(
        mode=st.sampled_from(["HYBRID", "CONTROL"]),
        zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]),
        fill=st.sampled_from([{"amount": "30"}, {"amount": "3"}, {"target": "80"}]),
        per_day=st.integers(1, 4),
        per_month=st.sampled_from([None, "5", "12"]),
    )
    def begin(
        self, mode: Any, zone: str, fill: dict[str, str], per_day: int, per_month: str | None
    ) -> None:
        self.books.do(UpdateCustomer("ext:acme", zone, {}))
        self.per_day, self.per_month = per_day, per_month
        self.terms = {**fill, "max_per_day": per_day}
        if per_month is not None:
            self.terms["max_per_month"] = Money(per_month, "USD")
        if "amount" in fill:
            self.terms["price"] = Money("2", "USD")
        else:
            self.books.do(SetExchangeRate("CREDIT", "USD", "0.05"))
        self.books.do(SetWalletMode("ext:acme", mode))
        self.books.do(SetBudget("ext:acme", "", "CREDIT", "60", "DAY", "UTC"))
        self.books.do(SetBalanceAlert("ext:acme", "CREDIT", "40"))
        self.books.do(SetAutoTopUp("ext:acme", "CREDIT", "50", **self.terms))
        self.grant("55", None, "PAID")

    def key(self) -> str:
        self.keys += 1
        return f"k{self.keys}"

    def send(self, command: Any) -> Any:
        try:
            return self.books.do(command)
        except Refusal:
            return None

    # What happens

    @rule(
        amount=AMOUNTS,
        days=st.sampled_from([None, 1, 4]),
        source=st.sampled_from(["PAID", "PROMOTIONAL"]),
    )
    def grant(self, amount: str, days: int | None, source: Any) -> None:
        ends = self.books.clock.at + timedelta(days=days) if days else None
        self.grants.append(self.books.grant(self.key(), amount, source=source, expires_at=ends))

    @rule(amount=AMOUNTS, delivered=st.booleans())
    def charge(self, amount: str, delivered: bool) -> None:
        with suppress(Refusal):
            self.books.charge(self.key(), amount, delivered=delivered)

    @rule(amount=AMOUNTS)
    def hold(self, amount: str) -> None:
        with suppress(Refusal):
            self.holds.append(self.books.authorize(self.key(), amount))

    @rule()
    def release(self) -> None:
        if self.holds:
            self.send(ReleaseHold(self.holds.pop()))

    @rule()
    def void(self) -> None:
        if self.grants:
            self.send(VoidGrant(self.grants.pop(), "test"))

    @rule(outcome=st.sampled_from(OUTCOMES), back=st.integers(1, 3))
    def report(self, outcome: Any, back: int) -> None:
        requests = self.requests()
        if len(requests) >= back:
            self.send(ReportTopUp(requests[-back].id, outcome))

    @rule(hours=st.sampled_from([0.25, 1, 1, 5, 30, 24 * 9]), written=st.booleans())
    def wait(self, hours: float, written: bool) -> None:
        self.books.later(hours=hours)
        if written:
            self.books.do(RunDueWork(self.books.wallet().id))

    @rule(anew=st.booleans())
    def resume(self, anew: bool) -> None:
        if anew:
            self.send(SetAutoTopUp("ext:acme", "CREDIT", "50", **self.terms))
        else:
            self.send(ResumeAutoTopUp("ext:acme", "CREDIT"))

    @rule(below=st.sampled_from(["40", "41", None]))
    def set_alert(self, below: str | None) -> None:
        self.send(SetBalanceAlert("ext:acme", "CREDIT", below))

    @rule(zone=st.sampled_from(["UTC", "Asia/Tokyo"]))
    def move(self, zone: str) -> None:
        self.send(UpdateCustomer("ext:acme", zone, {}))

    # What always holds

    def requests(self) -> list[TopUp]:
        """Return all requests as they stand, the oldest first."""
        found = [
            TopUp.fold(self.books.log.stream(event.originator_id))
            for event in self.books.log.all()
            if isinstance(event, TopUpOpened)
        ]
        return [each for each in found if each is not None]

    @invariant()
    def at_most_one_request_is_open(self) -> None:
        now = self.books.clock.at
        last = None
        still_open = 0
        for request in self.requests():
            is_open = request.status in ("REQUESTED", "ACTION_REQUIRED")
            still_open += is_open and now < request.opened.times_out_at
            if last is not None and request.requested_at < last.requested_at + HOUR:
                told = self._settled_at(last)
                assert told is not None
                assert told <= request.requested_at
            last = request
        assert still_open <= 1

    def _settled_at(self, request: TopUp) -> datetime | None:
        for event in self.books.log.stream(request.id):
            if isinstance(event, TopUpTold) and event.outcome == "SETTLED":
                return event.timestamp
        return None

    @invariant()
    def limits_are_kept(self) -> None:
        """Requests of each local day and month, by the zone of their time."""
        days: dict[datetime, int] = defaultdict(int)
        zone = zone_named(self.books.wallet().timezone)
        money: dict[datetime, int] = defaultdict(int)
        moved = 0
        for event in self.books.log.all():
            if isinstance(event, TimezoneSet):
                moved += 1
            if isinstance(event, TopUpOpened):
                days[calendar_day(zone, event.timestamp).starts_at] += 1
                status = TopUp.fold(self.books.log.stream(event.originator_id))
                assert status is not None
                if event.price is not None and status.outcome not in ("DECLINED", "FAILED"):
                    money[calendar_month(zone, event.timestamp).starts_at] += event.price.units
        if moved > 1:
            return  # a day that two zones share has no one count
        assert all(count <= self.per_day for count in days.values())
        if self.per_month is not None and not self._settled_after_a_decline():
            assert all(units <= units_of(self.per_month, 9) for units in money.values())

    def _settled_after_a_decline(self) -> bool:
        """A success that comes late is money that no limit could know of."""
        return any(
            request.status == "SETTLED" and len(self.books.log.stream(request.id)) > 2
            for request in self.requests()
        )

    @invariant()
    def thresholds_go_up_and_down_in_turn(self) -> None:
        told: dict[tuple[object, ...], str] = {}
        for event in self.books.log.all():
            if isinstance(event, AlertSet):
                told = {key: way for key, way in told.items() if key[0] != "BALANCE_LOW"}
            elif isinstance(event, AutoTopUpSet):
                told = {key: way for key, way in told.items() if key[0] != "RUNAWAY_TOP_UP"}
            elif isinstance(event, ThresholdCrossed):
                key: tuple[object, ...] = (event.kind, event.threshold, event.about)
                before = "DOWN"
                if event.kind in ("BUDGET_THRESHOLD", "BUDGET_EXHAUSTED"):
                    # Each day begins anew, with what is held.
                    key, before = (*key, event.timestamp.date()), ""
                assert told.get(key, before) != event.direction, event
                told[key] = event.direction

    @invariant()
    def what_was_told_is_what_is(self) -> None:
        wallet = self.books.wallet()
        account = wallet.accounts.get("CREDIT")
        watch = wallet.watches.get("CREDIT")
        if account is None or watch is None:
            return
        available = account.available_units(self.books.clock.at)
        assert watch.alerted == (watch.alert_units is not None and available < watch.alert_units)
        assert account.in_overage == (account.owed_units > 0)
        assert not any(account.has_left(source) for source in account.used_up)
        kept = reloaded(wallet)
        assert (kept.watches, kept.due) == (wallet.watches, wallet.due)


def attack(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        WatchedWallet, settings=settings(max_examples=examples, stateful_step_count=steps)
    )


def test_watched_wallets() -> None:
    attack(80, 40)


@pytest.mark.soak
def test_watched_wallets_at_length() -> None:
    attack(2_000, 60)
