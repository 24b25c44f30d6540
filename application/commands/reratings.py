"""Replacing a wrong price: the charges of the cycles touched, rated anew in log order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from application.commands.answers import RerateAnswer
from application.commands.corrections import Correction, correct
from application.commands.cycle_charges import charges_since
from application.commands.paid_for import Paid
from application.commands.requests import RerateWallet
from application.commands.withdrawals import own_terms, usage_of_charge
from application.work import Work
from domain.rating.price_list import PriceLists
from domain.rating.pricing import PricingTerms, terms_at
from domain.rating.rate import RatedLine, Sight
from domain.rating.replay import Replay
from domain.rating.running_total import RunningTotal, TotalKey
from domain.refusals import InvalidInput
from domain.subscriptions.events import FEE_SOURCE
from domain.usage.charge import UsageCharge
from domain.usage.concessions import allotted, by_price, conceded_of, kept_of, share_of
from domain.usage.events import ChargeRerated, Concession
from domain.usage.payments import key_of
from domain.wallet.sightings import ValueSeen
from domain.wallet.wallet import Wallet


@dataclass(frozen=True, slots=True)
class _Anew:
    """A charge, and how it comes about when its cycles are rated from their start. conceded:
    what stays given back of each price then; credited: of it, what credit notes gave back.
    """

    charge: UsageCharge
    lines: tuple[RatedLine, ...]
    asked: bool
    conceded: Mapping[TotalKey, int]
    credited: Mapping[TotalKey, int]
    concession: Concession | None = None
    sights: tuple[Sight, ...] = ()

    @property
    def net_units(self) -> int:
        return self.charge.net_units - sum(self.falls.values())

    @property
    def changes(self) -> bool:
        return _told(self.charge.current_lines) != _told(self.lines)

    @property
    def falls(self) -> Counter[TotalKey]:
        """Return by how much less each price has of it. What a credit note gave back was paid
        for all the same.
        """
        charge = self.charge
        falls = by_price(charge.current_lines) if charge.observed else kept_of(charge)
        falls.subtract(by_price(self.lines))
        falls.update(self.conceded)
        falls.subtract(self.credited)
        return falls


def rerate_wallet(work: Work, command: RerateWallet) -> RerateAnswer:
    """Rate the charges of one wallet by a product's version; `dry`: only say what changes.

    Raises, first match wins: NotFound, InvalidInput (what the version needs and a charge
    lacks, another asset).
    """
    lists = work.batch.price_lists(work.tenant_id)
    lists.catalog.product_version(command.product, command.version)
    wallet = work.wallet_by_id(command.wallet_id)
    asking = _Asking(command, wallet, lists)
    charges = charges_since(work, wallet, command.occurred_from)
    asked = {each.id: terms for each in charges if (terms := asking.terms(each)) is not None}
    if not asked:
        return RerateAnswer(0, 0, 0, None, 0)
    starts = {terms.cycle.starts_at for terms in asked.values()}
    if min(starts) < command.occurred_from:
        charges = charges_since(work, wallet, min(starts))
    touched = [each for each in charges if each.id in asked or _in(each, command.product, starts)]
    replay = Replay()
    paid = Paid(work, wallet)
    anew = [
        _rated(each, asked.get(each.id), asking, replay, paid.credited_of(each)) for each in touched
    ]
    changing = [each for each in anew if each.changes]
    counted = [each for each in anew if each.asked or each.changes]
    asset = touched[0].asset
    if any(each.charge.asset != asset for each in counted):
        raise InvalidInput(field="meter", reason="charges are in several assets: name a meter")
    answer = RerateAnswer(
        charges=len(changing),
        before_units=sum(each.charge.net_units for each in counted),
        after_units=sum(each.net_units for each in counted),
        asset=asset,
        scale=work.asset(asset).scale,
    )
    if changing and not command.dry:
        _apply(work, wallet, command, changing, touched, replay, paid)
        _note_sights(work, wallet, anew)
    return answer


@dataclass(frozen=True, slots=True)
class _Asking:
    """Which charges are to be rated by the version, and in which cycle."""

    command: RerateWallet
    wallet: Wallet
    lists: PriceLists

    def terms(self, charge: UsageCharge) -> PricingTerms | None:
        """Return by what a charge is rated that was asked for; None for any other."""
        command = self.command
        if not command.occurred_from <= charge.reported.occurred_at < command.occurred_to:
            return None
        if charge.reported.source == FEE_SOURCE:
            return None
        lines = charge.current_lines or charge.lines
        own = [line for line in lines if line.product == command.product]
        meters = {line.meter for line in own}
        if own:
            terms: PricingTerms | None = self.own(charge)
        else:
            meters = {line.meter for line in lines if line.price is None}
            terms = self._met_by_now(charge) if meters else None
        if command.meter not in (None, charge.reported.meter, *meters) or terms is None:
            return None
        return replace(terms, version=command.version)

    def own(self, charge: UsageCharge) -> PricingTerms:
        """Return terms by which the product rated a charge."""
        first = next(
            line
            for line in (*charge.current_lines, *charge.lines)
            if line.product == self.command.product
        )
        return own_terms(first, self.at(charge.reported.occurred_at))

    def at(self, occurred_at: datetime) -> list[PricingTerms]:
        wallet = self.wallet
        return terms_at(wallet.pricing, self.lists.catalog, wallet.months, occurred_at)

    def _met_by_now(self, charge: UsageCharge) -> PricingTerms | None:
        """Return by what the product prices usage that nothing priced when it was recorded."""
        if charge.status == "WITHDRAWN":
            return None
        product, usage = self.command.product, usage_of_charge(charge)
        terms = next((each for each in self.at(usage.occurred_at) if each.product == product), None)
        if terms is None and self.lists.catalog.last_default == product:
            terms = PricingTerms(product, None, self.wallet.months.at(usage.occurred_at))
        if terms is None:
            return None
        terms = replace(terms, version=self.command.version)
        priced = self.lists.of(terms, usage.occurred_at)
        without = {line.meter for line in charge.current_lines if line.price is None}
        return terms if without & priced.keys() else None


def _apply(
    work: Work,
    wallet: Wallet,
    command: RerateWallet,
    changing: Sequence[_Anew],
    touched: Sequence[UsageCharge],
    replay: Replay,
    paid: Paid,
) -> None:
    """State what changes: what goes back first, so that it can pay for what is taken. What
    others must have paid before waits for them.
    """
    totals = _totals(wallet, touched, replay)

    def state(each: _Due) -> None:
        correction = Correction(each.falls, totals, each.anew.lines)
        rerated = partial(ChargeRerated, conceded=each.anew.concession)
        correct(work, wallet, each.anew.charge, correction, rerated, command.reason, paid)

    # As they are before any is stated, which changes what a charge has.
    due = [_Due(each, each.falls) for each in changing]
    takes = [each for each in due if not each.gives]
    waiting: list[_Due] = []
    for each in due:
        if each.gives and each.is_paid(paid, totals):
            state(each)
        elif each.gives:
            waiting.append(each)
    for each in takes:
        state(each)
    last: list[_Due] = []
    for each in waiting:
        if each.is_paid(paid, totals):
            state(each)
            continue
        if each.takes:  # two that wait for each other: both are taken first
            state(_Due(each.anew, each.takes))
        last.append(_Due(each.anew, each.gives))
    for each in last:
        state(each)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be stated of a charge. falls: by how much less each price has of it."""

    anew: _Anew
    falls: dict[TotalKey, int]

    @property
    def gives(self) -> dict[TotalKey, int]:
        return {key: units for key, units in self.falls.items() if units > 0}

    @property
    def takes(self) -> dict[TotalKey, int]:
        return {key: units for key, units in self.falls.items() if units < 0}

    def is_paid(self, paid: Paid, totals: Sequence[RunningTotal]) -> bool:
        """Whether what goes back of each price has been paid for it."""
        charge = self.anew.charge
        if charge.observed:
            return True
        own = paid.of_charge(charge).by_key
        ends = {total.key: total.ends_at for total in totals}
        for key, units in self.gives.items():
            known = paid.known(key, ends[key]) if key in ends else None
            payers = known if known is not None else own.get(key)
            if units > (payers.units if payers is not None else 0):
                return False
        return True


