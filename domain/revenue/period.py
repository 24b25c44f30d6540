"""An accounting month: the days that ended in it, and whether it is closed.

A month closes by two events: from `PeriodClosing` on nothing is posted into it; once the
journal has passed that and its checks hold, `PeriodClosed` says what was checked and the
hash of its trial balance. A check that fails in between ends it with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal

from domain.aggregate import Aggregate, Event
from domain.grants.events import Paid


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found of a month in the read models, all at one position of the log."""

    position: int
    trial_balance_hash: str
    checks: tuple[Check, ...]


class PeriodEvent(Event):
    """Base of the events of an accounting month; `month`: "2026-01"."""

    month: str

    def apply(self, aggregate: AccountingPeriod) -> None:
        if self.originator_version == 1:
            aggregate.open(self.month)
        self.change(aggregate)

    def change(self, aggregate: AccountingPeriod) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class AccountingDayEnded(PeriodEvent):
    """A local day is over: what time makes of it is posted on this event."""

    TOPIC: ClassVar[str] = "period.day_ended"
    month: str
    day: date

    def change(self, aggregate: AccountingPeriod) -> None:
        aggregate.last_day = self.day


@dataclass(frozen=True)
class PeriodClosing(PeriodEvent):
    """accrual: usage of the month that is still expected, in units of its currency."""

    TOPIC: ClassVar[str] = "period.closing"
    month: str
    accrual: Paid | None

    def change(self, aggregate: AccountingPeriod) -> None:
        aggregate.closing = True
        aggregate.accrual = self.accrual


@dataclass(frozen=True)
class PeriodClosed(PeriodEvent):
    """position: of the log, up to which the checks and the trial balance look."""

    TOPIC: ClassVar[str] = "period.closed"
    month: str
    position: int
    trial_balance_hash: str
    checks: tuple[Check, ...]
    actor: str

    def change(self, aggregate: AccountingPeriod) -> None:
        aggregate.closing = False
        aggregate.closed = self


@dataclass(frozen=True)
class PeriodCloseFailed(PeriodEvent):
    TOPIC: ClassVar[str] = "period.close_failed"
    month: str
    checks: tuple[Check, ...]

    def change(self, aggregate: AccountingPeriod) -> None:
        aggregate.closing = False
        aggregate.accrual = None


@dataclass(frozen=True)
class PeriodReopened(PeriodEvent):
    """`private`: the reason."""

    TOPIC: ClassVar[str] = "period.reopened"
    month: str
    private: dict[str, Any]

    def change(self, aggregate: AccountingPeriod) -> None:
        aggregate.closed = None
        aggregate.accrual = None
        aggregate.reopenings += 1


class AccountingPeriod(Aggregate):
    """closing: between the two events of a close. last_day: the last day that has ended."""

    TOPIC = "period"
    month: str
    closing: bool
    closed: PeriodClosed | None
    accrual: Paid | None
    reopenings: int
    last_day: date | None

    @property
    def status(self) -> Literal["OPEN", "CLOSING", "CLOSED"]:
        if self.closed is not None:
            return "CLOSED"
        return "CLOSING" if self.closing else "OPEN"

    def open(self, month: str) -> None:
        self.month = month
        self.closing = False
        self.closed = None
        self.accrual = None
        self.reopenings = 0
        self.last_day = None
