"""What a customer changes of a subscription: plan, seats, pause, end.

A change at once is by the second of the whole cycle, from what was really charged: what is
given back of fees is in `unearned`, what is given again of credits in `allotments`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from domain.money.rounding import divide_half_even
from domain.subscriptions.enrolment import (
    FeePart,
    IncludedOnChange,
    Pending,
    Span,
    Tiling,
    Window,
    length_between,
)
from domain.subscriptions.events import (
    CancellationScheduled,
    ChangeScheduled,
    FeeCredit,
    FeeLine,
    GrantLine,
    OverridesSet,
    PlanChanged,
    SubscriptionCanceled,
    SubscriptionPaused,
    SubscriptionResumed,
)
from domain.subscriptions.plan import Included, Plan, PlanTerms
from domain.subscriptions.rolling import (
    include,
    start_cycle,
    tell_accrued,
    windows_at,
    with_span,
)
from domain.subscriptions.turn import Turn, bounds
from domain.subscriptions.unearned import given_with, unearned_units

Parts = tuple[tuple[str, int], ...]


def fee_credits(turn: Turn, includes: IncludedOnChange = "REPLACE") -> tuple[FeeCredit, ...]:
    """Return what is given back of all fees in advance when their plan ends now."""
    return tuple(
        credit_of(part, units)
        for part in turn.fees
        if part.in_advance
        and part.ends_at > turn.due_at
        and (units := unearned_units(turn, part, credits_stay=includes != "REPLACE"))
    )


def credit_of(part: FeePart, units: int) -> FeeCredit:
    assert part.fee_id is not None
    return FeeCredit(
        part.fee_id, part.key, part.asset, units, part.starts_at, part.ends_at, part.charge_id
    )


def change_plan(
    turn: Turn,
    terms: PlanTerms,
    plan: Plan,
    quantity: int,
    includes: IncludedOnChange,
    credited: tuple[FeeCredit, ...],
) -> None:
    """Go over to another plan now. credited: what was given back of the old one's fees."""
    before, now = turn.enrolment, turn.due_at
    ended_ids = turn.running_ids()
    turn.returned(credited)
    accrued = end_fees_early(turn, includes)
    windows, tiling, cycle = _windows_after(turn, plan)
    same_cycle = windows[0].starts_at == before.windows[0].starts_at
    commitment_units, ended = _commitment_after(turn, plan, windows[0], same_cycle=same_cycle)
    accrued += ended
    revoked: Parts = ()
    if includes == "REPLACE":
        for given in list(turn.grants):
            revoked += turn.take_back(given)
    turn.enrolment = replace(
        before,
        terms=terms,
        plan=plan,
        quantity=quantity,
        cycle=cycle,
        windows=windows,
        pending=None,
        spans=with_span(before.spans, Span(now, terms, tiling)),
        commitment_units=commitment_units,
        fees_charged=turn.enrolment.fees_charged if same_cycle else (),
    )
    fees = accrued
    if before.status == "ACTIVE":
        fees += turn.begin_fees(turn.fee_parts(plan.fees, quantity, windows, now))
    grants = include(turn, windows, prorated=includes == "PRORATE")
    _tell_change(turn, includes, credited, fees, grants, revoked, ended_ids)


def _tell_change(
    turn: Turn,
    includes: IncludedOnChange,
    credited: tuple[FeeCredit, ...],
    fees: tuple[FeeLine, ...],
    grants: tuple[GrantLine, ...],
    revoked: Parts,
    ended_ids: tuple[str, ...] = (),
) -> None:
    enrolment = turn.enrolment
    commitment = enrolment.plan.commitment
    turn.tell(
        [
            PlanChanged(
                enrolment.subscription_id,
                turn.next_version(),
                turn.at,
                turn.wallet.id,
                turn.wallet.customer_id,
                enrolment.terms.product_key,
                enrolment.plan.version,
                enrolment.terms.pinned,
                enrolment.quantity,
                includes,
                bounds(enrolment.cycle, enrolment.windows[0]),
                enrolment.tiling.anchor,
                credited,
                fees,
                grants,
                revoked,
                commitment.currency if commitment is not None else None,
                enrolment.commitment_units,
                ended_ids,
                turn.running_ids(),
            )
        ]
    )


