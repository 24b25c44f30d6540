"""What is given back of a fee whose plan ends early: by time or by unused credits, whichever
is less.

Nobody farms credits: those that stay with the customer (CARRY, PRORATE) count as used, else
a change would give back the fee of credits that are kept. A fee in arrears is due less what
would be given back of it.
"""

from __future__ import annotations

from domain.money.rounding import divide_half_even
from domain.subscriptions.enrolment import FeePart, GivenGrant, length_between
from domain.subscriptions.plan import Included
from domain.subscriptions.turn import Turn


def unearned_units(turn: Turn, part: FeePart, *, credits_stay: bool) -> int:
    """Return what of a fee is neither used up by time nor by credits. Rounds half-even."""
    units = part.left(turn.due_at).units
    for included in turn.enrolment.plan.includes:
        given = given_with(turn, included)
        given_units = sum(each.units for each in given)
        if not given_units:
            continue
        unused_units = 0 if credits_stay else sum(turn.unused_units(each) for each in given)
        units = min(units, _unused_part(turn, part, included, unused_units, given_units))
    return units


def _unused_part(
    turn: Turn, part: FeePart, included: Included, unused_units: int, given_units: int
) -> int:
    """Return the fee of the credits that are unused, and of the periods still to come."""
    window = turn.enrolment.window(included.period)
    whole = length_between(part.starts_at, part.ends_at)
    end = min(window.ends_at, part.ends_at)
    to_come = length_between(end, part.ends_at)
    running = length_between(max(window.starts_at, part.starts_at), end)
    return divide_half_even(
        part.units * (to_come * given_units + running * unused_units), whole * given_units
    )


def given_with(turn: Turn, included: Included) -> list[GivenGrant]:
    """Return the running grants of the plan that came so, but for what rolled over."""
    return [
        each
        for each in turn.grants
        if each.included == included
        and each.product_key == turn.enrolment.terms.product_key
        and each.rolled_from is None
    ]
