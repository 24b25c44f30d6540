"""A tenant's accounting: its policies, its names for accounts, its functional currency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from domain.aggregate import Aggregate, Event
from domain.revenue.policies import PolicySetting
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


class Accounting(Aggregate):
    """settings: in the order recorded. mapping: (code, name) by account key."""

    TOPIC = "accounting"
    settings: list[PolicySetting]
    mapping: dict[str, tuple[str, str]]
    functional_currency: str

    def begin_books(self) -> None:
        self.settings = []
        self.mapping = {}
        self.functional_currency = FIRST_CURRENCY
