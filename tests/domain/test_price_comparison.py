"""What a comparison says is what the same usage comes to: by its own version, and by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from application.commands.catalog_requests import PriceSaid
from domain import identity
from domain.calendar.months import Months
from domain.catalog.catalog import Catalog
from domain.money.decimals import decimal_of
from domain.rating.comparison import Compared, Comparison
from domain.rating.price_list import PriceLists
from domain.rating.rate import Usage
from domain.rating.trial import Trial
from domain.usage.charge import UsageCharge
from tests.books import Books
from tests.catalogue import RowSaid, TierSaid, meter, publish, said_price, use

FIRST_DAY, AFTER_ALL = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)
AGGREGATIONS = ("SUM", "COUNT", "MAX", "UNIQUE", "LATEST")

decimals = st.builds(decimal_of, st.integers(0, 10**4), st.integers(0, 9))
above_zero = st.builds(decimal_of, st.integers(1, 10**4), st.integers(0, 3))


@dataclass(frozen=True)
class Event:
    """One of January or February, in any order."""

    value: int
    model: str
    occurred_at: datetime


events = st.lists(
    st.builds(
        Event,
        st.integers(0, 20),
        st.sampled_from(["opus", "haiku"]),
        st.datetimes(FIRST_DAY.replace(tzinfo=None), AFTER_ALL.replace(tzinfo=None)).map(
            lambda at: at.replace(tzinfo=UTC)
        ),
    ),
    min_size=1,
    max_size=8,
)


@st.composite
def prices(draw: st.DrawFn) -> tuple[PriceSaid, ...]:
    """A price for some of the meters, of any model that measures."""
    return tuple(draw(_price(key)) for key in draw(st.lists(_meters, unique=True, max_size=3)))


_meters = st.sampled_from(AGGREGATIONS)


def _price(key: str) -> st.SearchStrategy[PriceSaid]:
    tier = st.builds(TierSaid, decimals, st.just("7"), st.sampled_from(["0", "1.25"]))
    tiers = st.tuples(tier, st.builds(TierSaid, decimals))
    rows = st.tuples(st.builds(RowSaid, st.just({"model": "opus"}), decimals))
    cycle = {"free": st.none() | above_zero, "cap": st.none() | above_zero}
    event = {"minimum": st.none() | above_zero, "fixed_fee": st.none() | above_zero}
    price = partial(st.builds, said_price, st.just(key), meter=st.just(key), **event)
    return st.one_of(
        price(st.just("UNIT"), unit_price=decimals, **cycle),
        price(st.just("UNIT"), unit_price=decimals, dimensions=st.just(("model",)), rows=rows,
              **cycle),
        price(st.just("PACKAGE"), unit_price=decimals, package_size=above_zero, **cycle),
        price(st.sampled_from(["GRADUATED", "VOLUME"]), tiers=tiers, **cycle),
        price(st.just("PERCENTAGE"), rate=decimals),
    )  # fmt: skip


def used(version: Sequence[PriceSaid], said: Sequence[Event]) -> tuple[Books, list[UsageCharge]]:
    """The events as one version charges them, by a customer with plenty."""
    books = Books(FIRST_DAY)
    books.customer()
    books.grant("plenty", "1000000000", asset="USD", source="PROMOTIONAL")
    for key in AGGREGATIONS:
        read = None if key == "COUNT" else "value"
        meter(books, key, key, event_type="call", property=read, unpriced_asset="USD")
    publish(books, "api", *version)
    books.clock.at = AFTER_ALL
    return books, [
        use(
            books,
            f"e{number}",
            "call",
            occurred_at=event.occurred_at,
            properties={"value": event.value, "model": event.model},
        )
        for number, event in enumerate(said)
    ]


def compared(books: Books, version: int, charges: Sequence[UsageCharge]) -> Compared:
    catalog = Catalog.fold(books.log.stream(identity.catalog_id(books.tenant_id)))
    assert catalog is not None
    terms_at = partial(Trial("api", version).terms, (), Months("UTC"))
    comparison = Comparison(PriceLists(catalog), terms_at)
    for charge in charges:
        properties = charge.private["properties"]
        usage = Usage("call", None, properties, charge.reported.occurred_at)
        comparison.add(usage, "USD", charge.amount_units)
    return comparison.result


@settings(max_examples=80)
@given(prices(), prices(), events)
def test_what_a_version_would_charge_is_what_it_charges(
    now: tuple[PriceSaid, ...], then: tuple[PriceSaid, ...], said: list[Event]
) -> None:
    # given
    books, charges = used(now, said)
    _, charged_then = used(then, said)
    publish(books, "api", *then)
    # when
    same, other = compared(books, 1, charges), compared(books, 2, charges)
    # then
    assert same.would_charge["USD"] == same.charged["USD"]
    assert other.charged["USD"] == same.charged["USD"]
    assert other.would_charge["USD"] == sum(each.amount_units for each in charged_then)
    assert (other.events["USD"], other.unpriceable["USD"]) == (len(said), 0)