def _windows_after(turn: Turn, plan: Plan) -> tuple[tuple[Window, ...], Tiling, int]:
    """Return the windows of the new plan: the running cycle's when the period is the same,
    else a new cycle's, from now.
    """
    before, now = turn.enrolment, turn.due_at
    if before.status == "TRIALING":
        trial = before.windows[0]
        windows = tuple(replace(trial, period=period) for period in plan.periods())
        return windows, before.tiling, before.cycle
    if plan.period == before.plan.period:
        kept = {window.period: window for window in before.windows}
        windows = tuple(
            kept.get(period) or before.tiling.window(now, period) for period in plan.periods()
        )
        return windows, before.tiling, before.cycle
    tiling = Tiling(now, now, plan.period, turn.wallet.timezone, joined=False)
    return windows_at(tiling, plan, now), tiling, before.cycle + 1


def _commitment_after(
    turn: Turn, plan: Plan, cycle: Window, *, same_cycle: bool
) -> tuple[int, tuple[FeeLine, ...]]:
    """Return what the cycle is to cost at least from now on, each plan's by its time; and
    the true-up where the old one ends now.
    """
    before, now = turn.enrolment, turn.due_at
    if before.status == "TRIALING":
        return 0, ()
    left = length_between(now, cycle.ends_at)
    new_units = plan.commitment.part(left, cycle.whole_length) if plan.commitment else 0
    old = before.plan.commitment
    goes_on = same_cycle and (
        old is None or plan.commitment is None or old.currency == plan.commitment.currency
    )
    if not goes_on:
        return new_units, turn.true_up()
    old_left = old.part(left, cycle.whole_length) if old is not None else 0
    return before.commitment_units - old_left + new_units, ()


def end_fees_early(turn: Turn, includes: IncludedOnChange = "REPLACE") -> tuple[FeeLine, ...]:
    """End all running fees; one in arrears is due less what would be given back of it."""
    stay = includes != "REPLACE"
    return turn.end_fees(
        turn.fees, lambda part: part.units - unearned_units(turn, part, credits_stay=stay)
    )


def seat_credits(turn: Turn, quantity: int) -> tuple[FeeCredit, ...]:
    """Return what is given back of the fees of seats that go, the newest seats first."""
    enrolment = turn.enrolment
    gone = enrolment.quantity - quantity
    credited: list[FeeCredit] = []
    by_key: dict[str, int] = {}
    for part in reversed(turn.fees):
        if not part.per_seat or not part.in_advance or part.ends_at <= turn.due_at:
            continue
        seats = min(part.seats, gone - by_key.get(part.key, 0))
        if seats <= 0:
            continue
        by_key[part.key] = by_key.get(part.key, 0) + seats
        left_units = part.left(turn.due_at).units
        units = left_units - divide_half_even(left_units * (part.seats - seats), part.seats)
        units = _unused_of_seats(turn, units, gone)
        credited.append(credit_of(part, units))
    return tuple(each for each in credited if each.units)


def _unused_of_seats(turn: Turn, units: int, gone: int) -> int:
    """Return the fee of seats that go, for no more than their credits that are unused."""
    for included in turn.enrolment.plan.includes:
        if not included.per_seat:
            continue
        brought_units = _seat_units(turn, included, gone)
        unused_units = sum(turn.unused_units(each) for each in given_with(turn, included))
        if brought_units > unused_units:
            units = min(units, divide_half_even(units * unused_units, brought_units))
    return units


