"""What was refunded is a concession on its charge: it goes with it, and stays out of re-rating."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from application.commands.requests import Money, RerateWallet, WithdrawCharge
from domain.money.decimals import decimal_of
from domain.usage.charge import UsageCharge
from tests.books import Books
from tests.catalogue import TierSaid, amounts, meter, publish, said_price, use

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def books() -> Books:
    """acme has 1 000 USD, bought; an event says what it adds to `in` and to `out`."""
    books = Books()
    books.at(2026, 1, 1)
    books.customer()
    books.grant("bought", "1000", asset="USD", paid=Money("1000", "USD"))
    for key in ("in", "out"):
        meter(books, key, property=key, event_type="llm")
    return books


def by_the_unit(books: Books, of_in: str, of_out: str) -> int:
    books.later(minutes=1)
    prices = [("in", of_in), ("out", of_out)]
    return publish(books, "api", *(said_price(k, "UNIT", unit_price=p) for k, p in prices))


def used(books: Books, event_id: str, of_in: int, of_out: int) -> UsageCharge:
    return use(books, event_id, "llm", properties={"in": of_in, "out": of_out})


def withdraw(books: Books, *charges: UsageCharge) -> None:
    for charge in charges:
        books.do(WithdrawCharge(charge.id, "test"))


def rerate(books: Books, version: int) -> int:
    wallet_id = books.wallet().id
    command = RerateWallet(wallet_id, "api", version, JANUARY, FEBRUARY, "wrong", dry=False)
    charges: int = books.do(command).charges
    return charges


def burned(books: Books) -> str:
    return decimal_of(books.account("USD").burned_units, 9)


def nets(books: Books, *charges: UsageCharge) -> list[str]:
    folded = [UsageCharge.fold(books.log.stream(each.id)) for each in charges]
    return [decimal_of(each.net_units, 9) for each in folded if each is not None]


def test_what_was_refunded_stays_out_however_often_the_price_changes(books: Books) -> None:
    # given 7 of 10 refunded
    by_the_unit(books, "1", "0")
    charge = used(books, "a", 10, 0)
    books.refund(charge, "r", "7")
    for price in ("0", "0.000000001", "2", "1"):
        by_the_unit(books, price, "0")
    # when, then three tenths of what it costs are paid, whatever was rounded on the way
    for version, left in ((2, "0"), (3, "0.000000003"), (4, "6"), (2, "0"), (5, "3")):
        assert rerate(books, version) == 1
        assert (burned(books), nets(books, charge)) == (left, [left])
        assert rerate(books, version) == 0
    withdraw(books, charge)
    assert (burned(books), nets(books, charge)) == ("0", ["0"])


def test_a_refund_after_re_rating_is_a_share_of_what_it_came_to_then(books: Books) -> None:
    # given a price typed wrong, and half of what is right refunded
    by_the_unit(books, "300", "0")
    charge = used(books, "a", 2, 0)
    by_the_unit(books, "3", "0")
    by_the_unit(books, "4", "0")
    rerate(books, 2)
    books.refund(charge, "r", "3")
    assert burned(books) == "3"
    # when
    rerate(books, 3)
    # then
    assert burned(books) == "4"
    withdraw(books, charge)
    assert burned(books) == "0"


def test_the_smallest_refund_of_a_charge_that_was_free_when_it_was_recorded(books: Books) -> None:
    # given
    by_the_unit(books, "0.1", "0.05")
    by_the_unit(books, "0", "0")
    charge = used(books, "a", 1, 1)
    rerate(books, 1)
    books.refund(charge, "r", "0.000000001")
    assert burned(books) == "0.149999999"
    # when
    withdraw(books, charge)
    # then
    assert (burned(books), nets(books, charge)) == ("0", ["0"])


def test_each_line_bears_its_part_without_residue(books: Books) -> None:
    # given a refund of 1 of 3, all of it of the last line
    by_the_unit(books, "1", "2")
    charge = used(books, "a", 1, 1)
    books.refund(charge, "r", "1")
    # when it costs a tenth, which has no third
    by_the_unit(books, "0.05", "0.05")
    rerate(books, 2)
    # then
    assert burned(books) == "0.066666667"
    # when
    other = used(books, "b", 1, 1)
    withdraw(books, charge)
    # then
    assert (burned(books), nets(books, charge, other)) == ("0.1", ["0", "0.1"])
    withdraw(books, other)
    assert burned(books) == "0"


def test_a_refund_of_a_line_that_another_charge_made_dear(books: Books) -> None:
    # given 5 of `out` that are free, and one beyond them, refunded
    books.later(minutes=1)
    tiers = (TierSaid("0", "5"), TierSaid("0.05"))
    publish(
        books,
        "api",
        said_price("in", "UNIT", unit_price="0.05"),
        said_price("out", "GRADUATED", tiers=tiers),
    )
    first, last = used(books, "a", 0, 1), used(books, "b", 1, 5)
    assert amounts(first, last) == ["0", "0.1"]
    books.refund(last, "r", "0.05")
    # when: without the first, all of `out` is free, and nothing of it is paid
    withdraw(books, first)
    assert burned(books) == "0.05"
    # then what was conceded of it is not made good by what was paid for `in`
    withdraw(books, last)
    assert (burned(books), nets(books, first, last)) == ("0", ["0", "0"])


def test_withdrawing_takes_nothing_of_a_refund_anew(books: Books) -> None:
    # given R1's first tiers: 60, refunded, and 56
    books.later(minutes=1)
    tiers = (TierSaid("0.10", "1000"), TierSaid("0.08"))
    publish(books, "api", said_price("in", "GRADUATED", tiers=tiers))
    first, second = used(books, "a", 600, 0), used(books, "b", 600, 0)
    books.refund(first, "r")
    # when: the rest costs 60 alone, of which 56 were taken
    withdraw(books, first)
    # then
    assert (burned(books), nets(books, first, second)) == ("56", ["0", "56"])
    # when
    withdraw(books, second)
    # then
    assert (burned(books), nets(books, first, second)) == ("0", ["0", "0"])
