"""Whoever pays, and however the price changes: nets are what the rest of a cycle costs.

Histories of one wallet, prepaid, with overage or with nothing but overage: usage that feeds
two meters, grants that repay overage, versions of other models under the same keys, charges
withdrawn in any order, cycles rated anew. Beside them a reference that rates all that is left
from zero, each charge by its own version.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from application.commands.answers import RerateAnswer
from application.commands.catalog_requests import PriceSaid
from application.commands.requests import Money, RerateWallet, SetWalletMode, WithdrawCharge
from domain.catalog.price import Price, PriceModel, Tier
from domain.rating.running_total import TotalKey
from domain.refusals import InvalidInput, InvalidState
from domain.usage.charge import UsageCharge
from domain.usage.concessions import conceded_of
from domain.wallet import payers
from domain.wallet.events import WalletMode
from tests.books import Books, reloaded
from tests.catalogue import TierSaid, meter, publish, said_price, use
from tests.rating_reference import reference_cost

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
SCALE = 9
WALLETS = {
    "prepaid": ("CONTROL", ("1000000000",)),
    "overage": ("HYBRID", ("3", "70")),
    "postpaid": ("HYBRID", ()),
}
METERS = ("in", "out")
AGGREGATIONS = {"adds": ("SUM", "SUM"), "falls": ("LATEST", "SUM"), "both": ("LATEST", "LATEST")}

unit_prices = st.sampled_from(["0", "0.05", "0.1", "1", "0.333333333"])
widths = st.lists(st.sampled_from([5, 10, 40]), max_size=2, unique=True)


@dataclass(frozen=True)
class Said:
    """A price, as the ledger is told it and as the reference reads it."""

    told: PriceSaid
    read: Price

    def __repr__(self) -> str:
        tiers = ", ".join(f"{each.unit_price} to {each.up_to}" for each in self.read.tiers)
        return f"<{self.read.model} {self.read.unit_price or tiers} cap {self.read.cap}>"


@st.composite
def prices(draw: st.DrawFn, key: str) -> Said:
    """UNIT, or GRADUATED or VOLUME, rising and falling."""
    model = draw(st.sampled_from(["UNIT", "GRADUATED", "VOLUME", "VOLUME"]))
    terms: dict[str, Any] = {"cap": draw(st.none() | st.just("6"))}
    tiers: tuple[Tier, ...] = ()
    if model == "UNIT":
        terms["unit_price"] = draw(unit_prices)
    else:
        ends = [*map(str, sorted(draw(widths))), None]
        tiers = tuple(Tier(end, draw(unit_prices), "0") for end in ends)
    told = tuple(TierSaid(each.unit_price, each.up_to, each.flat_fee) for each in tiers)
    return Said(
        said_price(key, model, tiers=told, **terms),
        Price(key, key, PriceModel(model), "USD", SCALE, tiers=tiers, **terms),
    )


kept = st.sampled_from([1, 2, payers.MOST_KEPT])  # of whoever paid, by a wallet
versions = st.tuples(prices("in"), prices("out"))
values = st.integers(0, 30)
commands = st.one_of(
    st.tuples(st.just("use"), values, values),
    st.tuples(st.just("use"), values, values),
    st.tuples(st.just("use"), values, values),
    st.tuples(st.just("grant"), st.sampled_from(["0.000000001", "2", "50"])),
    st.tuples(st.just("publish"), versions),
    st.tuples(st.just("rerate"), st.integers(0, 9)),
    st.tuples(st.just("withdraw"), st.integers(0, 9)),
)


@dataclass
class Reported:
    """A charge as the reference knows it."""

    charge: UsageCharge
    values: tuple[int, ...]
    version: int


@dataclass
class Reference:
    """What the charges that are left come to, rated from zero."""

    aggregation: str
    versions: list[tuple[Said, ...]] = field(default_factory=list)
    reported: list[Reported] = field(default_factory=list)

    def cost_units(self) -> int:
        total = 0
        for place, _ in enumerate(METERS):
            quantity, taken = Fraction(0), 0
            for each in self.reported:
                said = self.versions[each.version - 1][place]
                value = Fraction(each.values[place])
                latest = AGGREGATIONS[self.aggregation][place] == "LATEST"
                after = value if latest else quantity + value
                line = reference_cost(said.read, after) - reference_cost(said.read, quantity)
                taken += max(line, -taken)
                quantity = after
            total += taken
        return total


class History:
    def __init__(self, wallet: str, aggregation: str, first: tuple[Said, ...]) -> None:
        mode, bought = WALLETS[wallet]
        self.books = Books(JANUARY)
        self.books.customer(mode=mode)
        self.granted_units = 0
        self.grants = 0
        for amount in bought:
            self.grant(amount)
        first_is, second_is = AGGREGATIONS[aggregation]
        meter(self.books, "in", first_is, property="in", event_type="llm")
        meter(self.books, "out", second_is, event_type="llm", property="out")
        self.reference = Reference(aggregation)
        self.charges: list[UsageCharge] = []
        self.publish(first)

    def grant(self, amount: str) -> None:
        self.grants += 1
        self.books.grant(f"g{self.grants}", amount, asset="USD", paid=Money("1", "USD"))
        self.granted_units += int(Fraction(amount) * 10**SCALE)

    def publish(self, said: tuple[Said, ...]) -> None:
        self.books.later(minutes=1)
        publish(self.books, "api", *(each.told for each in said))
        self.reference.versions.append(said)

    def use(self, *quantities: int) -> None:
        self.books.later(seconds=1)
        said = dict(zip(METERS, quantities, strict=True))
        charge = use(self.books, f"e{len(self.charges)}", "llm", properties=said)
        self.charges.append(charge)
        version = len(self.reference.versions)
        self.reference.reported.append(Reported(charge, quantities, version))

    def live(self, said: list[tuple[Any, ...]], kept: int, data: st.DataObject) -> None:
        """Do what is said, then withdraw all; checked after each. kept: the most payers of a
        price that a wallet keeps.
        """
        with patch.object(payers, "MOST_KEPT", kept):
            for command in said:
                self.do(command)
                self.check()
            self.withdraw_all(data)

    def withdraw_all(self, data: st.DataObject) -> None:
        """In any order; checked after each."""
        while self.reference.reported:
            self.withdraw(data.draw(values))
            self.check()

    def withdraw(self, place: int) -> None:
        left = self.reference.reported
        if left:
            gone = left.pop(place % len(left))
            self.books.later(seconds=1)
            self.books.do(WithdrawCharge(gone.charge.id, "test"))

    def rerate(self, place: int) -> None:
        version = place % len(self.reference.versions) + 1
        self.books.later(seconds=1)
        preview = self._rerated(version, dry=True)
        assert self._rerated(version) == preview
        for each in self.reference.reported:
            each.version = version
        rows = len(self.books.log.rows)
        assert self._rerated(version).charges == 0
        assert len(self.books.log.rows) == rows

    def _rerated(self, version: int, dry: bool = False) -> RerateAnswer:
        wallet_id = self.books.wallet().id
        answer: RerateAnswer = self.books.do(
            RerateWallet(wallet_id, "api", version, JANUARY, FEBRUARY, "test", dry=dry)
        )
        return answer

    def do(self, command: tuple[Any, ...]) -> None:
        getattr(self, command[0])(*command[1:])

    def check_all_is_back(self) -> None:
        account = self.books.wallet().accounts.get("USD")
        if account is not None:
            assert (account.burned_units, account.owed_units) == (0, 0)

    def nets(self) -> int:
        folded = [UsageCharge.fold(self.books.log.stream(each.id)) for each in self.charges]
        return sum(charge.net_units for charge in folded if charge is not None)

    def check(self) -> None:
        """Charges, the wallet's grants and overage, and the totals all say the same."""
        wallet = self.books.wallet()
        check_consistent(wallet, self.books)
        cost = self.reference.cost_units()
        account = wallet.accounts.get("USD")
        if account is None:
            assert cost == 0
            return
        assert self.nets() == cost
        assert account.burned_units + account.owed_units == cost
        assert account.available_units(self.books.clock.at) == self.granted_units - cost
        totals = wallet.totals
        assert sum(each.amount_units for each in totals.by_key.values()) == cost
        for key, paid in totals.payers.items():
            assert paid.units == totals.by_key[key].amount_units or not paid.complete
            assert len(paid.grants) <= payers.MOST_KEPT
            assert len(paid.overage) <= payers.MOST_KEPT


