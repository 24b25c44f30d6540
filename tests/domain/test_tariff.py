"""What rates usage is found once for all events of one time, and found anew once it changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from application.commands.answers import Answer, ChargeAnswer
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PublishProductVersion,
    SetDefaultProduct,
)
from application.commands.requests import CreateCustomer, RecordUsage
from application.commands.subscription_requests import CancelSubscription, SetOverrides
from domain.metering.meter import Aggregation
from domain.refusals import Refusal
from domain.usage.charge import UsageCharge
from tests.books import Books
from tests.catalogue import amounts, meter, publish, said_price
from tests.plans import Plans


def usage(event_id: str, customer: str = "ext:acme") -> RecordUsage:
    return RecordUsage(event_id, customer, "tokens", quantity="10")


def charges(answers: Sequence[Answer | Refusal]) -> list[UsageCharge]:
    """Return the charges among answers, none of which is a refusal."""
    assert not any(isinstance(each, Refusal) for each in answers)
    return [each.charge for each in answers if isinstance(each, ChargeAnswer)]


def test_a_version_prices_what_comes_after_it_in_the_same_commit() -> None:
    # given
    books = Books()
    books.customer(mode="SHADOW")
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    books.do(DraftProductVersion("api", (said_price("tokens", "UNIT", unit_price="3"),)))
    # when
    answers = books.do_together([usage("a"), PublishProductVersion("api", 2), usage("b")])
    # then
    assert amounts(*charges(answers)) == ["10", "30"]


def test_another_default_product_and_another_meter_in_the_same_commit() -> None:
    # given
    books = Books()
    books.customer(mode="SHADOW")
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    publish(books, "batch", said_price("tokens", "UNIT", unit_price="2"), default=False)
    # when
    answers = books.do_together(
        [
            usage("a"),
            SetDefaultProduct("batch"),
            usage("b"),
            DefineMeter("requests", "tokens", Aggregation.COUNT),
            usage("c"),
        ]
    )
    # then
    assert amounts(*charges(answers)) == ["10", "20", "20"]
    assert [line.meter for line in charges(answers)[-1].lines] == ["tokens", "requests"]


def test_what_was_agreed_with_a_customer_in_the_same_commit() -> None:
    # given
    plans = Plans(Books(datetime(2026, 1, 10, tzinfo=UTC)))
    meter(plans.books, "tokens")
    publish(plans.books, "api", said_price("tokens", "UNIT", unit_price="7"))
    plans.publish("pro", [said_price("tokens", "UNIT", unit_price="2")])
    pro = plans.subscribe("pro")
    agreed = (said_price("tokens", "UNIT", unit_price="1"),)
    # when
    answers = plans.books.do_together(
        [
            usage("a"),
            SetOverrides(pro, agreed),
            usage("b"),
            SetOverrides(pro, (), discount="0.25"),
            usage("c"),
            CancelSubscription(pro, at_cycle_end=False),
            usage("d"),
        ]
    )
    # then
    assert amounts(*charges(answers)) == ["20", "10", "15", "70"]


def test_customers_in_other_zones_have_other_months() -> None:
    # given
    books = Books(datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    zones = ("UTC", "Europe/Berlin", "UTC")
    for place, timezone in enumerate(zones):
        books.do(CreateCustomer(f"c{place}", mode="SHADOW", timezone=timezone))
    # when
    answers = books.do_together([usage(f"e{n}", f"ext:c{n}") for n in range(len(zones))])
    # then
    starts = [charge.lines[0].starts_at for charge in charges(answers)]
    assert starts == [
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 31, 23, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
