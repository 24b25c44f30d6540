"""UNIQUE by dimensions: a value costs what the row of its first event says, of those left."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from application.commands.requests import Money, WithdrawCharge
from domain.money.decimals import decimal_of
from domain.usage.charge import UsageCharge
from tests.books import Books, reloaded
from tests.catalogue import RowSaid, amounts, meter, publish, said_price, use

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = {"haiku": 1, "sonnet": 3, "opus": 15}


def priced() -> Books:
    books = Books(JANUARY)
    books.customer()
    books.grant("money", "100000", asset="USD", paid=Money("1", "USD"))
    meter(books, "users", "UNIQUE", property="user")
    rows = tuple(RowSaid({"model": model}, str(price)) for model, price in ROWS.items())
    publish(books, "api", said_price("users", "UNIT", dimensions=("model",), rows=rows))
    return books


def see(books: Books, number: int, user: int, model: str) -> UsageCharge:
    books.later(seconds=1)
    return use(books, f"e{number}", "users", properties={"user": user, "model": model})


def withdraw(books: Books, charge: UsageCharge) -> None:
    books.do(WithdrawCharge(charge.id, "test"))


def burned(books: Books) -> str:
    return decimal_of(books.account("USD").burned_units, 9)


def test_what_the_next_event_costs_less_goes_back() -> None:
    # given
    books = priced()
    first, later = see(books, 1, 1, "opus"), see(books, 2, 1, "haiku")
    assert amounts(first, later) == ["15", "0"]
    # when
    withdraw(books, first)
    # then
    assert burned(books) == "1"
    # when
    withdraw(books, later)
    # then
    assert burned(books) == "0"


def test_what_the_next_event_costs_more_is_burned() -> None:
    # given
    books = priced()
    first, later = see(books, 1, 1, "haiku"), see(books, 2, 1, "opus")
    # when
    withdraw(books, first)
    # then
    assert burned(books) == "15"
    # when
    withdraw(books, later)
    # then
    assert burned(books) == "0"


def test_a_later_event_of_a_value_changes_nothing() -> None:
    # given
    books = priced()
    see(books, 1, 1, "haiku")
    later = see(books, 2, 1, "opus")
    other = see(books, 3, 2, "sonnet")
    # when
    withdraw(books, later)
    # then
    assert burned(books) == "4"
    # when
    withdraw(books, other)
    # then
    assert burned(books) == "1"
    assert amounts(see(books, 4, 2, "opus")) == ["15"]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(sorted(ROWS))), min_size=1, max_size=8),
    st.data(),
)
def test_whatever_is_withdrawn_the_rest_costs_what_it_costs_alone(
    told: list[tuple[int, str]], data: st.DataObject
) -> None:
    # given
    books = priced()
    left = [(see(books, number, *each), *each) for number, each in enumerate(told)]
    while left:
        # when
        gone = left.pop(data.draw(st.integers(0, len(left) - 1)))
        withdraw(books, gone[0])
        # then
        first: dict[int, str] = {}
        for _, user, model in left:
            first.setdefault(user, model)
        assert burned(books) == str(sum(ROWS[model] for model in first.values()))
        (total,) = books.wallet().totals.by_key.values()
        assert total.quantity == len(first) * 10**18
        wallet = books.wallet()
        assert reloaded(wallet).state() == wallet.state()
