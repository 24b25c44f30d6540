"""When a charge that is given back, withdrawn or rated anew stands in the books."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from application.commands.accounting_requests import BeginClose, CompleteClose, EndDays
from application.commands.requests import (
    Money,
    RerateWallet,
    SetWalletMode,
    WithdrawCharge,
)
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeSettled
from tests.accountant import folded, lines_of
from tests.books import Books
from tests.catalogue import meter, publish, said_price, use

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def books() -> Books:
    """acme has 10 USD, paid, and uses 40 on 10 January; it is 3 February."""
    books = Books(JANUARY)
    books.customer(mode="HYBRID")
    books.grant("ten", "10", asset="USD", paid=Money("10", "USD"))
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="4"))
    books.at(2026, 1, 10)
    use(books, "a", "tokens", "10")
    books.at(2026, 2, 3)
    return books


def charge(books: Books) -> UsageCharge:
    (settled,) = [each for each in books.log.all() if isinstance(each, ChargeSettled)]
    found = UsageCharge.fold(books.log.stream(settled.originator_id))
    assert found is not None
    return found


def last(books: Books, count: int) -> list[tuple[date, str, dict[str, str]]]:
    entries = folded(books).entries[-count:]
    return [(each.date, each.service_period, lines_of(each)) for each in entries]


TO_GRANT = {"revenue_usage": "10.00", "contract_liability": "-10.00"}
TO_UNBILLED = {"revenue_usage": "30.00", "unbilled_receivable": "-30.00"}


def test_a_refund_is_dated_when_it_was_recorded(books: Books) -> None:
    # when
    books.refund(charge(books), "r")
    # then
    today = date(2026, 2, 3)
    assert last(books, 2) == [(today, "2026-01", TO_GRANT), (today, "2026-01", TO_UNBILLED)]


def test_a_withdrawal_is_dated_on_the_charges_own_day(books: Books) -> None:
    # when
    books.do(WithdrawCharge(charge(books).id, "t"))
    # then
    own = date(2026, 1, 10)
    assert last(books, 2) == [(own, "2026-01", TO_GRANT), (own, "2026-01", TO_UNBILLED)]


def test_once_its_month_is_closed_a_withdrawal_is_dated_when_it_was_recorded(
    books: Books,
) -> None:
    # given
    books.do(EndDays(date(2026, 1, 31)))
    books.do(BeginClose("2026-01", None))
    books.do(CompleteClose("2026-01", len(books.log.rows), "hash", ()))
    # when
    books.do(WithdrawCharge(charge(books).id, "t"))
    # then
    today = date(2026, 2, 3)
    assert last(books, 2) == [(today, "2026-01", TO_GRANT), (today, "2026-01", TO_UNBILLED)]


@pytest.mark.parametrize("unit_price, back", [("3.5", "5.00"), ("4.5", "-5.00")])
def test_a_charge_rated_anew_is_dated_on_its_own_day(
    books: Books, unit_price: str, back: str
) -> None:
    # given
    books.do(SetWalletMode("ext:acme", "CONTROL"))
    publish(books, "api", said_price("tokens", "UNIT", unit_price=unit_price))
    wallet_id = books.wallet().id
    # when
    books.do(RerateWallet(wallet_id, "api", 2, JANUARY, FEBRUARY, "wrong", dry=False))
    # then
    ((day, service, lines),) = last(books, 1)
    assert (day, service) == (date(2026, 1, 10), "2026-01")
    assert lines["revenue_usage"] == back
