"""Commands of a tenant's accounting and its months, as what the client said. See `requests`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import get_args

from application.commands import checks
from domain.grants.events import GrantSource
from domain.money.asset import KEY
from domain.money.decimals import units_of
from domain.refusals import InvalidInput
from domain.revenue.chart import BY_KEY
from domain.revenue.period import Check
from domain.revenue.policies import BreakageMethod, LossPolicy, PromotionalPolicy

LONGEST_REMOTE_MONTHS = 1_200
LONGEST_CODE = 40
_MONTH = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)
_SHARE_SCALE = 18


@dataclass(frozen=True, slots=True)
class SetAccountingPolicy:
    """What of a portfolio's policy changes from a month on; None leaves it as it was.

    timezone, functional_currency: of the whole tenant, until its journal has `begun`.
    """

    effective_from: str
    portfolio: str | None = None
    promotional: PromotionalPolicy | None = None
    breakage_method: BreakageMethod | None = None
    breakage_estimate: str | None = None
    escheat_share: str | None = None
    remote_months: int | None = None
    refundable_days: int | None = None
    loss: LossPolicy | None = None
    bundle_election_note: str | None = None
    evidence: str | None = None
    timezone: str | None = None
    functional_currency: str | None = None
    begun: bool = False

    def check(self) -> None:
        month(self.effective_from, "effectiveFrom")
        portfolio(self.portfolio)
        if self.breakage_estimate is not None:
            share(self.breakage_estimate, "breakageEstimate")
            if units_of(self.breakage_estimate, _SHARE_SCALE) == 10**_SHARE_SCALE:
                raise InvalidInput(field="breakageEstimate", reason="a share below 1: 0.1 is 10 %")
        if self.escheat_share is not None:
            share(self.escheat_share, "escheatShare")
        if self.remote_months is not None:
            checks.between(self.remote_months, 1, LONGEST_REMOTE_MONTHS, "remoteMonths")
        if self.refundable_days:
            raise InvalidInput(field="refundableDays", reason="deposits are not kept: must be 0")
        for field, note in (
            ("evidence", self.evidence),
            ("bundleElectionNote", self.bundle_election_note),
        ):
            if note is not None:
                checks.free_text(note, field)
        if self.timezone is not None:
            checks.zone(self.timezone, "timezone")
        if self.functional_currency is not None:
            checks.currency(self.functional_currency, "functionalCurrency")
        for field, said in (
            ("timezone", self.timezone),
            ("functionalCurrency", self.functional_currency),
        ):
            if said is not None and self.portfolio is not None:
                raise InvalidInput(field=field, reason="is the whole tenant's: name no portfolio")


@dataclass(frozen=True, slots=True)
class MapAccount:
    key: str
    code: str
    name: str

    def check(self) -> None:
        if self.key not in BY_KEY:
            raise InvalidInput(
                field="key", reason=f"no account of the chart; it has {', '.join(BY_KEY)}"
            )
        checks.text(self.code, "code", LONGEST_CODE)
        checks.name(self.name, "name")


@dataclass(frozen=True, slots=True)
class SetFxRate:
    """What one unit of `currency` is worth in `functional`, from `day` on."""

    currency: str
    functional: str
    rate: str
    day: date

    def check(self) -> None:
        checks.currency(self.currency, "currency")
        checks.currency(self.functional, "functional")
        checks.positive(self.rate, "rate")
        if self.currency == self.functional:
            raise InvalidInput(field="functional", reason="is another currency than `currency`")


@dataclass(frozen=True, slots=True)
class EndDays:
    """End the days of a month, in order, up to `through`.

    at_their_ends: each is recorded when it ended (a test clock on its way), else now.
    """

    through: date
    at_their_ends: bool = False

    def check(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class BeginClose:
    """accrual: late usage of the month that is expected, (amount, currency)."""

    month: str
    accrual: tuple[str, str] | None = None

    def check(self) -> None:
        month(self.month, "month")
        if self.accrual is not None:
            amount, currency = self.accrual
            checks.currency(currency, "accrual.currency")
            checks.positive(amount, "accrual.amount")


@dataclass(frozen=True, slots=True)
class CompleteClose:
    """position: of the log, up to which the checks and the hash look."""

    month: str
    position: int
    trial_balance_hash: str
    checks: tuple[Check, ...]

    def check(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class AbandonClose:
    month: str
    checks: tuple[Check, ...]

    def check(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class ReopenPeriod:
    month: str
    reason: str

    def check(self) -> None:
        month(self.month, "month")
        checks.free_text(self.reason, "reason")


AccountingCommand = (
    SetAccountingPolicy
    | MapAccount
    | SetFxRate
    | EndDays
    | BeginClose
    | CompleteClose
    | AbandonClose
    | ReopenPeriod
)


def month(text: str, field: str) -> None:
    """Raises InvalidInput."""
    if not _MONTH.fullmatch(text):
        raise InvalidInput(field=field, reason="not a month such as 2026-01")


def day(text: str, field: str) -> date:
    """Return the day that "2026-01-31" says. Raises InvalidInput."""
    try:
        found = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise InvalidInput(field=field, reason="not a day such as 2026-01-31")
    return found


def share(text: str, field: str) -> None:
    """Raises InvalidInput: below 0 or above 1."""
    checks.not_negative(text, field)
    if units_of(text, _SHARE_SCALE) > 10**_SHARE_SCALE:
        raise InvalidInput(field=field, reason="a share of at most 1: 0.25 is 25 %")


def portfolio(text: str | None) -> None:
    """Raises InvalidInput: neither asset:KEY nor source:SOURCE nor product:key."""
    if text is None:
        return
    checks.identifier(text, "portfolio")
    kind, _, key = text.partition(":")
    known = {
        "asset": KEY.fullmatch(key) is not None,
        "source": key in get_args(GrantSource),
        "product": bool(key),
    }
    if not known.get(kind):
        raise InvalidInput(
            field="portfolio",
            reason="asset:KEY, source:SOURCE or product:key",
        )