def check_consistent(wallet: Any, books: Books) -> None:
    """No grant paid less than nothing or more than it had; the snapshot and the cache agree."""
    for account in wallet.accounts.values():
        assert account.burned_units >= 0
        assert account.owed_units >= 0
        for grant in account.grants.values():
            assert 0 <= grant.burned_units <= grant.terms.amount_units
            assert grant.remaining_units >= 0
    assert reloaded(wallet).state() == wallet.state()
    kept = books.cache.get(wallet.id)
    assert kept is not None
    assert kept.state() == wallet.state()


@settings(max_examples=60)
@given(
    wallet=st.sampled_from(sorted(WALLETS)),
    aggregation=st.sampled_from(["adds", "falls", "both"]),
    first=versions,
    said=st.lists(commands, max_size=9),
    kept=kept,
    data=st.data(),
)
def test_nets_are_what_is_left_costs(
    *,
    wallet: str,
    aggregation: str,
    first: tuple[Said, ...],
    said: list[tuple[Any, ...]],
    kept: int,
    data: st.DataObject,
) -> None:
    # given
    history = History(wallet, aggregation, first)
    # when it happens, and when all of it never happened
    history.live(said, kept, data)
    # then
    history.check_all_is_back()


refunds = st.tuples(
    st.just("refund"), st.integers(0, 9), st.none() | st.sampled_from(["0.000000001", "1", "7"])
)
modes = st.tuples(st.just("mode"), st.sampled_from(["SHADOW", "HYBRID"]))


