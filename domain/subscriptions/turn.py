"""One turn of a subscription: what is charged, given, taken back and told at one instant.

A turn collects; `tell` states it on the wallet's stream and the subscription's. Fees are
collected from the wallet as charges of work delivered, or told as lines to bill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from domain import identity
from domain.grants.events import GrantIssued, GrantPlanRevoked, Origin
from domain.grants.terms import GrantTerms
from domain.money.asset import Asset
from domain.money.currencies import EXPONENTS
from domain.rating.rate import RatedLine
from domain.subscriptions import allotments
from domain.subscriptions.enrolment import (
    Enrolment,
    FeePart,
    GivenGrant,
    Window,
    length_between,
)
from domain.subscriptions.events import (
    COMMITMENT_KEY,
    CycleBounds,
    FeeCredit,
    FeeKind,
    FeeLine,
    GrantLine,
    SubscriptionEvent,
)
from domain.subscriptions.fee_charges import fee_charged
from domain.subscriptions.plan import Fee, Included
from domain.subscriptions.wallet_events import SubscriptionMoved

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet


class Turn:
    """due_at: when it takes effect; at: when it is written."""

    def __init__(
        self, wallet: Wallet, enrolment: Enrolment, due_at: datetime, at: datetime
    ) -> None:
        self.wallet = wallet
        self.enrolment = enrolment
        self.due_at = due_at
        self.at = at
        self.fees: list[FeePart] = list(enrolment.fees)
        self.grants: list[GivenGrant] = [each for each in enrolment.grants if each.ends_at > due_at]
        self._issued = 0
        self.allotments = allotments.still_counting(wallet.allotments, due_at)
        self.collected = 0
        self.version = enrolment.stream_version

    # Fees

    def fee_parts(
        self, fees: Iterable[Fee], quantity: int, windows: Iterable[Window], start: datetime
    ) -> list[FeePart]:
        """Return the fees from `start` to the end of their windows, by the second of the whole."""
        by_period = {window.period: window for window in windows}
        parts: list[FeePart] = []
        for fee in fees:
            window = by_period.get(fee.period)
            if window is None:
                continue
            length = length_between(start, window.ends_at)
            units = fee.units(quantity, length, window.whole_length)
            parts.append(
                FeePart(
                    fee.key,
                    fee.asset,
                    fee.scale,
                    fee.per_seat,
                    quantity if fee.per_seat else 1,
                    units,
                    start,
                    window.ends_at,
                    fee.in_advance,
                    None,
                )
            )
        return parts

    def begin_fees(self, parts: Iterable[FeePart]) -> tuple[FeeLine, ...]:
        """Charge what is due in advance; what is in arrears accrues until its end."""
        lines: list[FeeLine] = []
        for part in parts:
            if part.in_advance:
                line = self.collect(part, part.units, part.ends_at)
                part = replace(part, charge_id=line.charge_id, fee_id=line.fee_id)  # noqa: PLW2901
                lines.append(line)
            self.fees.append(part)
        return tuple(lines)

    def end_fees(
        self, parts: Iterable[FeePart], earned: Callable[[FeePart], int] | None = None
    ) -> tuple[FeeLine, ...]:
        """Let fees end now, and charge those in arrears: what accrued, or is `earned`."""
        until = self.due_at
        lines: list[FeeLine] = []
        for part in list(parts):
            self.fees.remove(part)
            if not part.in_advance and until > part.starts_at:
                units = part.used_units(until) if earned is None else earned(part)
                lines.append(self.collect(part, units, until))
        return tuple(lines)

    def returned(self, credited: Iterable[FeeCredit]) -> None:
        """Count what was given back of fees."""
        for each in credited:
            self.enrolment = self.enrolment.with_fee(each.asset, -each.units)

    def collect(self, part: FeePart, units: int, until: datetime) -> FeeLine:
        """Charge a fee to the wallet, or leave it to be billed."""
        charge_id: str | None = None
        plan, agreed = self.enrolment.plan, self.enrolment.terms.overrides
        self.enrolment = self.enrolment.with_fee(part.asset, units)
        self.collected += 1
        event_id = f"{self.enrolment.subscription_id}:{self.version + 1}:{self.collected}"
        fee_id = identity.fee_id(event_id)
        if units and self.enrolment.collection == "WALLET":
            charge_id = fee_id
            fee_charged(
                self.wallet,
                charge_id,
                event_id,
                RatedLine(
                    product=plan.product_key,
                    version=plan.version,
                    price=part.key,
                    overridden=any(each.key == part.key for each in agreed),
                    meter=part.key,
                    quantity=str(part.seats),
                    amount_units=units,
                    before="0",
                    after=str(part.seats),
                    starts_at=part.starts_at,
                    ends_at=until,
                ),
                asset_named(part.asset, part.scale),
                self.due_at,
                self.at,
            )
        return FeeLine(
            fee_id,
            part.key,
            _kind(part),
            part.asset,
            units,
            part.seats,
            part.starts_at,
            until,
            part.in_advance,
            charge_id,
        )

    def true_up(self) -> tuple[FeeLine, ...]:
        """Charge what the cycle's commitment is short of, by the second until now."""
        enrolment, until = self.enrolment, self.due_at
        commitment = enrolment.plan.commitment
        if commitment is None or not enrolment.commitment_units or not enrolment.windows:
            return ()
        cycle = enrolment.windows[0]
        committed_units = enrolment.commitment_units
        if until < cycle.ends_at:
            left = length_between(until, cycle.ends_at)
            committed_units -= commitment.part(left, cycle.whole_length)
        usage_units = self._usage_units(cycle, commitment.currency)
        fee_units = enrolment.fees_charged_units(commitment.currency)
        short_units = committed_units - usage_units - fee_units
        if short_units <= 0:
            return ()
        part = FeePart(
            COMMITMENT_KEY,
            commitment.currency,
            commitment.scale,
            per_seat=False,
            seats=1,
            units=short_units,
            starts_at=cycle.starts_at,
            ends_at=until,
            in_advance=False,
            charge_id=None,
        )
        return (self.collect(part, short_units, until),)

    def _usage_units(self, cycle: Window, currency: str) -> int:
        """Return what usage cost in a cycle, by each product that it was priced by."""
        spans = self.enrolment.spans
        ends = [span.starts_at for span in spans[1:]] + [self.due_at]
        products = {
            span.terms.product_key
            for span, ends_at in zip(spans, ends, strict=True)
            if ends_at > cycle.starts_at
        }
        return sum(
            total.amount_units
            for product in products
            for total in self.wallet.totals.of_cycle(product, cycle.starts_at)
            if total.asset == currency
        )

    def running_ids(self) -> tuple[str, ...]:
        """Return the fees in advance that run on."""
        return tuple(
            part.fee_id
            for part in self.fees
            if part.fee_id is not None and part.ends_at > self.due_at
        )

    # Included credits

    def give(
        self, included: Included, units: int, window: Window, starts_at: datetime
    ) -> tuple[GrantLine, ...]:
        """Give credits until the window ends, and remember that they were."""
        if units <= 0:
            return ()
        product_key = self.enrolment.terms.product_key
        allotments.give(
            self.allotments, product_key, included.asset, included.slot, units, window.ends_at
        )
        return (self._issue(included, units, starts_at, window.ends_at, included.times, None),)

    def roll(self, given: GivenGrant, units: int, ends_at: datetime) -> GrantLine:
        """Move what is left of a grant to a next one, which keeps when it became effective."""
        rolls_left = given.rolls_left
        grant = self.wallet.accounts[given.included.asset].grants[given.grant_id]
        effective_at = grant.terms.effective_at
        into = self._next_grant_id(given.included.asset)
        self.wallet.roll_over(given.included.asset, given.grant_id, units, into, self.at)
        return self._issue(
            given.included,
            units,
            effective_at,
            ends_at,
            None if rolls_left is None else rolls_left - 1,
            given.grant_id,
        )

    def _issue(
        self,
        included: Included,
        units: int,
        effective_at: datetime,
        ends_at: datetime,
        rolls_left: int | None,
        rolled_from: str | None,
    ) -> GrantLine:
        wallet, enrolment = self.wallet, self.enrolment
        grant_id = self._next_grant_id(included.asset)
        self._issued += 1
        product_key = enrolment.terms.product_key
        origin = Origin(
            "INCLUDED" if rolled_from is None else "ROLLOVER",
            grant_id=rolled_from,
            units=units,
            subscription_id=enrolment.subscription_id,
            product_key=product_key,
            cycle=enrolment.cycle,
        )
        # What rolls over has an end of its own: the settlement grace is for what lapses.
        issued = GrantIssued(
            grant_id,
            1,
            self.at,
            wallet_id=wallet.id,
            customer_id=wallet.customer_id,
            origin=origin,
            asset=included.asset,
            amount_units=units,
            source="INCLUDED",
            paid=None,
            payment=None,
            cost_basis=None,
            stand_alone=None,
            stand_alone_stated=False,
            reference=None,
            bundle_id=None,
            priority=included.priority,
            effective_at=effective_at,
            effective_stated=False,
            expires_at=ends_at,
            lapses_at=ends_at,
            meters=None,
            recognition=included.recognition,
            private={},
        )
        terms = GrantTerms(
            grant_id,
            included.asset,
            "INCLUDED",
            units,
            included.priority,
            effective_at,
            ends_at,
            ends_at,
            self.at,
            None,
        )
        live = wallet.accounts.get(included.asset)
        # A log that is read up to the middle of a commit has the grant before the move.
        if live is None or grant_id not in live.grants:
            wallet.also(issued)
            wallet.credit(asset_named(included.asset, included.scale), terms, self.at)
        self.grants.append(
            GivenGrant(grant_id, product_key, included, units, ends_at, rolls_left, rolled_from)
        )
        return GrantLine(
            grant_id,
            included.asset,
            units,
            effective_at,
            ends_at,
            included.recognition,
            rolled_from,
        )

    def take_back(self, given: GivenGrant, most: int | None = None) -> tuple[tuple[str, int], ...]:
        """Revoke what is unused of included credits, at most so much; remember it."""
        units = self.unused_units(given)
        if most is not None:
            units = min(units, most)
        live = self.wallet.accounts.get(given.included.asset)
        if live is None or given.grant_id not in live.grants:
            return ()
        whole = most is None
        grant = live.changing(given.grant_id)
        if not units and not whole:
            return ()
        figures = self.wallet.revoke(
            given.included.asset,
            given.grant_id,
            units,
            "PLAN_CHANGE",
            "VOIDED" if whole else None,
            self.at,
        )
        self.wallet.also(
            GrantPlanRevoked(given.grant_id, grant.stream_version, self.at, units, whole, figures)
        )
        if whole:
            self.grants.remove(given)
        if given.rolled_from is None:
            allotments.take_back(
                self.allotments, given.product_key, given.included.asset, given.included.slot, units
            )
        return ((given.grant_id, units),)

    def unused_units(self, given: GivenGrant) -> int:
        account = self.wallet.accounts.get(given.included.asset)
        grant = account.grants.get(given.grant_id) if account is not None else None
        return grant.free_units if grant is not None and grant.status == "ACTIVE" else 0

    def room_units(self, included: Included, window: Window) -> int:
        """Return what is left to give of a whole window's credits, this customer's seats all
        counted: less what was given of the product and not taken back.
        """
        enrolment = self.enrolment
        whole = included.units(enrolment.quantity, window.length, window.whole_length)
        return whole - allotments.outstanding_units(
            self.allotments, enrolment.terms.product_key, included.asset, included.slot
        )

    def _next_grant_id(self, asset: str) -> str:
        return identity.derived_id(
            "included",
            self.enrolment.subscription_id,
            str(self.version + 1),
            asset,
            str(self._issued),
        )

    # Telling

    def next_version(self) -> int:
        """Return the version of the subscription's next event."""
        self.version += 1
        return self.version

    def tell(self, events: Sequence[SubscriptionEvent]) -> None:
        """State what the subscription is from now on, and its own events."""
        enrolment = replace(
            self.enrolment,
            stream_version=self.version,
            fees=tuple(self.fees),
            grants=tuple(self.grants),
        )
        self.enrolment = enrolment
        wallet = self.wallet
        for event in events:
            wallet.also(event)
        wallet.record(
            SubscriptionMoved(
                wallet.id, wallet.next_version(), self.at, enrolment, tuple(self.allotments)
            )
        )


def _kind(part: FeePart) -> FeeKind:
    if part.key == COMMITMENT_KEY:
        return "COMMITMENT"
    return "SEAT" if part.per_seat else "FLAT"


def bounds(number: int, window: Window) -> CycleBounds:
    return CycleBounds(number, window.whole_from, window.starts_at, window.ends_at)


def asset_named(key: str, scale: int) -> Asset:
    return Asset(key, key, "CURRENCY" if key in EXPONENTS else "CUSTOM", scale)
