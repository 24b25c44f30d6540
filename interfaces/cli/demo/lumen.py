"""Lumen at work: customers join and pay, requests are charged, held, repeated and refunded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from random import Random

from application.commands.answers import ChargeAnswer, GrantAnswer, HoldAnswer
from application.commands.requests import (
    CaptureUsage,
    Command,
    DefineAsset,
    ExtendHold,
    IssueGrant,
    Money,
    RefundCharge,
    ReleaseHold,
    RunDueWork,
    SetExchangeRate,
)
from application.ledger import Outcome
from domain import identity
from domain.money.decimals import decimal_of, units_of
from domain.refusals import InsufficientFunds
from interfaces.cli.demo import prices
from interfaces.cli.demo.catalog import (
    CREDIT,
    CREDIT_NAME,
    CREDIT_PRICE_USD,
    CREDIT_SCALE,
)
from interfaces.cli.demo.customers import DemoCustomer
from interfaces.cli.demo.requests import HOLD_SECONDS, RANDOM_BITS, Request, drawn
from interfaces.cli.demo.simulation import Act, Simulation
from interfaces.cli.demo.tally import Tally
from interfaces.cli.demo.traffic import DAY, HOUR, MICROSECONDS, Span, moment

MINUTE = 60 * MICROSECONDS
WELCOME_USD = 2
BILLING_DAYS = 30
PACK_LASTS_DAYS = 45
# What happens to every so-manieth request; all are multiples of ODD.
ODD = 50
DELIVERED_EVERY, REPEATED_EVERY, CHANGED_EVERY = 400, 15_000, 30_000
LATE_EVERY, TOO_LATE_EVERY, MISNAMED_EVERY = 5_000, 25_000, 40_000
REFUNDED_EVERY = 600
PAYMENT_TOLD_TWICE_EVERY = 25


class Lumen:
    """Decides what is sent to the ledger next, from the seed and from its answers."""

    def __init__(
        self,
        tenant_id: str,
        simulation: Simulation,
        random: Random,
        span: Span,
        customers: Sequence[DemoCustomer],
    ) -> None:
        self.tenant_id = tenant_id
        self.simulation = simulation
        self.random = random
        self.span = span
        self.customers = customers
        self.tally = Tally()
        # By a customer's index: whom its settled charges concern.
        self.after_charge: dict[int, Act] = {}
        # Of versions of `lumen`, by their numbers: from when they hold.
        self.effective_at: dict[int, datetime] = {}
        self._requests = 0
        self._payments = 0

    # Beginning, and every day

    def open(self) -> None:
        """Define the credit, let customers join on their days, run due work every midnight."""
        self.send(self.span.start, DefineAsset(CREDIT, CREDIT_NAME, scale=CREDIT_SCALE))
        self.send(self.span.start, SetExchangeRate(CREDIT, "USD", CREDIT_PRICE_USD))
        for command in prices.first_prices(self.span.starts):
            self.send(self.span.start, command)
        for customer in self.customers:
            self.simulation.at(
                self.span.start + customer.joins_on * DAY, partial(self._join, customer)
            )
        midnight = self.span.start - self.span.start % DAY + DAY
        for day in range((self.span.end - midnight) // DAY + 1):
            self.simulation.at(midnight + day * DAY, self.run_due_work)

    def run_due_work(self, at: int) -> None:
        """Write what has fallen due, at its very time."""
        self.simulation.flush()
        for customer in self.customers:
            if self.span.start + customer.joins_on * DAY < at:
                self.send(at, RunDueWork(self.wallet_id(customer)))
        self.simulation.flush()

    def _join(self, customer: DemoCustomer, at: int) -> None:
        self.send(at, customer.creation())
        if customer.mode == "SHADOW":
            return
        welcome = IssueGrant(
            f"welcome-{customer.external_id}",
            customer.reference,
            customer.asset,
            self.amount(customer, customer.units_for(WELCOME_USD)),
            "PROMOTIONAL",
            priority=10,
            expires_at=self.midnight_after(at, 30),
            metadata={"campaign": "welcome"},
        )
        self.grant(at, customer, welcome)
        if customer.mode == "HYBRID":
            self.simulation.at(at + BILLING_DAYS * DAY, partial(self._bill, customer))
        else:
            self.begin_to_pay(customer, at)

    def begin_to_pay(self, customer: DemoCustomer, at: int) -> None:
        """Let a customer buy its first pack, half an hour from now."""
        self._plan_top_up(customer, at + 30 * MINUTE)

    # Requests

    def charge(self, at: int, request: Request) -> None:
        """Send a request that is done."""
        settled = partial(self._settled, request.customer)
        self.simulation.send(at, request.usage(at), settled)

    def request(self, at: int, customer: DemoCustomer) -> None:
        """Send what a customer's user, or agent, has just asked for."""
        self._requests += 1
        request = drawn(customer, self.random.getrandbits(RANDOM_BITS))
        if request.is_agent_run:
            self.simulation.send(
                at, request.authorization(), partial(self._held, customer, request)
            )
        elif self._requests % ODD:
            self.charge(at, request)
        else:
            self._odd_request(at, customer, request)

    def _odd_request(self, at: int, customer: DemoCustomer, request: Request) -> None:
        number = self._requests
        usage = request.usage(at)
        settled = partial(self._settled, customer)
        if number % MISNAMED_EVERY == ODD:
            usage = replace(usage, customer="ext:nortwind-analytics")
        elif number % TOO_LATE_EVERY == 2 * ODD:
            usage = replace(usage, occurred_at=moment(at - 40 * DAY))
        elif number % LATE_EVERY == 3 * ODD:
            usage = replace(usage, occurred_at=moment(max(at - 3 * DAY, self.span.start)))
        elif number % DELIVERED_EVERY == 0:
            usage = request.usage(at, delivered=True)
            self.tally.delivered += 1
        self.simulation.send(at, usage, settled)
        if number % REPEATED_EVERY == 4 * ODD:
            self.simulation.send_at(at + 5 * HOUR, usage, settled)
        if number % CHANGED_EVERY == 4 * ODD:
            tokens = request.input_tokens + request.output_tokens
            changed = replace(usage, quantity=str(tokens + 1_000))
            self.simulation.send_at(at + 2 * DAY, changed, settled)

    def _settled(self, customer: DemoCustomer, at: int, outcome: Outcome) -> None:
        answer = outcome.answer
        if not isinstance(answer, ChargeAnswer):
            self._refused(customer, at, outcome)
            return
        tally, charge = self.tally, answer.charge
        if answer.replayed:
            tally.replayed += 1
            return
        if charge.status == "OBSERVED":
            tally.observed += 1
            return
        tally.settled += 1
        customer.balance_units = charge.balance_after_units
        if not charge.amount_units:
            tally.free += 1
            return
        tally.amounts[charge.asset] += charge.amount_units
        if tally.settled % REFUNDED_EVERY == 60:
            self._refund(customer, at, charge.id, charge.amount_units)
        if customer.balance_units * 5 < customer.pack_units and customer.habit == "AUTO":
            self._plan_top_up(customer, at + (2 + self.random.getrandbits(3)) * MINUTE)
        concerned = self.after_charge.get(customer.index)
        if concerned is not None:
            concerned(at)

    def _refused(self, customer: DemoCustomer, at: int, outcome: Outcome) -> None:
        assert outcome.refusal is not None
        self.tally.refuse(outcome.refusal)
        if isinstance(outcome.refusal, InsufficientFunds):
            hours = 1 + self.random.getrandbits(5) if customer.habit == "BY_HAND" else 0
            self._plan_top_up(customer, at + hours * HOUR + 10 * MINUTE)

    # Agents' runs

    def _held(self, customer: DemoCustomer, request: Request, at: int, outcome: Outcome) -> None:
        answer = outcome.answer
        if not isinstance(answer, HoldAnswer):
            self._refused(customer, at, outcome)
            return
        self.tally.held += 1
        hold_id = answer.charge.hold_id
        assert hold_id is not None
        units, done_at = request.amount_units, at + (3 + (request.bits >> 5 & 31)) * MINUTE
        fate = request.bits >> 10 & 127
        if fate < 70:
            self._capture(customer, done_at, hold_id, units)
        elif fate < 80:  # it took more than was held
            self._capture(customer, done_at, hold_id, 2 * units)
        elif fate < 96:  # a long run, settled step by step
            for step in (1, 2):
                self._capture(
                    customer, done_at + step * HOUR, hold_id, units // 3,
                    event_id=f"{request.event_id}.{step}",
                )  # fmt: skip
            self.send_at(done_at + 2 * HOUR, ExtendHold(hold_id, HOLD_SECONDS))
            self._capture(customer, done_at + 3 * HOUR, hold_id, units // 3)
        elif fate < 108:
            self.tally.released += 1
            self.send_at(done_at, ReleaseHold(hold_id))
        elif fate < 118:
            self.tally.left_to_lapse += 1
        else:  # reported after the hold has lapsed
            self._capture(customer, at + (HOLD_SECONDS + 3_600) * MICROSECONDS, hold_id, units)

    def _capture(
        self, customer: DemoCustomer, at: int, hold_id: str, units: int, event_id: str | None = None
    ) -> None:
        command = CaptureUsage(
            hold_id, self.amount(customer, units), event_id=event_id, final=event_id is None
        )
        self.simulation.send_at(at, command, partial(self._captured, customer))

    def _captured(self, customer: DemoCustomer, at: int, outcome: Outcome) -> None:
        if outcome.answer is not None:
            self.tally.captured += 1
        self._settled(customer, at, outcome)

    # Money

    def _refund(self, customer: DemoCustomer, at: int, charge_id: str, units: int) -> None:
        self.tally.refunds += 1
        part = None if self.tally.refunds % 3 else self.amount(customer, max(1, units // 2))
        command = RefundCharge(
            charge_id, "the answer was cut off", f"refund-{self.tally.refunds}", part
        )
        self.send_at(at + (1 + self.random.getrandbits(6)) * HOUR, command)

    def _plan_top_up(self, customer: DemoCustomer, at: int) -> None:
        if not customer.topping_up:
            customer.topping_up = True
            self.simulation.at(at, partial(self._top_up, customer))

    def _top_up(self, customer: DemoCustomer, at: int) -> None:
        customer.top_ups += 1
        self._pay(customer, at, f"{customer.external_id}-{customer.top_ups}", customer.pack_usd)

    def _bill(self, customer: DemoCustomer, at: int) -> None:
        """Let a customer in arrears pay what it owes, in whole dollars."""
        dollar_units = customer.units_for(1)
        owed_usd = -(customer.balance_units // dollar_units)
        if owed_usd > 0:
            customer.top_ups += 1
            self._pay(customer, at, f"{customer.external_id}-bill-{customer.top_ups}", owed_usd)
        self.simulation.at(at + BILLING_DAYS * DAY, partial(self._bill, customer))

    def _pay(self, customer: DemoCustomer, at: int, key: str, usd: int) -> None:
        self._payments += 1
        lasts = customer.index % 3 == 1
        paid = IssueGrant(
            f"pack-{key}",
            customer.reference,
            customer.asset,
            self.amount(customer, customer.units_for(usd)),
            "PAID",
            Money(str(usd), "USD"),
            expires_at=self.midnight_after(at, PACK_LASTS_DAYS) if lasts else None,
            reference=f"pay_{self.random.getrandbits(64):016x}",
        )
        self.grant(at, customer, paid)
        if self._payments % PAYMENT_TOLD_TWICE_EVERY == 5:
            told_again = replace(paid, idempotency_key=f"webhook-{key}")
            self.grant(at + HOUR, customer, told_again)

    def grant(self, at: int, customer: DemoCustomer, command: IssueGrant) -> None:
        """Plan a grant, and keep in mind what it adds."""
        self.simulation.send_at(at, command, partial(self._granted, customer, command))

    def _granted(
        self, customer: DemoCustomer, command: IssueGrant, at: int, outcome: Outcome
    ) -> None:
        if command.source == "PAID":
            customer.topping_up = False
        if isinstance(outcome.answer, GrantAnswer):
            self.tally.grants[command.source] += 1
            customer.balance_units += units_of(command.amount, customer.scale)
        else:
            self.done(at, outcome)

    # In general

    def send(self, at: int, command: Command) -> None:
        """Send a command whose answer changes nothing here."""
        self.simulation.send(at, command, self.done)

    def send_at(self, at: int, command: Command) -> None:
        """Plan one."""
        self.simulation.send_at(at, command, self.done)

    def done(self, _at: int, outcome: Outcome) -> None:
        if outcome.refusal is not None:
            self.tally.refuse(outcome.refusal)

    def wallet_id(self, customer: DemoCustomer) -> str:
        customer_id = identity.customer_id(self.tenant_id, customer.external_id)
        return identity.wallet_id(self.tenant_id, customer_id)

    def amount(self, customer: DemoCustomer, units: int) -> str:
        return decimal_of(units, customer.scale)

    def midnight_after(self, at: int, days: int) -> datetime:
        return moment(at - at % DAY + days * DAY)
