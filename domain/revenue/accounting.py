"""A tenant's accounting: its policies, its names for accounts, its functional currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.revenue.policies import Policy, PolicySetting, policy_of
from domain.revenue.tenant_books import FIRST_CURRENCY


class AccountingEvent(Event):
    """Base of the events of a tenant's accounting."""

    def apply(self, aggregate: Accounting) -> None:
        if self.originator_version == 1:
            aggregate.begin_books()
        self.change(aggregate)

    def change(self, aggregate: Accounting) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class AccountingPolicySet(AccountingEvent):
    TOPIC: ClassVar[str] = "accounting.policy_set"
    setting: PolicySetting

    def change(self, aggregate: Accounting) -> None:
        aggregate.settings.append(self.setting)


@dataclass(frozen=True)
class FunctionalCurrencySet(AccountingEvent):
    TOPIC: ClassVar[str] = "accounting.functional_currency_set"
    currency: str

    def change(self, aggregate: Accounting) -> None:
        aggregate.functional_currency = self.currency


@dataclass(frozen=True)
class AccountMapped(AccountingEvent):
    """The tenant's code and name of an account of the chart."""

    TOPIC: ClassVar[str] = "accounting.account_mapped"
    key: str
    code: str
    name: str

    def change(self, aggregate: Accounting) -> None:
        aggregate.mapping[self.key] = (self.code, self.name)


@dataclass(frozen=True)
class FxRateSet(AccountingEvent):
    """What one unit of `currency` is worth in the functional one, from `day` on: an exact
    decimal.
    """

    TOPIC: ClassVar[str] = "accounting.fx_rate_set"
    currency: str
    functional: str
    rate: str
    day: date

    def change(self, aggregate: Accounting) -> None:
        aggregate.fx_rates[self.currency, self.functional, self.day] = self.rate


class Accounting(Aggregate):
    """settings: in the order recorded. mapping: (code, name) by account key. fx_rates: by
    currency, functional currency and first day.
    """

    TOPIC = "accounting"
    settings: list[PolicySetting]
    mapping: dict[str, tuple[str, str]]
    functional_currency: str
    fx_rates: dict[tuple[str, str, date], str]

    def begin_books(self) -> None:
        self.settings = []
        self.mapping = {}
        self.functional_currency = FIRST_CURRENCY
        self.fx_rates = {}

    def policy(self, portfolio: str | None, month: str, but: PolicySetting | None = None) -> Policy:
        """Return what is set for a portfolio in `month`; `but`: if that were said as well."""
        settings = tuple(self.settings) + (() if but is None else (but,))
        portfolios = (None,) if portfolio is None else (None, portfolio)
        return policy_of(settings, portfolios, month)
