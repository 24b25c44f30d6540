"""An invoice after its issue: what was paid and credited, and what is still due."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Aggregate
from domain.invoicing.events import (
    BilledOverage,
    CreditedPart,
    InvoiceCredited,
    InvoiceCreditMoved,
    InvoiceGivenUp,
    InvoiceIssued,
    InvoicePaid,
    InvoiceStatus,
    InvoiceVoided,
)
from domain.invoicing.tax import net_within
from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of
from domain.refusals import InvalidInput, InvalidState
from domain.wallet import overage
from domain.wallet.events import Range


class Invoice(Aggregate):
    """Minor units of its currency. `credited_lines`: as the lines read, counted from 1."""

    TOPIC = "invoice"
    issued: InvoiceIssued
    status: InvoiceStatus
    given_up: bool
    paid_minor: int
    payments: dict[str, int]
    credited_net_minor: int
    credited_tax_minor: int
    credited_lines: dict[int, int]
    credit_note_ids: list[str]
    credit_moved_minor: int

    # Folding

    def issue(self, event: InvoiceIssued) -> None:
        self.issued = event
        self.given_up = False
        self.paid_minor = event.paid_minor
        self.payments = {}
        self.credited_net_minor = self.credited_tax_minor = 0
        self.credited_lines = {}
        self.credit_note_ids = []
        self.credit_moved_minor = 0
        self.status = "ISSUED"
        self._settle()

    def take_payment(self, reference: str, minor: int) -> None:
        self.payments[reference] = minor
        self.paid_minor += minor
        self._settle()

    def take_credit(self, event: InvoiceCredited) -> None:
        for each in event.lines:
            self.credited_lines[each.line] = self.credited_lines.get(each.line, 0) + each.minor
        self.credited_net_minor += event.net_minor
        self.credited_tax_minor += event.tax_minor
        self.credit_note_ids.append(event.credit_note_id)
        self._settle()

    def _settle(self) -> None:
        if self.issued.kind == "STATEMENT":
            return
        if self.due_minor <= 0:
            self.status = "PAID"
        elif self.paid_minor or self.issued.credits:
            self.status = "PARTIALLY_PAID"

    # What it shows

    @property
    def credited_minor(self) -> int:
        return self.credited_net_minor + self.credited_tax_minor

    @property
    def settled_minor(self) -> int:
        """What payments, credit notes and earlier credit have taken off the total."""
        return self.paid_minor + self.credited_minor + sum(each for _, each in self.issued.credits)

    @property
    def due_minor(self) -> int:
        """Below zero: the customer's credit, until an invoice is that much less."""
        if self.issued.kind == "STATEMENT" or self._voided:
            return 0
        return self.issued.total_minor - self.settled_minor + self.credit_moved_minor

    @property
    def shown_status(self) -> InvoiceStatus:
        """UNCOLLECTIBLE until all of it has been paid after all."""
        return "UNCOLLECTIBLE" if self.given_up and self.due_minor > 0 else self.status

    @property
    def _voided(self) -> bool:
        return getattr(self, "status", None) == "VOIDED"

    def amount(self, minor: int) -> str:
        return decimal_of(minor, EXPONENTS[self.issued.currency])

    # Deciding

    def pay(self, minor: int, reference: str, at: datetime) -> tuple[BilledOverage, ...]:
        """Take a payment; answer the overage that it pays for.

        Raises, first match wins: InvalidState (not of a kind that is paid, voided, paid),
        InvalidInput (above what is due).
        """
        self._claimable("paid")
        if self.due_minor <= 0:
            raise self._not("paid", self.status)
        if minor > self.due_minor:
            raise InvalidInput(
                field="amount",
                reason=f"{self.amount(self.due_minor)} {self.issued.currency} is due: "
                "more cannot be paid on this invoice",
            )
        before = self.settled_minor
        self.record(
            InvoicePaid(
                self.id,
                self.version + 1,
                at,
                self.issued.customer_id,
                self.issued.currency,
                reference,
                minor,
                self.given_up,
            )
        )
        return self._settled_overage(before)

    def check_credit(self, lines: list[tuple[int, int]]) -> tuple[CreditedPart, ...]:
        """Return what a credit of these lines, as they read, takes off each.

        Raises, first match wins: InvalidInput (no such line), InvalidState (not a kind that
        is credited, voided, given up), InvalidInput (above what is left of a line).
        """
        count = len(self.issued.lines)
        for place, (line, _) in enumerate(lines):
            if not 1 <= line <= count:
                raise InvalidInput(
                    field=f"lines[{place}].line", reason=f"the invoice has lines 1 to {count}"
                )
        self._claimable("credited")
        if self.given_up:
            raise self._not("credited", "UNCOLLECTIBLE")
        for place, (line, minor) in enumerate(lines):
            left = self.issued.lines[line - 1].amount_minor - self.credited_lines.get(line, 0)
            if minor > left:
                raise InvalidInput(
                    field=f"lines[{place}].amount",
                    reason=f"{self.amount(left)} {self.issued.currency} of line {line} is left "
                    "to credit",
                )
        parts: list[CreditedPart] = []
        credited = sum(self.credited_lines.values())
        before = (self.credited_net_minor, self.credited_tax_minor)
        for line, minor in lines:
            credited += minor
            after = self._net_and_tax(credited)
            net, tax = after[0] - before[0], after[1] - before[1]
            parts.append(CreditedPart(line, minor, net, tax, self.issued.lines[line - 1].fees))
            before = after
        return tuple(parts)

    def _net_and_tax(self, credited: int) -> tuple[int, int]:
        """Return what of all that was ever credited is net and tax: cumulative, so that credit
        notes of all of it sum to its net and its tax.
        """
        issued = self.issued
        if issued.tax is not None and issued.tax.inclusive:
            net = net_within(credited, issued.subtotal_minor, issued.total_minor)
            return net, credited - net
        return credited, net_within(credited, issued.tax_minor, issued.subtotal_minor)

    def credit(
        self, credit_note_id: str, parts: tuple[CreditedPart, ...], at: datetime
    ) -> tuple[tuple[BilledOverage, ...], tuple[BilledOverage, ...]]:
        """Take a credit note that was checked; answer the overage that is no longer owed, and
        that which it gives back.
        """
        before, credited_before = self.settled_minor, self._credited_units()
        self.record(
            InvoiceCredited(
                self.id,
                self.version + 1,
                at,
                self.issued.customer_id,
                self.issued.currency,
                credit_note_id,
                parts,
                sum(each.net_minor for each in parts),
                sum(each.tax_minor for each in parts),
            )
        )
        return self._settled_overage(before), self._credited_overage(credited_before)

    def _credited_units(self) -> dict[str, int]:
        """Return the units of overage that credit notes gave back, by asset: of each line the
        part of its units that was credited of its amount, rounded down.
        """
        credited: dict[str, int] = {}
        for number, minor in self.credited_lines.items():
            line = self.issued.lines[number - 1]
            if line.asset is not None and not line.fees and line.amount_minor > 0:
                units = line.units * minor // line.amount_minor
                credited[line.asset] = credited.get(line.asset, 0) + units
        return credited

    def _credited_overage(self, before: dict[str, int]) -> tuple[BilledOverage, ...]:
        """Return what was given back since, the newest first: payments pay for the oldest."""
        now = self._credited_units()
        found: list[BilledOverage] = []
        for each in self.issued.overage:
            was, all_of_it = before.get(each.asset, 0), now.get(each.asset, 0)
            rest = overage.without(each.ranges, overage.newest(each.ranges, was))
            if ranges := overage.newest(rest, all_of_it - was):
                found.append(BilledOverage(each.asset, ranges))
        return tuple(found)

    def move_credit(self, to_invoice_id: str, minor: int, at: datetime) -> None:
        self.record(InvoiceCreditMoved(self.id, self.version + 1, at, to_invoice_id, minor))

    def paid_by_credit(self) -> tuple[BilledOverage, ...]:
        """Return the overage that earlier credit paid for when this was issued."""
        return self._settled_overage(0)

    def void(self, reason: str, at: datetime) -> None:
        """Raises InvalidState: paid or credited in any part, also by what an earlier document
        was in credit; voided, or a kind without claim.
        """
        self._claimable("voided")
        if self.settled_minor or self.given_up:
            raise self._not("voided", self.shown_status)
        issued = self.issued
        self.record(
            InvoiceVoided(
                self.id,
                self.version + 1,
                at,
                issued.customer_id,
                issued.wallet_id,
                issued.currency,
                issued.subtotal_minor,
                issued.tax_minor,
                issued.lines,
                issued.overage,
                issued.cycles,
                {"reason": reason},
            )
        )

    def give_up(self, reason: str, at: datetime) -> None:
        """Raises InvalidState: nothing is due, voided, or given up already."""
        self._claimable("marked uncollectible")
        if self.due_minor <= 0 or self.given_up:
            raise self._not("marked uncollectible", self.shown_status)
        self.record(
            InvoiceGivenUp(
                self.id,
                self.version + 1,
                at,
                self.issued.customer_id,
                self.issued.currency,
                self.due_minor,
                {"reason": reason},
            )
        )

    def _claimable(self, verb: str) -> None:
        if self.issued.kind != "ARREARS":
            raise InvalidState(
                state=self.issued.kind,
                reason=f"{self.issued.number} is a {self.issued.kind}: "
                f"only what claims money can be {verb}",
            )
        if self.status == "VOIDED":
            raise self._not(verb, "VOIDED")

    def _not(self, verb: str, state: str) -> InvalidState:
        return InvalidState(
            state=state, reason=f"{self.issued.number} is {state} and cannot be {verb}"
        )

    def _settled_overage(self, before_minor: int) -> tuple[BilledOverage, ...]:
        """Return the overage that what was settled since pays for, oldest first.

        A part of the total pays that part of the units, rounded down; all of it pays all.
        """
        total = self.issued.total_minor
        after_minor = min(self.settled_minor, total)
        return tuple(
            BilledOverage(each.asset, between)
            for each in self.issued.overage
            if (between := _slice(each.ranges, before_minor, after_minor, total))
        )


def _slice(ranges: tuple[Range, ...], before: int, after: int, whole: int) -> tuple[Range, ...]:
    units = sum(end - start for start, end in ranges)
    skip, upto = units * min(before, whole) // whole, units * after // whole
    taken: list[Range] = []
    passed = 0
    for start, end in ranges:
        first, last = max(skip - passed, 0), min(upto - passed, end - start)
        if first < last:
            taken.append((start + first, start + last))
        passed += end - start
    return tuple(taken)
