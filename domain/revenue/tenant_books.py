"""What holds for all of a tenant's books: zone, currency, policies, rates, closed months."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.money.asset import ExchangeRate, rate_at
from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.revenue.months import ONE_DAY, local_day, month_of
from domain.revenue.policies import Policy, PolicySetting, policy_of, portfolios_of

FIRST_CURRENCY = "USD"


@dataclass(slots=True)
class Accrual:
    """An accrual that waits for its reversal. amount: minor units."""

    number: int
    month: str
    currency: str
    amount: int


@dataclass(slots=True)
class TenantBooks:
    """last_number: of the journal's entries. scales, rates: of custom assets, by key;
    assets: their keys by id.
    closed_through: the last month into which nothing is posted any more, nor into those
    before; "" for none. accruals: not reversed yet.
    """

    tenant: str
    timezone: str = "UTC"
    functional_currency: str = FIRST_CURRENCY
    last_number: int = 0
    scales: dict[str, int] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    rates: dict[str, list[ExchangeRate]] = field(default_factory=dict)
    settings: list[PolicySetting] = field(default_factory=list)
    closed_through: str = ""
    accruals: list[Accrual] = field(default_factory=list)

    def local_day(self, at: datetime) -> date:
        return local_day(at, self.timezone)

    def entry_day(self, day: date, recorded_at: datetime) -> tuple[date, str]:
        """Return the date of an entry that belongs on `day`, and its service month.

        Nothing is posted into a closed month: what comes late is dated when it was recorded.
        """
        service = month_of(day)
        if service <= self.closed_through:
            return self.local_day(recorded_at), service
        return day, service

    def days_reach_all(self, days: Iterable[date]) -> bool:
        """Whether the end of one of these days may reach obligations that are not ratable: it
        begins a policy's month, or use can become remote.
        """
        begun = {month_of(day + ONE_DAY) for day in days}
        return any(
            setting.effective_from in begun or setting.breakage_method == "REMOTE"
            for setting in self.settings
        )

    def policy(self, asset: str, source: str, product: str | None, month: str) -> Policy:
        """Return what holds for a portfolio in `month`."""
        return policy_of(tuple(self.settings), portfolios_of(asset, source, product), month)

    def scale(self, asset: str) -> int:
        return CURRENCY_SCALE if asset in EXPONENTS else self.scales[asset]

    def rate(self, asset: str, at: datetime) -> ExchangeRate | None:
        """Return what a unit of an asset costs at `at`; a currency costs itself."""
        if asset in EXPONENTS:
            return ExchangeRate(asset, "1", at)
        return rate_at(self.rates.get(asset, ()), at, self.functional_currency)
