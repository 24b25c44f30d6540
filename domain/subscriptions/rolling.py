"""What time does to a subscription: it begins, its periods and cycles roll, it ends.

At one instant, after holds have lapsed and grants expired: what rolls over, what was in
arrears, then the new cycle's fees and included credits.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from domain.calendar.cycles import CyclePeriod
from domain.calendar.zones import TZDATA_VERSION
from domain.catalog.catalog import Catalog
from domain.subscriptions.enrolment import (
    Enrolment,
    GivenGrant,
    Span,
    Tiling,
    Window,
    length_between,
)
from domain.subscriptions.events import (
    CycleStarted,
    FeeLine,
    FeesAccrued,
    GrantLine,
    PeriodStarted,
    SubscriptionEnded,
)
from domain.subscriptions.plan import Plan, PlanTerms, plan_of
from domain.subscriptions.turn import Turn, bounds

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet

MOST_SPANS = 100  # changes of one subscription that a late event may still fall before


def turn_at(
    wallet: Wallet,
    enrolment: Enrolment,
    due_at: datetime,
    at: datetime,
    catalog: Catalog | None,
) -> None:
    """Do what falls due of a subscription at one instant."""
    turn = Turn(wallet, enrolment, due_at, at)
    if enrolment.status == "SCHEDULED":
        begin(turn, catalog)
    elif enrolment.windows[0].ends_at > due_at:
        _roll_periods(turn)
    elif enrolment.cancel_at is not None and enrolment.cancel_at <= due_at:
        _end(turn)
    else:
        _roll_cycle(turn, catalog)


def begin(turn: Turn, catalog: Catalog | None) -> None:
    """Begin a subscription, with its trial or its first cycle."""
    enrolment = turn.enrolment
    plan = _plan(enrolment, enrolment.terms, catalog, turn.due_at)
    if enrolment.trial_ends_at is not None and enrolment.trial_ends_at > turn.due_at:
        windows = tuple(
            Window(period, turn.due_at, turn.due_at, enrolment.trial_ends_at)
            for period in plan.periods()
        )
        turn.enrolment = replace(enrolment, status="TRIALING", plan=plan, cycle=0, windows=windows)
    else:
        windows = windows_at(enrolment.tiling, plan, turn.due_at)
        turn.enrolment = replace(enrolment, status="ACTIVE", plan=plan, cycle=1, windows=windows)
    start_cycle(turn, windows)


def start_cycle(turn: Turn, fresh: tuple[Window, ...], rolled: tuple[GrantLine, ...] = ()) -> None:
    """Charge and give what a cycle begins with. fresh: the windows that begin with it."""
    enrolment = turn.enrolment
    plan, cycle = enrolment.plan, enrolment.windows[0]
    trial = enrolment.status == "TRIALING"
    commitment_units = 0
    if plan.commitment is not None and not trial:
        commitment_units = plan.commitment.part(cycle.length, cycle.whole_length)
    turn.enrolment = replace(enrolment, fees_charged=(), commitment_units=commitment_units)
    fees: tuple[FeeLine, ...] = ()
    if not trial:
        fees = turn.begin_fees(turn.fee_parts(plan.fees, enrolment.quantity, fresh, turn.due_at))
    grants = rolled + include(turn, fresh)
    turn.tell(
        [
            CycleStarted(
                enrolment.subscription_id,
                turn.next_version(),
                turn.at,
                turn.wallet.id,
                turn.wallet.customer_id,
                bounds(enrolment.cycle, cycle),
                enrolment.tiling.anchor,
                enrolment.tiling.zone,
                TZDATA_VERSION,
                enrolment.terms.product_key,
                plan.version,
                enrolment.terms.pinned,
                enrolment.quantity,
                trial,
                fees,
                grants,
                plan.commitment.currency if plan.commitment is not None else None,
                commitment_units,
                turn.running_ids(),
                turn.due_at,
            )
        ]
    )


def include(
    turn: Turn, windows: tuple[Window, ...], *, prorated: bool = False
) -> tuple[GrantLine, ...]:
    """Give the credits of windows, less what the customer was given of the product already.

    prorated: no more than for the time left.
    """
    enrolment = turn.enrolment
    by_period = {window.period: window for window in windows}
    lines: tuple[GrantLine, ...] = ()
    for included in enrolment.plan.includes:
        window = by_period.get(included.period)
        # Of a start in the past only the running cycle gives credits.
        if window is None or window.ends_at <= enrolment.created_at:
            continue
        units = turn.room_units(included, window)
        if prorated:
            left = length_between(turn.due_at, window.ends_at)
            units = min(units, included.units(enrolment.quantity, left, window.whole_length))
        lines += turn.give(included, units, window, turn.due_at)
    return lines


def windows_at(tiling: Tiling, plan: Plan, instant: datetime) -> tuple[Window, ...]:
    return tuple(tiling.window(instant, period) for period in plan.periods())


def _roll_periods(turn: Turn) -> None:
    """Within a cycle, begin the next of each shorter period that ends."""
    enrolment = turn.enrolment
    ended = [window for window in enrolment.windows if window.ends_at <= turn.due_at]
    fresh = tuple(_next(enrolment, window.period, turn.due_at) for window in ended)
    windows = tuple(
        next((new for new in fresh if new.period == window.period), window)
        for window in enrolment.windows
    )
    turn.enrolment = replace(enrolment, windows=windows)
    rolled = _roll_over(turn, fresh)
    fees = turn.end_fees([part for part in turn.fees if part.ends_at <= turn.due_at])
    if enrolment.status == "ACTIVE":
        fees += turn.begin_fees(
            turn.fee_parts(enrolment.plan.fees, enrolment.quantity, fresh, turn.due_at)
        )
    grants = rolled + include(turn, fresh)
    turn.tell(
        [
            PeriodStarted(
                enrolment.subscription_id,
                turn.next_version(),
                turn.at,
                turn.wallet.id,
                turn.wallet.customer_id,
                fresh[0].period,
                enrolment.terms.product_key,
                enrolment.plan.version,
                fees,
                grants,
                turn.running_ids(),
                turn.due_at,
            )
        ]
    )


def _next(enrolment: Enrolment, period: CyclePeriod, at: datetime) -> Window:
    return enrolment.tiling.window(at, period)


def _roll_cycle(turn: Turn, catalog: Catalog | None) -> None:
    """End a cycle and begin the next one, by another plan if one is pending."""
    enrolment = turn.enrolment
    pending = enrolment.pending
    terms = enrolment.terms if pending is None else pending.terms
    plan = _plan(enrolment, terms, catalog, turn.due_at)
    tiling, spans = _tiling(turn, plan), enrolment.spans
    if tiling is not enrolment.tiling or terms != enrolment.terms:
        spans = with_span(spans, Span(turn.due_at, terms, tiling))
    same_product = terms.product_key == enrolment.terms.product_key
    kept = {
        window.period: window
        for window in enrolment.windows
        if window.ends_at > turn.due_at and same_product and tiling is enrolment.tiling
    }
    windows = tuple(
        kept.get(period) or tiling.window(turn.due_at, period) for period in plan.periods()
    )
    fresh = tuple(window for window in windows if window.starts_at == turn.due_at)
    rolled = _roll_over(turn, fresh)
    ended = [part for part in turn.fees if part.ends_at <= turn.due_at or not kept]
    accrued = turn.end_fees(ended) + turn.true_up()
    tell_accrued(turn, accrued)
    turn.enrolment = replace(
        turn.enrolment,
        terms=terms,
        plan=plan,
        quantity=enrolment.quantity if pending is None else pending.quantity,
        status="ACTIVE",
        cycle=enrolment.cycle + 1,
        windows=windows,
        spans=spans,
        pending=None,
    )
    start_cycle(turn, fresh, rolled)


def _tiling(turn: Turn, plan: Plan) -> Tiling:
    """Return how cycles tile from now on: anew after a trial or with another period, and
    in the customer's zone as it is now.
    """
    enrolment, zone = turn.enrolment, turn.wallet.timezone
    tiling = enrolment.tiling
    if enrolment.status == "TRIALING" or plan.period != tiling.period:
        anchor = tiling.anchor if enrolment.status == "TRIALING" else turn.due_at
        if plan.period == tiling.period and zone == tiling.zone:
            return tiling
        return Tiling(turn.due_at, anchor, plan.period, zone, joined=False)
    if zone != tiling.zone:
        return Tiling(turn.due_at, tiling.anchor, plan.period, zone, joined=True)
    return tiling


def _roll_over(turn: Turn, fresh: tuple[Window, ...]) -> tuple[GrantLine, ...]:
    """Let what rolls over go on into the windows that begin; the limit is on the sum.

    What is left of the newest credits goes first: it may roll again the most often.
    """
    before = turn.enrolment.grants
    lines: tuple[GrantLine, ...] = ()
    rolling = [
        each for each in reversed(before) if each.ends_at <= turn.due_at and _open(turn, each)
    ]
    room: dict[tuple[str, CyclePeriod], int | None] = {}
    moves: list[tuple[GivenGrant, int, Window]] = []
    for given in rolling:
        key = (given.included.asset, given.included.period)
        limit = room.setdefault(key, given.included.limit_units)
        units = turn.unused_units(given)
        moved = units if limit is None else min(units, limit)
        if limit is not None:
            room[key] = limit - moved
        window = next((each for each in fresh if each.period == given.included.period), fresh[0])
        turn.wallet.lapse_excess(given.included.asset, given.grant_id, units - moved, turn.at)
        moves.append((given, moved, window))
    for given, moved, window in reversed(moves):
        if moved:
            lines += (turn.roll(given, moved, window.ends_at),)
    return lines


def _open(turn: Turn, given: GivenGrant) -> bool:
    account = turn.wallet.accounts.get(given.included.asset)
    grant = account.grants.get(given.grant_id) if account is not None else None
    return grant is not None and grant.status == "ACTIVE"


def _end(turn: Turn) -> None:
    """End a subscription at the end of its cycle, as its cancellation said."""
    enrolment = turn.enrolment
    accrued = turn.end_fees(list(turn.fees)) + turn.true_up()
    tell_accrued(turn, accrued)
    turn.enrolment = replace(turn.enrolment, status="ENDED", ended_at=turn.due_at, pending=None)
    turn.tell(
        [SubscriptionEnded(enrolment.subscription_id, turn.next_version(), turn.at, turn.due_at)]
    )


def tell_accrued(turn: Turn, fees: tuple[FeeLine, ...]) -> None:
    """Tell what was charged for what has ended, if anything was."""
    if not fees:
        return
    enrolment = turn.enrolment
    turn.wallet.also(
        FeesAccrued(
            enrolment.subscription_id,
            turn.next_version(),
            turn.at,
            turn.wallet.id,
            turn.wallet.customer_id,
            enrolment.terms.product_key,
            enrolment.plan.version,
            fees,
            turn.due_at,
        )
    )


def with_span(spans: tuple[Span, ...], span: Span) -> tuple[Span, ...]:
    """Return the spans with one that takes over at its start; very old ones are let go."""
    return (*(each for each in spans if each.starts_at < span.starts_at), span)[-MOST_SPANS:]


def _plan(enrolment: Enrolment, terms: PlanTerms, catalog: Catalog | None, at: datetime) -> Plan:
    """Return the plan of these terms; without a catalogue, or a version, the one there is."""
    if catalog is None:
        return enrolment.plan
    return plan_of(catalog, terms, at) or enrolment.plan
