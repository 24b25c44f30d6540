"""Commands about alerts and auto top-up, as what the client said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from application.commands import checks
from domain.money.decimals import units_of
from domain.refusals import InvalidInput
from domain.wallet.watches import TopUpOutcome

if TYPE_CHECKING:
    from application.commands.requests import Money

_FINEST = 18  # decimal places that an amount may have


@dataclass(frozen=True, slots=True)
class SetBalanceAlert:
    """below: None is none."""

    customer: str
    asset: str
    below: str | None

    def check(self) -> None:
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")
        if self.below is not None:
            checks.decimal(self.below, "below")


@dataclass(frozen=True, slots=True)
class SetAutoTopUp:
    """below: None turns it off. price: of `amount`; with a target the exchange rate gives it."""

    customer: str
    asset: str
    below: str | None
    amount: str | None = None
    target: str | None = None
    price: Money | None = None
    valid_days: int | None = None
    max_per_day: int = 3
    max_per_month: Money | None = None

    def check(self) -> None:
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")
        if self.below is not None:
            self._check_terms(self.below)

    def _check_terms(self, below: str) -> None:
        checks.decimal(below, "below")
        if (self.amount is None) == (self.target is None):
            raise InvalidInput(field="amount", reason="say amount, or target to fill up to")
        if self.amount is not None:
            checks.positive(self.amount, "amount")
        if self.target is not None:
            checks.decimal(self.target, "target")
            if units_of(self.target, _FINEST) < units_of(below, _FINEST):
                raise InvalidInput(field="target", reason="must not be below the threshold")
            if self.price is not None:
                raise InvalidInput(field="price", reason="with a target the exchange rate gives it")
        if self.price is not None:
            self.price.check("price")
        if self.valid_days is not None:
            checks.between(self.valid_days, 1, 36_600, "validDays")
        checks.between(self.max_per_day, 1, 1_000, "maxPerDay")
        if self.max_per_month is not None:
            self.max_per_month.check("maxPerMonth")
            if self.price is not None and self.price.currency != self.max_per_month.currency:
                raise InvalidInput(
                    field="maxPerMonth.currency", reason=f"the price is in {self.price.currency}"
                )


@dataclass(frozen=True, slots=True)
class ResumeAutoTopUp:
    customer: str
    asset: str

    def check(self) -> None:
        checks.customer(self.customer)
        checks.asset_key(self.asset, "asset")


@dataclass(frozen=True, slots=True)
class ReportTopUp:
    """paid: None is the request's price. reference: the payment's, of a settled one."""

    request_id: str
    outcome: TopUpOutcome
    paid: Money | None = None
    reference: str | None = None
    reason: str | None = None

    def check(self) -> None:
        checks.identifier(self.request_id, "requestId")
        checks.optional_identifier(self.reference, "reference")
        if self.reason is not None:
            checks.free_text(self.reason, "reason")
        if self.paid is not None:
            if self.outcome != "SETTLED":
                raise InvalidInput(field="paid", reason=f"{self.outcome} has no payment")
            self.paid.check("paid")


TopUpCommand = SetBalanceAlert | SetAutoTopUp | ResumeAutoTopUp | ReportTopUp
