"""What is unbilled of each customer, kept as sums, so that a draft costs the same however many
charges it is made of.

Each charge's overage is an item: a stretch of its account's overage, and what it is worth.
Sums by meter and cycle are the lines of a draft; cycles are kept for good, because what a
document bills is the cycle's exact total, rounded, less what earlier ones billed. Usage of a
credit line (a COMMITMENT grant) is billed likewise, without a stretch, and so are fees of
subscriptions that are collected by invoice.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.aggregate import Event
from domain.grants.events import GrantIssued, GrantRepaidOverage
from domain.invoicing.billing import BillingEvent
from domain.invoicing.events import InvoiceIssued, InvoiceVoided
from domain.money.exact import exact_money, exact_value
from domain.revenue.books import Books, Place
from domain.revenue.folding import FOLD
from domain.revenue.months import month_of
from domain.subscriptions.events import (
    FEE_SOURCE,
    CycleStarted,
    FeeEvent,
    FeesAccrued,
    PeriodStarted,
    PlanChanged,
    SubscriptionCanceled,
    credits_of,
)
from domain.subscriptions.fee_charges import fee_time
from domain.usage.events import (
    ChargeCaptured,
    ChargeCorrected,
    ChargeCredited,
    ChargeRefunded,
    ChargeSettled,
)
from domain.wallet import overage
from domain.wallet.events import Range

UNPRICED = ""
"""Stands for the currency of overage in an asset that had no exchange rate."""

FEE = "counterfoil:fee:"
"""Stands before the key of a fee where usage has its meter."""

_MOMENT = timedelta(microseconds=1)


@dataclass(slots=True)
class OverageItem:
    """A charge's overage, from `start` of its account's; of it [low, high) was not given back."""

    tenant: str
    wallet_id: str
    asset: str
    start: int
    charge_id: str
    currency: str
    cycle: str
    meter: str
    unit_price: str
    low: int
    high: int


@dataclass(slots=True)
class UnbilledLine:
    """position: of the first charge. exact: at 30 places. unit_price: None if they differ.
    fees: of subscriptions, that it is of.
    """

    tenant: str
    wallet_id: str
    currency: str
    cycle: str
    meter: str
    asset: str
    position: int
    scale: int
    units: int
    exact: int
    charges: int
    unit_price: str | None
    fees: list[str] = field(default_factory=list)


@dataclass(slots=True)
class UnbilledCycle:
    """exact: all that it ever came to; billed: minor units on documents that stand."""

    tenant: str
    wallet_id: str
    currency: str
    cycle: str
    exact: int
    billed: int


@dataclass(slots=True)
class UnbilledRanges:
    """The overage of an account that is priced in the currency and on no document."""

    tenant: str
    wallet_id: str
    currency: str
    asset: str
    ranges: list[Range]


@dataclass(slots=True)
class BillingVersion:
    tenant: str
    customer_id: str
    billing_id: str
    version: int


@dataclass(slots=True)
class CreditLine:
    """A COMMITMENT grant."""

    tenant: str
    grant_id: str
    wallet_id: str


LineKey = tuple[str, str, str, str, str]
Account = tuple[str, str]


@dataclass(slots=True)
class Unbilled:
    """The rows that a stretch of the log touches. Keys begin with the wallet's id."""

    books: Books = field(default_factory=Books)
    items: dict[Account, dict[int, OverageItem]] = field(default_factory=dict)
    lines: dict[LineKey, UnbilledLine] = field(default_factory=dict)
    cycles: dict[tuple[str, str, str], UnbilledCycle] = field(default_factory=dict)
    ranges: dict[tuple[str, str, str], UnbilledRanges] = field(default_factory=dict)
    versions: dict[str, BillingVersion] = field(default_factory=dict)
    credit_lines: dict[str, CreditLine] = field(default_factory=dict)
    _starts: dict[Account, list[int]] = field(default_factory=dict)

    def admit(self, item: OverageItem) -> None:
        account = (item.wallet_id, item.asset)
        items = self.items.setdefault(account, {})
        if item.start not in items:
            insort(self._starts.setdefault(account, []), item.start)
        items[item.start] = item

    # Charges

    def settle(self, place: Place, event: ChargeSettled | ChargeCaptured | ChargeCorrected) -> None:
        """Add what of a charge no grant covers, or a credit line does."""
        if event.overage is None and not self.credit_lines:
            return
        if isinstance(event, ChargeCaptured) and event.observed:
            return
        drawn = sum(units for grant_id, units in event.allocations if grant_id in self.credit_lines)
        if event.overage is None and not drawn:
            return
        reported = event.reported
        tenant = self.books.tenant(place.tenant)
        occurred_at = reported.occurred_at
        if reported.source == FEE_SOURCE and isinstance(event, ChargeSettled):
            occurred_at = fee_time(event)
        cycle = month_of(tenant.local_day(occurred_at))
        rate = tenant.rate(event.asset, occurred_at)
        currency, price = (rate.currency, rate.unit_price) if rate else (UNPRICED, "0")
        line = self._line(
            place, event.wallet_id, currency, cycle, reported.meter, event.asset, price
        )
        line.charges += 1
        if event.overage is not None:
            if reported.source == FEE_SOURCE:
                line.fees.append(event.originator_id)
            start, end = event.overage
            item = OverageItem(
                place.tenant, event.wallet_id, event.asset, start, event.originator_id,
                currency, cycle, reported.meter, price, start, end,
            )  # fmt: skip
            self.admit(item)
            self._move(place, line, end - start, price)
            claimed = self._ranges(place, event.wallet_id, currency, event.asset)
            overage.add(claimed.ranges, (start, end))
        if drawn:
            self._move(place, line, drawn, price)

    def refund(
        self, place: Place, event: ChargeRefunded | ChargeCredited | ChargeCorrected
    ) -> None:
        """Take off what a refund forgives, and what it gives back to a credit line."""
        self._give_back(place, event.wallet_id, event.asset, event.forgiven)
        drawn = sum(units for grant_id, units in event.returned if grant_id in self.credit_lines)
        if drawn:
            tenant = self.books.tenant(place.tenant)
            cycle = month_of(tenant.local_day(event.occurred_at))
            rate = tenant.rate(event.asset, event.occurred_at)
            assert rate is not None
            line = self._line(
                place, event.wallet_id, rate.currency, cycle, event.meter, event.asset,
                rate.unit_price,
            )  # fmt: skip
            self._move(place, line, -drawn, rate.unit_price)

    def repay(self, place: Place, event: GrantRepaidOverage) -> None:
        """Take off what a grant has repaid."""
        self._give_back(place, event.wallet_id, event.asset, event.ranges)

    def _give_back(self, place: Place, wallet_id: str, asset: str, ranges: Iterable[Range]) -> None:
        for each in ranges:
            for item, part in self._items_in(wallet_id, asset, each):
                line = self._line(
                    place, wallet_id, item.currency, item.cycle, item.meter, asset,
                    item.unit_price,
                )  # fmt: skip
                self._move(place, line, part[0] - part[1], item.unit_price)
                claimed = self._ranges(place, wallet_id, item.currency, asset)
                claimed.ranges = overage.without(claimed.ranges, (part,))
                if part[0] == item.low:
                    item.low = part[1]
                else:
                    if part[1] < item.high:  # out of the middle: two stretches are left
                        self.admit(replace(item, start=part[1], low=part[1]))
                        line.charges += 1
                    item.high = part[0]
                if item.low >= item.high:
                    line.charges -= 1

    def _items_in(
        self, wallet_id: str, asset: str, within: Range
    ) -> list[tuple[OverageItem, Range]]:
        starts = self._starts.get((wallet_id, asset), [])
        found: list[tuple[OverageItem, Range]] = []
        for start in starts[max(bisect_right(starts, within[0]) - 1, 0) :]:
            if start >= within[1]:
                break
            item = self.items[wallet_id, asset][start]
            part = (max(item.low, within[0]), min(item.high, within[1]))
            if part[0] < part[1]:
                found.append((item, part))
        return found

    def charge_fees(self, place: Place, event: FeeEvent) -> None:
        """Add fees that no charge collected, less what is given back of such."""
        for fee in event.fees:
            if fee.charge_id is None and fee.units:
                due = fee.starts_at if fee.in_advance else fee.ends_at - _MOMENT
                line = self._charge_fee(place, event, fee.key, fee.asset, fee.units, due)
                line.charges += 1
                line.fees.append(fee.fee_id)
        for credit in credits_of(event):
            if credit.charge_id is None:
                due = credit.starts_at
                self._charge_fee(place, event, credit.key, credit.asset, -credit.units, due)

    def _charge_fee(
        self, place: Place, event: FeeEvent, key: str, asset: str, units: int, due: datetime
    ) -> UnbilledLine:
        tenant = self.books.tenant(place.tenant)
        rate = tenant.rate(asset, due)
        currency, price = (rate.currency, rate.unit_price) if rate else (UNPRICED, "0")
        cycle = month_of(tenant.local_day(due))
        meter = f"{FEE}{key}"
        line = self._line(place, event.wallet_id, currency, cycle, meter, asset, price)
        self._move(place, line, units, price)
        return line

    # Documents

    def bill(self, place: Place, event: InvoiceIssued | InvoiceVoided) -> None:
        """Move what a document bills off what is unbilled; back, when it is voided."""
        sign = -1 if isinstance(event, InvoiceIssued) else 1
        for each in event.lines:
            if each.cycle is None or each.meter is None or each.asset is None:
                continue
            line = self._line(
                place, event.wallet_id, event.currency, each.cycle, each.meter, each.asset,
                each.unit_price,
            )  # fmt: skip
            line.units += sign * each.units
            line.exact += sign * each.exact
            line.charges += sign * each.charge_count
            line.fees = [fee for fee in line.fees if fee not in each.fees]
            if sign > 0:
                line.fees += each.fees
        for billed in event.cycles:
            cycle = self._cycle(place, event.wallet_id, event.currency, billed.cycle)
            cycle.billed -= sign * billed.net_minor
        for claim in event.overage:
            claimed = self._ranges(place, event.wallet_id, event.currency, claim.asset)
            if sign < 0:
                claimed.ranges = overage.without(claimed.ranges, claim.ranges)
            else:
                claimed.ranges = overage.joined(claimed.ranges, claim.ranges)

    def note_billing(self, place: Place, event: BillingEvent) -> None:
        known = self.versions.get(event.originator_id)
        if known is None:
            customer_id: str = event.customer_id  # type: ignore[attr-defined]
            known = BillingVersion(place.tenant, customer_id, event.originator_id, 0)
            self.versions[event.originator_id] = known
        known.version = event.originator_version

    def note_grant(self, place: Place, event: GrantIssued) -> None:
        if event.source == "COMMITMENT":
            grant_id = event.originator_id
            self.credit_lines[grant_id] = CreditLine(place.tenant, grant_id, event.wallet_id)

    # Rows

    def _move(self, place: Place, line: UnbilledLine, units: int, price: str) -> None:
        exact = exact_value(units, line.scale, price) if price != "1" else exact_money(units)
        line.units += units
        line.exact += exact
        self._cycle(place, line.wallet_id, line.currency, line.cycle).exact += exact

    def _line(
        self,
        place: Place,
        wallet_id: str,
        currency: str,
        cycle: str,
        meter: str,
        asset: str,
        price: str | None,
    ) -> UnbilledLine:
        key = (wallet_id, currency, cycle, meter, asset)
        line = self.lines.get(key)
        if line is None:
            scale = self.books.tenant(place.tenant).scale(asset)
            line = self.lines[key] = UnbilledLine(
                place.tenant, *key, place.position, scale, 0, 0, 0, price
            )
        elif not line.units and not line.charges:
            line.position, line.unit_price = place.position, price
        elif line.unit_price != price:
            line.unit_price = None
        return line

    def _cycle(self, place: Place, wallet_id: str, currency: str, cycle: str) -> UnbilledCycle:
        key = (wallet_id, currency, cycle)
        found = self.cycles.get(key)
        if found is None:
            found = self.cycles[key] = UnbilledCycle(place.tenant, *key, 0, 0)
        return found

    def _ranges(self, place: Place, wallet_id: str, currency: str, asset: str) -> UnbilledRanges:
        key = (wallet_id, currency, asset)
        found = self.ranges.get(key)
        if found is None:
            found = self.ranges[key] = UnbilledRanges(place.tenant, *key, [])
        return found


def fold(state: Unbilled, position: int, tenant: str, event: Event) -> None:
    """Bring what is unbilled up to an event."""
    place = Place(position, tenant)
    match event:
        case ChargeSettled() | ChargeCaptured():
            state.settle(place, event)
        case CycleStarted() | PeriodStarted() | FeesAccrued() | PlanChanged():
            state.charge_fees(place, event)
        case SubscriptionCanceled():
            state.charge_fees(place, event)
        case ChargeRefunded() | ChargeCredited():
            state.refund(place, event)
        case ChargeCorrected():
            state.refund(place, event)
            state.settle(place, event)
        case GrantRepaidOverage():
            state.repay(place, event)
        case GrantIssued():
            state.note_grant(place, event)
        case InvoiceIssued() | InvoiceVoided():
            state.bill(place, event)
        case BillingEvent():
            state.note_billing(place, event)
        case _:
            FOLD[type(event)](state.books, place, event)
