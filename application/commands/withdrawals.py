"""Withdrawing a charge: it never happened, so the rest of its cycle costs what it costs alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from application.commands.answers import ChargeAnswer
from application.commands.corrections import Correction, correct
from application.commands.cycle_charges import charges_since
from application.commands.paid_for import Paid
from application.commands.rated_usage import WalletStanding, usage_of
from application.commands.requests import WithdrawCharge
from application.work import Work
from domain.calendar.cycles import Cycle
from domain.metering.meter import Aggregation, Meter
from domain.metering.quantity import ONE, distinct_value, quantity_of
from domain.rating.listed_price import ListedPrice
from domain.rating.price_list import PriceLists
from domain.rating.pricing import PricingTerms, terms_at
from domain.rating.rate import RatedLine, Sight, Usage
from domain.rating.replay import Replay
from domain.rating.running_total import RunningTotal, TotalKey
from domain.refusals import InvalidState
from domain.subscriptions.events import FEE_SOURCE
from domain.usage.charge import UsageCharge
from domain.usage.concessions import by_price, conceded_of, kept_of
from domain.usage.events import ChargeWithdrawn
from domain.usage.payments import key_of
from domain.wallet.payers import NO_PRICE
from domain.wallet.sightings import ValueForgotten
from domain.wallet.wallet import Wallet

WITHDRAWABLE = ("SETTLED", "OBSERVED", "PARTIALLY_REFUNDED", "REFUNDED")


def withdraw_charge(work: Work, command: WithdrawCharge) -> ChargeAnswer:
    """Take a charge out of its cycle, and give back what the rest then costs less.

    Raises, first match wins: NotFound, InvalidState (never settled, or a fee).
    """
    charge = work.required(UsageCharge, command.charge_id, "charge")
    wallet = work.wallet_by_id(charge.wallet_id)
    charge = work.required(UsageCharge, charge.id, "charge")
    if charge.status == "WITHDRAWN":
        return ChargeAnswer(charge, replayed=True)
    if charge.status not in WITHDRAWABLE:
        raise InvalidState(
            state=charge.status,
            reason=f"charge {charge.id} is {charge.status}: nothing to withdraw",
        )
    if charge.reported.source == FEE_SOURCE:
        raise InvalidState(
            state="FEE",
            reason=f"charge {charge.id} is a fee of a subscription: refund it, or change the"
            " subscription",
        )
    paid = Paid(work, wallet)
    cycle = _Cycle(work, wallet, charge, paid)
    falls: Counter[TotalKey] = Counter()
    least: dict[TotalKey, int] = {}
    totals: list[RunningTotal] = []
    rest: list[RatedLine] = []
    of_others: dict[TotalKey, int] = {}
    for line in charge.current_lines:
        key = key_of(line)
        if key is None:
            continue
        before = cycle.total(line, key)
        after, falls[key] = cycle.without(line, key, before)
        totals.append(after)
        rest_units = line.amount_units - falls[key]
        if rest_units:
            rest.append(replace(line, quantity="0", amount_units=rest_units, before=line.after))
        if charge.observed:
            units = paid.by_others(key, after, -rest_units)
            if units > 0:
                of_others[key] = units
        else:
            known = paid.known(key, after.ends_at, charge.asset)
            if known is not None:
                least[key] = known.units - after.amount_units
    if not charge.lines:
        falls[NO_PRICE] = charge.amount_units
    falls = _back(falls, conceded_of(charge, paid.credited_of(charge)), least)
    correction = Correction(falls, tuple(totals), tuple(rest), of_others)
    correct(work, wallet, charge, correction, ChargeWithdrawn, command.reason, paid)
    cycle.forget_values()
    return ChargeAnswer(charge)


def _back(
    falls: Counter[TotalKey], conceded: Mapping[TotalKey, int], least: Mapping[TotalKey, int]
) -> Counter[TotalKey]:
    """Return what of each price goes back where it falls by so much: not what was conceded
    already. Of that nothing is taken anew: then the last prices get less of the others. least:
    what is paid of each beyond what it costs, which goes back in any case.
    """
    back = Counter(falls)
    back.subtract(conceded)
    for key, units in least.items():
        back[key] = max(back[key], units)
    excess_units = max(min(falls.total(), 0) - back.total(), 0)
    for key in reversed(back):
        units = min(excess_units, max(-back[key], 0))
        back[key] += units
        excess_units -= units
    return back


class _Cycle:
    """The cycles that a charge moved, without it."""

    def __init__(self, work: Work, wallet: Wallet, charge: UsageCharge, paid: Paid) -> None:
        self._work = work
        self._paid = paid
        self._wallet = wallet
        self._charge = charge
        self._charges: list[UsageCharge] | None = None
        self._forgotten: list[Sight] = []
        reported = charge.reported
        self._usage = usage_of_charge(charge)
        self._lists: PriceLists = work.batch.price_lists(work.tenant_id)
        self._terms = terms_at(
            wallet.pricing, self._lists.catalog, wallet.months, reported.occurred_at
        )

    def charges(self) -> Sequence[UsageCharge]:
        """Return all charges since the first of these cycles began; read once."""
        if self._charges is None:
            starts = [line.starts_at for line in self._charge.lines if line.starts_at is not None]
            self._charges = charges_since(self._work, self._wallet, min(starts)) if starts else []
        return self._charges

    def total(self, line: RatedLine, key: TotalKey) -> RunningTotal:
        assert line.ends_at is not None
        kept = WalletStanding(self._work, self._wallet).total(key, line.ends_at)
        if kept is not None:
            return kept
        return RunningTotal(*key, line.ends_at, self._charge.asset, quantity_of(line.after))

    def without(
        self, line: RatedLine, key: TotalKey, before: RunningTotal
    ) -> tuple[RunningTotal, int]:
        """Return the total of a line's price as it is without this charge, and by how much less
        the cycle costs then.

        While one version's cost function alone tells what the cycle costs, it tells what the
        rest costs; else the rest is rated anew, each charge by its own version. Where versions
        have charged in several assets, no total tells it: what the charge itself took goes.
        """
        listed = listed_for(line, self._terms, self._lists, self._usage.occurred_at)
        meter = self._lists.catalog.meters[line.meter]
        if not _tells(line, listed, meter, before):
            if self._in_several_assets(key, before):
                moved = self._moved_back(line, key, meter, listed, before)
                after = replace(before, quantity=moved.quantity, latest_at=moved.latest_at)
                if before.asset == self._charge.asset:
                    rest_units = max(before.amount_units - line.amount_units, 0)
                    after = replace(after, amount_units=rest_units, exact=None)
                return after, self._own(line, key)
            after = self._replayed(key, before)
            return after, before.amount_units - after.amount_units
        after = self._moved_back(line, key, meter, listed, before)
        if not after.quantity:
            after = replace(after, amount_units=0, exact=None, latest_at=None, version=0)
            return after, before.amount_units
        assert listed is not None
        units = _fall(line, listed, before, after)
        return replace(after, amount_units=before.amount_units - units), units

    def _in_several_assets(self, key: TotalKey, before: RunningTotal) -> bool:
        asset = self._charge.asset
        return before.asset != asset or any(each.asset != asset for each in self._of(key))

    def _own(self, line: RatedLine, key: TotalKey) -> int:
        """Return what goes with a line in its own asset: never more than is still paid for its
        price in that, nor so little that more stays paid than the other lines say.
        """
        charge = self._charge
        if charge.observed:
            return line.amount_units
        paid_units = others_units = 0
        for each in self.charges():
            if each.asset == charge.asset and not each.observed:
                paid_units += kept_of(each)[key] - self._paid.credited_of(each).get(key, 0)
                if each.id != charge.id and each.status != "WITHDRAWN":
                    others_units += by_price(each.current_lines)[key]
        conceded_units = conceded_of(charge, self._paid.credited_of(charge))[key]
        least_units = paid_units - max(others_units, 0)
        units = max(min(line.amount_units - conceded_units, paid_units), least_units)
        return units + conceded_units

    def _moved_back(
        self,
        line: RatedLine,
        key: TotalKey,
        meter: Meter,
        listed: ListedPrice | None,
        before: RunningTotal,
    ) -> RunningTotal:
        with_free = listed is not None and listed.cost.table is not None and listed.cost.free
        if meter.aggregation in (Aggregation.SUM, Aggregation.COUNT) and not with_free:
            return self._less(quantity_of(line.quantity), listed, before)
        if meter.aggregation == Aggregation.UNIQUE and not with_free:
            return self._without_value(key, meter, listed, before)
        return self._replayed(key, before)

    def _less(
        self, quantity: int, listed: ListedPrice | None, before: RunningTotal
    ) -> RunningTotal:
        """Return a total less what the charge added to it, by its own row of a table."""
        exact = before.exact
        table = listed.cost.table if listed is not None else None
        if exact is not None and table is not None:
            exact = table.row(self._usage.properties).added(exact, -quantity)
        return replace(before, quantity=before.quantity - quantity, exact=exact)

    def _without_value(
        self, key: TotalKey, meter: Meter, listed: ListedPrice | None, before: RunningTotal
    ) -> RunningTotal:
        """UNIQUE counts a value as long as any charge of the cycle brought it, at the row of
        the first: without that, at the row of the next.
        """
        value = distinct_value(meter, self._usage.properties)
        bringing = [
            each
            for each in self._of(key)
            if distinct_value(meter, usage_of_charge(each).properties) == value
        ]
        if all(each.id == self._charge.id for each in bringing):
            self._forgotten.append(Sight(key, value))
            return self._less(ONE, listed, before)
        by_rows = listed is not None and listed.cost.table is not None
        if by_rows and bringing[0].id == self._charge.id:
            return self._replayed(key, before)
        return before

    def _replayed(self, key: TotalKey, before: RunningTotal) -> RunningTotal:
        """Rate the other charges of the cycle anew, in log order, each by its own version."""
        replay = Replay()
        for other in self._others(key):
            line = next(each for each in other.current_lines if key_of(each) == key)
            terms = [own_terms(line, self._terms)]
            observed = other.observed
            rated = replay.rate(usage_of_charge(other), terms, self._lists, observed=observed)
            if rated is not None and not observed:
                conceded = conceded_of(other, self._paid.credited_of(other))
                replay.pay(by_price(rated.lines), conceded)
        rest = replay.totals.get(key)
        if rest is None:
            return replace(
                before, quantity=0, amount_units=0, exact=None, latest_at=None, version=0
            )
        return rest

    def _of(self, key: TotalKey) -> list[UsageCharge]:
        return [
            each
            for each in self.charges()
            if each.status != "WITHDRAWN"
            and any(key_of(line) == key for line in each.current_lines)
        ]

    def _others(self, key: TotalKey) -> list[UsageCharge]:
        return [each for each in self._of(key) if each.id != self._charge.id]

    def forget_values(self) -> None:
        """Let the values that nothing brought any more count as new again."""
        work = self._work
        at = self._wallet.time(work.now)
        for sight in self._forgotten:
            event = work.batch.sightings.tell(
                ValueForgotten, work.tenant_id, self._wallet.id, sight, self._charge.id, at
            )
            work.log.append(event)


def listed_for(
    line: RatedLine, terms: Sequence[PricingTerms], lists: PriceLists, at: datetime
) -> ListedPrice | None:
    """Return the price by which a line was rated; None if it is not known any more."""
    prices = lists.of(own_terms(line, terms), at).get(line.meter, ())
    return next((listed for listed in prices if listed.price.key == line.price), None)


def own_terms(line: RatedLine, terms: Sequence[PricingTerms]) -> PricingTerms:
    """Return terms that price as a line says, with what was agreed with the customer."""
    assert line.product is not None
    assert line.starts_at is not None
    assert line.ends_at is not None
    cycle = Cycle(0, line.starts_at, line.ends_at)
    for each in terms:
        if each.product == line.product:
            return replace(each, version=line.version, cycle=cycle)
    return PricingTerms(line.product, line.version, cycle)


def _tells(line: RatedLine, listed: ListedPrice | None, meter: Meter, total: RunningTotal) -> bool:
    """Whether a price's cost function tells what its cycle has come to, line by line."""
    if listed is None or meter.aggregation in (Aggregation.MAX, Aggregation.LATEST):
        return False
    if (
        line.version is None
        or total.version != line.version
        or listed.overridden != line.overridden
    ):
        return False
    cost = listed.cost
    if cost.table is not None:
        return not cost.adds_to_events
    if cost.per_event or (cost.adds_to_events and not listed.may_fall):
        return True
    return total.amount_units == cost.cost(total.quantity)


def _fall(line: RatedLine, listed: ListedPrice, before: RunningTotal, after: RunningTotal) -> int:
    """Return how much less a cycle costs without a line. What its event added alone (a fee, a
    minimum, a percentage) goes with it.
    """
    if listed.cost.per_event:
        return line.amount_units
    cost = listed.cost
    if cost.table is not None:
        return cost.between(after.exact or (0, 1), before.exact or (0, 1))
    own = cost.cost(quantity_of(line.after)) - cost.cost(quantity_of(line.before))
    alone = line.amount_units - own if cost.adds_to_events else 0
    return cost.cost(before.quantity) - cost.cost(after.quantity) + alone


def usage_of_charge(charge: UsageCharge) -> Usage:
    reported = charge.reported
    properties = charge.private.get("properties")
    return usage_of(reported.meter, reported.quantity, properties, reported.occurred_at)
