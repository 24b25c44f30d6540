"""When several refusals apply, the first of the contract answers; tested pairwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from application.commands.requests import FreezeWallet, RecordUsage
from domain.refusals import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    Refusal,
)
from tests.books import START, Books


def _taken(books: Books, _: dict[str, Any]) -> None:
    books.charge("e1", "1")


def _frozen(books: Books, _: dict[str, Any]) -> None:
    books.do(FreezeWallet("ext:acme", "test"))


def _say(**change: Any) -> Callable[[Books, dict[str, Any]], None]:
    return lambda _, report: report.update(change)


# Each makes one refusal apply, whatever else does; in the order of the contract.
ORDER: list[tuple[str, Callable[[Books, dict[str, Any]], None], type[Refusal], str]] = [
    ("the request alone", _say(subject="a//b"), InvalidInput, "subject"),
    ("no such asset", _say(asset="NOPE"), NotFound, "asset"),
    ("taken with other content", _taken, IdempotencyConflict, "amount"),
    ("too late", _say(occurred_at=START - timedelta(days=36)), InvalidInput, "occurredAt"),
    ("frozen", _frozen, InvalidState, "FROZEN"),
    ("not available", _say(amount="1000"), InsufficientFunds, ""),
]


@pytest.mark.parametrize(
    "first, second", list(pairwise(ORDER)), ids=lambda each: each[0].replace(" ", "-")
)
def test_the_earlier_answers(first: Any, second: Any) -> None:
    # given: both apply
    books = Books()
    books.customer()
    books.grant("A", "10")
    report: dict[str, Any] = {"amount": "2", "asset": "CREDIT"}
    for _, apply, _, _ in (second, first):
        apply(books, report)
    before = len(books.log.rows)
    # when
    with pytest.raises(first[2]) as caught:
        books.do(RecordUsage("e1", "ext:acme", "tokens", **report))
    # then
    told = vars(caught.value)
    assert told.get("field", told.get("what", told.get("state", ""))) == first[3]
    assert len(books.log.rows) == before


def test_a_replay_is_never_refused() -> None:
    # given: charged, and by now too late, frozen and short of funds
    books = Books()
    books.customer()
    books.grant("A", "10")
    event = RecordUsage(
        "e1", "ext:acme", "tokens", amount="10", asset="CREDIT", occurred_at=START, not_after=START
    )
    first = books.do(event)
    books.do(FreezeWallet("ext:acme", "test"))
    books.later(days=100)
    # when
    again = books.do(event)
    # then
    assert again.replayed
    assert again.charge.id == first.charge.id
    assert again.charge.balance_after_units == 0
