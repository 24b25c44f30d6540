"""Commands about how far a wallet may be spent, as what the client said."""

from __future__ import annotations

from dataclasses import dataclass

from application.commands import checks
from domain.refusals import InvalidInput
from domain.wallet.subjects import WHOLE_WALLET
from domain.wallet.windows import BudgetPeriod


@dataclass(frozen=True, slots=True)
class SetBudget:
    """subject: "" is the whole wallet. timezone: None is the customer's."""

    customer: str
    subject: str
    asset: str
    limit: str
    period: BudgetPeriod
    timezone: str | None = None
    week_start: int = 1

    def check(self) -> None:
        checks.customer(self.customer)
        if self.subject != WHOLE_WALLET:
            checks.subject_path(self.subject)
        checks.asset_key(self.asset, "asset")
        checks.not_negative(self.limit, "limit")
        if self.timezone is not None:
            checks.zone(self.timezone, "timezone")
        checks.between(self.week_start, 1, 7, "weekStart")


@dataclass(frozen=True, slots=True)
class RemoveBudget:
    budget_id: str

    def check(self) -> None:
        checks.identifier(self.budget_id, "id")


@dataclass(frozen=True, slots=True)
class SetBudgetTemplate:
    pattern: str
    asset: str
    limit: str
    period: BudgetPeriod

    def check(self) -> None:
        _pattern(self.pattern)
        checks.asset_key(self.asset, "asset")
        checks.not_negative(self.limit, "limit")


@dataclass(frozen=True, slots=True)
class RemoveBudgetTemplate:
    pattern: str
    asset: str
    period: BudgetPeriod

    def check(self) -> None:
        _pattern(self.pattern)
        checks.asset_key(self.asset, "asset")


@dataclass(frozen=True, slots=True)
class SetEventMaximum:
    """maximum: None is no limit."""

    customer: str
    asset: str
    maximum: str | None

    def check(self) -> None:
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")
        if self.maximum is not None:
            checks.not_negative(self.maximum, "maximum")


def _pattern(value: str) -> None:
    checks.identifier(value, "pattern")
    if not all(value.split("/")):
        raise InvalidInput(field="pattern", reason="segments joined by /, none of them empty")
