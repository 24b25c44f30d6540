"""Events of a wallet's stream about how far it may be spent, and what was told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from domain.wallet.budgets import Budget
from domain.wallet.events import WalletEvent
from domain.wallet.windows import BudgetPeriod

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet

ThresholdKind = Literal[
    "BALANCE_LOW",
    "BUDGET_THRESHOLD",
    "BUDGET_EXHAUSTED",
    "GRANT_SOURCE_EXHAUSTED",
    "FIRST_OVERAGE",
    "RUNAWAY_TOP_UP",
    "UNPRICED_USAGE",
]
Direction = Literal["UP", "DOWN"]


@dataclass(frozen=True)
class BudgetSet(WalletEvent):
    """A budget as it holds from now on, in its running window. resets_at: None for TOTAL;
    timezone: None for the customer's.
    """

    TOPIC: ClassVar[str] = "wallet.budget_set"
    budget_id: str
    subject: str
    asset: str
    limit_units: int
    period: BudgetPeriod
    timezone: str | None
    week_start: int
    starts_at: datetime
    resets_at: datetime | None
    spent_units: int

    def apply(self, aggregate: Wallet) -> None:
        aggregate.budgets.set(
            Budget(
                self.budget_id,
                self.subject,
                self.asset,
                self.limit_units,
                self.period,
                self.timezone,
                self.week_start,
                self.starts_at,
                self.resets_at,
                self.spent_units,
            )
        )


@dataclass(frozen=True)
class BudgetRemoved(WalletEvent):
    TOPIC: ClassVar[str] = "wallet.budget_removed"
    budget_id: str

    def apply(self, aggregate: Wallet) -> None:
        aggregate.budgets.remove(self.budget_id)


@dataclass(frozen=True)
class BudgetWindowOpened(WalletEvent):
    """The last window is over: nothing is spent in this one yet."""

    TOPIC: ClassVar[str] = "wallet.budget_window_opened"
    budget_id: str
    starts_at: datetime
    resets_at: datetime | None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.budgets.open_window(self.budget_id, self.starts_at, self.resets_at)


@dataclass(frozen=True)
class EventMaximumSet(WalletEvent):
    """The most that one event may take; None: no limit."""

    TOPIC: ClassVar[str] = "wallet.event_maximum_set"
    asset: str
    maximum_units: int | None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.budgets.set_maximum(self.asset, self.maximum_units)


@dataclass(frozen=True)
class ThresholdCrossed(WalletEvent):
    """Something that is told once a crossing. UP: into the state that is worth telling.

    threshold: percent of a budget, else units of `asset`; units: what was compared with it.
    about: a budget's id, a source of grants, a meter without a price; next_source: of those that
    pay after it, None if none do. subject: of a budget.
    """

    TOPIC: ClassVar[str] = "wallet.threshold_crossed"
    kind: ThresholdKind
    direction: Direction
    asset: str
    threshold: int
    units: int
    about: str | None
    subject: str | None
    next_source: str | None = None

    def apply(self, aggregate: Wallet) -> None:
        aggregate.note_crossing(self)