def _seat_units(turn: Turn, included: Included, seats: int) -> int:
    window = turn.enrolment.window(included.period)
    left = length_between(turn.due_at, window.ends_at)
    return divide_half_even(included.amount_units * seats * left, window.whole_length)


def change_seats(
    turn: Turn, terms: PlanTerms, quantity: int, credited: tuple[FeeCredit, ...]
) -> None:
    """Add or take seats away now, prorated; what comes with the plan as a whole stays.

    terms: as before, but for the pin.
    """
    before = turn.enrolment
    added = quantity - before.quantity
    fees: tuple[FeeLine, ...] = ()
    per_seat = [fee for fee in before.plan.fees if fee.per_seat]
    if before.status == "ACTIVE":
        if added > 0:
            parts = turn.fee_parts(per_seat, added, before.windows, turn.due_at)
            fees = turn.begin_fees(parts)
        else:
            fees = _drop_seats(turn, -added)
    turn.returned(credited)
    spans = before.spans
    if terms != before.terms:
        spans = with_span(spans, Span(turn.due_at, terms, before.tiling))
    turn.enrolment = replace(
        turn.enrolment,
        terms=terms,
        spans=spans,
        quantity=quantity,
    )
    grants: tuple[GrantLine, ...] = ()
    revoked: Parts = ()
    for included in before.plan.includes:
        if not included.per_seat:
            continue
        window = before.window(included.period)
        units = _seat_units(turn, included, abs(added))
        if added > 0:
            units = min(units, turn.room_units(included, window))
            grants += turn.give(included, units, window, turn.due_at)
        else:
            for given in reversed(given_with(turn, included)):
                taken = turn.take_back(given, units)
                units -= sum(part for _, part in taken)
                revoked += taken
    _tell_change(turn, "PRORATE", credited, fees, grants, revoked)


def _drop_seats(turn: Turn, gone: int) -> tuple[FeeLine, ...]:
    """Take seats off the running fees, newest first; what accrued in arrears is charged."""
    lines: tuple[FeeLine, ...] = ()
    by_key: dict[str, int] = {}
    for part in reversed(list(turn.fees)):
        if not part.per_seat or part.ends_at <= turn.due_at:
            continue
        seats = min(part.seats, gone - by_key.get(part.key, 0))
        if seats <= 0:
            continue
        by_key[part.key] = by_key.get(part.key, 0) + seats
        place = turn.fees.index(part)
        kept = part.seats - seats
        left = part.left(turn.due_at)
        if not part.in_advance:
            lines += (turn.collect(part, part.used_units(turn.due_at), turn.due_at),)
        del turn.fees[place]
        if kept:
            units = divide_half_even(left.units * kept, part.seats)
            turn.fees.insert(place, replace(left, units=units, seats=kept))
    return lines


def schedule_change(turn: Turn, pending: Pending | None) -> None:
    """Let a change take effect at the cycle's end; None: what was pending does not."""
    at = turn.enrolment.windows[0].ends_at
    turn.enrolment = replace(turn.enrolment, pending=pending)
    event = ChangeScheduled(
        turn.enrolment.subscription_id, turn.next_version(), turn.at, pending, at
    )
    turn.tell([event])


def set_overrides(turn: Turn, terms: PlanTerms, plan: Plan) -> None:
    """Agree on prices for what occurs, and for fees that begin, from now on.

    plan: the running one, with what is agreed.
    """
    before = turn.enrolment
    tiling = before.spans[-1].tiling
    starts_at = turn.due_at
    if before.status == "SCHEDULED":
        starts_at = before.spans[-1].starts_at
    turn.enrolment = replace(
        before,
        terms=terms,
        plan=plan,
        spans=with_span(before.spans, Span(starts_at, terms, tiling)),
    )
    event = OverridesSet(
        before.subscription_id, turn.next_version(), turn.at, terms.overrides, terms.discount
    )
    turn.tell([event])


