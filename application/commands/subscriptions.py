"""How customers subscribe to products, and change, pause and end that.

What is due at once is decided on a copy of the wallet first, so that a refusal leaves no
trace and an acceptance cannot fail half-way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from application.commands import subscription_checks as checks
from application.commands.answers import SubscriptionAnswer
from application.commands.prices import prices_of
from application.commands.refunds import give_back
from application.commands.subscription_requests import (
    CancelSubscription,
    ChangeSubscription,
    PauseSubscription,
    ResumeSubscription,
    SetOverrides,
    Subscribe,
)
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.calendar.cycles import days_later
from domain.calendar.zones import zone_named
from domain.catalog.validity import check_prices
from domain.claims import difference
from domain.money.decimals import canonical
from domain.refusals import IdempotencyConflict, InvalidState
from domain.subscriptions import changing
from domain.subscriptions.enrolment import Enrolment, Pending, Span, Tiling, Window
from domain.subscriptions.events import FeeCredit, SubscriptionCreated
from domain.subscriptions.plan import Plan, PlanTerms, plan_of, plan_of_version
from domain.subscriptions.subscription import Subscription
from domain.subscriptions.turn import Turn, bounds
from domain.subscriptions.wallet_events import SubscriptionMoved
from domain.usage.charge import UsageCharge
from domain.wallet.wallet import Wallet


def subscribe(work: Work, command: Subscribe) -> SubscriptionAnswer:
    """Begin a subscription, now, in the past or later.

    Raises, first match wins: NotFound, IdempotencyConflict, InvalidInput (times, prices
    agreed), InvalidState (a draft, a second one, frozen), InsufficientFunds (fees due at once).
    """
    wallet = work.wallet(command.customer)
    catalog = work.catalog
    product = catalog.product(command.product_key)
    overrides = prices_of(work.asset, command.overrides, "overrides")
    terms = PlanTerms(command.product_key, command.version, overrides, _discount(command.discount))
    subscription_id = identity.subscription_id(work.tenant_id, command.idempotency_key)
    content = _content(wallet.customer_id, terms, command)
    before = work.stream(Subscription, subscription_id)
    if before is not None:
        differs = difference(before.content, content, both=("startsAt",))
        if differs is not None:
            raise IdempotencyConflict(key=command.idempotency_key, field=differs)
        return SubscriptionAnswer(subscription_id, replayed=True)
    at = wallet.time(work.now)
    starts_at = command.starts_at or at
    checks.check_start(starts_at, command.anchor, at)
    check_prices(overrides, "overrides", catalog.meters)
    plan = checks.plan_to_have(catalog, terms, starts_at, at)
    checks.check_overrides(product.versions[plan.version], overrides)
    enrolment = _enrolment(wallet, subscription_id, terms, plan, command, starts_at, at)
    checks.check_past_cycles(enrolment, plan, at)
    checks.check_alone(wallet, catalog, terms, starts_at)
    trial = wallet.copied()
    _enrol(trial, enrolment, at)
    trial.fall_due(at, at, catalog)
    checks.check_funds(wallet, trial, {}, at)

    # Nothing may fail from here on.
    create(Subscription, _created(wallet, enrolment, content, at), work.log)
    _enrol(wallet, enrolment, at)
    wallet.fall_due(at, at, catalog)
    return SubscriptionAnswer(subscription_id)


def change_subscription(work: Work, command: ChangeSubscription) -> SubscriptionAnswer:
    """Change product, version or seats, now or at the cycle's end.

    Raises, first match wins: NotFound, InvalidState, InsufficientFunds (what a change now
    costs above what it gives back).
    """
    wallet, enrolment = _enrolled(work, command.subscription_id)
    catalog = work.catalog
    catalog.product(command.product_key)
    checks.check_changeable(enrolment)
    at = wallet.time(work.now)
    # What was agreed ends with its product, and stays when only the version changes.
    same_product = command.product_key == enrolment.terms.product_key
    terms = PlanTerms(
        command.product_key,
        command.version,
        enrolment.terms.overrides if same_product else (),
        enrolment.terms.discount if same_product else None,
    )
    quantity = command.quantity or enrolment.quantity
    plan = checks.plan_to_have(catalog, terms, max(at, enrolment.starts_at), at)
    checks.check_alone(wallet, catalog, terms, at, enrolment.subscription_id)
    if command.at_cycle_end and enrolment.status != "SCHEDULED":
        turn = Turn(wallet, enrolment, at, at)
        stays = terms == enrolment.terms and quantity == enrolment.quantity
        pending = None if stays else Pending(terms, quantity, command.includes)
        if pending != enrolment.pending:
            changing.schedule_change(turn, pending)
        return SubscriptionAnswer(enrolment.subscription_id)
    if terms == enrolment.terms and quantity == enrolment.quantity:
        return SubscriptionAnswer(enrolment.subscription_id)
    same_plan = same_product and plan.version == enrolment.plan.version

    def change(turn: Turn, credited: tuple[FeeCredit, ...]) -> None:
        if enrolment.status == "SCHEDULED":
            changing.change_before_start(turn, terms, plan, quantity)
        elif same_plan:
            changing.change_seats(turn, terms, quantity, credited)
        else:
            changing.change_plan(turn, terms, plan, quantity, command.includes, credited)

    def credits_of(turn: Turn) -> tuple[FeeCredit, ...]:
        if same_plan:
            return changing.seat_credits(turn, quantity)
        return changing.fee_credits(turn, command.includes)

    _change_now(work, wallet, enrolment, at, credits_of, change)
    return SubscriptionAnswer(enrolment.subscription_id)


def set_overrides(work: Work, command: SetOverrides) -> SubscriptionAnswer:
    """Agree on prices with one customer, all of them, for what occurs from now on.

    Raises, first match wins: NotFound, InvalidState, InvalidInput.
    """
    wallet, enrolment = _enrolled(work, command.subscription_id)
    checks.check_live(enrolment)
    overrides = prices_of(work.asset, command.overrides, "overrides")
    terms = replace(enrolment.terms, overrides=overrides, discount=_discount(command.discount))
    catalog = work.catalog
    at = wallet.time(work.now)
    check_prices(overrides, "overrides", catalog.meters)
    product = catalog.product(terms.product_key)
    version = product.version(terms.pinned, at) or product.versions[enrolment.plan.version]
    checks.check_overrides(version, overrides)
    if terms != enrolment.terms:
        plan = plan_of_version(product.versions[enrolment.plan.version], terms)
        changing.set_overrides(Turn(wallet, enrolment, at, at), terms, plan)
    return SubscriptionAnswer(enrolment.subscription_id)


def pause_subscription(work: Work, command: PauseSubscription) -> SubscriptionAnswer:
    """No fees, credits or pricing until it is resumed. Raises NotFound, InvalidState."""
    wallet, enrolment = _enrolled(work, command.subscription_id)
    if enrolment.status == "PAUSED":
        return SubscriptionAnswer(enrolment.subscription_id)
    checks.check_changeable(enrolment)
    if enrolment.status == "SCHEDULED":
        raise InvalidState(state="SCHEDULED", reason="it has not begun: cancel it instead")
    at = wallet.time(work.now)
    changing.pause(Turn(wallet, enrolment, at, at))
    return SubscriptionAnswer(enrolment.subscription_id)


def resume_subscription(work: Work, command: ResumeSubscription) -> SubscriptionAnswer:
    """Begin a new cycle now. Raises NotFound, InvalidState, InsufficientFunds."""
    wallet, enrolment = _enrolled(work, command.subscription_id)
    if enrolment.status != "PAUSED":
        checks.check_live(enrolment)
        raise InvalidState(state=enrolment.status, reason="only what is PAUSED can be resumed")
    catalog = work.catalog
    at = wallet.time(work.now)
    checks.check_alone(wallet, catalog, enrolment.terms, at, enrolment.subscription_id)
    plan = plan_of(catalog, enrolment.terms, at) or enrolment.plan

    def change(turn: Turn, credited: tuple[FeeCredit, ...]) -> None:
        assert not credited
        changing.resume(turn, plan)

    _change_now(work, wallet, enrolment, at, lambda _: (), change)
    return SubscriptionAnswer(enrolment.subscription_id)


def cancel_subscription(work: Work, command: CancelSubscription) -> SubscriptionAnswer:
    """End it, now or with its cycle. Raises NotFound, InvalidState."""
    wallet, enrolment = _enrolled(work, command.subscription_id)
    checks.check_live(enrolment)
    at = wallet.time(work.now)
    if command.at_cycle_end and enrolment.running:
        if enrolment.cancel_at is None:
            changing.schedule_cancellation(Turn(wallet, enrolment, at, at))
        return SubscriptionAnswer(enrolment.subscription_id)
    credited = changing.fee_credits(Turn(wallet, enrolment, at, at))
    given = _give_back(work, wallet, enrolment, credited, at)
    changing.cancel(Turn(wallet, enrolment, at, at), given)
    return SubscriptionAnswer(enrolment.subscription_id)


def _change_now(
    work: Work,
    wallet: Wallet,
    enrolment: Enrolment,
    at: datetime,
    credits_of: Callable[[Turn], tuple[FeeCredit, ...]],
    change: Callable[[Turn, tuple[FeeCredit, ...]], None],
) -> None:
    """Change at once, if what it costs above what it gives back can be paid."""
    credited = credits_of(Turn(wallet, enrolment, at, at))
    trial = wallet.copied()
    change(Turn(trial, enrolment, at, at), credited)
    returned = changing.owed_units(each for each in credited if each.charge_id is not None)
    checks.check_funds(wallet, trial, returned, at)

    # Nothing may fail from here on.
    given = _give_back(work, wallet, enrolment, credited, at)
    change(Turn(wallet, enrolment, at, at), given)


def _give_back(
    work: Work,
    wallet: Wallet,
    enrolment: Enrolment,
    credited: Iterable[FeeCredit],
    at: datetime,
) -> tuple[FeeCredit, ...]:
    """Give fees back to the grants that paid them; answer what was. One that is billed, or
    its overage, is credited on the next invoice.
    """
    given: list[FeeCredit] = []
    for each in credited:
        if each.charge_id is None:
            given.append(each)
            continue
        charge = work.required(UsageCharge, each.charge_id, "charge")
        units = 0
        if charge.status in ("SETTLED", "PARTIALLY_REFUNDED"):
            units = min(each.units, charge.amount_units - charge.refunded_units)
        if not units:
            continue
        try:
            give_back(
                work,
                wallet,
                charge,
                work.asset(each.asset),
                units,
                at,
                key=f"{enrolment.subscription_id}:{enrolment.stream_version}:{each.charge_id}",
                compensate=True,
                private={"reason": "the rest of the period"},
            )
        except InvalidState:
            given.append(replace(each, units=units, charge_id=None))
        else:
            given.append(replace(each, units=units))
    return tuple(given)


def _enrolled(work: Work, subscription_id: str) -> tuple[Wallet, Enrolment]:
    subscription = work.required(Subscription, subscription_id, "subscription")
    wallet = work.wallet_by_id(subscription.wallet_id)
    enrolment = wallet.enrolments.get(subscription.id)
    if enrolment is None:
        raise checks.over(subscription.id, subscription.status)
    return wallet, enrolment


def _enrolment(
    wallet: Wallet,
    subscription_id: str,
    terms: PlanTerms,
    plan: Plan,
    command: Subscribe,
    starts_at: datetime,
    at: datetime,
) -> Enrolment:
    trial_ends_at = None
    if plan.trial_days:
        trial_ends_at = days_later(starts_at, plan.trial_days, zone_named(wallet.timezone))
    paid_from = trial_ends_at or starts_at
    anchor = command.anchor or paid_from
    tiling = Tiling(paid_from, anchor, plan.period, wallet.timezone, joined=False)
    return Enrolment(
        subscription_id=subscription_id,
        stream_version=1,
        status="SCHEDULED",
        terms=terms,
        plan=plan,
        quantity=command.quantity,
        collection=command.collection,
        starts_at=starts_at,
        trial_ends_at=trial_ends_at,
        cycle=0 if trial_ends_at is not None else 1,
        windows=(),
        fees=(),
        grants=(),
        spans=(Span(starts_at, terms, tiling),),
        cancel_at=None,
        pending=None,
        created_at=at,
        ended_at=None,
    )


def _created(
    wallet: Wallet, enrolment: Enrolment, content: dict[str, Any], at: datetime
) -> SubscriptionCreated:
    tiling = enrolment.tiling
    first = tiling.window(enrolment.starts_at)
    if enrolment.trial_ends_at is not None:
        start = enrolment.starts_at
        first = Window(tiling.period, start, start, enrolment.trial_ends_at)
    return SubscriptionCreated(
        enrolment.subscription_id,
        1,
        at,
        customer_id=wallet.customer_id,
        wallet_id=wallet.id,
        product_key=enrolment.terms.product_key,
        pinned=enrolment.terms.pinned,
        quantity=enrolment.quantity,
        collection=enrolment.collection,
        overrides=enrolment.terms.overrides,
        discount=enrolment.terms.discount,
        starts_at=enrolment.starts_at,
        anchor=tiling.anchor,
        trial_ends_at=enrolment.trial_ends_at,
        cycle=bounds(enrolment.cycle, first),
        content=content,
    )


def _enrol(wallet: Wallet, enrolment: Enrolment, at: datetime) -> None:
    moved = SubscriptionMoved(wallet.id, wallet.next_version(), at, enrolment, wallet.allotments)
    wallet.record(moved)


def _discount(said: str | None) -> str | None:
    return canonical(said) if said is not None else None


def _content(customer_id: str, terms: PlanTerms, command: Subscribe) -> dict[str, Any]:
    """Return what the client said, as the log keeps it."""
    content: dict[str, Any] = json.loads(
        msgspec.json.encode(
            {
                "customerId": customer_id,
                "productKey": terms.product_key,
                "version": terms.pinned,
                "quantity": command.quantity,
                "startsAt": command.starts_at,
                "anchor": command.anchor,
                "collection": command.collection,
                "overrides": terms.overrides,
                "discount": terms.discount,
            }
        )
    )
    return content
