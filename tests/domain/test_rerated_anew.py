"""Re-rating what had no price when it was recorded, and what it leaves alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from application.commands.answers import RerateAnswer
from application.commands.catalog_requests import SetDefaultProduct
from application.commands.requests import RerateWallet, SetWalletMode, WithdrawCharge
from application.commands.subscription_requests import Subscribe
from domain.money.decimals import decimal_of
from domain.refusals import InvalidInput
from domain.usage.charge import UsageCharge
from tests.books import Books, reloaded
from tests.catalogue import R1_TIERS, meter, publish, said_price, use
from tests.plans import Plans, flat

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def books() -> Books:
    """acme has 1 000 USD; tokens and users have no price yet, and are recorded in USD."""
    books = Books(JANUARY)
    books.customer()
    books.grant("money", "1000", asset="USD")
    meter(books, "tokens", unpriced_asset="USD")
    meter(books, "users", "UNIQUE", property="user", unpriced_asset="USD")
    books.later(days=1)
    return books


def rerate(books: Books, version: int = 1, **terms: Any) -> RerateAnswer:
    product = terms.pop("product", "api")
    terms = {"reason": "at last", "dry": False, **terms}
    terms = {"occurred_from": JANUARY, "occurred_to": FEBRUARY, **terms}
    answer: RerateAnswer = books.do(RerateWallet(books.wallet().id, product, version, **terms))
    return answer


def of(answer: RerateAnswer) -> tuple[int, str, str]:
    before = decimal_of(answer.before_units, answer.scale)
    return answer.charges, before, decimal_of(answer.after_units, answer.scale)


def nets(books: Books, *charges: UsageCharge) -> list[str]:
    folded = [UsageCharge.fold(books.log.stream(charge.id)) for charge in charges]
    return [decimal_of(charge.net_units, 9) for charge in folded if charge is not None]


def check_reloads(books: Books) -> None:
    folded = books.wallet()
    assert reloaded(folded).state() == folded.state()
    kept = books.cache.get(folded.id)
    assert kept is not None
    assert kept.state() == folded.state()


def test_what_had_no_price_is_charged_once_there_is_one(books: Books) -> None:
    # given
    first, second = use(books, "a", "tokens", "600"), use(books, "b", "tokens", "600")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))
    third = use(books, "c", "tokens", "100")
    assert nets(books, first, second, third) == ["0", "0", "10"]
    # when
    preview = rerate(books, dry=True)
    # then
    assert of(preview) == (3, "10", "124")
    assert nets(books, first, second, third) == ["0", "0", "10"]
    # when
    applied = rerate(books)
    # then
    assert of(applied) == (3, "10", "124")
    assert nets(books, first, second, third) == ["60", "56", "8"]
    assert books.available("USD") == "876"
    (total,) = books.wallet().totals.by_key.values()
    assert (total.quantity, total.amount_units) == (1300 * 10**18, 124 * 10**9)
    check_reloads(books)
    # when once more
    rows = len(books.log.rows)
    again = rerate(books)
    # then
    assert of(again) == (0, "124", "124")
    assert len(books.log.rows) == rows


def test_by_a_product_that_became_the_default_only_later(books: Books) -> None:
    # given
    publish(books, "other")
    charge = use(books, "a", "tokens", "600")
    books.later(days=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.5"), default=False)
    assert rerate(books, dry=True).asset is None
    # when
    books.do(SetDefaultProduct("api"))
    rerate(books)
    # then
    assert nets(books, charge) == ["300"]
    assert of(rerate(books)) == (0, "300", "300")


def test_what_others_had_priced_stays_as_it_is(books: Books) -> None:
    # given one event that feeds a meter with a price and one without
    meter(books, "calls", "COUNT", event_type="chat")
    meter(books, "words", event_type="chat", unpriced_asset="USD")
    publish(books, "calls", said_price("calls", "UNIT", unit_price="2"), default=False)
    books.do(Subscribe("s", "ext:acme", "calls"))
    charge = use(books, "a", "chat", "30")
    assert nets(books, charge) == ["2"]
    publish(books, "api", said_price("words", "UNIT", unit_price="0.1"))
    # when
    applied = rerate(books)
    # then
    assert of(applied) == (1, "2", "5")
    assert of(rerate(books)) == (0, "5", "5")
    assert of(rerate(books, product="calls")) == (0, "5", "5")
    check_reloads(books)


def test_a_value_that_is_charged_at_last_is_known(books: Books) -> None:
    # given
    ann = use(books, "a", "users", properties={"user": "ann"})
    twice = use(books, "b", "users", properties={"user": "ann"})
    publish(books, "api", said_price("users", "UNIT", unit_price="2"))
    # when
    rerate(books)
    # then
    assert nets(books, ann, twice) == ["2", "0"]
    later = use(books, "c", "users", properties={"user": "ann"})
    other = use(books, "d", "users", properties={"user": "bob"})
    assert nets(books, later, other) == ["0", "2"]
    assert rerate(books).charges == 0


def test_a_value_is_known_to_the_price_that_took_the_place_of_another(books: Books) -> None:
    # given
    publish(books, "api", said_price("users", "UNIT", unit_price="2"))
    ann = use(books, "a", "users", properties={"user": "ann"})
    publish(books, "api", said_price("heads", "UNIT", "users", unit_price="3"))
    # when
    rerate(books, 2)
    # then
    assert nets(books, ann, use(books, "b", "users", properties={"user": "ann"})) == ["3", "0"]


def test_observed_usage_stays_observed(books: Books) -> None:
    # given
    books.do(SetWalletMode("ext:acme", "SHADOW"))
    charge = use(books, "a", "tokens", "600")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.5"))
    # when
    rerate(books)
    # then
    assert nets(books, charge) == ["300"]
    assert books.available("USD") == "1000"
    assert of(rerate(books)) == (0, "300", "300")


def test_usage_recorded_in_another_asset_is_named(books: Books) -> None:
    # given
    charge = use(books, "a", "tokens", "600")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.5", asset="CREDIT"))
    # when
    with pytest.raises(InvalidInput) as refused:
        rerate(books)
    # then
    assert refused.value.field == "version"
    assert charge.id in refused.value.reason
    assert rerate(books, meter="users").asset is None
    # when it is withdrawn, and reported again
    books.grant("credits", "1000", asset="CREDIT")
    books.do(WithdrawCharge(charge.id, "t"))
    again = use(books, "a2", "tokens", "600")
    # then
    assert (again.asset, again.amount_units) == ("CREDIT", 300 * 10**6)
    assert of(rerate(books)) == (0, "300", "300")


def test_fees_are_not_rated_anew() -> None:
    # given
    books = Books(JANUARY)
    plans = Plans(books)
    meter(books, "tokens")
    plans.publish("api", [flat("20"), said_price("tokens", "UNIT", unit_price="3")])
    books.do(Subscribe("s", "ext:acme", "api"))
    use(books, "a", "tokens", "10")
    books.later(days=1)
    cheaper = [flat("5"), said_price("tokens", "UNIT", unit_price="1")]
    plans.publish("api", cheaper, effective_at=books.clock.at)
    # when
    applied = rerate(books, 2)
    # then
    assert of(applied) == (1, "30", "10")
    assert decimal_of(books.account("USD").burned_units, 9) == "30"
