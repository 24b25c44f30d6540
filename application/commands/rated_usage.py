"""Usage that the ledger rates: what it costs, and what settling it moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from application.commands.giving_back import GivingBack
from application.commands.paid_for import Paid, told
from application.work import Work
from domain.money.asset import LARGEST_UNITS, Asset
from domain.rating.rate import Rated, Usage, rate, unpriced
from domain.rating.running_total import RunningTotal, TotalKey
from domain.rating.tariff import Tariff
from domain.refusals import InvalidInput
from domain.tenancy.tenant import FUTURE_SECONDS
from domain.usage.events import ChargeCredited, Reported
from domain.usage.payments import key_of
from domain.wallet.payers import PaidFor, Share, payers_told, share_out
from domain.wallet.sightings import ValueSeen
from domain.wallet.telling import tell_unpriced
from domain.wallet.totals import RatedMove
from domain.wallet.usage_credit import credit_usage
from domain.wallet.wallet import Wallet

NOTHING_SAID: Mapping[str, Any] = {}


class WalletStanding:
    """How far the cycles of a wallet have come, as rating asks it."""

    __slots__ = ("_wallet", "_work")

    def __init__(self, work: Work, wallet: Wallet) -> None:
        self._work = work
        self._wallet = wallet

    def total(self, key: TotalKey, ends_at: datetime) -> RunningTotal | None:
        totals = self._wallet.totals
        kept = totals.by_key.get(key)
        if kept is None and totals.dropped(key, ends_at):
            return self._work.batch.older(self._work.tenant_id, self._wallet.id, key).get(key)
        return kept

    def unseen(self, key: TotalKey, value: str) -> bool:
        work = self._work
        return work.batch.sightings.unseen(work.tenant_id, self._wallet.id, key, value)

    def returnable_units(self, total: RunningTotal, units: int) -> int:
        wallet = self._wallet
        if wallet.mode == "SHADOW":
            return total.amount_units
        return min(total.amount_units, Paid(self._work, wallet).returnable_units(total, units))


def usage_of(meter: str, quantity: str | None, properties: Any, occurred_at: datetime) -> Usage:
    return Usage(meter, quantity, properties or NOTHING_SAID, occurred_at)


def tariff_of(work: Work, wallet: Wallet, event_type: str, at: datetime) -> Tariff:
    """Return what rates a customer's usage of a type and time."""
    lists = work.batch.price_lists(work.tenant_id)
    trial = work.batch.trial
    if trial is not None:
        terms = trial.terms(wallet.pricing, wallet.months, at)
        return lists.tariff(event_type, (terms,), at)
    return lists.tariff_for(wallet.pricing, wallet.months, event_type, at)


def rate_event(work: Work, wallet: Wallet, usage: Usage) -> tuple[Asset, Rated]:
    """Say what an event costs, moving nothing.

    Raises InvalidInput naming what it lacks; `amount` where no price matches it.
    """
    tariff = tariff_of(work, wallet, usage.event_type, usage.occurred_at)
    rated = rate(usage, tariff, WalletStanding(work, wallet))
    if rated is None:
        key, lines = unpriced(usage, tariff)
        asset = work.asset(key)
        return asset, Rated(key, asset.scale, 0, lines, {})
    asset = work.asset(rated.asset)
    if rated.amount_units > LARGEST_UNITS[asset.scale]:
        raise InvalidInput(field="quantity", reason=f"costs more than 10^15 {asset.key}")
    return asset, rated


def is_priced(work: Work, wallet: Wallet, usage: Usage) -> bool:
    """Whether an event is rated unless it says its amount."""
    if not work.catalog.meters_of(usage.event_type):
        return False
    tariff = tariff_of(work, wallet, usage.event_type, usage.occurred_at)
    return tariff.prices_any(usage.properties)


def check_unpriced(work: Work, wallet: Wallet, usage: Usage) -> None:
    """Refuse an amount that is stated of usage which has a price. Raises InvalidInput."""
    if is_priced(work, wallet, usage):
        raise InvalidInput(
            field="amount", reason=f"meter {usage.event_type} has a price: leave the amount out"
        )


