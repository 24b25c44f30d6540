"""Replacing a wrong price: the charges of the cycles touched, rated anew in log order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from application.commands.answers import RerateAnswer
from application.commands.corrections import Correction, correct
from application.commands.cycle_charges import charges_since
from application.commands.requests import RerateWallet
from application.commands.withdrawals import own_terms, usage_of_charge
from application.work import Work
from domain.money.rounding import part_of
from domain.rating.price_list import PriceLists
from domain.rating.pricing import PricingTerms, terms_at
from domain.rating.rate import RatedLine, rate
from domain.rating.replay import Replay
from domain.rating.running_total import RunningTotal, TotalKey
from domain.refusals import InvalidInput, InvalidState
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeRerated
from domain.usage.payments import key_of
from domain.wallet.wallet import Wallet


@dataclass(frozen=True, slots=True)
class _Anew:
    """A charge, and how it comes about when its cycles are rated from their start."""

    charge: UsageCharge
    lines: tuple[RatedLine, ...]
    asked: bool

    @property
    def net_units(self) -> int:
        """Return what it comes to: refunded parts stay out, a withdrawn charge is nothing."""
        charge = self.charge
        if charge.status == "WITHDRAWN":
            return 0
        units = sum(line.amount_units for line in self.lines)
        if charge.refunded_units and charge.amount_units > 0:
            units -= part_of(units, 0, charge.refunded_units, charge.amount_units)
        return units

    @property
    def back_units(self) -> int:
        return self.charge.net_units - self.net_units

    @property
    def changes(self) -> bool:
        versions = [line.version for line in self.charge.current_lines]
        return self.back_units != 0 or (
            self.charge.status != "WITHDRAWN" and versions != [each.version for each in self.lines]
        )


def rerate_wallet(work: Work, command: RerateWallet) -> RerateAnswer:
    """Rate the charges of one wallet by a product's version; `dry`: only say what changes.

    Raises, first match wins: NotFound, InvalidInput (what the version needs and a charge
    lacks, another asset, overage that is on an invoice).
    """
    lists = work.batch.price_lists(work.tenant_id)
    lists.catalog.product_version(command.product, command.version)
    wallet = work.wallet_by_id(command.wallet_id)
    charges = charges_since(work, wallet, command.occurred_from)
    asked = {each.id for each in charges if _asked(each, command)}
    starts = {
        line.starts_at
        for charge in charges
        if charge.id in asked
        for line in charge.current_lines
        if line.product == command.product and line.starts_at is not None
    }
    if not starts:
        return RerateAnswer(0, 0, 0, None, 0)
    charges = charges_since(work, wallet, min(starts))
    touched = [each for each in charges if _in(each, command.product, starts)]
    replay = Replay()
    anew = [_rated(each, command, each.id in asked, wallet, lists, replay) for each in touched]
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
        _apply(work, wallet, command, changing, touched, replay)
    return answer


def _apply(
    work: Work,
    wallet: Wallet,
    command: RerateWallet,
    changing: Sequence[_Anew],
    touched: Sequence[UsageCharge],
    replay: Replay,
) -> None:
    """State what changes: what goes back first, so that it can pay for what is taken, and
    last what others must have paid before.
    """
    totals = _totals(wallet, touched, replay)
    for each in sorted(changing, key=_turn):
        correction = Correction(each.back_units, _falls(each), totals, each.lines)
        try:
            correct(
                work,
                wallet,
                each.charge,
                correction,
                ChargeRerated,
                command.reason,
                lambda: touched,
            )
        except InvalidState as refusal:
            raise InvalidInput(field="occurredFrom", reason=refusal.reason) from None


def _rated(
    charge: UsageCharge,
    command: RerateWallet,
    asked: bool,
    wallet: Wallet,
    lists: PriceLists,
    replay: Replay,
) -> _Anew:
    """Rate one charge from where the replay has come to, and bring that forward."""
    if charge.status == "WITHDRAWN":
        return _Anew(charge, (), asked)
    usage = usage_of_charge(charge)
    terms = terms_at(wallet.pricing, lists.catalog, wallet.months, usage.occurred_at)
    first = next(line for line in charge.current_lines if line.product == command.product)
    own: PricingTerms = own_terms(first, terms)
    if asked:
        own = replace(own, version=command.version)
    try:
        rated = rate(usage, [own], lists, replay)
    except InvalidInput as refusal:
        raise InvalidInput(
            field=refusal.field, reason=f"charge {charge.id}: {refusal.reason}"
        ) from None
    found: dict[str, list[RatedLine]] = {}
    if rated is not None:
        if rated.asset != charge.asset:
            raise InvalidInput(
                field="version",
                reason=f"charges are in {charge.asset}, the version in {rated.asset}: refund them",
            )
        replay.add(rated)
        for line in rated.lines:
            found.setdefault(line.meter, []).append(line)
    lines: list[RatedLine] = []
    for line in charge.current_lines:
        if line.product != command.product:
            lines.append(line)
        elif found.get(line.meter):
            lines.append(found[line.meter].pop(0))
    return _Anew(charge, tuple(lines), asked)


def _turn(anew: _Anew) -> int:
    """Return when a correction is stated. Of a line below zero more goes back than its charge
    took: those who paid for the cycle get it, once they have.
    """
    if anew.back_units < 0:
        return 1
    return 0 if anew.back_units <= anew.charge.returnable_units else 2


def _falls(anew: _Anew) -> tuple[tuple[TotalKey, int], ...]:
    """Return by how much less each total has of a charge."""
    falls: dict[TotalKey, int] = {}
    for sign, lines in ((1, anew.charge.current_lines), (-1, anew.lines)):
        for line in lines:
            key = key_of(line)
            if key is not None:
                falls[key] = falls.get(key, 0) + sign * line.amount_units
    return tuple(falls.items())


def _totals(
    wallet: Wallet, touched: Sequence[UsageCharge], replay: Replay
) -> tuple[RunningTotal, ...]:
    """Return the cycles' totals as they are then; what nothing moves any more is at zero."""
    totals = dict(replay.totals)
    for charge in touched:
        for line in charge.current_lines:
            key = key_of(line)
            if key is not None and key not in totals and line.ends_at is not None:
                kept = wallet.totals.get(key)
                if kept is not None and kept.product == line.product:
                    totals[key] = replace(kept, quantity=0, amount_units=0, exact=None)
    return tuple(totals.values())


def _asked(charge: UsageCharge, command: RerateWallet) -> bool:
    if not command.occurred_from <= charge.reported.occurred_at < command.occurred_to:
        return False
    meters = {line.meter for line in charge.current_lines if line.product == command.product}
    return bool(meters) and command.meter in (None, charge.reported.meter, *meters)


def _in(charge: UsageCharge, product: str, starts: set[datetime]) -> bool:
    lines = charge.current_lines or charge.lines
    return any(line.product == product and line.starts_at in starts for line in lines)
