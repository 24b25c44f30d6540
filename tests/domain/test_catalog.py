"""The catalogue by its commands: what it takes, what it refuses by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from application.commands.catalog_requests import (
    CommitmentSaid,
    DefineMeter,
    DraftProductVersion,
    IncludedGrantSaid,
    PriceSaid,
    PublishProductVersion,
    RowSaid,
    SetDefaultProduct,
    TierSaid,
)
from domain import identity
from domain.calendar.cycles import CyclePeriod
from domain.catalog.catalog import Catalog, ListedProduct
from domain.catalog.price import PriceModel
from domain.catalog.product import VersionStatus
from domain.metering.meter import Aggregation, PropertyFilter
from domain.refusals import IdempotencyConflict, InvalidInput, InvalidState, NotFound
from tests.books import START, Books
from tests.catalogue import use

UNIT = PriceSaid("tokens", PriceModel.UNIT, "CREDIT", meter="tokens", unit_price="1")
TIERED = PriceSaid(
    "tokens",
    PriceModel.GRADUATED,
    "CREDIT",
    meter="tokens",
    tiers=(TierSaid("0.10", "1000"), TierSaid("0.05")),
)
TABLE = PriceSaid(
    "tokens",
    PriceModel.UNIT,
    "CREDIT",
    meter="tokens",
    dimensions=("model",),
    rows=(RowSaid({"model": "opus"}, "2"),),
)


@pytest.fixture
def books() -> Books:
    books = Books()
    books.do(DefineMeter("tokens"))
    return books


def draft(*prices: PriceSaid, **terms: Any) -> DraftProductVersion:
    return DraftProductVersion("api", prices or (UNIT,), **terms)


def publish(number: int = 1, effective_at: datetime | None = None) -> PublishProductVersion:
    return PublishProductVersion("api", number, effective_at)


def catalog(books: Books) -> Catalog:
    folded = Catalog.fold(books.log.stream(identity.catalog_id(books.tenant_id)))
    assert folded is not None
    return folded


def statuses(product: ListedProduct) -> list[str]:
    return [version.status for version in product.versions]


def refused(books: Books, command: Any) -> Any:
    """Return how a command is refused; it must write nothing."""
    written = len(books.log.rows)
    with pytest.raises((InvalidInput, InvalidState, NotFound, IdempotencyConflict)) as caught:
        books.do(command)
    assert len(books.log.rows) == written
    return caught.value


# Meters


def test_a_meter_is_defined_once(books: Books) -> None:
    # given
    said = DefineMeter(
        "prompt",
        "llm",
        Aggregation.SUM,
        "input_tokens",
        ("cached",),
        {"tier": ["pro", "free"], "batch": False},
    )
    # when
    first = books.do(said).meter
    written = len(books.log.rows)
    again = books.do(replace(said, filters={"batch": False, "tier": ["free", "pro", "pro"]})).meter
    # then
    assert first == again
    assert first.filters == (
        PropertyFilter("batch", (False,)),
        PropertyFilter("tier", ("free", "pro")),
    )
    assert len(books.log.rows) == written


@pytest.mark.parametrize(
    "change, field",
    [
        ({"event_type": "other"}, "eventType"),
        ({"aggregation": Aggregation.MAX}, "aggregation"),
        ({"property": "size"}, "property"),
        ({"filters": {"model": "opus"}}, "filters"),
        ({"unpriced_asset": "CREDIT"}, "unpricedAsset"),
    ],
)
def test_a_meter_defined_otherwise_is_a_conflict(
    books: Books, change: dict[str, Any], field: str
) -> None:
    # when
    refusal = refused(books, replace(DefineMeter("tokens"), **change))
    # then
    assert (type(refusal), refusal.key, refusal.field) == (IdempotencyConflict, "tokens", field)


@pytest.mark.parametrize(
    "meter, field",
    [
        (DefineMeter(""), "key"),
        (DefineMeter("adjustment"), "key"),
        (DefineMeter("a", "counterfoil:x"), "eventType"),
        (DefineMeter("a", aggregation=Aggregation.UNIQUE), "property"),
        (DefineMeter("a", aggregation=Aggregation.COUNT, property="n"), "property"),
        (DefineMeter("a", less=("cached",)), "less"),
        (DefineMeter("a", property="n", less=("n",)), "less"),
        (DefineMeter("a", filters=["model"]), "filters"),
        (DefineMeter("a", filters={"model": []}), "filters"),
        (DefineMeter("a", filters={"model": {"is": "opus"}}), "filters"),
        (DefineMeter("a", filters={"model": [["opus"]]}), "filters"),
        (DefineMeter("a", unpriced_asset="NOPE"), "unpricedAsset"),
    ],
)
def test_a_meter_that_cannot_be_read_is_refused(
    books: Books, meter: DefineMeter, field: str
) -> None:
    assert refused(books, meter).field == field


# Drafts


def test_a_draft_said_again_is_the_same_draft(books: Books) -> None:
    # given
    first = books.do(draft(name="API")).product
    written = len(books.log.rows)
    # when
    again = books.do(draft(name="API")).product
    unnamed = books.do(draft()).product
    # then
    assert first == again == unnamed
    assert (first.name, statuses(first), first.current) == ("API", ["DRAFT"], None)
    assert len(books.log.rows) == written
    # when something differs
    other = books.do(draft(replace(UNIT, unit_price="1.5"))).product
    # then
    assert statuses(other) == ["DRAFT", "DRAFT"]


def test_a_price_once_published_can_be_drafted_again(books: Books) -> None:
    # given
    books.do(draft())
    books.do(publish())
    # when
    product = books.do(draft()).product
    # then
    assert statuses(product) == ["PUBLISHED", "DRAFT"]


TIERS = "prices[0].tiers"


@pytest.mark.parametrize(
    "price, field",
    [
        (replace(UNIT, meter="images"), "prices[0].meter"),
        (replace(UNIT, meter=None), "prices[0].meter"),
        (replace(UNIT, asset="NOPE"), "prices[0].asset"),
        (replace(UNIT, unit_price="-1"), "prices[0].unitPrice"),
        (replace(UNIT, unit_price="NaN"), "prices[0].unitPrice"),
        (replace(UNIT, unit_price=None), "prices[0].unitPrice"),
        (replace(UNIT, per="0"), "prices[0].per"),
        (replace(UNIT, per="1e6"), "prices[0].per"),
        (replace(UNIT, cap="-1"), "prices[0].cap"),
        (replace(UNIT, free="-1"), "prices[0].free"),
        (replace(UNIT, minimum="2", maximum="1"), "prices[0].minimum"),
        (replace(UNIT, package_size="10"), "prices[0].packageSize"),
        (replace(UNIT, model=PriceModel.PACKAGE, package_size="0"), "prices[0].packageSize"),
        (replace(UNIT, model=PriceModel.PERCENTAGE, unit_price=None), "prices[0].rate"),
        (replace(UNIT, model=PriceModel.SEAT), "prices[0].meter"),
        (replace(TIERED, tiers=()), TIERS),
        (replace(TIERED, tiers=(TierSaid("1", "10"),)), f"{TIERS}[0].upTo"),
        (
            replace(TIERED, tiers=(TierSaid("1", "10"), TierSaid("1", "10"), TierSaid("1"))),
            f"{TIERS}[1].upTo",
        ),
        (
            replace(TIERED, tiers=(TierSaid("1", "10"), TierSaid("1", "5"), TierSaid("1"))),
            f"{TIERS}[1].upTo",
        ),
        (replace(TIERED, tiers=(TierSaid("1"), TierSaid("1"))), f"{TIERS}[0].upTo"),
        (replace(TIERED, tiers=(TierSaid("-1"),)), f"{TIERS}[0].unitPrice"),
        (replace(TIERED, tiers=(TierSaid("1", flat_fee="-1"),)), f"{TIERS}[0].flatFee"),
        (replace(TABLE, dimensions=("region",)), "prices[0].rows[0].match"),
        (replace(TABLE, rows=(RowSaid(["opus"], "2"),)), "prices[0].rows[0].match"),
        (replace(TABLE, rows=(RowSaid({"model": ["a"]}, "2"),)), "prices[0].rows[0].match"),
        (replace(TABLE, rows=(RowSaid({"model": "a"}, "-2"),)), "prices[0].rows[0].unitPrice"),
        (replace(TABLE, rows=TABLE.rows * 2), "prices[0].rows[1].match"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused(
    books: Books, price: PriceSaid, field: str
) -> None:
    # when
    refusal = refused(books, draft(price))
    # then
    assert (type(refusal), refusal.field) == (InvalidInput, field)


@pytest.mark.parametrize(
    "terms, field",
    [
        ({"includes": (IncludedGrantSaid("NOPE", "1"),)}, "includes[0].asset"),
        ({"includes": (IncludedGrantSaid("CREDIT", "-1"),)}, "includes[0].amount"),
        ({"includes": (IncludedGrantSaid("CREDIT", "0.0000001"),)}, "includes[0].amount"),
        (
            {"includes": (IncludedGrantSaid("CREDIT", "1", rollover_limit="1"),)},
            "includes[0].rolloverLimit",
        ),
        (
            {"includes": (IncludedGrantSaid("CREDIT", "1", period=CyclePeriod.YEAR),)},
            "includes[0].period",
        ),
        ({"trial_days": -1}, "trialDays"),
        ({"minimum_commitment": CommitmentSaid("5", "CREDIT")}, "minimumCommitment.currency"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(
    books: Books, terms: dict[str, Any], field: str
) -> None:
    # when
    refusal = refused(books, draft(**terms))
    # then
    assert (type(refusal), refusal.field) == (InvalidInput, field)


def test_two_prices_of_one_key_are_refused(books: Books) -> None:
    assert refused(books, draft(UNIT, UNIT)).field == "prices[1].key"


# Publishing


def test_a_version_holds_from_its_time_until_the_next_one_does(books: Books) -> None:
    # given
    books.do(draft())
    books.do(publish(effective_at=datetime(2025, 1, 1, tzinfo=UTC)))
    later = datetime(2026, 3, 1, tzinfo=UTC)
    books.do(draft(replace(UNIT, unit_price="2"), effective_at=later))
    # when
    product = books.do(publish(2)).product
    # then
    assert product.current is not None
    assert product.current.number == 1
    assert [version.effective_at for version in product.versions][1] == later
    folded = catalog(books).product("api")
    assert folded.effective(datetime(2024, 12, 31, tzinfo=UTC)) is None
    at_the_end = folded.effective(later.replace(day=1))
    assert at_the_end is not None
    assert at_the_end.number == 2


def test_a_draft_that_was_overtaken_is_archived(books: Books) -> None:
    # given
    books.do(draft())
    books.do(draft(replace(UNIT, unit_price="2")))
    # when
    product = books.do(publish(2)).product
    # then
    assert statuses(product) == ["ARCHIVED", "PUBLISHED"]
    refusal = refused(books, publish(1))
    assert (type(refusal), refusal.state) == (InvalidState, VersionStatus.ARCHIVED)


def test_a_version_is_published_once(books: Books) -> None:
    # given
    books.do(draft())
    books.do(publish())
    # when
    refusal = refused(books, publish())
    # then
    assert (type(refusal), refusal.state) == (InvalidState, VersionStatus.PUBLISHED)


def test_a_later_version_cannot_hold_from_the_past(books: Books) -> None:
    # given
    books.do(draft())
    books.do(publish())
    books.do(draft(replace(UNIT, unit_price="2")))
    # when
    refusal = refused(books, publish(2, datetime(2026, 1, 9, tzinfo=UTC)))
    # then
    assert (type(refusal), refusal.field) == (InvalidInput, "effectiveAt")


def test_one_event_type_in_two_assets_is_refused(books: Books) -> None:
    # given a second meter of the same event type
    books.do(DefineMeter("requests", "tokens", Aggregation.COUNT))
    books.do(draft(UNIT, replace(UNIT, key="requests", meter="requests", asset="USD")))
    # when
    refusal = refused(books, publish())
    # then
    assert (type(refusal), refusal.field) == (InvalidInput, "prices")
    assert "CREDIT by tokens" in refusal.reason
    assert "USD by requests" in refusal.reason


@pytest.mark.parametrize("command", [publish(), publish(9), SetDefaultProduct("api")])
def test_what_does_not_exist_is_not_found(books: Books, command: Any) -> None:
    assert isinstance(refused(books, command), NotFound)


# The default product


def test_the_default_product_changes_from_now_on(books: Books) -> None:
    # given
    books.do(draft())
    books.do(publish())
    books.do(DraftProductVersion("other", (UNIT,)))
    # when
    first = books.do(SetDefaultProduct("api")).product
    books.later(days=1)
    none = books.do(SetDefaultProduct(None)).product
    books.later(days=1)
    other = books.do(SetDefaultProduct("other")).product
    written = len(books.log.rows)
    books.do(SetDefaultProduct("other"))
    # then
    assert (first.key, first.is_default) == ("api", True)
    assert (none.key, none.is_default) == ("api", False)
    assert (other.key, other.is_default) == ("other", True)
    assert len(books.log.rows) == written
    folded = catalog(books)
    held = [folded.default_product(START.replace(day=day)) for day in (1, 10, 11, 12)]
    assert [product and product.key for product in held] == ["api", "api", None, "other"]


def test_no_default_product_where_there_never_was_one(books: Books) -> None:
    assert isinstance(refused(books, SetDefaultProduct(None)), NotFound)


def test_rows_are_alike_if_their_values_are(books: Books) -> None:
    # given: 1, "1" and true are three values, 1 and 1.0 are one
    apart = tuple(RowSaid({"model": value}, "1") for value in (1, "1", True, "True"))
    # when
    books.do(draft(replace(TABLE, rows=apart)))
    with pytest.raises(InvalidInput, match="stands twice") as refused:
        books.do(draft(replace(TABLE, rows=(*apart, RowSaid({"model": 1.0}, "2")))))
    # then
    assert refused.value.field == "prices[0].rows[4].match"


@pytest.mark.parametrize("value", [["opus"], {"name": "opus"}])
def test_a_dimension_is_a_scalar(books: Books, value: object) -> None:
    # given: a price for whatever has no row
    for command in (draft(replace(TABLE, unit_price="1")), publish(), SetDefaultProduct("api")):
        books.do(command)
    books.customer()
    # when
    with pytest.raises(InvalidInput, match="a text, a number or true or false") as refused:
        use(books, "e1", "tokens", "1", properties={"model": value})
    # then
    assert refused.value.field == "properties.model"
