"""Worked cases of plans' fees and included credits, by account: debits above zero."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import pytest

from application.commands.catalog_requests import CommitmentSaid, DefineMeter, PriceSaid
from application.commands.requests import Money, RecordUsage, SetExchangeRate, SetOverageLimit
from domain.catalog.price import PriceModel
from domain.revenue.books import Books as RevenueBooks
from domain.revenue.books import movements_of
from domain.revenue.folding import FOLD, fold
from domain.revenue.period import AccountingDayEnded
from tests.accountant import two_places
from tests.books import Books
from tests.plans import Plans, flat, included, seat


def plans_at(*moment: int, money: str = "1000") -> Plans:
    """acme with USD that were paid for."""
    books = Books(datetime(*moment, tzinfo=UTC))  # type: ignore[misc, arg-type]
    plans = Plans(books, money=None)
    books.grant("money", money, asset="USD", paid=Money(money, "USD"))
    return plans


def folded(plans: Plans) -> RevenueBooks:
    """Fold the log, each day ended once it is over."""
    books = plans.books
    revenue = RevenueBooks()
    events = books.log.all()
    day = events[0].timestamp.date()
    position = 0

    def end_days(before: date) -> None:
        nonlocal day, position
        while day < before:
            position += 1
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
            ended = AccountingDayEnded("period", position, at, f"{day:%Y-%m}", day)
            fold(revenue, position, books.tenant_id, ended)
            day += timedelta(days=1)

    for event in events:
        end_days(event.timestamp.date())
        if type(event) in FOLD:
            position += 1
            fold(revenue, position, books.tenant_id, event)
    end_days(books.clock.at.date())
    return revenue


def balances(revenue: RevenueBooks, period: str | None = None) -> dict[str, str]:
    """Return what accounts stand at, or moved by in a month."""
    sums: Counter[str] = Counter()
    for entry in revenue.entries:
        assert entry.balanced()
        if period in (None, entry.period):
            for account, amount in zip(entry.accounts, entry.amounts, strict=True):
                sums[account] += amount
    return {account: two_places(amount, 2) for account, amount in sums.items() if amount}


def ties(revenue: RevenueBooks) -> bool:
    """Whether the obligations say what the contract liability is, and end at what was paid."""
    said = sum(o.liability for o in revenue.obligations.values())
    posted = sum(
        amount
        for entry in revenue.entries
        for account, amount in zip(entry.accounts, entry.amounts, strict=True)
        if account == "contract_liability"
    )
    moved: Counter[str] = Counter()
    for (_, obligation_id, _), m in movements_of(revenue.entries).items():
        moved[obligation_id] += m.paid - m.recognized - m.breakage - m.refunded - m.escheated
        moved[obligation_id] -= m.transferred
    by_id = {key: o.liability for key, o in revenue.obligations.items()}
    assert {key: minor for key, minor in moved.items() if minor} == {
        key: minor for key, minor in by_id.items() if minor
    }
    return said == -posted


def test_v3_ratable() -> None:
    # given
    plans = plans_at(2026, 1, 16)
    plans.publish("pro", [flat("20")], [included("100")])
    plans.subscribe("pro")
    plans.books.charge("e", "90")
    # when
    plans.books.at(2026, 2, 16)
    revenue = folded(plans)
    # then
    assert balances(revenue, "2026-01")["revenue_ratable"] == "-10.32"
    assert balances(revenue, "2026-02")["revenue_ratable"] == "-9.68"
    assert balances(revenue) == {
        "cash": "1000.00",
        "contract_liability": "-980.00",
        "revenue_ratable": "-20.00",
    }
    assert ties(revenue)


def test_v17_upgrade_over_a_month_end() -> None:
    # given
    plans = plans_at(2026, 4, 11)
    plans.publish("basic", [flat("30")])
    plans.publish("pro", [flat("60")])
    basic = plans.subscribe("basic")
    # when
    plans.books.at(2026, 4, 26)
    plans.change(basic, "pro")
    # then
    revenue = folded(plans)
    assert balances(revenue)["revenue_ratable"] == "-15.00"
    assert balances(revenue)["contract_liability"] == "-985.00"
    # and
    plans.cancel(basic)
    plans.books.at(2026, 5, 11)
    plans.run()
    revenue = folded(plans)
    assert balances(revenue, "2026-04")["revenue_ratable"] == "-25.00"
    assert balances(revenue, "2026-05")["revenue_ratable"] == "-20.00"
    assert balances(revenue)["contract_liability"] == "-955.00"
    assert ties(revenue)


def test_v17_by_invoice() -> None:
    # given
    plans = Plans(Books(datetime(2026, 4, 11, tzinfo=UTC)), money=None)
    plans.publish("basic", [flat("30")])
    plans.publish("pro", [flat("60")])
    basic = plans.subscribe("basic", collection="INVOICE")
    # when
    plans.books.at(2026, 4, 26)
    plans.change(basic, "pro")
    # then
    revenue = folded(plans)
    assert balances(revenue) == {
        "unbilled_receivable": "45.00",
        "contract_liability": "-30.00",
        "revenue_ratable": "-15.00",
    }
    assert ties(revenue)


def test_v21_rollover() -> None:
    # given
    plans = plans_at(2026, 1, 1, money="40")
    plans.publish("pro", [flat("20")], [included("100", rollover=True, rollover_limit="50")])
    plans.subscribe("pro")
    plans.books.charge("e", "30")
    assert balances(folded(plans))["revenue_usage"] == "-6.00"
    # when
    plans.books.at(2026, 1, 31, 23)
    before = folded(plans)
    plans.books.at(2026, 2, 1)
    plans.run()
    # then: 20 lapse, 50 roll over with 10.00, and 20.00 are charged
    revenue = folded(plans)
    assert balances(before)["contract_liability"] == "-34.00"
    assert balances(revenue, "2026-01")["revenue_breakage"] == "-4.00"
    assert balances(revenue)["contract_liability"] == "-30.00"
    # and
    plans.books.charge("f", "60")
    revenue = folded(plans)
    assert balances(revenue, "2026-02")["revenue_usage"] == "-12.00"
    assert balances(revenue)["contract_liability"] == "-18.00"
    assert ties(revenue)


def test_a_plan_that_ends_early_leaves_no_liability() -> None:
    # given: 40 % of the credits are unused, half of the time
    plans = plans_at(2026, 4, 1, money="20")
    plans.publish("pro", [flat("20")], [included("100", rollover=True)])
    pro = plans.subscribe("pro")
    plans.books.charge("e", "60")
    # when
    plans.books.at(2026, 4, 16)
    plans.cancel(pro, at_cycle_end=False)
    # then: 8.00 are given back, which the unused credits carry
    revenue = folded(plans)
    assert balances(revenue) == {
        "cash": "20.00",
        "contract_liability": "-8.00",
        "revenue_usage": "-12.00",
    }
    assert ties(revenue)


def test_arrears_and_overage_of_a_fee() -> None:
    # given
    plans = plans_at(2026, 4, 1, money="5")
    plans.publish("pro", [seat("8", in_advance=False), flat("3")])
    plans.subscribe("pro")
    # when
    plans.books.at(2026, 5, 1)
    plans.run()
    # then: of 8 in arrears 2 are paid, 6 owed; of the next 3 none
    revenue = folded(plans)
    assert balances(revenue) == {
        "cash": "5.00",
        "unbilled_receivable": "9.00",
        "contract_liability": "-3.00",
        "revenue_ratable": "-11.00",
    }
    assert ties(revenue)


def test_a_years_fee_is_shared_over_its_months_of_credits() -> None:
    # given
    plans = plans_at(2026, 1, 1, money="365")
    monthly = included("10", period="MONTH", rollover=True, rollover_limit="0")
    plans.publish("yearly", [flat("365")], [monthly], period="YEAR")
    plans.books.do(SetExchangeRate("CREDIT", "USD", "5"))
    plans.subscribe("yearly")
    plans.books.do(SetOverageLimit("ext:acme", "CREDIT", "0"))
    # when
    plans.books.charge("e", "5")
    assert balances(folded(plans))["revenue_usage"] == "-15.50"
    plans.books.at(2026, 3, 1)
    plans.run()
    # then: 31 and 28 days of it are earned or lapsed
    revenue = folded(plans)
    assert balances(revenue) == {
        "cash": "365.00",
        "contract_liability": "-306.00",
        "revenue_usage": "-15.50",
        "revenue_breakage": "-43.50",
    }
    assert ties(revenue)


@pytest.mark.parametrize("collection", ["WALLET", "INVOICE"])
def test_v18_a_shortfall_that_was_not_expected(collection: Literal["WALLET", "INVOICE"]) -> None:
    # given
    plans = Plans(Books(datetime(2026, 1, 1, tzinfo=UTC)), money=None)
    committed = CommitmentSaid("12000", "USD")
    plans.books.do(DefineMeter("tokens"))
    price = PriceSaid("tokens", PriceModel.UNIT, "USD", meter="tokens", unit_price="1500")
    plans.publish("pro", [price], period="YEAR", minimum_commitment=committed)
    plans.books.do(SetOverageLimit("ext:acme", "USD", None))
    plans.subscribe("pro", collection=collection)
    # when
    plans.books.at(2026, 1, 20)
    plans.books.do(RecordUsage("e1", "ext:acme", "tokens", quantity="1"))
    # then
    usage = {"unbilled_receivable": "1500.00", "revenue_usage": "-1500.00"}
    assert balances(folded(plans), "2026-01") == usage
    # when
    plans.books.at(2026, 12, 31, 23)
    plans.run()
    assert balances(folded(plans)) == usage
    plans.books.at(2027, 1, 1)
    plans.run()
    # then
    revenue = folded(plans)
    assert balances(revenue, "2026-12") == {
        "unbilled_receivable": "10500.00",
        "revenue_breakage": "-10500.00",
    }
    assert {entry.date for entry in revenue.entries[1:]} == {date(2026, 12, 31)}
    assert ties(revenue)
