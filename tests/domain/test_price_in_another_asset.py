"""A price that goes on in another asset within a cycle: each asset's money goes back in it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest

from application.commands.requests import Money, WithdrawCharge
from domain.money.decimals import decimal_of
from domain.usage.charge import UsageCharge
from tests.books import Books
from tests.catalogue import TierSaid, amounts, meter, publish, said_price, use

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


TIERS = {
    "GRADUATED": (TierSaid("2", "5"), TierSaid("1")),
    "VOLUME": (TierSaid("2", "5"), TierSaid("0.5")),
}


def history(model: str) -> tuple[Books, list[UsageCharge]]:
    """Two charges of 4 by a price in USD, two of 1 by its next version in EUR."""
    books = Books(MARCH)
    books.customer()
    for each in ("USD", "EUR"):
        books.grant(each, "1000", asset=each, paid=Money("1000", each))
    meter(books, "tokens")
    publish(
        books,
        "api",
        said_price("tokens", model, tiers=TIERS[model]),
    )
    charges = [use(books, each, "tokens", "4") for each in "ab"]
    books.later(minutes=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="3", asset="EUR"))
    charges += [use(books, each, "tokens", "1") for each in "cd"]
    return books, charges


def burned(books: Books) -> list[str]:
    accounts = [books.account(asset) for asset in ("USD", "EUR")]
    return [decimal_of(account.burned_units, 9) for account in accounts]


@pytest.mark.parametrize(
    "model, before, first",
    [("GRADUATED", ["8", "5", "3", "3"], "5"), ("VOLUME", ["8", "-4", "3", "3"], "0")],
)
def test_withdrawing_gives_back_what_the_charge_took(
    model: str, before: list[str], first: str
) -> None:
    # given
    books, charges = history(model)
    assert amounts(*charges) == before
    # when
    books.do(WithdrawCharge(charges[0].id, "t"))
    # then
    assert burned(books) == [first, "6"]
    # when
    books.do(WithdrawCharge(charges[3].id, "t"))
    # then
    assert burned(books) == [first, "3"]
    (total,) = books.wallet().totals.by_key.values()
    assert (total.quantity, total.amount_units) == (5 * 10**18, 3 * 10**9)


@pytest.mark.parametrize("model", ["GRADUATED", "VOLUME"])
def test_in_whatever_order_all_of_them_give_back_all(model: str) -> None:
    for order in permutations(range(4)):
        # given
        books, charges = history(model)
        # when
        for place in order:
            books.do(WithdrawCharge(charges[place].id, "t"))
        # then
        assert burned(books) == ["0", "0"], order
