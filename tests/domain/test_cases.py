"""The worked cases of the ledger, with their exact figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.commands.answers import ChargeAnswer
from application.commands.requests import (
    AdjustWallet,
    ExtendGrant,
    FreezeWallet,
    IssueGrant,
    Money,
    RecordUsage,
    RefundGrant,
    ReleaseHold,
    SetOverageLimit,
    SetWalletMode,
    VoidGrant,
)
from domain.refusals import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    Refusal,
)
from tests.books import START, Books, amount, parts


@pytest.fixture
def books() -> Books:
    books = Books()
    books.customer()
    return books


def refused(books: Books, event_id: str, units: str, **report: Any) -> InsufficientFunds:
    before = len(books.log.rows)
    with pytest.raises(InsufficientFunds) as caught:
        books.charge(event_id, units, **report)
    assert len(books.log.rows) == before
    return caught.value


def figures_of(error: InsufficientFunds) -> tuple[str, str]:
    return amount(error.required_units), amount(error.available_units)


def test_l1_burn_down_order(books: Books) -> None:
    # given
    a = books.grant("A", "100", paid=Money("10", "USD"))
    b = books.grant("B", "30", source="PROMOTIONAL")
    c = books.grant("C", "50", paid=Money("4", "USD"), expires_at=START + timedelta(days=10))
    d = books.grant("D", "20", paid=Money("2", "USD"), priority=10)
    names = {a: "A", b: "B", c: "C", d: "D"}
    # when
    first = books.charge("e1", "60")
    second = books.charge("e2", "60")
    # then
    assert parts(first, names) == {"D": "20", "C": "40"}
    assert parts(second, names) == {"C": "10", "B": "30", "A": "20"}
    assert books.available() == "80"
    assert set(books.account().grants) == {a}
    assert figures_of(refused(books, "e3", "80.000001")) == ("80.000001", "80")
    assert books.available() == "80"


def test_l2_exact_expiry() -> None:
    # given
    books = Books(datetime(2026, 1, 20, tzinfo=UTC))
    books.customer()
    expires_at = datetime(2026, 2, 1, tzinfo=UTC)
    books.grant("A", "10", paid=Money("5", "USD"), expires_at=expires_at)
    # when
    books.clock.at = expires_at - timedelta(microseconds=1)
    charge = books.charge("e1", "4")
    books.clock.at = expires_at
    # then
    assert charge.status == "SETTLED"
    with pytest.raises(InsufficientFunds) as caught:
        books.charge("e2", "1")
    assert figures_of(caught.value) == ("1", "0")
    assert amount(books.account().expired_units) == "6"


def test_l3_scope(books: Books) -> None:
    # given
    x = books.grant("X", "100", priority=1, meters=("images",))
    y = books.grant("Y", "100")
    names = {x: "X", y: "Y"}
    # then
    assert parts(books.charge("e1", "30", meter="tokens"), names) == {"Y": "30"}
    assert parts(books.charge("e2", "120", meter="images"), names) == {"X": "100", "Y": "20"}
    assert figures_of(refused(books, "e3", "60", meter="tokens")) == ("60", "50")


def test_l4_hold(books: Books) -> None:
    # given
    books.grant("A", "100")
    hold = books.authorize("h1", "40")
    # then
    assert (books.available(), books.held()) == ("60", "40")
    refused(books, "e1", "70")
    charge = books.capture(hold, "25")
    assert amount(charge.amount_units) == "25"
    assert (books.available(), books.held()) == ("75", "0")
    assert books.capture(hold, "25").id == charge.id
    with pytest.raises(IdempotencyConflict) as conflict:
        books.capture(hold, "26")
    assert conflict.value.field == "amount"
    hold = books.authorize("h2", "70")
    assert books.available() == "5"
    with pytest.raises(InsufficientFunds) as caught:
        books.capture(hold, "80")
    assert figures_of(caught.value) == ("80", "75")
    assert books.held() == "70"
    books.capture(hold, "74")
    assert (books.available(), books.held()) == ("1", "0")


def test_l5_hold_over_expiry() -> None:
    # given
    books = Books(datetime(2026, 1, 10, 9, tzinfo=UTC))
    books.customer()
    grant = books.grant("A", "10", expires_at=datetime(2026, 1, 10, 12, tzinfo=UTC))
    books.at(2026, 1, 10, 11, 59)
    hold = books.authorize("h1", "6", ttl_seconds=900)
    # when
    books.at(2026, 1, 10, 12, 0)
    assert amount(books.account().expired_units) == "4"
    assert (books.available(), books.held()) == ("0", "6")
    books.at(2026, 1, 10, 12, 5)
    charge = books.capture(hold, "5")
    # then
    assert parts(charge, {grant: "A"}) == {"A": "5"}
    assert amount(books.account().expired_units) == "5"
    assert books.grant_state(grant).status == "EXPIRED"
    assert (books.available(), books.held()) == ("0", "0")


def test_l6_shadow(books: Books) -> None:
    books.grant("A", "10")
    books.do(SetWalletMode("ext:acme", "SHADOW"))
    charge = books.charge("e1", "25")
    assert (charge.status, amount(charge.amount_units)) == ("OBSERVED", "25")
    assert charge.would_refuse
    assert (charge.allocations, charge.overage_units) == ((), 0)
    assert books.available() == "10"


def test_l6_hybrid(books: Books) -> None:
    grant = books.grant("A", "10")
    books.do(SetWalletMode("ext:acme", "HYBRID"))
    charge = books.charge("e1", "25")
    assert charge.status == "SETTLED"
    assert parts(charge, {grant: "A"}) == {"A": "10"}
    assert amount(charge.overage_units) == "15"
    assert charge.would_refuse
    assert books.available() == "-15"


def test_l6_control(books: Books) -> None:
    grant = books.grant("A", "10")
    refused(books, "e1", "25")
    books.do(SetOverageLimit("ext:acme", "CREDIT", "14.999999"))
    refused(books, "e1", "25")
    books.do(SetOverageLimit("ext:acme", "CREDIT", "15"))
    charge = books.charge("e1", "25")
    assert parts(charge, {grant: "A"}) == {"A": "10"}
    assert amount(charge.overage_units) == "15"
    assert not charge.would_refuse
    # A PAID grant repays first.
    books.grant("B", "40")
    assert (books.available(), books.overage()) == ("25", "0")


def test_l7_refund(books: Books) -> None:
    # given
    a = books.grant("A", "10", paid=Money("1", "USD"), expires_at=START + timedelta(days=1))
    b = books.grant("B", "90", paid=Money("9", "USD"))
    charge = books.charge("e1", "25")
    assert parts(charge, {a: "A", b: "B"}) == {"A": "10", "B": "15"}
    # when
    refunded = books.refund(charge, "r1", "20")
    # then
    assert refunded.status == "PARTIALLY_REFUNDED"
    assert refunded.refunded_parts == {b: 15_000_000, a: 5_000_000}
    assert books.available() == "95"
    with pytest.raises(InvalidInput, match="at most 5") as caught:
        books.refund(charge, "r2", "6")
    assert caught.value.field == "amount"
    assert books.refund(charge, "r1", "20").refunded_units == 20_000_000
    assert books.refund(charge, "r3").status == "REFUNDED"
    assert books.available() == "100"


def test_l8_idempotency(books: Books) -> None:
    books.grant("A", "10")
    books.charge("e1", "4", quantity="100")
    with pytest.raises(IdempotencyConflict) as caught:
        books.charge("e1", "4", quantity="101")
    assert caught.value.field == "quantity"
    refused(books, "e2", "7")
    books.grant("B", "1")
    assert books.charge("e2", "7").status == "SETTLED"


def test_l11_frozen(books: Books) -> None:
    books.grant("A", "100")
    hold, other = books.authorize("h1", "40"), books.authorize("h2", "10")
    books.do(FreezeWallet("ext:acme", "suspected fraud"))
    for attempt in (lambda: books.charge("e1", "0"), lambda: books.authorize("h3", "1")):
        with pytest.raises(InvalidState) as caught:
            attempt()
        assert caught.value.state == "FROZEN"
        assert caught.value.retryable
    books.grant("B", "5")
    assert amount(books.capture(hold, "25").amount_units) == "25"
    books.do(ReleaseHold(other))
    assert books.available() == "80"
    assert books.charge("e4", "90", delivered=True).would_refuse


def test_l12_priority_beats_expiry_promotional_beats_paid() -> None:
    books = Books(datetime(2026, 1, 10, 10, tzinfo=UTC))
    books.customer()
    a = books.grant("A", "10")
    books.later(minutes=1)
    b = books.grant("B", "10", source="PROMOTIONAL")
    assert parts(books.charge("e1", "12"), {a: "A", b: "B"}) == {"B": "10", "A": "2"}


def test_l12_priority_first() -> None:
    books = Books()
    books.customer()
    tomorrow = START + timedelta(days=1)
    books.grant("A", "10", source="PROMOTIONAL", priority=60, expires_at=tomorrow)
    b = books.grant("B", "10", priority=50)
    assert parts(books.charge("e1", "5"), {b: "B"}) == {"B": "5"}


def test_l12_three_grants() -> None:
    books = Books()
    books.customer()
    a = books.grant("A", "50", priority=1, expires_at=START + timedelta(days=10))
    b = books.grant("B", "80", priority=1, expires_at=START + timedelta(days=20))
    books.grant("C", "100", priority=2)
    assert parts(books.charge("e1", "90"), {a: "A", b: "B"}) == {"A": "50", "B": "40"}


@pytest.mark.parametrize("spent", ["0", "90"])
def test_l13_late_capture(spent: str) -> None:
    # given
    books = Books(datetime(2026, 1, 10, 10, tzinfo=UTC))
    books.customer()
    books.grant("A", "100")
    hold = books.authorize("h1", "40", ttl_seconds=900)
    books.at(2026, 1, 10, 10, 15)
    assert (books.available(), books.held()) == ("100", "0")
    if spent != "0":
        books.charge("e1", spent)
    books.at(2026, 1, 10, 10, 20)
    # when, then
    if spent == "0":
        charge = books.capture(hold, "25")
        assert (charge.status, charge.reported.event_id) == ("SETTLED", "h1")
        assert books.available() == "75"
        assert charge.authorization is not None
        assert charge.authorization.status == "LAPSED"
    else:
        with pytest.raises(InsufficientFunds) as caught:
            books.capture(hold, "25")
        assert figures_of(caught.value) == ("25", "10")
        charge = books.capture(hold, "25", delivered=True)
        assert sum(units for _, units in charge.allocations) == 10_000_000
        assert amount(charge.overage_units) == "15"


def test_l14_capture_above_the_hold(books: Books) -> None:
    books.grant("A", "75")
    hold = books.authorize("h1", "70")
    charge = books.capture(hold, "80", delivered=True)
    assert sum(units for _, units in charge.allocations) == 75_000_000
    assert amount(charge.overage_units) == "5"
    assert charge.would_refuse
    assert books.available() == "-5"


def test_l15_partial_captures(books: Books) -> None:
    books.grant("A", "100")
    hold = books.authorize("h1", "60")
    first = books.capture(hold, "20", event_id="a", final=False)
    assert (books.held(), books.available()) == ("40", "40")
    second = books.capture(hold, "30", event_id="b", final=True)
    assert (books.held(), books.available()) == ("0", "50")
    assert len({first.id, second.id}) == 2
    assert books.capture(hold, "20", event_id="a", final=False).id == first.id
    with pytest.raises(InvalidState) as caught:
        books.capture(hold, "1")
    assert caught.value.state == "CAPTURED"


def test_l16_zero_and_delivered(books: Books) -> None:
    assert books.charge("e0", "0").allocations == ()
    grant = books.grant("A", "10")
    assert figures_of(refused(books, "e1", "25")) == ("25", "10")
    charge = books.charge("e1", "25", delivered=True)
    assert parts(charge, {grant: "A"}) == {"A": "10"}
    assert amount(charge.overage_units) == "15"
    assert charge.would_refuse
    assert books.available() == "-15"


def test_l17_duplicates_in_one_batch(books: Books) -> None:
    # given
    books.grant("A", "100")

    def event(event_id: str, units: str, **more: Any) -> RecordUsage:
        return RecordUsage(event_id, "ext:acme", "tokens", amount=units, asset="CREDIT", **more)

    said = {"model": "opus", "region": "eu"}
    # when
    answers = books.do_together(
        [
            event("a", "5", properties=said),
            event("a", "5", properties=said),
            event("a", "6", properties=said),
            event("b", "1"),
        ]
    )
    # then
    outcome = [
        type(answer).__name__ if isinstance(answer, Refusal) else answer.replayed  # type: ignore[union-attr]
        for answer in answers
    ]
    assert outcome == [False, True, "IdempotencyConflict", False]
    assert isinstance(answers[2], IdempotencyConflict)
    assert answers[2].field == "amount"
    assert books.available() == "94"
    again = books.do(event("a", "5.00", properties=dict(reversed(said.items()))))
    assert isinstance(again, ChargeAnswer)
    assert again.replayed


def test_l18_one_payment_many_messages(books: Books) -> None:
    def payment(key: str, units: str = "5000") -> IssueGrant:
        return IssueGrant(
            key, "ext:acme", "CREDIT", units, paid=Money("50.00", "USD"), reference="pi_1"
        )

    answers: list[Any] = books.do_together([payment("k1")] * 4)
    assert [answer.replayed for answer in answers] == [False, True, True, True]
    with pytest.raises(IdempotencyConflict) as caught:
        books.do(payment("k2"))
    assert caught.value.field == "reference"
    assert answers[0].grant_id in str(caught.value)
    with pytest.raises(IdempotencyConflict) as caught:
        books.do(payment("k1", "6000"))
    assert caught.value.field == "amount"
    assert books.available() == "5000"


def test_l19_void_partly_used_and_held(books: Books) -> None:
    # given
    grant = books.grant("A", "100", paid=Money("10", "USD"))
    charge = books.charge("e1", "30")
    hold = books.authorize("h1", "20")
    # when
    books.do(VoidGrant(grant, "mistake"))
    # then
    assert amount(books.account().revoked_units) == "50"
    assert (books.held(), books.available()) == ("20", "0")
    assert books.grant_state(grant).status == "VOIDED"
    books.capture(hold, "15")
    account = books.account()
    assert (amount(account.burned_units), amount(account.revoked_units)) == ("45", "55")
    assert amount(account.expired_units) == "0"
    with pytest.raises(InvalidState) as caught:
        books.do(VoidGrant(grant, "again"))
    assert caught.value.state == "VOIDED"
    with pytest.raises(InvalidState, match=grant):
        books.refund(charge, "r1", "10")
    books.refund(charge, "r1", "10", compensate=True)
    (compensation,) = books.account().grants.values()
    assert compensation.terms.source == "COMPENSATION"
    assert amount(compensation.remaining_units) == "10"
    assert compensation.terms.expires_at is None
    assert books.available() == "10"


def test_l20_money_back_in_parts(books: Books) -> None:
    # given
    grant = books.grant("A", "1000", paid=Money("100.00", "USD"))
    books.charge("e1", "300")
    # when
    books.do(RefundGrant(grant, "unhappy", money=Money("10.00", "USD")))
    assert amount(books.account().revoked_units) == "100"
    books.do(RefundGrant(grant, "unhappy", money=Money("15.00", "USD")))
    # then
    assert amount(books.account().revoked_units) == "250"
    assert amount(books.account().grants[grant].free_units) == "450"
    with pytest.raises(InvalidInput, match=r"\(45 USD\)") as caught:
        books.do(RefundGrant(grant, "unhappy", money=Money("80.00", "USD")))
    assert caught.value.field == "money"
    books.do(RefundGrant(grant, "unhappy"))
    assert books.grant_state(grant).status == "REFUNDED"
    assert books.available() == "0"


def test_l21_longer_life() -> None:
    # given
    books = Books(datetime(2026, 1, 20, tzinfo=UTC))
    books.customer()
    grant = books.grant(
        "A", "10", paid=Money("5", "USD"), expires_at=datetime(2026, 2, 1, tzinfo=UTC)
    )
    # when
    books.at(2026, 1, 31)
    books.do(ExtendGrant(grant, datetime(2026, 3, 1, tzinfo=UTC), "goodwill"))
    books.at(2026, 2, 15)
    assert books.charge("e1", "4").status == "SETTLED"
    # then
    books.at(2026, 3, 1)
    assert amount(books.account().expired_units) == "6"
    books.at(2026, 3, 2)
    with pytest.raises(InvalidState) as caught:
        books.do(ExtendGrant(grant, datetime(2026, 4, 1, tzinfo=UTC), "too late"))
    assert caught.value.state == "EXPIRED"


def test_l22_overage_and_scope(books: Books) -> None:
    # given
    books.do(SetWalletMode("ext:acme", "HYBRID"))
    books.charge("e1", "15", meter="tokens")
    # then
    books.grant("A", "40", meters=("images",))
    assert books.overage() == "15"
    assert books.available_for("images") == "25"
    assert books.available_for("tokens") == "-15"
    assert books.available() == "25"
    books.grant("P", "100", source="PROMOTIONAL")
    assert books.overage() == "15"
    books.grant("B", "10")
    assert books.overage() == "5"
    books.grant("C", "20")
    assert books.overage() == "0"


def test_l23_expiry_without_a_runner(books: Books) -> None:
    books.grant("A", "1000", expires_at=START + timedelta(days=1))
    books.later(days=2)
    with pytest.raises(InsufficientFunds) as caught:
        books.charge("e1", "500")
    assert figures_of(caught.value) == ("500", "0")
    assert books.topics()[-2:] == ["wallet.grant_lapsed", "grant.expired"]
    assert books.available() == "0"


def test_adjustments_are_real_in_every_mode(books: Books) -> None:
    books.do(SetWalletMode("ext:acme", "SHADOW"))
    books.do(AdjustWallet("k1", "ext:acme", "CREDIT", "10", "GIFT"))
    answer = books.do(AdjustWallet("k2", "ext:acme", "CREDIT", "-4", "FEE"))
    assert amount(answer.balance_after_units) == "6"
    assert books.available() == "6"
    assert books.do(AdjustWallet("k2", "ext:acme", "CREDIT", "-4.0", "FEE")).replayed
    with pytest.raises(InsufficientFunds):
        books.do(AdjustWallet("k3", "ext:acme", "CREDIT", "-7", "FORFEITURE"))
