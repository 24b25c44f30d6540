"""A version tried: on given events, and on usage that is there; nothing is recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from application.commands.answers import ChargeAnswer, SimulationAnswer
from application.commands.catalog_requests import DraftProductVersion
from application.commands.requests import RecordUsage, SimulateUsage
from domain import identity
from domain.calendar.months import Months
from domain.catalog.catalog import Catalog
from domain.metering.meter import Aggregation
from domain.money.decimals import decimal_of
from domain.rating.comparison import Comparison, event_types_of
from domain.rating.price_list import PriceLists
from domain.rating.rate import Usage
from domain.rating.trial import Trial
from domain.refusals import InvalidInput, NotFound, Refusal
from domain.usage.charge import UsageCharge
from tests.books import START, Books
from tests.catalogue import R1_TIERS, RowSaid, amounts, meter, publish, said_price, use

TIERED = said_price("tokens", "GRADUATED", tiers=R1_TIERS)
DEAR = said_price("tokens", "UNIT", unit_price="2")


@pytest.fixture
def books() -> Books:
    """acme has 1 000 USD; `tokens` are graduated; version 2, a draft, asks 2 USD each."""
    books = Books()
    books.customer()
    books.grant("a", "1000", asset="USD")
    meter(books, "tokens")
    publish(books, "api", TIERED)
    books.do(DraftProductVersion("api", (DEAR,)))
    return books


def event(quantity: str, event_id: str = "s", **report: Any) -> RecordUsage:
    return RecordUsage(event_id, "ext:acme", "tokens", quantity=quantity, **report)


def simulated(
    books: Books, *events: RecordUsage, version: int | None = None, product: str = "api"
) -> list[UsageCharge | Refusal]:
    """Simulate; nothing may be written, and the wallet stays as it is."""
    before = (len(books.log.rows), books.wallet().state())
    answer = books.do(SimulateUsage(events, product, version))
    assert isinstance(answer, SimulationAnswer)
    assert (len(books.log.rows), books.wallet().state()) == before
    return [each.charge if isinstance(each, ChargeAnswer) else each for each in answer.results]


def charged(*results: UsageCharge | Refusal) -> list[str]:
    assert all(isinstance(each, UsageCharge) for each in results), results
    return amounts(*(each for each in results if isinstance(each, UsageCharge)))


def test_a_simulation_goes_on_from_the_live_totals(books: Books) -> None:
    # given
    use(books, "e1", "tokens", "600")
    # then: 400 at 0.10 and 200 at 0.08, then 9 000 more over the next end
    assert charged(*simulated(books, event("600"), event("9000", "s2"))) == ["56", "714"]
    # and again, since nothing moved
    assert charged(*simulated(books, event("600"))) == ["56"]
    assert amounts(use(books, "e2", "tokens", "600")) == ["56"]


def test_a_draft_is_simulated_before_it_is_published(books: Books) -> None:
    # when
    (charge,) = simulated(books, event("3"), version=2)
    # then
    assert isinstance(charge, UsageCharge)
    assert charged(charge) == ["6"]
    (line,) = charge.lines
    assert (line.product, line.version, line.price) == ("api", 2, "tokens")


def test_a_simulation_is_not_refused_for_want_of_funds(books: Books) -> None:
    # when
    enough, too_much = simulated(
        books, event("400"), event("400", "s2", delivered=False), version=2
    )
    # then
    assert charged(enough, too_much) == ["800", "800"]
    assert isinstance(enough, UsageCharge)
    assert isinstance(too_much, UsageCharge)
    assert (enough.would_refuse, too_much.would_refuse) == (False, True)


def test_what_an_event_states_and_when_it_was_recorded_before_do_not_matter(
    books: Books,
) -> None:
    # given
    use(books, "e1", "tokens", "100")
    # when
    stated = event(
        "100", "e1", amount="7", asset="USD", occurred_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    # then
    assert charged(*simulated(books, stated, version=2)) == ["200"]


def test_each_event_has_an_answer_of_its_own(books: Books) -> None:
    # when
    bad, stranger, good = simulated(
        books,
        RecordUsage("s1", "ext:acme", "tokens"),
        RecordUsage("s2", "ext:nobody", "tokens", quantity="1"),
        event("1", "s3"),
        version=2,
    )
    # then
    assert isinstance(bad, InvalidInput)
    assert bad.field == "quantity"
    assert isinstance(stranger, NotFound)
    assert charged(good) == ["2"]


@pytest.mark.parametrize(
    "product, version, what", [("none", None, "product"), ("api", 9, "product version")]
)
def test_a_version_that_does_not_exist(
    books: Books, product: str, version: int | None, what: str
) -> None:
    # when
    with pytest.raises(NotFound) as caught:
        simulated(books, event("1"), product=product, version=version)
    # then
    assert caught.value.what == what


def test_a_value_that_unique_has_met_in_the_simulation_counts_once(books: Books) -> None:
    # given
    meter(books, "users", "UNIQUE", event_type="seen", property="user")
    books.do(DraftProductVersion("seats", (said_price("users", "UNIT", unit_price="5"),)))
    seen = [
        RecordUsage(f"s{number}", "ext:acme", "seen", properties={"user": user})
        for number, user in enumerate(("ann", "bob", "ann"))
    ]
    # then
    assert charged(*simulated(books, *seen, product="seats", version=1)) == ["5", "5", "0"]


def test_the_catalogue_can_be_changed_in_the_batch_of_a_simulation(books: Books) -> None:
    # when
    answers = books.do_together(
        [
            SimulateUsage((event("1"),), "api", 2),
            DraftProductVersion("api", (said_price("tokens", "UNIT", unit_price="3"),)),
        ]
    )
    # then
    assert not any(isinstance(answer, Refusal) for answer in answers)
    assert charged(*simulated(books, event("1"), version=3)) == ["3"]


# Comparing


def compared(books: Books, version: int, *used: tuple[str, str, dict[str, Any], str]) -> Any:
    """Compare (event type, quantity, properties, charged USD) of one January."""
    catalog = Catalog.fold(books.log.stream(identity.catalog_id(books.tenant_id)))
    assert catalog is not None
    trial = Trial("api", version)
    comparison = Comparison(PriceLists(catalog), lambda at: trial.terms((), Months("UTC"), at))
    for event_type, quantity, properties, usd in used:
        usage = Usage(event_type, quantity, properties, START)
        comparison.add(usage, "USD", int(usd) * 10**9)
    return comparison.result


def test_a_comparison_starts_at_zero_and_adds_up(books: Books) -> None:
    # when
    result = compared(books, 1, ("tokens", "600", {}, "1"), ("tokens", "600", {}, "2"))
    # then
    assert decimal_of(result.charged["USD"], 9) == "3"
    assert decimal_of(result.would_charge["USD"], 9) == "116"
    assert (result.events["USD"], result.unpriceable["USD"]) == (2, 0)


def test_what_a_version_cannot_price_is_counted(books: Books) -> None:
    # given
    meter(books, "images", property="n", less=())
    prices = (
        said_price("images", "UNIT", dimensions=("size",), rows=(RowSaid({"size": 1}, "2"),)),
    )
    books.do(DraftProductVersion("api", prices))
    # when
    result = compared(
        books,
        3,
        ("images", "1", {"n": 3, "size": 1}, "1"),
        ("images", "1", {"n": 3, "size": 2}, "1"),
        ("images", "1", {"size": 1}, "1"),
        ("tokens", "1", {}, "1"),
    )
    # then: tokens have no price any more, and would cost nothing
    assert decimal_of(result.would_charge["USD"], 9) == "6"
    assert decimal_of(result.charged["USD"], 9) == "4"
    assert (result.events["USD"], result.unpriceable["USD"]) == (4, 2)


def test_what_is_compared_is_whatever_any_version_prices(books: Books) -> None:
    # given
    books.do(DraftProductVersion("api", ()))
    meter(books, "calls", "COUNT", event_type="http")
    books.do(DraftProductVersion("api", (said_price("calls", "UNIT", unit_price="1"),)))
    meter(books, "others")
    catalog = Catalog.fold(books.log.stream(identity.catalog_id(books.tenant_id)))
    assert catalog is not None
    assert catalog.meters["calls"].aggregation == Aggregation.COUNT
    # then
    assert event_types_of(PriceLists(catalog), "api") == ["http", "tokens"]
