"""The company that runs its billing on the ledger: its settings and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.identity import derived_id
from domain.wallet.derived_budgets import BudgetTemplate
from domain.wallet.windows import BudgetPeriod

LATE_WINDOW_SECONDS = 35 * 86_400
FUTURE_SECONDS = 300


@dataclass(frozen=True)
class TenantOpened(Event):
    """clock_at: where a sandbox's test clock starts; None: a real clock."""

    TOPIC: ClassVar[str] = "tenant.opened"
    key: str
    clock_at: datetime | None

    def apply(self, aggregate: Tenant) -> None:
        aggregate.key = self.key
        aggregate.clock_at = self.clock_at
        aggregate.late_window_seconds = LATE_WINDOW_SECONDS
        aggregate.settlement_grace_seconds = 0
        aggregate.timezone = "UTC"
        aggregate.budget_templates = ()


@dataclass(frozen=True)
class TenantConfigured(Event):
    """late_window: how far back usage may have occurred. settlement_grace: how long after a
    grant's expiry usage that occurred before it may still burn it. timezone: of periods.
    """

    TOPIC: ClassVar[str] = "tenant.configured"
    late_window_seconds: int
    settlement_grace_seconds: int
    timezone: str

    def apply(self, aggregate: Tenant) -> None:
        aggregate.late_window_seconds = self.late_window_seconds
        aggregate.settlement_grace_seconds = self.settlement_grace_seconds
        aggregate.timezone = self.timezone


@dataclass(frozen=True)
class ClockAdvanced(Event):
    """A test clock moved on, after everything that fell due on the way."""

    TOPIC: ClassVar[str] = "tenant.clock_advanced"
    to: datetime

    def apply(self, aggregate: Tenant) -> None:
        aggregate.clock_at = self.to


@dataclass(frozen=True)
class BudgetTemplateSet(Event):
    """Each subject that the pattern names has a budget of these terms from now on."""

    TOPIC: ClassVar[str] = "tenant.budget_template_set"
    template: BudgetTemplate

    def apply(self, aggregate: Tenant) -> None:
        others = aggregate.templates_but(self.template.template_id)
        aggregate.budget_templates = (*others, self.template)


@dataclass(frozen=True)
class BudgetTemplateRemoved(Event):
    TOPIC: ClassVar[str] = "tenant.budget_template_removed"
    template_id: str

    def apply(self, aggregate: Tenant) -> None:
        aggregate.budget_templates = aggregate.templates_but(self.template_id)


class Tenant(Aggregate):
    """clock_at: a test clock's time, which stands; None for a real clock."""

    TOPIC = "tenant"
    key: str
    clock_at: datetime | None
    late_window_seconds: int
    settlement_grace_seconds: int
    timezone: str
    budget_templates: tuple[BudgetTemplate, ...]

    @property
    def sandbox(self) -> bool:
        return self.clock_at is not None

    def configure(
        self, late_window_seconds: int, settlement_grace_seconds: int, timezone: str, at: datetime
    ) -> None:
        before = (self.late_window_seconds, self.settlement_grace_seconds, self.timezone)
        if before != (late_window_seconds, settlement_grace_seconds, timezone):
            self.record(
                TenantConfigured(
                    self.id,
                    self.version + 1,
                    at,
                    late_window_seconds,
                    settlement_grace_seconds,
                    timezone,
                )
            )

    def advance_clock(self, to: datetime) -> None:
        """Move a test clock on. Going back writes nothing."""
        assert self.clock_at is not None
        if to > self.clock_at:
            self.record(ClockAdvanced(self.id, self.version + 1, to, to))

    # Budget templates

    def templates_but(self, template_id: str) -> tuple[BudgetTemplate, ...]:
        return tuple(each for each in self.budget_templates if each.template_id != template_id)

    def budget_template(
        self, pattern: str, asset: str, period: BudgetPeriod
    ) -> BudgetTemplate | None:
        wanted = (pattern, asset, period)
        for template in self.budget_templates:
            if (template.pattern, template.asset, template.period) == wanted:
                return template
        return None

    def set_budget_template(
        self, pattern: str, asset: str, limit_units: int, period: BudgetPeriod, at: datetime
    ) -> BudgetTemplate:
        """Set a template; one that is there keeps what its budgets have spent. The same
        again writes nothing.
        """
        before = self.budget_template(pattern, asset, period)
        if before is not None and before.limit_units == limit_units:
            return before
        version = self.version + 1
        template_id = derived_id("budget-template", self.id, str(version))
        if before is not None:
            template_id = before.template_id
        template = BudgetTemplate(template_id, pattern, asset, limit_units, period)
        self.record(BudgetTemplateSet(self.id, version, at, template))
        return template

    def remove_budget_template(self, template: BudgetTemplate, at: datetime) -> None:
        self.record(BudgetTemplateRemoved(self.id, self.version + 1, at, template.template_id))