def pause(turn: Turn) -> None:
    """Stop fees, credits and pricing; what has accrued is charged."""
    before = turn.enrolment
    accrued: tuple[FeeLine, ...] = ()
    if before.status == "ACTIVE":
        accrued = end_fees_early(turn, "CARRY") + turn.true_up()
    tell_accrued(turn, accrued)
    turn.fees.clear()
    turn.enrolment = replace(
        turn.enrolment,
        status="PAUSED",
        pending=None,
        spans=with_span(before.spans, Span(turn.due_at, before.terms, before.tiling, paused=True)),
    )
    turn.tell([SubscriptionPaused(before.subscription_id, turn.next_version(), turn.at)])


def resume(turn: Turn, plan: Plan) -> None:
    """Begin a new cycle now."""
    before, now = turn.enrolment, turn.due_at
    tiling = Tiling(now, now, plan.period, turn.wallet.timezone, joined=False)
    windows = windows_at(tiling, plan, now)
    turn.enrolment = replace(
        before,
        status="ACTIVE",
        plan=plan,
        cycle=before.cycle + 1,
        windows=windows,
        spans=with_span(before.spans, Span(now, before.terms, tiling)),
    )
    turn.wallet.also(SubscriptionResumed(before.subscription_id, turn.next_version(), turn.at))
    start_cycle(turn, windows)


def schedule_cancellation(turn: Turn) -> None:
    """Let it end with its cycle."""
    before = turn.enrolment
    at = before.windows[0].ends_at
    turn.enrolment = replace(before, cancel_at=at, pending=None)
    turn.tell([CancellationScheduled(before.subscription_id, turn.next_version(), turn.at, at)])


def cancel(turn: Turn, credited: tuple[FeeCredit, ...]) -> None:
    """End it now: unused included credits are revoked, what has accrued is charged."""
    before = turn.enrolment
    ended_ids = turn.running_ids()
    fees: tuple[FeeLine, ...] = ()
    turn.returned(credited)
    if before.status == "ACTIVE":
        fees = end_fees_early(turn) + turn.true_up()
    turn.fees.clear()
    revoked: Parts = ()
    for given in list(turn.grants):
        revoked += turn.take_back(given)
    turn.enrolment = replace(
        turn.enrolment, status="CANCELED", ended_at=turn.due_at, pending=None, cancel_at=None
    )
    turn.tell(
        [
            SubscriptionCanceled(
                before.subscription_id,
                turn.next_version(),
                turn.at,
                turn.wallet.id,
                turn.wallet.customer_id,
                credited,
                fees,
                revoked,
                ended_ids,
            )
        ]
    )


def owed_units(credited: Iterable[FeeCredit]) -> dict[str, int]:
    """Return the sums of credits by asset."""
    sums: dict[str, int] = {}
    for each in credited:
        sums[each.asset] = sums.get(each.asset, 0) + each.units
    return sums


def change_before_start(turn: Turn, terms: PlanTerms, plan: Plan, quantity: int) -> None:
    """Change a subscription that has not begun: nothing is charged or given yet."""
    before = turn.enrolment
    tiling = replace(before.tiling, period=plan.period)
    turn.enrolment = replace(
        before,
        terms=terms,
        plan=plan,
        quantity=quantity,
        spans=(Span(before.starts_at, terms, tiling),),
    )
    first = before.trial_ends_at or tiling.window(before.starts_at).ends_at
    window = Window(plan.period, before.starts_at, before.starts_at, first)
    turn.tell(
        [
            PlanChanged(
                before.subscription_id,
                turn.next_version(),
                turn.at,
                turn.wallet.id,
                turn.wallet.customer_id,
                terms.product_key,
                plan.version,
                terms.pinned,
                quantity,
                "REPLACE",
                bounds(before.cycle, window),
                tiling.anchor,
                (),
                (),
                (),
                (),
                None,
                0,
                (),
                (),
            )
        ]
    )