def move_of(
    work: Work, wallet: Wallet, rated: Rated | None, at: datetime
) -> tuple[RatedMove | None, tuple[Share, ...]]:
    """Return what settling an event moves of the wallet's totals, and the lines among which
    what pays is shared; nothing where it was not rated.
    """
    if rated is None or not rated.totals:
        return None, ()
    totals = wallet.totals
    closed_before = None
    if not rated.totals.keys() <= totals.by_key.keys():
        late_seconds = work.tenant.late_window_seconds
        before = at - timedelta(seconds=late_seconds + FUTURE_SECONDS)
        closed_before = before if totals.closable(before) else None
    shares: tuple[Share, ...] = ()
    news: tuple[PaidFor, ...] = ()
    if wallet.mode != "SHADOW" and (rated.falling or totals.payers or totals.closed_before):
        shares, news = _shares_of(work, wallet, rated)
    return RatedMove(rated.totals, news, closed_before), shares


def _shares_of(
    work: Work, wallet: Wallet, rated: Rated
) -> tuple[tuple[Share, ...], tuple[PaidFor, ...]]:
    """Return the lines among which what pays is shared, and payers that are known from now
    on; nothing if those of none need be known.
    """
    paid = Paid(work, wallet)
    falls = any(line.amount_units < 0 for line in rated.lines)
    shares: list[Share] = []
    news: list[PaidFor] = []
    for place, line in enumerate(rated.lines):
        key = key_of(line)
        known = None
        if key is not None and line.ends_at is not None:
            known = wallet.totals.payers.get(key) or paid.known(key, line.ends_at)
            if known is None and (falls or place in rated.falling):
                known = paid.of_cycle(key, line.ends_at)
            if known is not None and key not in wallet.totals.payers:
                news.append(told(key, known))
            elif line.amount_units < 0:
                owed = wallet.accounts[rated.asset].unbilled()
                again = paid.newest(key, -line.amount_units, owed)
                news += [again] if again is not None else []
            before = wallet.totals.get(key)
            if before is not None and before.asset != rated.asset:
                news.append(PaidFor(*key, anew=True))
        shares.append(Share(key if known is not None else None, line.amount_units))
    if all(share.key is None for share in shares):
        return (), ()
    return tuple(shares), tuple(news)


def note_rated(work: Work, wallet: Wallet, rated: Rated, charge_id: str, at: datetime) -> None:
    """Write down the values that UNIQUE met first with this charge, and what had no price."""
    tell_unpriced(wallet, rated.asset, rated.lines, at)
    for sight in rated.sights:
        sightings = work.batch.sightings
        work.log.append(sightings.tell(ValueSeen, work.tenant_id, wallet.id, sight, charge_id, at))


def credited(
    work: Work,
    wallet: Wallet,
    asset: Asset,
    rated: Rated,
    charge_id: str,
    reported: Reported,
    private: dict[str, Any],
    at: datetime,
    *,
    dry: bool,
    version: int = 1,
    hold_id: str | None = None,
) -> ChargeCredited:
    """Settle a charge below zero: give back to those who paid; return its event. version: of
    that; dry: what grants would get is only counted.
    """
    account = wallet.accounts[asset.key]
    moved, shares = move_of(work, wallet, rated, at)
    assert moved is not None
    payers = wallet.totals.payers | payers_told(moved.paid)
    shared = share_out(shares, payers, account.unbilled())
    occurred_at = reported.occurred_at
    giving = GivingBack(work, wallet, asset, charge_id, occurred_at, shared.back, at, dry=dry)
    derived = work.derived_budgets(wallet, reported.subject, dry=dry)

    # Nothing may fail from here on.
    counted = credit_usage(
        wallet,
        asset,
        charge_id,
        reported.meter,
        -rated.amount_units,
        shared.back.forgiven,
        giving.to_grants,
        replace(moved, paid=(*moved.paid, *shared.paid)),
        at,
        subject=reported.subject,
        derived=derived,
    )
    given = giving.follow(charge_id)
    return ChargeCredited(
        charge_id,
        version,
        at,
        wallet.customer_id,
        wallet.id,
        reported,
        asset.key,
        -rated.amount_units,
        given.overage_units,
        given.forgiven,
        given.returned,
        given.compensated,
        account.available_units(at) + giving.only_counted_units,
        hold_id,
        private,
        counted,
        rated.lines,
        given.invoiced,
        given.made_good,
    )
