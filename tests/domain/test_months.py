"""Calendar months in the customer's zone, and what a changed zone does to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.commands.requests import UpdateCustomer
from domain.calendar.months import Months
from tests.books import Books
from tests.catalogue import amounts, meter, publish, said_price, use

ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Apia", "America/New_York")
YEAR = datetime(2026, 1, 1, tzinfo=UTC)

instants = st.integers(0, 365 * 86_400).map(lambda seconds: YEAR + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "zone, instant, starts_at, ends_at",
    [
        ("UTC", "2026-01-31T23:00Z", "2026-01-01T00:00Z", "2026-02-01T00:00Z"),
        # begun nine hours earlier in Tokyo: the hours are missing at its end
        ("Asia/Tokyo", "2026-01-31T16:00Z", "2026-01-01T00:00Z", "2026-02-01T00:00Z"),
        ("Asia/Tokyo", "2026-02-01T00:00Z", "2026-02-01T00:00Z", "2026-02-28T15:00Z"),
        ("Asia/Tokyo", "2026-02-28T15:00Z", "2026-02-28T15:00Z", "2026-03-31T15:00Z"),
        # what is left of January in Los Angeles is no month of its own
        ("America/Los_Angeles", "2026-02-01T07:00Z", "2026-02-01T00:00Z", "2026-03-01T08:00Z"),
        ("America/Los_Angeles", "2026-03-01T08:00Z", "2026-03-01T08:00Z", "2026-04-01T07:00Z"),
    ],
)
def test_a_changed_zone_takes_effect_from_the_next_month(
    zone: str, instant: str, starts_at: str, ends_at: str
) -> None:
    # given
    months = Months("UTC").moved(zone, datetime(2026, 1, 15, tzinfo=UTC))
    # when
    month = months.at(datetime.fromisoformat(instant))
    # then
    assert month.starts_at == datetime.fromisoformat(starts_at)
    assert month.ends_at == datetime.fromisoformat(ends_at)


@given(st.lists(st.tuples(instants, st.sampled_from(ZONES)), max_size=4), instants)
def test_months_tile_whatever_zones_were_said(
    said: list[tuple[datetime, str]], instant: datetime
) -> None:
    # given
    months = Months("Asia/Tokyo")
    for at, zone in sorted(said):
        before = months.at(at)
        months = months.moved(zone, at)
        assert months.at(at) == before
    # when
    month = months.at(instant)
    # then
    assert month.starts_at <= instant < month.ends_at
    assert months.at(month.starts_at) == month
    assert months.at(month.ends_at).starts_at == month.ends_at
    assert timedelta(days=26) < month.ends_at - month.starts_at < timedelta(days=34)


def test_a_months_free_units_are_not_given_again_in_another_zone(books: Books) -> None:
    # given: ten free a month, used up
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1", free="10"))
    first = use(books, "e1", "tokens", "10")
    # when
    books.do(UpdateCustomer("ext:acme", "Asia/Tokyo", {}))
    second = use(books, "e2", "tokens", "10")
    books.later(seconds=31 * 86_400)
    third = use(books, "e3", "tokens", "10")
    # then
    assert amounts(first, second, third) == ["0", "10", "0"]


@pytest.fixture
def books() -> Books:
    """acme with 1 000 USD, in the middle of January."""
    books = Books(datetime(2026, 1, 15, tzinfo=UTC))
    books.customer()
    books.grant("plenty", "1000", asset="USD", source="PROMOTIONAL")
    return books
