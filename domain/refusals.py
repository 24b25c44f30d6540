"""What the ledger answers instead of yes. Nothing was recorded.

Refusal
  InvalidInput          never passes as it is
  NotFound              passes once the thing exists
  IdempotencyConflict   never passes: the key means something else already
  InvalidState          passes after another command, if `retryable`
  SpendLimitReached     passes later, if `resets_at`
  InsufficientFunds     passes after a grant
  PeriodClosed          never passes
  Overloaded            passes in a moment

Order of answers, first match wins (part of the contract): Overloaded; InvalidInput of
the request alone; NotFound; a replay or IdempotencyConflict; InvalidInput of the time
against the late window; InvalidState; InvalidInput of rating; SpendLimitReached;
InsufficientFunds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.money.decimals import decimal_of


@dataclass(kw_only=True)
class Refusal(Exception):
    """Base of all refusals. `retryable`: the very same request may succeed later."""

    code: ClassVar[str]

    @property
    def retryable(self) -> bool:
        return False


@dataclass(kw_only=True)
class InvalidInput(Refusal):
    """`field` is the path of the input that is wrong, `reason` what to do about it."""

    code = "INVALID_INPUT"
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(kw_only=True)
class NotFound(Refusal):
    code = "NOT_FOUND"
    what: str
    key: str

    def __str__(self) -> str:
        return f"no {self.what} {self.key!r}: create it first, or check the key"


@dataclass(kw_only=True)
class IdempotencyConflict(Refusal):
    """The key was used before with other content; `field` is what differs."""

    code = "IDEMPOTENCY_CONFLICT"
    key: str
    field: str
    taken_by: str | None = None

    def __str__(self) -> str:
        if self.taken_by is not None:
            return f"{self.field} {self.key!r} is taken by {self.taken_by}: use another"
        return f"{self.key!r} was used before with another {self.field}: use a new key"


@dataclass(kw_only=True)
class InvalidState(Refusal):
    code = "INVALID_STATE"
    state: str
    reason: str
    passes_later: bool = False

    @property
    def retryable(self) -> bool:
        return self.passes_later

    def __str__(self) -> str:
        return self.reason


@dataclass(kw_only=True)
class SpendLimitReached(Refusal):
    """`limit` names the budget, or `event-maximum`. Units of `asset`."""

    code = "SPEND_LIMIT_REACHED"
    limit: str
    asset: str
    scale: int
    allowed_units: int
    spent_units: int
    resets_at: datetime | None

    @property
    def retryable(self) -> bool:
        return self.resets_at is not None

    def __str__(self) -> str:
        left = decimal_of(self.allowed_units, self.scale)
        remedy = "wait or raise it" if self.retryable else "raise it"
        return f"limit {self.limit} leaves {left} {self.asset}: {remedy}"


@dataclass(kw_only=True)
class InsufficientFunds(Refusal):
    """Units of `asset`; `available_units` is what could pay this very charge."""

    code = "INSUFFICIENT_FUNDS"
    asset: str
    scale: int
    required_units: int
    available_units: int

    @property
    def retryable(self) -> bool:
        return True

    def __str__(self) -> str:
        required = decimal_of(self.required_units, self.scale)
        available = decimal_of(self.available_units, self.scale)
        return (
            f"{required} {self.asset} required, {available} available: "
            "add a grant or raise the overage limit"
        )


@dataclass(kw_only=True)
class PeriodClosed(Refusal):
    code = "PERIOD_CLOSED"
    period: str

    def __str__(self) -> str:
        return f"period {self.period} is closed: use an open one, or reopen it with a reason"


@dataclass(kw_only=True)
class Overloaded(Refusal):
    code = "OVERLOADED"
    retry_after_ms: int

    @property
    def retryable(self) -> bool:
        return True

    def __str__(self) -> str:
        return f"too many commands are waiting: send again in {self.retry_after_ms} ms"