def _rated(
    charge: UsageCharge,
    asked: PricingTerms | None,
    asking: _Asking,
    replay: Replay,
    credited: Mapping[TotalKey, int],
) -> _Anew:
    """Rate one charge from where the replay has come to, and bring that forward. asked: by
    what, if it was asked for.
    """
    if charge.status == "WITHDRAWN":
        return _Anew(charge, (), asked is not None, {}, credited)
    own = asked or asking.own(charge)
    try:
        usage = usage_of_charge(charge)
        rated = replay.rate(usage, [own], asking.lists, observed=charge.observed)
    except InvalidInput as refusal:
        raise InvalidInput(
            field=refusal.field, reason=f"charge {charge.id}: {refusal.reason}"
        ) from None
    if rated is not None and rated.asset != charge.asset:
        raise InvalidInput(
            field="version",
            reason=f"charge {charge.id} is in {charge.asset}, the version in {rated.asset}: name"
            " a meter that leaves such charges out, withdraw them and report them again",
        )
    others = [line for line in charge.current_lines if line.product not in (None, own.product)]
    elsewhere = {line.meter for line in others}
    lines = rated.lines if rated is not None else _without_price(charge, own.product)
    mine = [line for line in lines if line.product is not None or line.meter not in elsewhere]
    sights = rated.sights if rated is not None else ()
    before = [line for line in charge.current_lines if line not in others]
    conceded = conceded_of(charge, credited)
    concession = None
    if not charge.observed:
        if _told(before) != _told(mine):
            of_others = {key_of(line) for line in others}
            own_units = sum(units for key, units in conceded.items() if key not in of_others)
            of_units = sum(line.amount_units for line in before)
            concession = share_of(charge, own.product, own_units, of_units)
            conceded = Counter({k: u for k, u in conceded.items() if k in of_others})
            conceded.update(allotted(concession, mine))
        replay.pay(by_price(mine), conceded)
    return _Anew(
        charge, (*mine, *others), asked is not None, conceded, credited, concession, sights
    )