class Refunded(History):
    """A history in which charges are refunded too, and some observed alone: no reference."""

    refunded = 0

    def refund(self, place: int, amount: str | None) -> None:
        if self.charges:
            charge = self.charges[place % len(self.charges)]
            self.refunded += 1
            try:
                self.books.refund(charge, f"r{self.refunded}", amount)
            except InvalidInput as refusal:
                assert refusal.field == "amount"  # noqa: PT017
            except InvalidState:
                pass

    def mode(self, mode: WalletMode) -> None:
        self.books.do(SetWalletMode("ext:acme", mode))

    def check(self) -> None:
        wallet = self.books.wallet()
        check_consistent(wallet, self.books)
        account = wallet.accounts.get("USD")
        if account is None:
            return
        assert self.nets() == account.burned_units + account.owed_units
        self.check_conserved()

    def check_conserved(self) -> None:
        """A price's lines are what is paid for it and what was conceded of them."""
        folded = [UsageCharge.fold(self.books.log.stream(each.id)) for each in self.charges]
        charges = [charge for charge in folded if charge is not None]
        if any(charge.observed for charge in charges):
            return
        totals = self.books.wallet().totals
        conceded: Counter[TotalKey] = Counter()
        for charge in charges:
            conceded.update(conceded_of(charge, {}))
        for key, total in totals.by_key.items():
            paid = totals.payers.get(key)
            if paid is not None and paid.complete:
                assert total.amount_units == paid.units + conceded[key]
            assert conceded[key] >= 0

    def nets(self) -> int:
        """Of what was more than observed; of that only what went back of others."""
        folded = [UsageCharge.fold(self.books.log.stream(each.id)) for each in self.charges]
        return sum(
            -_of_others(charge) if charge.observed else charge.net_units
            for charge in folded
            if charge is not None
        )


def _of_others(charge: UsageCharge) -> int:
    return sum(
        event.overage_units + sum(units for _, units in event.from_allocations)
        for event in charge.given
    )


@settings(max_examples=60)
@given(
    wallet=st.sampled_from(sorted(WALLETS)),
    aggregation=st.sampled_from(["adds", "falls", "both"]),
    first=versions,
    said=st.lists(commands | refunds | modes, max_size=10),
    kept=kept,
    data=st.data(),
)
def test_never_more_goes_back_than_was_taken(
    *,
    wallet: str,
    aggregation: str,
    first: tuple[Said, ...],
    said: list[tuple[Any, ...]],
    kept: int,
    data: st.DataObject,
) -> None:
    # given
    history = Refunded(wallet, aggregation, first)
    # when it happens, and when all of it never happened
    history.live(said, kept, data)
    # then
    history.check_all_is_back()


def test_a_refund_of_one_price_stays_out_where_another_takes_its_place() -> None:
    # given a charge that was refunded, and rated anew by another of its prices
    history = Refunded("overage", "adds", (at_price("in", "0"), at_price("out", "0.05")))
    history.use(1, 1)
    history.use(1, 0)
    history.refund(0, None)
    history.publish((at_price("in", "0.05"), at_price("out", "0")))
    history.rerate(1)
    # when
    for _ in range(2):
        history.withdraw(0)
        history.check()
    # then
    history.check_all_is_back()


def at_price(key: str, unit_price: str) -> Said:
    return Said(
        said_price(key, "UNIT", unit_price=unit_price),
        Price(key, key, PriceModel.UNIT, "USD", SCALE, unit_price=unit_price),
    )
