"""What is watched of an account: its balance alert, and its auto top-up.

A top-up is requested once below the threshold; nothing more follows until it is reported or
an hour has passed, an hour after one that was declined or failed, nor beyond so many a day
and so much money a month. Three declines in a row suspend it. Units of the account's asset;
money in units of its currency (scale 9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.grants.events import Paid
from domain.money.exchange import Quote

PATIENCE = timedelta(hours=1)
MOST_DECLINES = 3

TopUpOutcome = Literal["SETTLED", "ACTION_REQUIRED", "DECLINED", "FAILED"]
TopUpStatus = Literal["REQUESTED", "ACTION_REQUIRED", "SETTLED", "DECLINED", "FAILED", "TIMED_OUT"]
OPEN: tuple[TopUpStatus, ...] = ("REQUESTED", "ACTION_REQUIRED")
Quoting = Callable[[str, int, str | None, datetime], Quote | None]
"""What so many units of an asset cost, in a currency if one is named, at a time."""


def no_quotes(_asset: str, _units: int, _currency: str | None, _at: datetime) -> Quote | None:
    """Know no price: where nothing is written."""
    return None


@dataclass(frozen=True, slots=True)
class TopUpTerms:
    """Exactly one of `amount_units` and `target_units`. price: of `amount_units`; None: the
    exchange rate gives it. valid_days: how long the credits live; None for ever.
    """

    below_units: int
    amount_units: int | None
    target_units: int | None
    price: Paid | None
    valid_days: int | None
    max_per_day: int
    max_per_month: Paid | None

    def credits(self, available_units: int) -> int:
        """Return how many units to ask for."""
        if self.amount_units is not None:
            return self.amount_units
        assert self.target_units is not None
        return self.target_units - available_units


@dataclass(slots=True)
class Watch:
    """alerted, runaway: told, and not crossed back since. request_*: of the last request;
    wait_ends_at: until when it forbids another, None if it does not.

    day_count, month: requests of the local day and their money of the local month that end
    then; what was declined or failed is no money.
    """

    asset: str
    alert_units: int | None = None
    alerted: bool = False
    terms: TopUpTerms | None = None
    runaway: bool = False
    declines: int = 0
    suspended: bool = False
    request_id: str | None = None
    request_version: int = 0
    request_status: TopUpStatus | None = None
    wait_ends_at: datetime | None = None
    day_count: int = 0
    day_ends_at: datetime | None = None
    month: Paid | None = None
    month_ends_at: datetime | None = None

    def within_limits(self, price: Paid | None, at: datetime) -> bool:
        """Whether the day and the month allow one more request, of this price."""
        terms = self.terms
        assert terms is not None
        if self.day_count_at(at) >= terms.max_per_day:
            return False
        most = terms.max_per_month
        if most is None:
            return True
        # What has no price in the limit's currency cannot be held to it.
        if price is None or price.currency != most.currency:
            return False
        return self.month_units_at(most.currency, at) + price.units <= most.units

    def day_count_at(self, at: datetime) -> int:
        return 0 if self.day_ends_at is None or at >= self.day_ends_at else self.day_count

    def month_units_at(self, currency: str, at: datetime) -> int:
        if self.month is None or self.month_ends_at is None or at >= self.month_ends_at:
            return 0
        return self.month.units if self.month.currency == currency else 0
