"""Typed problems: what a mutation answers instead of what it would have made."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import assert_never

import strawberry

from domain import refusals
from interfaces.graphql.scalars import ExactDecimal, exact


@strawberry.enum
class ProblemCode(Enum):
    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    SPEND_LIMIT_REACHED = "SPEND_LIMIT_REACHED"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    INVALID_STATE = "INVALID_STATE"
    PERIOD_CLOSED = "PERIOD_CLOSED"
    OVERLOADED = "OVERLOADED"


@strawberry.interface(description="Why nothing was recorded.")
class Problem:
    code: ProblemCode
    message: str
    retryable: bool = strawberry.field(
        description="Whether the very same request may succeed later."
    )


@strawberry.type(description="The request is wrong as it is.")
class InvalidInput(Problem):
    field: str = strawberry.field(description="The path of the input that is wrong.")


@strawberry.type(description="What the request names does not exist.")
class NotFound(Problem):
    what: str
    key: str


@strawberry.type(description="The balance does not cover it.")
class InsufficientFunds(Problem):
    asset: str
    required: ExactDecimal
    available: ExactDecimal = strawberry.field(description="What could pay this very charge.")
    top_up_url: str | None = None


@strawberry.type(description="A budget is used up.")
class SpendLimitReached(Problem):
    limit: str
    allowed: ExactDecimal
    spent: ExactDecimal
    resets_at: datetime | None


@strawberry.type(description="The key was used before with other content.")
class IdempotencyConflict(Problem):
    key: str
    field: str = strawberry.field(description="The first field that differs.")


@strawberry.type(description="What the request names is not in a state that allows it.")
class InvalidState(Problem):
    state: str


@strawberry.type(description="The accounting period is closed.")
class PeriodClosed(Problem):
    period: str


@strawberry.type(description="Too many commands are waiting.")
class Overloaded(Problem):
    retry_after_ms: int


AnyProblem = (
    InvalidInput
    | NotFound
    | InsufficientFunds
    | SpendLimitReached
    | IdempotencyConflict
    | InvalidState
    | PeriodClosed
    | Overloaded
)

Known = (
    refusals.InvalidInput
    | refusals.NotFound
    | refusals.InsufficientFunds
    | refusals.SpendLimitReached
    | refusals.IdempotencyConflict
    | refusals.InvalidState
    | refusals.PeriodClosed
    | refusals.Overloaded
)


def problem_of(refusal: refusals.Refusal) -> AnyProblem:
    """Return a refusal as its problem."""
    assert isinstance(refusal, Known)
    code, message, again = ProblemCode(refusal.code), str(refusal), refusal.retryable
    match refusal:
        case refusals.InvalidInput():
            return InvalidInput(code=code, message=message, retryable=again, field=refusal.field)
        case refusals.NotFound():
            return NotFound(
                code=code, message=message, retryable=again, what=refusal.what, key=refusal.key
            )
        case refusals.InsufficientFunds():
            return InsufficientFunds(
                code=code,
                message=message,
                retryable=again,
                asset=refusal.asset,
                required=exact(refusal.required_units, refusal.scale),
                available=exact(refusal.available_units, refusal.scale),
            )
        case refusals.SpendLimitReached():
            return SpendLimitReached(
                code=code,
                message=message,
                retryable=again,
                limit=refusal.limit,
                allowed=exact(refusal.allowed_units, refusal.scale),
                spent=exact(refusal.spent_units, refusal.scale),
                resets_at=refusal.resets_at,
            )
        case refusals.IdempotencyConflict():
            return IdempotencyConflict(
                code=code, message=message, retryable=again, key=refusal.key, field=refusal.field
            )
        case refusals.InvalidState():
            return InvalidState(code=code, message=message, retryable=again, state=refusal.state)
        case refusals.PeriodClosed():
            return PeriodClosed(code=code, message=message, retryable=again, period=refusal.period)
        case refusals.Overloaded():
            return Overloaded(
                code=code, message=message, retryable=again, retry_after_ms=refusal.retry_after_ms
            )
        case never:
            assert_never(never)
