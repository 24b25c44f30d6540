"""What a cycle costs at least: its shortfall, by time, against fees and usage of the cycle."""

from __future__ import annotations

from datetime import UTC, datetime

from application.commands.catalog_requests import CommitmentSaid
from tests.books import Books
from tests.plans import Plans, flat


def committed(books: Books) -> Plans:
    """Plans of 20 a month, where a month costs at least 100, and two without that."""
    plans = Plans(books)
    plans.publish("pro", [flat("20")], minimum_commitment=CommitmentSaid("100", "USD"))
    plans.publish("plain", [flat("60")])
    plans.publish("weekly", [flat("1")], period="WEEK")
    return plans


def april() -> Books:
    return Books(datetime(2026, 4, 1, tzinfo=UTC))


def test_its_shortfall_is_charged_when_the_cycle_ends() -> None:
    # given
    plans = committed(april())
    plans.subscribe("pro")
    # when
    plans.books.at(2026, 5, 1)
    plans.run()
    # then
    assert plans.fees() == ["20", "80", "20"]


def test_a_fee_that_is_given_back_counts_no_more_when_it_is_cancelled() -> None:
    # given
    plans = committed(april())
    pro = plans.subscribe("pro")
    # when
    plans.books.at(2026, 4, 16)
    plans.cancel(pro, at_cycle_end=False)
    # then: 50 for the half, less the 10 that stay of the fee
    assert plans.fees() == ["20", "-10", "40"]


def test_a_fee_that_is_given_back_counts_no_more_when_another_period_begins() -> None:
    # given
    plans = committed(april())
    pro = plans.subscribe("pro")
    # when
    plans.books.at(2026, 4, 16)
    plans.change(pro, "weekly")
    # then
    assert plans.fees() == ["20", "-10", "40", "1"]


def test_all_fees_of_a_cycle_count_also_those_of_a_plan_before() -> None:
    # given
    plans = committed(april())
    plain = plans.subscribe("plain")
    # when
    plans.books.at(2026, 4, 16)
    plans.change(plain, "pro")
    plans.books.at(2026, 5, 1)
    plans.run()
    # then: 50 is met by 60 less 30, and 10, and 10 more
    assert plans.fees() == ["60", "-30", "10", "10", "20"]
