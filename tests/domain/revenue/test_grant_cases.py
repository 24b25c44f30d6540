"""Worked cases of grants' money, by account: debits above zero, credits below."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from application.commands.requests import (
    AdjustWallet,
    Money,
    RecordGrantPayment,
    RefundGrant,
    VoidGrant,
)
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState
from tests.accountant import balances, journal
from tests.books import Books


@pytest.fixture
def books() -> Books:
    books = Books()
    books.customer()
    return books


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def test_l1_burn_down_order_by_cost_basis(books: Books) -> None:
    # given
    soon = datetime(2026, 1, 20, tzinfo=UTC)
    books.grant("A", "100", paid=usd("10"))
    books.grant("B", "30", source="PROMOTIONAL")
    books.grant("C", "50", paid=usd("4"), expires_at=soon)
    books.grant("D", "20", paid=usd("2"), priority=10)
    # when
    books.charge("e1", "60")
    books.charge("e2", "60")
    # then
    assert balances(books) == {
        "cash": "16.00", "contract_liability": "-8.00", "revenue_usage": "-8.00",
    }  # fmt: skip


def test_l2_expiry(books: Books) -> None:
    # given
    books.at(2026, 1, 31, 12)
    books.grant("A", "10", paid=usd("5"), expires_at=datetime(2026, 2, 1, tzinfo=UTC))
    books.charge("e1", "4")
    # when
    books.at(2026, 2, 1)
    books.customer("other")
    books.grant("B", "1")
    # then
    assert journal(books)[1:3] == [
        {"contract_liability": "2.00", "revenue_usage": "-2.00"},
        {"contract_liability": "3.00", "revenue_breakage": "-3.00"},
    ]


@pytest.mark.parametrize(
    "currency, paid, parts",
    [
        ("USD", "10", ["3.33", "3.34", "3.33"]),
        ("JPY", "1000", ["333", "334", "333"]),
        ("KWD", "10", ["3.333", "3.334", "3.333"]),
    ],
)
def test_l10_v13_cost_basis_is_rounded_on_the_cumulative_figure(
    books: Books, currency: str, paid: str, parts: list[str]
) -> None:
    # given
    books.grant("A", "3", paid=Money(paid, currency))
    # when
    for event in ("e1", "e2", "e3"):
        books.charge(event, "1")
    # then
    assert [entry["contract_liability"] for entry in journal(books, 1)] == parts


def test_v13_a_reversal_and_its_rounding(books: Books) -> None:
    # given
    books.grant("A", "3", paid=usd("10"))
    books.charge("e1", "1")
    second = books.charge("e2", "1")
    books.charge("e3", "1")
    # when
    books.refund(second, "r1")
    books.charge("e4", "1")
    # then
    assert [entry["revenue_usage"] for entry in journal(books, 4)] == ["3.33", "-3.33"]
    assert balances(books) == {"cash": "10.00", "revenue_usage": "-10.00"}


def test_v2_as_expired(books: Books) -> None:
    # given
    end = datetime(2026, 3, 1, tzinfo=UTC)
    books.grant("A", "1000", paid=usd("1000"), expires_at=end)
    # when
    for event, amount in (("e1", "450"), ("e2", "350"), ("e3", "100")):
        books.charge(event, amount)
    books.at(2026, 3, 1)
    books.grant("B", "1", source="PROMOTIONAL")
    # then
    assert [entry["contract_liability"] for entry in journal(books, 1)] == [
        "450.00", "350.00", "100.00", "100.00",
    ]  # fmt: skip
    assert journal(books)[-1]["revenue_breakage"] == "-100.00"


def test_v4_a_bonus_shares_its_purchase(books: Books) -> None:
    # given
    books.grant("paid", "1000", paid=usd("100"), bundle_id="order-1", priority=60)
    books.grant("bonus", "250", source="PROMOTIONAL", bundle_id="order-1")
    # when
    books.charge("e1", "500")
    # then
    assert [entry.get("revenue_usage") for entry in journal(books)] == [
        None, None, "-20.00", "-20.00",
    ]  # fmt: skip


def test_v14_a_refund_with_a_bonus(books: Books) -> None:
    # given
    paid = books.grant("paid", "1000", paid=usd("100"), bundle_id="order-1", priority=60)
    books.grant("bonus", "250", source="PROMOTIONAL", bundle_id="order-1")
    books.charge("e1", "500")
    # when
    books.do(RefundGrant(paid, "unused"))
    # then
    assert journal(books)[-1] == {
        "contract_liability": "60.00", "revenue_concessions": "15.00", "cash": "-75.00",
    }  # fmt: skip
    assert "contract_liability" not in balances(books)


def test_a_bonus_after_the_first_burns_catches_up(books: Books) -> None:
    # given
    books.grant("paid", "1000", paid=usd("100"), bundle_id="order-1")
    books.charge("e1", "500")
    # when
    books.grant("bonus", "250", source="PROMOTIONAL", bundle_id="order-1")
    # then: 500 of 1 000 that cost 80.00
    assert balances(books)["revenue_usage"] == "-40.00"
    assert balances(books)["contract_liability"] == "-60.00"


def test_v5_refund_of_a_grant(books: Books) -> None:
    # given
    grant = books.grant("A", "1000", paid=usd("100"))
    books.charge("e1", "300")
    # when
    books.do(RefundGrant(grant, "unused"))
    # then
    assert journal(books)[-1] == {"contract_liability": "70.00", "cash": "-70.00"}


def test_v6_refund_of_a_charge(books: Books) -> None:
    # given
    books.grant("A", "1000", paid=usd("100"))
    charge = books.charge("e1", "300")
    # when
    books.refund(charge, "r1", "100")
    # then
    assert journal(books)[-1] == {"revenue_usage": "10.00", "contract_liability": "-10.00"}


def test_v22_tax_is_no_consideration(books: Books) -> None:
    # given
    grant = books.grant("A", "1000", paid=usd("120"), tax="20")
    books.charge("e1", "300")
    # when
    books.do(RefundGrant(grant, "unused"))
    # then
    assert journal(books) == [
        {"cash": "120.00", "contract_liability": "-100.00", "tax_payable": "-20.00"},
        {"contract_liability": "30.00", "revenue_usage": "-30.00"},
        {"contract_liability": "70.00", "tax_payable": "14.00", "cash": "-84.00"},
    ]


def test_a_fee_is_a_cost(books: Books) -> None:
    books.grant("A", "1000", paid=usd("100"), fee="3.20")
    assert journal(books) == [
        {"cash": "96.80", "payment_costs": "3.20", "contract_liability": "-100.00"}
    ]


def test_v25_void_after_use(books: Books) -> None:
    # given
    grant = books.grant("A", "1000", paid=usd("100"), payment="DUE")
    books.charge("e1", "200")
    # when
    books.do(VoidGrant(grant, "never paid"))
    # then
    assert journal(books) == [
        {"receivable": "100.00", "contract_liability": "-100.00"},
        {"contract_liability": "20.00", "revenue_usage": "-20.00"},
        {"contract_liability": "80.00", "receivable": "-80.00"},
        {"revenue_concessions": "20.00", "receivable": "-20.00"},
    ]


def test_void_keeps_the_claim_for_what_was_used(books: Books) -> None:
    # given
    grant = books.grant("A", "1000", paid=usd("100"), payment="DUE")
    books.charge("e1", "200")
    # when
    books.do(VoidGrant(grant, "cancelled", keep_claim=True))
    # then
    assert balances(books) == {"receivable": "20.00", "revenue_usage": "-20.00"}


def test_a_grant_on_account_is_paid_once(books: Books) -> None:
    # given
    grant = books.grant("A", "1000", paid=usd("100"), payment="DUE")
    # when
    books.do(RecordGrantPayment(grant, "pi_1", "2"))
    again = books.do(RecordGrantPayment(grant, "pi_1", "2.00"))
    # then
    assert again.replayed
    assert journal(books)[1:] == [
        {"cash": "98.00", "payment_costs": "2.00", "receivable": "-100.00"}
    ]
    with pytest.raises(IdempotencyConflict, match="reference"):
        books.do(RecordGrantPayment(grant, "pi_2"))


def test_an_order_that_may_be_cancelled_has_no_entry_until_it_burns(books: Books) -> None:
    # given
    books.grant("A", "1000", paid=usd("100"), payment="CANCELLABLE")
    assert journal(books) == []
    # when
    books.charge("e1", "200")
    # then
    assert journal(books) == [
        {"receivable": "100.00", "contract_liability": "-100.00"},
        {"contract_liability": "20.00", "revenue_usage": "-20.00"},
    ]


def test_an_order_is_paid_before_it_burns(books: Books) -> None:
    grant = books.grant("A", "1000", paid=usd("100"), payment="CANCELLABLE")
    books.do(RecordGrantPayment(grant, "pi_1"))
    assert journal(books) == [{"cash": "100.00", "contract_liability": "-100.00"}]
    with pytest.raises(InvalidState, match="nothing is due"):
        books.do(RecordGrantPayment(books.grant("B", "1"), "pi_3"))


def test_free_credits_have_no_entry(books: Books) -> None:
    books.grant("A", "10", source="PROMOTIONAL")
    books.charge("e1", "4")
    books.do(AdjustWallet("k1", "ext:acme", "CREDIT", "5", "CORRECTION"))
    books.do(AdjustWallet("k2", "ext:acme", "CREDIT", "5", "SERVICE_CREDIT"))
    assert journal(books) == []


@pytest.mark.parametrize(
    "reason, entry",
    [
        ("FEE", {"contract_liability": "10.00", "revenue_usage": "-10.00"}),
        ("FORFEITURE", {"contract_liability": "10.00", "revenue_breakage": "-10.00"}),
        ("CORRECTION", {"contract_liability": "10.00", "cash": "-10.00"}),
    ],
)
def test_debits_of_a_back_office(books: Books, reason: str, entry: dict[str, str]) -> None:
    books.grant("A", "1000", paid=usd("100"))
    books.do(AdjustWallet("k1", "ext:acme", "CREDIT", "-100", reason))  # type: ignore[arg-type]
    assert journal(books, 1) == [entry]


@pytest.mark.parametrize(
    "terms, field",
    [
        ({"tax": "11"}, "tax"),
        ({"fee": "11"}, "fee"),
        ({"payment": "DUE", "fee": "1"}, "fee"),
        ({"recognition": "RATABLE"}, "expiresAt"),
        ({"source": "PROMOTIONAL", "tax": "1"}, "tax"),
        ({"source": "PROMOTIONAL", "payment": "DUE"}, "payment"),
    ],
)
def test_what_a_grant_may_not_say(books: Books, terms: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        books.grant("A", "10", **terms)
    assert refused.value.field == field
    assert journal(books) == []