def _without_price(charge: UsageCharge, product: str) -> tuple[RatedLine, ...]:
    """Return a charge's lines where its product has no price any more: they cost nothing."""
    return tuple(
        replace(line, product=None, version=None, price=None, overridden=False, amount_units=0,
                before="0", after=line.quantity, starts_at=None, ends_at=None, unit_price=None)
        for line in charge.current_lines
        if line.product in (None, product)
    )  # fmt: skip


def _totals(
    wallet: Wallet, touched: Sequence[UsageCharge], replay: Replay
) -> tuple[RunningTotal, ...]:
    """Return the cycles' totals as they are then; what nothing moves any more is at zero."""
    totals = dict(replay.totals)
    for charge in touched:
        for line in charge.current_lines or charge.lines:
            key = key_of(line)
            if key is not None and key not in totals and line.ends_at is not None:
                kept = wallet.totals.get(key)
                if kept is not None and kept.product == line.product:
                    totals[key] = replace(
                        kept, quantity=0, amount_units=0, exact=None, latest_at=None, version=0
                    )
    return tuple(totals.values())


def _told(lines: Sequence[RatedLine]) -> list[tuple[str, str, str, int, int]]:
    """Return what of lines makes them others, in whatever order they are."""
    return sorted(
        (line.meter, line.product or "", line.price or "", line.version or 0, line.amount_units)
        for line in lines
    )


def _note_sights(work: Work, wallet: Wallet, anew: Sequence[_Anew]) -> None:
    """Write down the values that UNIQUE counts by a price which had not met them."""
    met = [(each.charge.id, sight) for each in anew for sight in each.sights]
    sightings = work.batch.sightings
    sightings.prefetch(work.tenant_id, [(wallet.id, sight.key, sight.value) for _, sight in met])
    at = wallet.time(work.now)
    for charge_id, sight in met:
        if sightings.unseen(work.tenant_id, wallet.id, sight.key, sight.value):
            seen = sightings.tell(ValueSeen, work.tenant_id, wallet.id, sight, charge_id, at)
            work.log.append(seen)


def _in(charge: UsageCharge, product: str, starts: set[datetime]) -> bool:
    if charge.reported.source == FEE_SOURCE:
        return False
    lines = charge.current_lines or charge.lines
    return any(line.product == product and line.starts_at in starts for line in lines)
