"""Accounting policies through commands, and the worked cases that rest on them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from application.commands.accounting_requests import (
    EndDays,
    MapAccount,
    SetAccountingPolicy,
    SetFxRate,
)
from application.commands.requests import ConfigureTenant, Money
from domain.refusals import InvalidInput, InvalidState
from tests.accountant import balances, folded, journal
from tests.books import Books

EVIDENCE = "three years of expiries"


@pytest.fixture
def books() -> Books:
    books = Books()
    books.customer()
    return books


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def policy(books: Books, month: str = "2026-01", **terms: Any) -> None:
    books.do(SetAccountingPolicy(month, **terms))


def proportional(books: Books, estimate: str, month: str = "2026-01", **terms: Any) -> None:
    policy(
        books, month, breakage_method="PROPORTIONAL", breakage_estimate=estimate,
        evidence=EVIDENCE, **terms,
    )  # fmt: skip


def test_v1_proportional_breakage(books: Books) -> None:
    # given
    proportional(books, "0.10")
    end = datetime(2026, 2, 10, tzinfo=UTC)
    books.grant("A", "1000", paid=usd("1000"), expires_at=end)
    # when
    books.charge("e1", "450")
    policy(books, breakage_estimate="0.20")
    books.charge("e2", "350")
    books.charge("e3", "100")
    books.at(2026, 2, 10)
    books.grant("B", "1", source="PROMOTIONAL")
    # then
    assert journal(books)[1:] == [
        {"contract_liability": "500.00", "revenue_usage": "-450.00", "revenue_breakage": "-50.00"},
        {"contract_liability": "62.50", "revenue_breakage": "-62.50"},
        {"contract_liability": "437.50", "revenue_usage": "-350.00", "revenue_breakage": "-87.50"},
        {"revenue_usage": "-100.00", "revenue_breakage": "100.00"},
    ]
    assert balances(books) == {
        "cash": "1000.00", "revenue_usage": "-900.00", "revenue_breakage": "-100.00",
    }  # fmt: skip


def test_v6_a_charge_is_given_back_under_an_estimate(books: Books) -> None:
    proportional(books, "0.1")
    books.grant("A", "1000", paid=usd("1000"))
    charge = books.charge("e1", "450")
    books.refund(charge, "r1", "100")
    assert journal(books)[-1] == {
        "revenue_usage": "100.00", "revenue_breakage": "11.11", "contract_liability": "-111.11",
    }  # fmt: skip


def test_a_bonus_keeps_the_weight_at_which_it_joined(books: Books) -> None:
    # given: 100 and 25 x 0.8 of the price's weight, as a fifth of the bonus was to stay unused
    policy(books, portfolio="source:PROMOTIONAL", breakage_estimate="0.2", evidence=EVIDENCE)
    books.grant("paid", "1000", paid=usd("100"), bundle_id="order-1")
    books.grant("bonus", "250", source="PROMOTIONAL", bundle_id="order-1")
    # when
    policy(books, portfolio="source:PROMOTIONAL", breakage_estimate="0.5", evidence=EVIDENCE)
    books.grant("second", "250", source="PROMOTIONAL", bundle_id="order-1")
    # then: by 100, 20 and 12.5
    moved = [entry for entry in folded(books).entries if entry.fact == "bundle_share"]
    assert [max(entry.amounts) for entry in moved] == [1667, 786, 157]


def test_v7_escheat_at_expiry(books: Books) -> None:
    policy(books, escheat_share="0.25")
    end = datetime(2026, 2, 1, tzinfo=UTC)
    books.grant("A", "100", paid=usd("50"), expires_at=end)
    books.charge("e1", "60")
    books.at(2026, 2, 1)
    books.grant("B", "1", source="PROMOTIONAL")
    assert journal(books)[-1] == {
        "contract_liability": "20.00", "revenue_breakage": "-15.00", "unclaimed_property": "-5.00",
    }  # fmt: skip


def test_v7_escheat_under_an_estimate(books: Books) -> None:
    proportional(books, "0.1", escheat_share="0.25")
    end = datetime(2026, 2, 1, tzinfo=UTC)
    books.grant("A", "1000", paid=usd("1000"), expires_at=end)
    books.charge("e1", "450")
    books.charge("e2", "450")
    books.at(2026, 2, 1)
    books.grant("B", "1", source="PROMOTIONAL")
    half = {
        "contract_liability": "487.50", "revenue_usage": "-450.00", "revenue_breakage": "-37.50",
    }  # fmt: skip
    assert journal(books)[1:] == [
        half, half, {"contract_liability": "25.00", "unclaimed_property": "-25.00"},
    ]  # fmt: skip


def test_v3_ratable_by_days(books: Books) -> None:
    # given
    books.at(2026, 1, 16)
    end = datetime(2026, 2, 16, tzinfo=UTC)
    books.grant("A", "100", paid=usd("20"), recognition="RATABLE", expires_at=end)
    books.charge("e1", "90")
    assert journal(books, 1) == []
    # when
    books.at(2026, 2, 1)
    books.do(EndDays(date(2026, 1, 31)))
    # then
    assert balances(books)["revenue_ratable"] == "-10.32"
    assert journal(books, 1)[:2] == [
        {"contract_liability": "0.65", "revenue_ratable": "-0.65"},
        {"contract_liability": "0.64", "revenue_ratable": "-0.64"},
    ]
    books.at(2026, 2, 20)
    books.do(EndDays(date(2026, 2, 19)))
    assert balances(books) == {"cash": "20.00", "revenue_ratable": "-20.00"}
    assert len(journal(books)) == 1 + 31


def test_a_policy_of_a_later_month_catches_up_on_its_first_day(books: Books) -> None:
    # given
    books.grant("A", "1000", paid=usd("1000"))
    books.charge("e1", "450")
    proportional(books, "0.1", "2026-02")
    assert len(journal(books)) == 2
    # when
    books.at(2026, 2, 1)
    books.do(EndDays(date(2026, 1, 31)))
    # then
    assert journal(books, 2) == [{"contract_liability": "50.00", "revenue_breakage": "-50.00"}]


def test_remote_after_months_without_activity(books: Books) -> None:
    # given
    policy(books, breakage_method="REMOTE", remote_months=2, evidence=EVIDENCE)
    books.grant("A", "1000", paid=usd("100"))
    books.charge("e1", "300")
    # when: the last charge was on 10 January
    books.at(2026, 3, 10)
    for month, last in ((1, 31), (2, 28), (3, 9)):
        books.do(EndDays(date(2026, month, last)))
    assert len(journal(books)) == 2
    books.at(2026, 3, 11)
    books.do(EndDays(date(2026, 3, 10)))
    # then: what remains is recognised, and burns on
    assert journal(books, 2) == [{"contract_liability": "70.00", "revenue_breakage": "-70.00"}]
    books.charge("e2", "100")
    assert journal(books, 3) == [{"revenue_usage": "-10.00", "revenue_breakage": "10.00"}]


def test_portfolios_the_more_special_holds(books: Books) -> None:
    proportional(books, "0.1")
    proportional(books, "0.5", portfolio="asset:CREDIT")
    books.grant("A", "1000", paid=usd("1000"))
    books.charge("e1", "250")
    assert journal(books, 1)[0]["contract_liability"] == "500.00"


def test_days_end_once_and_in_order(books: Books) -> None:
    books.at(2026, 2, 1)
    books.do(EndDays(date(2026, 1, 31)))
    books.do(EndDays(date(2026, 1, 31)))
    assert books.topics().count("period.day_ended") == 31 - 9


@pytest.mark.parametrize(
    "terms, field",
    [
        ({"breakage_estimate": "1"}, "breakageEstimate"),
        ({"breakage_estimate": "-0.1"}, "breakageEstimate"),
        ({"breakage_estimate": "1.5"}, "breakageEstimate"),
        ({"escheat_share": "1.01"}, "escheatShare"),
        ({"breakage_method": "PROPORTIONAL"}, "evidence"),
        ({"breakage_method": "REMOTE", "remote_months": 12}, "evidence"),
        ({"breakage_method": "REMOTE", "evidence": "x"}, "remoteMonths"),
        ({"remote_months": 0}, "remoteMonths"),
        ({"promotional": "NONE"}, "bundleElectionNote"),
        ({"refundable_days": 30}, "refundableDays"),
        ({"portfolio": "CREDIT"}, "portfolio"),
        ({"portfolio": "asset:NOPE"}, "portfolio"),
        ({"portfolio": "source:NOPE"}, "portfolio"),
        ({"portfolio": "asset:CREDIT", "timezone": "UTC"}, "timezone"),
        ({"portfolio": "asset:CREDIT", "functional_currency": "USD"}, "functionalCurrency"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"functional_currency": "CREDIT"}, "functionalCurrency"),
    ],
)
def test_a_bad_policy_is_named(books: Books, terms: dict[str, Any], field: str) -> None:
    before = len(books.log.rows)
    with pytest.raises(InvalidInput) as refused:
        policy(books, **terms)
    assert refused.value.field == field
    assert len(books.log.rows) == before


def test_zone_and_currency_stay_once_the_journal_has_begun(books: Books) -> None:
    policy(books, timezone="America/New_York", functional_currency="EUR")
    with pytest.raises(InvalidState):
        policy(books, timezone="UTC", begun=True)
    with pytest.raises(InvalidState):
        policy(books, functional_currency="USD", begun=True)
    policy(books, timezone="America/New_York", functional_currency="EUR", begun=True)


def test_the_settings_of_a_tenant_leave_the_zone_of_its_books(books: Books) -> None:
    books.do(ConfigureTenant(timezone="Asia/Tokyo"))
    before = len(books.log.rows)
    with pytest.raises(InvalidState, match="timezone stays as it is"):
        books.do(ConfigureTenant(timezone="UTC", late_window_seconds=60, begun=True))
    assert len(books.log.rows) == before
    books.do(ConfigureTenant(timezone="Asia/Tokyo", late_window_seconds=60, begun=True))


def test_a_policy_said_again_writes_nothing(books: Books) -> None:
    policy(books, escheat_share="0.25")
    before = len(books.log.rows)
    policy(books, escheat_share="0.250")
    assert len(books.log.rows) == before


def test_accounts_are_mapped_by_the_keys_of_the_chart(books: Books) -> None:
    assert books.do(MapAccount("cash", "1001", "Stripe")).mapping == {"cash": ("1001", "Stripe")}
    with pytest.raises(InvalidInput) as refused:
        books.do(MapAccount("till", "1", "Till"))
    assert refused.value.field == "key"


@pytest.mark.parametrize(
    "terms, field",
    [
        (("EUR", "USD", "0"), "rate"),
        (("EUR", "USD", "-1"), "rate"),
        (("EUR", "EUR", "1"), "functional"),
        (("EUR", "GBP", "1"), "functional"),
        (("CREDIT", "USD", "1"), "currency"),
    ],
)
def test_a_bad_rate_is_named(books: Books, terms: tuple[str, str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        books.do(SetFxRate(*terms, date(2026, 1, 10)))
    assert refused.value.field == field
