"""Balance alerts, thresholds and auto top-up, decided with the balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.commands.requests import (
    AdjustWallet,
    Command,
    ExtendGrant,
    FreezeWallet,
    Money,
    RecordUsage,
    ReleaseHold,
    RunDueWork,
    SetExchangeRate,
    SetOverageLimit,
    SetWalletMode,
    VoidGrant,
)
from application.commands.top_up_requests import (
    ReportTopUp,
    ResumeAutoTopUp,
    SetAutoTopUp,
    SetBalanceAlert,
)
from domain import identity
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState, NotFound
from domain.wallet.events import GrantExpiring
from domain.wallet.spend_events import ThresholdCrossed
from domain.wallet.top_up import TopUp, TopUpOpened
from domain.wallet.watch_events import TopUpReported
from tests.books import START, Books, amount, reloaded

HOUR = timedelta(hours=1)


@pytest.fixture
def books() -> Books:
    """acme with 100 credits."""
    books = Books()
    books.customer()
    books.grant("A", "100")
    return books


def auto(books: Books, below: str | None, **terms: Any) -> None:
    books.do(SetAutoTopUp("ext:acme", "CREDIT", below, **terms))


def requests(books: Books) -> list[TopUp]:
    """Return the requests there were, oldest first."""
    found = [
        TopUp.fold(books.log.stream(event.originator_id))
        for event in books.log.all()
        if isinstance(event, TopUpOpened)
    ]
    return [each for each in found if each is not None]


def statuses(books: Books) -> list[str]:
    return [each.status for each in requests(books)]


def tell(books: Books, outcome: Any, place: int = -1, **more: Any) -> None:
    books.do(ReportTopUp(requests(books)[place].id, outcome, **more))


def run_due(books: Books) -> None:
    books.do(RunDueWork(books.wallet().id))


def crossed(books: Books, *kinds: str) -> list[tuple[str, str, str]]:
    """Return what was told, as kind, direction and the figure compared."""
    return [
        (event.kind, event.direction, amount(event.units))
        for event in books.log.all()
        if isinstance(event, ThresholdCrossed) and (not kinds or event.kind in kinds)
    ]


# Alerts


def test_an_alert_comes_once_a_crossing(books: Books) -> None:
    # given
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "50"))
    # when: 50 is not below 50
    books.charge("a", "50")
    assert crossed(books) == []
    books.charge("b", "0.000001")
    books.charge("c", "10")
    books.grant("B", "100")
    books.charge("d", "100")
    # then
    assert crossed(books, "BALANCE_LOW") == [
        ("BALANCE_LOW", "UP", "49.999999"),
        ("BALANCE_LOW", "DOWN", "139.999999"),
        ("BALANCE_LOW", "UP", "39.999999"),
    ]


def test_an_alert_is_told_when_it_is_set_below(books: Books) -> None:
    # when
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "100.000001"))
    before = len(books.log.rows)
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "100.000001"))
    # then: said again it writes nothing
    assert crossed(books) == [("BALANCE_LOW", "UP", "100")]
    assert len(books.log.rows) == before
    # and: once it is taken off, nothing is told
    books.do(SetBalanceAlert("ext:acme", "CREDIT", None))
    books.grant("B", "100")
    books.charge("a", "150")
    assert crossed(books, "BALANCE_LOW") == [("BALANCE_LOW", "UP", "100")]


def test_holds_and_revocations_lower_a_balance_too(books: Books) -> None:
    # given
    other = books.grant("B", "20", source="PROMOTIONAL")
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "100.000001"))
    # when
    hold = books.authorize("h", "30")
    books.do(ReleaseHold(hold))
    books.do(VoidGrant(other, "test"))
    # then
    assert crossed(books, "BALANCE_LOW") == [
        ("BALANCE_LOW", "UP", "90"),
        ("BALANCE_LOW", "DOWN", "120"),
        ("BALANCE_LOW", "UP", "100"),
    ]


def test_a_source_used_up_names_the_next(books: Books) -> None:
    # given
    promo = books.grant("P", "10", source="PROMOTIONAL")
    # when
    charge = books.charge("a", "12")
    # then
    (told,) = [event for event in books.log.all() if isinstance(event, ThresholdCrossed)]
    assert (told.kind, told.about, told.next_source) == (
        "GRANT_SOURCE_EXHAUSTED",
        "PROMOTIONAL",
        "PAID",
    )
    # and: a refund that reopens it crosses back; used up again it is told again
    books.refund(charge, "r")
    assert books.grant_state(promo).status == "ACTIVE"
    books.charge("b", "10")
    books.charge("c", "98")
    books.charge("d", "2")
    assert [(e.direction, e.about, e.next_source) for e in _crossings(books)] == [
        ("UP", "PROMOTIONAL", "PAID"),
        ("DOWN", "PROMOTIONAL", None),
        ("UP", "PROMOTIONAL", "PAID"),
        ("UP", "PAID", None),
    ]
    assert reloaded(books.wallet()).accounts["CREDIT"].used_up == {"PROMOTIONAL", "PAID"}


def _crossings(books: Books) -> list[ThresholdCrossed]:
    return [event for event in books.log.all() if isinstance(event, ThresholdCrossed)]


def test_first_overage_comes_once_until_it_is_repaid(books: Books) -> None:
    # given
    books.do(SetWalletMode("ext:acme", "HYBRID"))
    # when
    books.charge("a", "110")
    books.charge("b", "5")
    books.grant("B", "10")
    books.grant("C", "10")
    books.charge("c", "6")
    # then
    assert crossed(books, "FIRST_OVERAGE") == [
        ("FIRST_OVERAGE", "UP", "10"),
        ("FIRST_OVERAGE", "DOWN", "0"),
        ("FIRST_OVERAGE", "UP", "1"),
    ]


# Expiring grants and time


def expiring(books: Books) -> list[tuple[str, datetime]]:
    return [
        (amount(event.units), event.due_at)
        for event in books.log.all()
        if isinstance(event, GrantExpiring)
    ]


def test_a_grant_is_told_to_expire_once(books: Books) -> None:
    # given: a month, a day, used up before, and of a plan
    books.grant("M", "10", expires_at=START + timedelta(days=30))
    books.grant("D", "4", expires_at=START + timedelta(days=1), priority=0)
    books.grant("U", "1", expires_at=START + timedelta(days=2), priority=1)
    books.grant("I", "7", source="INCLUDED", expires_at=START + timedelta(days=30), priority=60)
    # when
    books.charge("a", "1")
    books.later(hours=18)
    run_due(books)
    run_due(books)
    books.charge("b", "4")
    books.later(days=30)
    run_due(books)
    # then
    assert expiring(books) == [
        ("3", START + timedelta(hours=18)),
        ("10", START + timedelta(days=23)),
    ]


def test_a_longer_life_is_told_again(books: Books) -> None:
    # given
    grant = books.grant("M", "10", expires_at=START + timedelta(days=30))
    books.later(days=24)
    run_due(books)
    # when
    books.do(ExtendGrant(grant, START + timedelta(days=60), "goodwill"))
    books.later(days=30)
    run_due(books)
    # then
    assert [at for _, at in expiring(books)] == [
        START + timedelta(days=23),
        START + timedelta(days=53),
    ]
    kept = reloaded(books.wallet())
    assert kept.due == books.wallet().due


def test_a_reopened_grant_is_not_told_late(books: Books) -> None:
    # given: used up before it was told
    books.grant("M", "10", expires_at=START + timedelta(days=30), priority=0)
    charge = books.charge("a", "10")
    books.later(days=25)
    # when
    books.refund(charge, "r")
    books.later(days=1)
    run_due(books)
    # then
    assert expiring(books) == []
    assert reloaded(books.wallet()).due == books.wallet().due


def test_nothing_is_told_of_a_state_in_between(books: Books) -> None:
    """At one instant a grant ends and another begins: the balance stays, so nothing is told."""
    # given
    noon = START + timedelta(hours=12)
    books.charge("a", "100")
    books.grant("P", "50", source="PROMOTIONAL", expires_at=noon)
    books.grant("Q", "60", source="PROMOTIONAL", effective_at=noon)
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "50"))
    auto(books, "50", amount="100", price=Money("10", "USD"))
    told = len(_crossings(books))
    # when
    books.clock.at = noon
    run_due(books)
    # then
    assert books.available() == "60"
    assert len(_crossings(books)) == told
    assert requests(books) == []


def test_what_expires_is_told_and_topped_up(books: Books) -> None:
    # given
    books.charge("a", "90")
    books.grant("P", "50", source="PROMOTIONAL", expires_at=START + HOUR)
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "50"))
    auto(books, "50", amount="100", price=Money("10", "USD"))
    # when
    books.later(hours=5)
    run_due(books)
    # then: it is asked for when it is found, not in the past
    assert crossed(books, "BALANCE_LOW") == [("BALANCE_LOW", "UP", "10")]
    (request,) = requests(books)
    assert request.requested_at == START + timedelta(hours=5)
    assert request.opened.times_out_at == START + timedelta(hours=6)


# Auto top-up


def test_r25_dead_card(books: Books) -> None:
    # given: below 100, a card that declines
    auto(books, "100", amount="50", price=Money("5", "USD"), max_per_day=10)
    books.charge("first", "1")
    for _ in range(3):
        tell(books, "DECLINED", reason="card_declined")
        books.later(hours=1)
        run_due(books)
    # when: 1 000 charges over 30 days
    books.grant("B", "1000", source="PROMOTIONAL")
    books.charge("drop", "1000")
    for n in range(1000):
        books.later(minutes=43)
        books.charge(f"c{n}", "0.05")
    # then
    assert statuses(books) == ["DECLINED"] * 3
    watch = books.wallet().watches["CREDIT"]
    assert (watch.suspended, watch.declines) == (True, 3)
    reports = [event for event in books.log.all() if isinstance(event, TopUpReported)]
    assert [event.suspends for event in reports] == [False, False, True]


def test_r25_pending(books: Books) -> None:
    # given
    books.grant("B", "1")
    auto(books, "100", amount="500", price=Money("5", "USD"))
    # when
    books.charge("to-the-threshold", "1")
    assert requests(books) == []
    for n in range(100):
        books.charge(f"c{n}", "1")
    # then
    assert statuses(books) == ["REQUESTED"]


def test_r25_target(books: Books) -> None:
    # given: 5 left, already below
    books.do(SetWalletMode("ext:acme", "HYBRID"))
    books.charge("a", "95")
    books.do(SetExchangeRate("CREDIT", "USD", "0.01"))
    auto(books, "10", target="50")
    assert requests(books) == []
    # when
    books.charge("b", "100")
    books.charge("c", "1")
    # then
    (request,) = requests(books)
    opened = request.opened
    assert amount(opened.units) == "145"
    assert opened.price is not None
    assert (amount(opened.price.units, 9), opened.price.currency) == ("1.45", "USD")
    assert opened.unit_price == "0.01"


def test_one_request_an_hour(books: Books) -> None:
    # given
    auto(books, "100", amount="10", price=Money("1", "USD"), max_per_day=24)
    books.charge("a", "50")
    # when: nobody reports, and nothing else happens
    books.later(hours=1)
    run_due(books)
    # then: due work asks again
    assert statuses(books) == ["TIMED_OUT", "REQUESTED"]
    assert [each.requested_at for each in requests(books)] == [START, START + HOUR]
    # and: the runner and a decision agree
    books.later(minutes=30)
    books.charge("b", "1")
    assert len(requests(books)) == 2
    books.later(minutes=30)
    books.charge("c", "1")
    assert statuses(books) == ["TIMED_OUT", "TIMED_OUT", "REQUESTED"]


def test_a_failure_is_no_decline(books: Books) -> None:
    # given
    auto(books, "100", amount="10", price=Money("1", "USD"), max_per_day=24)
    books.charge("a", "50")
    # when
    for outcome in ("DECLINED", "FAILED", "DECLINED", "FAILED", "FAILED", "FAILED"):
        tell(books, outcome)
        books.charge(f"{outcome}-{len(requests(books))}", "1")
        books.later(hours=1)
        run_due(books)
    # then: a report is no trigger, an hour is
    assert statuses(books)[-1] == "REQUESTED"
    assert len(requests(books)) == 7
    assert not books.wallet().watches["CREDIT"].suspended


def test_success_ends_a_row_of_declines(books: Books) -> None:
    # given
    auto(books, "100", amount="10", price=Money("1", "USD"), max_per_day=24)
    books.charge("a", "50")
    for outcome in ("DECLINED", "DECLINED", "SETTLED", "DECLINED", "DECLINED"):
        tell(books, outcome)
        books.later(hours=1)
        books.charge(f"{outcome}-{len(requests(books))}", "1")
    assert not books.wallet().watches["CREDIT"].suspended
    # when
    tell(books, "DECLINED")
    # then
    assert books.wallet().watches["CREDIT"].suspended


def test_a_settled_top_up_credits_once_however_late(books: Books) -> None:
    # given: nobody said for two hours
    auto(books, "100", amount="50", price=Money("5", "USD"), valid_days=90, max_per_day=1)
    books.charge("a", "50")
    books.later(hours=2)
    run_due(books)
    assert statuses(books) == ["TIMED_OUT"]
    # when
    tell(books, "SETTLED", reference="pi_1")
    before = len(books.log.rows)
    tell(books, "SETTLED", reference="pi_1")
    # then
    assert books.available() == "100"
    assert len(books.log.rows) == before
    (request,) = requests(books)
    assert request.grant_id is not None
    grant = books.grant_state(request.grant_id)
    assert grant.issued.source == "PAID"
    assert grant.issued.reference == "pi_1"
    assert grant.issued.expires_at == START + timedelta(days=90, hours=2)
    # and: told otherwise is a conflict or no longer possible
    with pytest.raises(IdempotencyConflict) as other:
        tell(books, "SETTLED", reference="pi_2")
    assert other.value.field == "reference"
    with pytest.raises(IdempotencyConflict) as more:
        tell(books, "SETTLED", reference="pi_1", paid=Money("6", "USD"))
    assert more.value.field == "paid"
    with pytest.raises(InvalidState) as declined:
        tell(books, "DECLINED")
    assert declined.value.state == "SETTLED"
    assert books.available() == "100"


def test_a_payment_makes_one_grant(books: Books) -> None:
    # given: the payment has come in by another way
    books.grant("B", "1", reference="pi_1")
    auto(books, "200", amount="50", price=Money("5", "USD"))
    books.charge("a", "1")
    # when
    with pytest.raises(IdempotencyConflict) as taken:
        tell(books, "SETTLED", reference="pi_1")
    # then
    assert taken.value.field == "reference"
    assert statuses(books) == ["REQUESTED"]


def test_a_success_may_follow_a_failure(books: Books) -> None:
    # given
    auto(books, "100", amount="50", price=Money("5", "USD"))
    books.charge("a", "50")
    tell(books, "DECLINED")
    tell(books, "DECLINED")
    assert books.wallet().watches["CREDIT"].declines == 1
    # when / then
    with pytest.raises(InvalidState) as caught:
        tell(books, "ACTION_REQUIRED")
    assert caught.value.state == "DECLINED"
    tell(books, "SETTLED")
    assert books.available() == "100"
    assert books.wallet().watches["CREDIT"].declines == 0


def test_action_required_waits_for_the_hour(books: Books) -> None:
    # given
    auto(books, "100", amount="50", price=Money("5", "USD"))
    books.charge("a", "50")
    # when
    tell(books, "ACTION_REQUIRED")
    books.charge("b", "1")
    assert statuses(books) == ["ACTION_REQUIRED"]
    books.later(hours=1)
    run_due(books)
    # then
    assert statuses(books) == ["TIMED_OUT", "REQUESTED"]
    tell(books, "ACTION_REQUIRED", 0)
    assert statuses(books) == ["TIMED_OUT", "REQUESTED"]
    tell(books, "SETTLED", 0)
    assert statuses(books) == ["SETTLED", "REQUESTED"]


def test_a_step_too_small_ends_in_one_notice(books: Books) -> None:
    # given: 10 at a time against 90 missing, three a day
    auto(books, "100", amount="10", price=Money("1", "USD"))
    books.charge("a", "90")
    # when
    for n in range(6):
        if requests(books)[-1].status == "REQUESTED":
            tell(books, "SETTLED")
        books.later(minutes=10)
        books.charge(f"c{n}", "0.1")
    # then
    assert statuses(books) == ["SETTLED"] * 3
    assert [kind for kind, *_ in crossed(books, "RUNAWAY_TOP_UP")] == ["RUNAWAY_TOP_UP"]
    # and: the next day may ask again, and says nothing more
    books.later(days=1)
    for n in range(6):
        books.charge(f"d{n}", "0.1")
        if requests(books)[-1].status == "REQUESTED":
            tell(books, "SETTLED")
    assert len(requests(books)) == 6
    assert len(crossed(books, "RUNAWAY_TOP_UP")) == 1
    # and: once above, it is over
    books.grant("B", "1000")
    assert [way for _, way, _ in crossed(books, "RUNAWAY_TOP_UP")] == ["UP", "DOWN"]


def test_a_day_and_a_month_are_local() -> None:
    # given: 23:30 in Tokyo on the last of January
    books = Books(datetime(2026, 1, 31, 14, 30, tzinfo=UTC))
    books.customer(timezone="Asia/Tokyo")
    books.grant("A", "100")
    auto(
        books,
        "100",
        amount="10",
        price=Money("30", "USD"),
        max_per_day=1,
        max_per_month=Money("60", "USD"),
    )
    books.charge("a", "90")
    tell(books, "SETTLED")
    # when: one a day
    books.charge("b", "1")
    assert len(requests(books)) == 1
    books.later(minutes=30)  # midnight in Tokyo, and February
    books.charge("c", "1")
    tell(books, "SETTLED")
    books.later(days=1)
    books.charge("d", "1")
    tell(books, "SETTLED")
    # then: 60 of February's 60 are spent
    assert len(requests(books)) == 3
    books.later(days=1)
    books.charge("e", "1")
    assert len(requests(books)) == 3
    books.at(2026, 2, 28, 15)
    books.charge("f", "1")
    assert len(requests(books)) == 4


def test_declined_money_is_not_spent(books: Books) -> None:
    # given
    auto(
        books,
        "100",
        amount="10",
        price=Money("30", "USD"),
        max_per_day=10,
        max_per_month=Money("60", "USD"),
    )
    books.charge("a", "90")
    # when: 30 declined, 20 paid of 30, then 30 and 10 more would be 60
    tell(books, "DECLINED")
    books.later(hours=1)
    run_due(books)
    tell(books, "SETTLED", paid=Money("20", "USD"))
    books.charge("b", "1")
    assert len(requests(books)) == 3
    tell(books, "SETTLED", paid=Money("30.01", "USD"))
    # then
    books.charge("c", "1")
    assert len(requests(books)) == 3
    assert crossed(books, "RUNAWAY_TOP_UP") != []


def test_suspended_until_resumed_or_set_anew(books: Books) -> None:
    def suspend() -> None:
        for n in range(3):
            books.charge(f"{len(books.log.rows)}-{n}", "1")
            tell(books, "DECLINED")
            books.later(hours=1)
        assert books.wallet().watches["CREDIT"].suspended

    # given
    terms = {"amount": "10", "price": Money("1", "USD"), "max_per_day": 100}
    auto(books, "100", **terms)
    suspend()
    books.charge("quiet", "1")
    assert len(requests(books)) == 3
    # when
    books.do(ResumeAutoTopUp("ext:acme", "CREDIT"))
    books.do(ResumeAutoTopUp("ext:acme", "CREDIT"))
    suspend()
    assert len(requests(books)) == 6
    auto(books, "100", **terms)
    books.charge("again", "1")
    # then
    assert len(requests(books)) == 7
    # and: what is off asks for nothing, and cannot be resumed
    auto(books, None)
    books.later(hours=2)
    books.charge("off", "1")
    assert len(requests(books)) == 7
    with pytest.raises(InvalidState) as off:
        books.do(ResumeAutoTopUp("ext:acme", "CREDIT"))
    assert off.value.state == "OFF"


def test_the_hour_of_the_last_request_outlives_new_terms(books: Books) -> None:
    # given
    auto(books, "100", amount="10", price=Money("1", "USD"))
    books.charge("a", "1")
    tell(books, "DECLINED")
    # when
    auto(books, "100", amount="20", price=Money("2", "USD"))
    books.charge("b", "1")
    assert len(requests(books)) == 1
    books.later(hours=1)
    run_due(books)
    # then
    assert amount(requests(books)[-1].opened.units) == "20"


@pytest.mark.parametrize(
    "still", [FreezeWallet("ext:acme", "fraud"), SetWalletMode("ext:acme", "SHADOW")]
)
def test_no_top_up_while_frozen_or_in_shadow(books: Books, still: Command) -> None:
    # given
    auto(books, "100", amount="10", price=Money("1", "USD"))
    grant = books.grant("B", "5", priority=60)
    books.do(still)
    # when: 105 less 5, then less 1
    books.do(VoidGrant(grant, "test"))
    books.do(VoidGrant(books.grant("C", "5"), "test"))
    assert books.available() == "100"
    if isinstance(still, SetWalletMode):
        books.do(AdjustWallet("k", "ext:acme", "CREDIT", "-1", "CORRECTION"))
    else:
        books.charge("a", "1", delivered=True)
    # then
    assert books.available() == "99"
    assert requests(books) == []


def test_a_snapshot_keeps_what_is_watched(books: Books) -> None:
    # given
    books.do(SetBalanceAlert("ext:acme", "CREDIT", "99"))
    auto(
        books,
        "100",
        amount="10",
        price=Money("1", "USD"),
        max_per_month=Money("10", "USD"),
        valid_days=3,
    )
    books.charge("a", "2")
    # when
    wallet = books.wallet()
    kept = reloaded(wallet)
    # then
    assert kept.watches == wallet.watches
    assert kept.due == wallet.due
    assert kept.watches["CREDIT"].alerted


def test_a_currency_is_its_own_price() -> None:
    # given
    books = Books()
    books.customer()
    books.grant("A", "10", asset="USD")
    books.do(SetOverageLimit("ext:acme", "USD", "10"))
    books.do(SetAutoTopUp("ext:acme", "USD", "5", target="20"))
    # when
    books.charge("a", "10.123456789", asset="USD")
    # then: whole coins, half-even
    opened = requests(books)[0].opened
    assert amount(opened.units, 9) == "20.123456789"
    assert opened.price is not None
    assert amount(opened.price.units, 9) == "20.12"


@pytest.mark.parametrize(
    "terms, field",
    [
        ({}, "amount"),
        ({"amount": "1", "target": "1000"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "0.0000001"}, "amount"),
        ({"below": "NaN", "amount": "1"}, "below"),
        ({"below": "0.0000001", "amount": "1"}, "below"),
        ({"target": "99"}, "target"),
        ({"target": "200", "price": Money("1", "USD")}, "price"),
        ({"amount": "1", "price": Money("-1", "USD")}, "price.amount"),
        ({"amount": "1", "valid_days": 0}, "validDays"),
        ({"amount": "1", "max_per_day": 0}, "maxPerDay"),
        ({"amount": "1", "max_per_month": Money("1", "USD")}, "maxPerMonth"),
        (
            {"amount": "1", "price": Money("1", "USD"), "max_per_month": Money("1", "EUR")},
            "maxPerMonth.currency",
        ),
    ],
)
def test_bad_terms_name_their_field(books: Books, terms: dict[str, Any], field: str) -> None:
    before = len(books.log.rows)
    with pytest.raises(InvalidInput) as caught:
        auto(books, **{"below": "100", **terms})
    assert caught.value.field == field
    assert len(books.log.rows) == before


def test_bad_reports_are_named(books: Books) -> None:
    # given: a request that has no price
    auto(books, "100", amount="10")
    books.charge("a", "1")
    (request,) = requests(books)
    # when / then
    for report, field in (
        (ReportTopUp(request.id, "SETTLED"), "paid"),
        (ReportTopUp(request.id, "DECLINED", paid=Money("1", "USD")), "paid"),
        (ReportTopUp(request.id, "SETTLED", paid=Money("-1", "USD")), "paid.amount"),
        (ReportTopUp(request.id, "SETTLED", paid=Money("1", "USD"), reference=""), "reference"),
        (ReportTopUp("", "SETTLED"), "requestId"),
    ):
        with pytest.raises(InvalidInput) as caught:
            books.do(report)
        assert caught.value.field == field
    for unknown in (identity.grant_id("x", "y", "z"), books.wallet().id, "nonsense"):
        with pytest.raises(NotFound) as missing:
            books.do(ReportTopUp(unknown, "SETTLED", paid=Money("1", "USD")))
        assert missing.value.what == "top-up request"
    tell(books, "SETTLED", paid=Money("1", "USD"))
    assert books.available() == "109"


def test_a_batch_asks_once(books: Books) -> None:
    auto(books, "100", amount="500", price=Money("5", "USD"))
    books.do_together(
        [RecordUsage(f"e{n}", "ext:acme", "tokens", amount="1", asset="CREDIT") for n in range(50)]
    )
    assert statuses(books) == ["REQUESTED"]
    assert books.available() == "50"
