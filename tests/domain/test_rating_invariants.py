"""Rated usage in whatever parts and order: a cycle's nets are the rounded cost of its total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from application.commands.answers import RerateAnswer
from application.commands.catalog_requests import PriceSaid
from application.commands.requests import Money, RerateWallet, WithdrawCharge
from application.commands.subscription_requests import Subscribe
from domain.catalog.price import Price, PriceModel, Tier
from domain.money.decimals import decimal_of
from domain.usage.charge import UsageCharge
from tests.books import Books, reloaded
from tests.catalogue import TierSaid, meter, publish, said_price, use
from tests.rating_reference import reference_cost

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
SCALE = 9
PLENTY = "1000000000"
EXAMPLES = settings(max_examples=60)

decimals = st.builds(decimal_of, st.integers(0, 10**6), st.integers(0, 9))
above_zero = st.builds(decimal_of, st.integers(1, 10**6), st.integers(0, 9))
# Whole numbers, thirds of a tier's width, and the finest that a quantity may say.
quantities = st.one_of(
    st.integers(0, 200).map(str),
    st.builds(decimal_of, st.integers(0, 10**6), st.integers(3, 9)),
    st.builds(decimal_of, st.integers(0, 10**20), st.just(18)),
)
discounts = st.sampled_from([None, "0.2", "0.333", "1"])
small_grants = st.lists(
    st.tuples(st.sampled_from(["0.000000001", "0.5", "3", "70"]), st.integers(0, 3)), max_size=4
)


@dataclass(frozen=True)
class Said:
    """One price, as the ledger is told it and as the reference reads it."""

    told: PriceSaid
    read: Price

    def cost_units(self, events: Sequence[str], discount: str | None) -> int:
        total = sum(map(Fraction, events), Fraction(0))
        return reference_cost(self.read, total, Fraction(discount or 0))


@st.composite
def prices(draw: st.DrawFn) -> Said:
    """Any UNIT, PACKAGE, GRADUATED or VOLUME price, with free allowance and cap."""
    model = draw(st.sampled_from(["UNIT", "PACKAGE", "GRADUATED", "VOLUME"]))
    terms: dict[str, Any] = {
        "free": draw(st.none() | st.integers(0, 50).map(str) | above_zero),
        "cap": draw(st.none() | above_zero),
    }
    tiers: tuple[Tier, ...] = ()
    if model in ("UNIT", "PACKAGE"):
        terms["unit_price"] = draw(decimals)
    if model == "PACKAGE":
        terms["package_size"] = draw(st.sampled_from(["1", "7", "20", "0.25"]))
    else:
        terms["per"] = draw(st.sampled_from(["1", "3", "7", "1000000", "0.5"]))
    if model in ("GRADUATED", "VOLUME"):
        ends = sorted(draw(st.sets(st.integers(1, 200), max_size=4)))
        tiers = tuple(
            Tier(end, draw(decimals), draw(st.sampled_from(["0", "1.25"])))
            for end in [*map(str, ends), None]
        )
    told = tuple(TierSaid(each.unit_price, each.up_to, each.flat_fee) for each in tiers)
    return Said(
        said_price("tokens", model, tiers=told, **terms),
        Price("tokens", "tokens", PriceModel(model), "USD", SCALE, tiers=tiers, **terms),
    )


events = st.lists(quantities, min_size=1, max_size=7)


def priced(said: Said, discount: str | None, grants: Sequence[tuple[str, int]]) -> Books:
    """acme with small grants of some priorities and one of plenty, under one price."""
    books = Books(JANUARY)
    books.customer()
    for number, (amount, priority) in enumerate(grants):
        terms = {"source": "PROMOTIONAL", "priority": priority}
        books.grant(f"small{number}", amount, asset="USD", **terms)
    books.grant("plenty", PLENTY, asset="USD", paid=Money("1000", "USD"), priority=2)
    meter(books, "tokens")
    publish(books, "api", said.told, default=discount is None)
    if discount is not None:
        books.do(Subscribe("s", "ext:acme", "api", discount=discount))
    return books


def record(books: Books, said: Sequence[str]) -> list[UsageCharge]:
    charges = []
    for number, quantity in enumerate(said):
        books.later(seconds=1)
        charges.append(use(books, f"e{number}", "tokens", quantity))
    return charges


def withdraw(books: Books, charges: Sequence[UsageCharge]) -> None:
    for charge in charges:
        books.later(seconds=1)
        books.do(WithdrawCharge(charge.id, "test"))


def rerate(books: Books, version: int, dry: bool = False) -> RerateAnswer:
    wallet_id = books.wallet().id
    command = RerateWallet(wallet_id, "api", version, JANUARY, FEBRUARY, "test", dry=dry)
    answer: RerateAnswer = books.do(command)
    return answer


def nets(books: Books, charges: Sequence[UsageCharge]) -> int:
    folded = [UsageCharge.fold(books.log.stream(charge.id)) for charge in charges]
    return sum(charge.net_units for charge in folded if charge is not None)


def check(books: Books, charges: Sequence[UsageCharge], granted_units: int, cost: int) -> None:
    """The nets, the wallet's balance and the cycle's total all say `cost`."""
    wallet = books.wallet()
    account = wallet.accounts["USD"]
    assert nets(books, charges) == cost
    assert (account.burned_units, account.owed_units, account.held_units) == (cost, 0, 0)
    assert account.available_units(books.clock.at) == granted_units - cost
    assert sum(each.amount_units for each in wallet.totals.by_key.values()) == cost
    assert reloaded(wallet).state() == wallet.state()
    kept = books.cache.get(wallet.id)
    assert kept is not None
    assert kept.state() == wallet.state()


def available(books: Books) -> int:
    return books.account("USD").available_units(books.clock.at)


@EXAMPLES
@given(prices(), events, discounts, small_grants, st.data())
def test_any_split_and_order_costs_what_the_total_costs(
    said: Said,
    parts: list[str],
    discount: str | None,
    grants: list[tuple[str, int]],
    data: st.DataObject,
) -> None:
    for order in (parts, data.draw(st.permutations(parts))):
        # given
        books = priced(said, discount, grants)
        granted_units = available(books)
        # when
        charges = record(books, order)
        # then
        check(books, charges, granted_units, said.cost_units(parts, discount))


@EXAMPLES
@given(prices(), events, discounts, small_grants, st.data())
def test_each_withdrawal_leaves_what_the_rest_costs_and_all_give_back_all(
    said: Said,
    parts: list[str],
    discount: str | None,
    grants: list[tuple[str, int]],
    data: st.DataObject,
) -> None:
    # given
    books = priced(said, discount, grants)
    granted_units = available(books)
    charges = record(books, parts)
    rest = list(range(len(parts)))
    for place in data.draw(st.permutations(rest)):
        # when
        withdraw(books, [charges[place]])
        # then
        rest.remove(place)
        cost = said.cost_units([parts[each] for each in rest], discount)
        check(books, charges, granted_units, cost)
    assert available(books) == granted_units
    assert all(each.quantity == 0 for each in books.wallet().totals.by_key.values())


@EXAMPLES
@given(
    said=prices(),
    right=prices(),
    parts=events,
    discount=discounts,
    grants=small_grants,
    data=st.data(),
)
def test_rerating_brings_the_new_versions_cost_once(
    *,
    said: Said,
    right: Said,
    parts: list[str],
    discount: str | None,
    grants: list[tuple[str, int]],
    data: st.DataObject,
) -> None:
    # given
    books = priced(said, discount, grants)
    granted_units = available(books)
    charges = record(books, parts)
    books.later(minutes=1)
    publish(books, "api", right.told, default=False)
    old, new = said.cost_units(parts, discount), right.cost_units(parts, discount)
    # when
    preview = rerate(books, 2, dry=True)
    # then
    check(books, charges, granted_units, old)
    assert (preview.before_units, preview.after_units) == (old, new)
    # when
    assert rerate(books, 2) == preview
    # then
    check(books, charges, granted_units, new)
    rows = len(books.log.rows)
    again = rerate(books, 2)
    assert (again.charges, again.before_units, again.after_units) == (0, new, new)
    assert len(books.log.rows) == rows
    # when all of it never happened
    withdraw(books, data.draw(st.permutations(charges)))
    # then
    check(books, charges, granted_units, 0)
