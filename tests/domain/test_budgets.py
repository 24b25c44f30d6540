"""Budgets, their templates and the event maximum, decided with the balance."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.budgets import BudgetFigures, budgets_shown
from application.commands.requests import (
    AdjustWallet,
    ExtendHold,
    FreezeWallet,
    RecordUsage,
    ReleaseHold,
    SetWalletMode,
    UpdateCustomer,
)
from application.commands.spend_requests import (
    RemoveBudget,
    RemoveBudgetTemplate,
    SetBudget,
    SetBudgetTemplate,
    SetEventMaximum,
)
from domain.refusals import (
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    SpendLimitReached,
)
from domain.tenancy.tenant import Tenant
from domain.wallet.derived_budgets import BudgetCounted
from domain.wallet.spend_events import ThresholdCrossed
from domain.wallet.subjects import matches, prefixes
from domain.wallet.windows import window_of
from tests.books import START, Books, amount, reloaded

MIDNIGHT = datetime(2026, 1, 11, tzinfo=UTC)


@pytest.fixture
def books() -> Books:
    """acme with 100 credits."""
    books = Books()
    books.customer()
    books.grant("A", "100")
    return books


def budget(books: Books, subject: str, limit: str, period: Any = "DAY", **terms: Any) -> str:
    answer = books.do(SetBudget("ext:acme", subject, "CREDIT", limit, period, **terms))
    budget_id: str = answer.figures.budget_id
    return budget_id


def refused(books: Books, event_id: str, amount: str, **report: Any) -> SpendLimitReached:
    before = len(books.log.rows)
    with pytest.raises(SpendLimitReached) as caught:
        books.charge(event_id, amount, **report)
    assert len(books.log.rows) == before
    return caught.value


def shown(books: Books) -> dict[tuple[str, str], BudgetFigures]:
    """Return budgets as they are shown, by subject and period."""
    wallet = books.wallet()
    tenant = Tenant.fold(books.log.stream(books.tenant_id))
    assert tenant is not None
    counted = {
        event.originator_id: event for event in books.log.all() if isinstance(event, BudgetCounted)
    }
    figures = budgets_shown(wallet, tenant.budget_templates, counted, books.clock.at)
    return {(each.subject, each.period): each for each in figures}


def spent(books: Books, subject: str, period: str = "DAY") -> tuple[str, str]:
    """Return what a budget shows as spent and held."""
    figures = shown(books)[subject, period]
    return amount(figures.spent_units), amount(figures.held_units)


def test_r10_budget(books: Books) -> None:
    # given
    budget_id = budget(books, "agent-7", "5")
    # when
    books.charge("a", "3", subject="agent-7")
    books.charge("b", "2", subject="agent-7")
    refusal = refused(books, "c", "0.000001", subject="agent-7")
    # then
    assert (refusal.limit, refusal.allowed_units, refusal.spent_units) == (budget_id, 0, 5_000_000)
    assert refusal.resets_at == MIDNIGHT
    assert refusal.retryable
    books.charge("d", "1", subject="agent-8")
    # and: it is open again at midnight, for the very same event
    books.clock.at = MIDNIGHT
    books.charge("c", "0.000001", subject="agent-7")
    assert spent(books, "agent-7") == ("0.000001", "0")


def test_r23_windows() -> None:
    # given / when / then
    def window(period: Any, zone: str, at: str) -> list[str]:
        start, end = window_of(period, zone, 1, datetime.fromisoformat(at))
        return [start.isoformat(), end.isoformat() if end else "never"]

    assert window("DAY", "Asia/Shanghai", "2026-01-10T12:00+00:00") == [
        "2026-01-09T16:00:00+00:00",
        "2026-01-10T16:00:00+00:00",
    ]
    assert window("DAY", "America/New_York", "2026-03-08T12:00+00:00") == [
        "2026-03-08T05:00:00+00:00",
        "2026-03-09T04:00:00+00:00",
    ]
    assert window("MONTH", "America/New_York", "2026-03-10T12:00+00:00")[1] == (
        "2026-04-01T04:00:00+00:00"
    )
    assert window("TOTAL", "UTC", "2026-03-10T12:00+00:00")[1] == "never"


def test_r23_used_up_opens_at_local_midnight() -> None:
    # given: 100 a day in Asia/Shanghai, used up at noon there
    books = Books(datetime(2026, 1, 10, 4, tzinfo=UTC))
    books.customer(timezone="Asia/Shanghai")
    books.grant("A", "1000")
    budget(books, "", "100")
    books.charge("a", "100")
    # when
    books.at(2026, 1, 10, 15, 59, 59, 999_999)
    refusal = refused(books, "b", "1")
    books.at(2026, 1, 10, 16)
    books.charge("b", "1")
    # then
    assert refusal.resets_at == datetime(2026, 1, 10, 16, tzinfo=UTC)
    assert spent(books, "") == ("1", "0")


def test_r24_template(books: Books) -> None:
    # given
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "5", "DAY"))
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "20", "TOTAL"))
    # when: the first event is refused, nothing of a budget is written
    refusal = refused(books, "first", "5.000001", subject="agent:new")
    assert refusal.allowed_units == 5_000_000
    assert shown(books) == {}
    # and: days of 5
    for day in range(4):
        books.charge(f"day-{day}", "5", subject="agent:new")
        assert refused(books, "more", "0.000001", subject="agent:new").retryable
        books.later(days=1)
    # then: on day five TOTAL refuses
    refusal = refused(books, "day-4", "0.000001", subject="agent:new/run-1")
    assert refusal.resets_at is None
    assert not refusal.retryable
    assert refusal.limit == shown(books)["agent:new", "TOTAL"].budget_id
    assert spent(books, "agent:new", "TOTAL") == ("20", "0")
    books.charge("other", "5", subject="agent:other")


def test_nested_budgets_must_all_allow(books: Books) -> None:
    # given
    whole = budget(books, "", "50", "MONTH")
    project = budget(books, "project-x", "20")
    agent = budget(books, "project-x/agent-7", "5")
    # when
    books.charge("a", "5", subject="project-x/agent-7")
    books.charge("b", "15", subject="project-x/agent-8")
    # then
    assert refused(books, "c", "1", subject="project-x/agent-9").limit == project
    assert refused(books, "c", "31").limit == whole
    books.charge("d", "30")
    books.at(2026, 1, 11)
    assert refused(books, "e", "6", subject="project-x/agent-7").limit == whole
    # and: a prefix is whole segments
    budget(books, "", "1000", "MONTH")
    assert refused(books, "f", "6", subject="project-x/agent-7/run").limit == agent
    books.charge("g", "21", subject="project-x2/agent-7")


def test_event_maximum_is_asked_before_budgets(books: Books) -> None:
    # given
    budget(books, "", "2")
    books.do(SetEventMaximum("ext:acme", "CREDIT", "3"))
    # when
    refusal = refused(books, "a", "3.000001")
    # then
    assert (refusal.limit, refusal.allowed_units) == ("event-maximum", 3_000_000)
    assert not refusal.retryable
    assert refused(books, "a", "3").limit != "event-maximum"
    books.do(SetEventMaximum("ext:acme", "CREDIT", None))
    assert refused(books, "a", "3.000001").limit != "event-maximum"


@pytest.mark.parametrize("mode", ["SHADOW", "HYBRID"])
def test_other_modes_only_say_so(books: Books, mode: Any) -> None:
    # given
    budget(books, "", "5")
    books.do(SetWalletMode("ext:acme", mode))
    # when
    within = books.charge("a", "5")
    beyond = books.charge("b", "1")
    # then
    assert (within.would_refuse, beyond.would_refuse) == (False, True)
    assert spent(books, "") == ("6", "0")
    # and: an adjustment is real in every mode
    with pytest.raises(SpendLimitReached):
        books.do(AdjustWallet("k", "ext:acme", "CREDIT", "-1", "FEE"))


def test_delivered_work_is_recorded(books: Books) -> None:
    # given
    budget(books, "", "5")
    # when
    charge = books.charge("a", "6", delivered=True)
    # then
    assert charge.would_refuse
    assert spent(books, "") == ("6", "0")


def test_zero_is_never_refused(books: Books) -> None:
    budget(books, "", "0")
    assert books.charge("a", "0").status == "SETTLED"
    assert refused(books, "b", "0.000001").allowed_units == 0


def test_what_is_held_counts(books: Books) -> None:
    # given
    budget_id = budget(books, "agent-7", "10")
    # when
    hold = books.authorize("a", "6", subject="agent-7/run-1")
    # then
    assert spent(books, "agent-7") == ("0", "6")
    assert refused(books, "b", "5", subject="agent-7").allowed_units == 4_000_000
    with pytest.raises(SpendLimitReached):
        books.do(ExtendHold(hold, amount="10.000001"))
    books.do(ExtendHold(hold, amount="10"))
    # and: within the hold a capture is never refused, above it is
    budget(books, "agent-7", "2")
    with pytest.raises(SpendLimitReached) as caught:
        books.capture(hold, "10.000001")
    assert (caught.value.limit, caught.value.allowed_units) == (budget_id, 0)
    books.capture(hold, "10")
    assert spent(books, "agent-7") == ("10", "0")


def test_what_a_hold_gives_back_is_free_again(books: Books) -> None:
    # given
    budget(books, "agent-7", "10")
    hold = books.authorize("a", "10", subject="agent-7")
    # when: released, captured in part, lapsed
    books.do(ReleaseHold(hold))
    assert spent(books, "agent-7") == ("0", "0")
    hold = books.authorize("b", "10", subject="agent-7")
    books.capture(hold, "4")
    assert spent(books, "agent-7") == ("4", "0")
    books.authorize("c", "6", subject="agent-7")
    books.later(seconds=900)
    # then
    books.charge("d", "6", subject="agent-7")
    assert spent(books, "agent-7") == ("10", "0")


def test_a_hold_under_a_template(books: Books) -> None:
    # given
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "5", "DAY"))
    # when
    hold = books.authorize("a", "4", subject="agent:x/run")
    # then: it shows though nothing is spent
    assert spent(books, "agent:x") == ("0", "4")
    assert refused(books, "b", "2", subject="agent:x").allowed_units == 1_000_000
    books.capture(hold, "3")
    assert spent(books, "agent:x") == ("3", "0")
    books.charge("b", "2", subject="agent:x")


def test_a_refund_lowers_the_window_of_its_charge(books: Books) -> None:
    # given
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "10", "DAY"))
    budget(books, "", "10")
    charge = books.charge("a", "10", subject="agent:x")
    # when
    books.refund(charge, "r1", "4")
    # then
    assert spent(books, "") == ("6", "0")
    assert spent(books, "agent:x") == ("6", "0")
    # and: not the window of another day
    books.at(2026, 1, 11)
    books.charge("b", "10", subject="agent:x")
    books.refund(charge, "r2", "6")
    assert spent(books, "") == ("10", "0")
    assert spent(books, "agent:x") == ("10", "0")


def test_a_new_budget_starts_at_zero(books: Books) -> None:
    # given
    before = books.charge("a", "7")
    total = budget(books, "", "10", "TOTAL")
    # when: what came before is given back
    books.charge("b", "3")
    books.refund(before, "r")
    # then
    assert spent(books, "", "TOTAL") == ("3", "0")
    # and: removed and set again it starts anew, and has another id
    removed = books.do(RemoveBudget(total))
    assert removed.figures.spent_units == 3_000_000
    assert budget(books, "", "10", "TOTAL") != total
    assert spent(books, "", "TOTAL") == ("0", "0")
    with pytest.raises(NotFound):
        books.do(RemoveBudget(total))


def test_setting_again_changes_the_limit(books: Books) -> None:
    # given
    budget_id = budget(books, "", "5", "WEEK")
    books.charge("a", "5")
    # when
    rows = len(books.log.rows)
    assert budget(books, "", "5.0", "WEEK") == budget_id
    assert len(books.log.rows) == rows
    assert budget(books, "", "6", "WEEK") == budget_id
    # then
    books.charge("b", "1")
    assert refused(books, "c", "1").resets_at == datetime(2026, 1, 12, tzinfo=UTC)
    budget(books, "", "6", "WEEK", week_start=7)
    assert refused(books, "c", "1").resets_at == datetime(2026, 1, 11, tzinfo=UTC)


def test_a_changed_zone_holds_from_the_next_window(books: Books) -> None:
    # given
    budget(books, "", "5")
    books.charge("a", "5")
    # when
    books.do(UpdateCustomer("ext:acme", "Asia/Tokyo", {}))
    # then
    assert refused(books, "b", "1").resets_at == MIDNIGHT
    books.clock.at = MIDNIGHT
    books.charge("b", "5")
    assert refused(books, "c", "1").resets_at == datetime(2026, 1, 11, 15, tzinfo=UTC)


def test_a_template_changed_and_removed(books: Books) -> None:
    # given
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "5", "DAY"))
    books.charge("a", "5", subject="agent:x")
    # when
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "6", "DAY"))
    books.charge("b", "1", subject="agent:x")
    derived = shown(books)["agent:x", "DAY"].budget_id
    with pytest.raises(InvalidInput, match="template"):
        books.do(RemoveBudget(derived))
    books.do(RemoveBudgetTemplate("agent:*", "CREDIT", "DAY"))
    # then
    assert shown(books) == {}
    books.charge("c", "7", subject="agent:x")
    with pytest.raises(NotFound):
        books.do(RemoveBudgetTemplate("agent:*", "CREDIT", "DAY"))


def test_charges_of_one_commit_are_counted_together(books: Books) -> None:
    # given
    books.do(SetBudgetTemplate("agent:*", "CREDIT", "5", "DAY"))
    budget(books, "", "100")
    usage = [
        RecordUsage(
            f"e{n}", "ext:acme", "tokens", amount="1", asset="CREDIT", subject=f"agent:{n % 2}"
        )
        for n in range(12)
    ]
    # when
    answers = books.do_together(usage)
    # then
    assert sum(isinstance(answer, SpendLimitReached) for answer in answers) == 2
    counted = [event for event in books.log.all() if isinstance(event, BudgetCounted)]
    assert [event.spent_units for event in counted] == [5_000_000, 5_000_000]
    assert spent(books, "") == ("10", "0")


def test_marks_are_told_once_a_crossing(books: Books) -> None:
    # given
    budget(books, "agent-7", "10")

    def told() -> list[tuple[str, str, int]]:
        return [
            (event.kind, event.direction, event.threshold)
            for event in books.log.all()
            if isinstance(event, ThresholdCrossed)
        ]

    # when / then
    books.charge("a", "4.999999", subject="agent-7")
    assert told() == []
    books.charge("b", "0.000001", subject="agent-7")
    assert told() == [("BUDGET_THRESHOLD", "UP", 50)]
    first = books.charge("c", "5", subject="agent-7")
    assert told()[1:] == [("BUDGET_THRESHOLD", "UP", 80), ("BUDGET_EXHAUSTED", "UP", 100)]
    books.refund(first, "r", "3")
    assert told()[3:] == [("BUDGET_EXHAUSTED", "DOWN", 100), ("BUDGET_THRESHOLD", "DOWN", 80)]
    books.charge("d", "1", subject="agent-7")
    assert told()[5:] == [("BUDGET_THRESHOLD", "UP", 80)]
    # and: a new window tells anew
    books.clock.at = MIDNIGHT
    books.charge("e", "5", subject="agent-7")
    assert told()[6:] == [("BUDGET_THRESHOLD", "UP", 50)]


def test_order_of_refusals(books: Books) -> None:
    # given: a budget of 5 and 100 available
    budget(books, "", "5")
    # then: the budget before the balance, frozen before both
    assert refused(books, "a", "101").allowed_units == 5_000_000
    budget(books, "", "500")
    with pytest.raises(InsufficientFunds):
        books.charge("a", "101")
    budget(books, "", "5")
    books.do(FreezeWallet("ext:acme", "test"))
    with pytest.raises(InvalidState):
        books.charge("a", "101")


@pytest.mark.parametrize(
    "command, field",
    [
        (SetBudget("ext:acme", "a//b", "CREDIT", "1", "DAY"), "subject"),
        (SetBudget("ext:acme", "/a", "CREDIT", "1", "DAY"), "subject"),
        (SetBudget("ext:acme", "a", "CREDIT", "-1", "DAY"), "limit"),
        (SetBudget("ext:acme", "a", "CREDIT", "0.0000001", "DAY"), "limit"),
        (SetBudget("ext:acme", "a", "CREDIT", "1", "DAY", "Mars/Olympus"), "timezone"),
        (SetBudget("ext:acme", "a", "CREDIT", "1", "WEEK", week_start=0), "weekStart"),
        (SetBudgetTemplate("a/", "CREDIT", "1", "DAY"), "pattern"),
        (SetBudgetTemplate("", "CREDIT", "1", "DAY"), "pattern"),
        (SetBudgetTemplate("a*", "CREDIT", "-1", "DAY"), "limit"),
        (SetEventMaximum("ext:acme", "CREDIT", "-0.1"), "maximum"),
    ],
)
def test_bad_input_is_named(books: Books, command: Any, field: str) -> None:
    before = len(books.log.rows)
    with pytest.raises(InvalidInput) as caught:
        books.do(command)
    assert caught.value.field == field
    assert len(books.log.rows) == before


def test_unknown_things_are_named(books: Books) -> None:
    for command, what in (
        (SetBudget("ext:nobody", "a", "CREDIT", "1", "DAY"), "customer"),
        (SetBudget("ext:acme", "a", "NOPE", "1", "DAY"), "asset"),
        (RemoveBudget("00000000-0000-0000-0000-000000000000"), "budget"),
    ):
        with pytest.raises(NotFound) as caught:
            books.do(command)
        assert caught.value.what == what


def test_a_snapshot_keeps_budgets(books: Books) -> None:
    # given
    budget(books, "agent-7", "10")
    books.do(SetEventMaximum("ext:acme", "CREDIT", "9"))
    books.charge("a", "3", subject="agent-7")
    books.authorize("b", "2", subject="agent-7/run")
    # when
    wallet = books.wallet()
    kept = reloaded(wallet)
    # then
    assert kept.state() == wallet.state()
    assert kept.budgets.held == wallet.budgets.held
    assert kept.budgets.matching("CREDIT", "agent-7") == wallet.budgets.matching(
        "CREDIT", "agent-7"
    )


@pytest.mark.parametrize(
    "pattern, subject, does",
    [
        ("agent:*", "agent:7", True),
        ("agent:*", "agent:", True),
        ("agent:*", "agent:7/run", False),
        ("agent:*", "other", False),
        ("*/agent:*", "p/agent:1", True),
        ("*/agent:*", "agent:1", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*a", "a", False),
        ("team", "team", True),
        ("*", "anything", True),
    ],
)
def test_patterns(pattern: str, subject: str, does: bool) -> None:
    assert matches(pattern, subject) is does


@given(st.text("ab*/", max_size=8), st.text("ab/", max_size=8))
def test_patterns_are_what_a_regular_expression_would_say(pattern: str, subject: str) -> None:
    expression = "[^/]*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, subject) is (re.fullmatch(expression, subject) is not None)


def test_prefixes() -> None:
    assert prefixes("a/b/c") == ("", "a", "a/b", "a/b/c")
    assert prefixes(None) == prefixes("") == ("",)
    assert START.tzinfo is UTC
