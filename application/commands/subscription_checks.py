"""What subscribing, changing and resuming are refused for. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from domain.calendar.cycles import cycle_at
from domain.calendar.zones import zone_named
from domain.catalog.catalog import Catalog
from domain.catalog.price import Price
from domain.catalog.product import ProductVersion, VersionStatus
from domain.refusals import InsufficientFunds, InvalidInput, InvalidState, NotFound
from domain.subscriptions.enrolment import Enrolment
from domain.subscriptions.events import FEE_SOURCE
from domain.subscriptions.plan import Plan, PlanTerms, plan_of_version
from domain.usage.events import ChargeObserved, ChargeSettled
from domain.wallet.events import GrantRevoked
from domain.wallet.modes import beyond_limit
from domain.wallet.wallet import Wallet, frozen

FARTHEST_START = timedelta(days=3_653)
MOST_PAST_CYCLES = 400


def check_start(starts_at: datetime, anchor: datetime | None, at: datetime) -> None:
    """Raises InvalidInput."""
    if abs(starts_at - at) > FARTHEST_START:
        raise InvalidInput(field="startsAt", reason="at most ten years away")
    if anchor is not None and abs(anchor - starts_at) > FARTHEST_START:
        raise InvalidInput(field="anchor", reason="at most ten years from the start")


def check_past_cycles(enrolment: Enrolment, plan: Plan, at: datetime) -> None:
    """Raises InvalidInput: a start so long ago that all its fees are no one decision."""
    tiling = enrolment.tiling
    zone = zone_named(tiling.zone)
    for period in plan.periods():
        first = cycle_at(tiling.anchor, period, zone, enrolment.starts_at).number
        if cycle_at(tiling.anchor, period, zone, at).number - first > MOST_PAST_CYCLES:
            raise InvalidInput(
                field="startsAt", reason=f"more than {MOST_PAST_CYCLES} periods have passed since"
            )


def plan_to_have(catalog: Catalog, terms: PlanTerms, starts_at: datetime, at: datetime) -> Plan:
    """Return the plan that these terms begin with.

    Raises NotFound, InvalidState (a draft, or nothing is published).
    """
    product = catalog.product(terms.product_key)
    version = product.version(terms.pinned, starts_at) or product.version(terms.pinned, at)
    if version is None and terms.pinned is not None:
        raise NotFound(what="product version", key=f"{terms.product_key} {terms.pinned}")
    if version is None or version.status != VersionStatus.PUBLISHED:
        raise InvalidState(
            state=version.status if version is not None else VersionStatus.DRAFT,
            reason=f"product {terms.product_key} has no published version for this:"
            " publish one first",
        )
    return plan_of_version(version, terms)


def check_overrides(version: ProductVersion | None, overrides: Iterable[Price]) -> None:
    """An override takes the place of a price, of its key and meter. Raises InvalidInput."""
    for place, price in enumerate(overrides):
        replaced = version.price(price.key) if version is not None else None
        if replaced is None:
            raise InvalidInput(
                field=f"overrides[{place}].key", reason=f"the product has no price {price.key!r}"
            )
        if replaced.meter != price.meter:
            raise InvalidInput(
                field=f"overrides[{place}].meter", reason=f"{price.key} prices {replaced.meter}"
            )


def check_alone(
    wallet: Wallet, catalog: Catalog, terms: PlanTerms, at: datetime, but: str | None = None
) -> None:
    """Raise InvalidState for a second subscription of a product, or of a meter's price.

    but: the subscription that is to have these terms.
    """
    meters = _meters(catalog, terms, at)
    for other in wallet.enrolments.values():
        over = other.ended_at or other.cancel_at
        # One that ended before it began never priced anything.
        if other.subscription_id == but or (over is not None and over <= max(at, other.starts_at)):
            continue
        theirs = [other.terms, *([other.pending.terms] if other.pending is not None else [])]
        for each in theirs:
            if each.product_key == terms.product_key:
                raise InvalidState(
                    state=other.status,
                    reason=f"subscription {other.subscription_id} is of {terms.product_key}"
                    " already: change its quantity",
                )
            both = meters & _meters(catalog, each, at)
            if both:
                raise InvalidState(
                    state=other.status,
                    reason=f"meter {min(both)} is priced by subscription"
                    f" {other.subscription_id} of {each.product_key}: change or cancel that",
                )


def _meters(catalog: Catalog, terms: PlanTerms, at: datetime) -> set[str]:
    version = catalog.product(terms.product_key).version(terms.pinned, at)
    prices = version.prices if version is not None else ()
    return {price.meter for price in prices if price.meter is not None}


def check_funds(wallet: Wallet, trial: Wallet, returned: dict[str, int], at: datetime) -> None:
    """Refuse fees due at once, as the `trial` charged them, that nothing covers.

    returned: units by asset that fees before give back first. Included credits that the
    change takes away pay nothing. Raises InvalidState (frozen), InsufficientFunds: that one
    in CONTROL alone.
    """
    decided = trial.pending_events
    fees = _fees(decided)
    if fees and wallet.frozen:
        raise frozen(wallet.id)
    if wallet.mode != "CONTROL":
        return
    for key, charges in fees.items():
        account = wallet.accounts.get(key)
        meter = charges[0].reported.meter
        available_units = account.available_for_units(meter, at, at) if account else 0
        available_units -= sum(
            event.units
            for event in decided
            if isinstance(event, GrantRevoked) and event.cause == "PLAN_CHANGE"
            if event.asset == key
        )
        required_units = sum(charge.amount_units for charge in charges) - returned.get(key, 0)
        if beyond_limit(required_units, available_units, account.limit_units if account else 0):
            raise InsufficientFunds(
                asset=key,
                scale=trial.accounts[key].scale,
                required_units=required_units,
                available_units=available_units,
            )


def _fees(decided: Iterable[Any]) -> dict[str, list[ChargeSettled | ChargeObserved]]:
    """Return the fees among events, by asset."""
    fees: dict[str, list[ChargeSettled | ChargeObserved]] = {}
    for event in decided:
        if not isinstance(event, ChargeSettled | ChargeObserved):
            continue
        if event.reported.source == FEE_SOURCE:
            fees.setdefault(event.asset, []).append(event)
    return fees


def check_live(enrolment: Enrolment) -> None:
    """Raises InvalidState."""
    if enrolment.ended_at is not None:
        raise over(enrolment.subscription_id, enrolment.status)


def check_changeable(enrolment: Enrolment) -> None:
    """Raises InvalidState."""
    check_live(enrolment)
    if enrolment.status == "PAUSED":
        raise InvalidState(state="PAUSED", reason="it is paused: resume it first")
    if enrolment.cancel_at is not None:
        raise InvalidState(
            state=enrolment.status, reason="it was cancelled and ends with its cycle"
        )


def over(subscription_id: str, status: str) -> InvalidState:
    return InvalidState(
        state=status, reason=f"subscription {subscription_id} is {status}: subscribe again"
    )
