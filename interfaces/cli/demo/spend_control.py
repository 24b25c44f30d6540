"""Spend that cannot run away: agents with budgets, and a card that declines."""

from __future__ import annotations

from application.commands.answers import DueWorkAnswer
from application.commands.requests import Money, RunDueWork
from application.commands.spend_requests import SetBudget
from application.commands.top_up_requests import ReportTopUp, SetAutoTopUp
from application.ledger import Outcome
from domain.wallet.watches import MOST_DECLINES, TopUpOutcome
from interfaces.cli.demo.customers import DemoCustomer
from interfaces.cli.demo.lumen import MINUTE, Lumen
from interfaces.cli.demo.traffic import DAY, HOUR

AGENTS_SUBJECT = "agents"
# What all agents of a customer may spend a day, in dollars, by the customer's index.
AGENTS_USD = {0: 500, 5: 3}
DEAD_CARD_OF = 10


def tell(lumen: Lumen) -> None:
    _budgets_of_agents(lumen)
    if len(lumen.customers) > DEAD_CARD_OF:
        DeadCard(lumen, lumen.customers[DEAD_CARD_OF]).begin(lumen.span.day(40, 9))


def _budgets_of_agents(lumen: Lumen) -> None:
    for index, usd in AGENTS_USD.items():
        if index < len(lumen.customers):
            customer = lumen.customers[index]
            limit = lumen.amount(customer, customer.units_for(usd))
            budget = SetBudget(customer.reference, AGENTS_SUBJECT, customer.asset, limit, "DAY")
            lumen.send_at(lumen.span.day(3, 9) + customer.joins_on * DAY, budget)


class DeadCard:
    """A customer lets its wallet be filled; the card declines three times, and that ends it.
    A day later there is another card, which pays; from then on the customer pays by hand.
    """

    def __init__(self, lumen: Lumen, customer: DemoCustomer) -> None:
        self.lumen = lumen
        self.customer = customer
        self._asking = False

    def begin(self, at: int) -> None:
        self.lumen.after_charge[self.customer.index] = self._charged
        self.lumen.send_at(at, self._terms(on=True))

    def _terms(self, *, on: bool) -> SetAutoTopUp:
        customer, amount = self.customer, self.lumen.amount
        if not on:
            return SetAutoTopUp(customer.reference, customer.asset, None)
        return SetAutoTopUp(
            customer.reference,
            customer.asset,
            amount(customer, 20 * customer.pack_units),
            amount(customer, customer.pack_units),
            price=Money(str(customer.pack_usd), "USD"),
        )

    def _charged(self, at: int) -> None:
        """Look soon whether the charge made a request."""
        if not self._asking:
            self._asking = True
            self.lumen.simulation.at(at + 10 * MINUTE, self._ask)

    def _ask(self, at: int) -> None:
        """Let the wallet say what it has asked for."""
        simulation = self.lumen.simulation
        simulation.flush()
        due = RunDueWork(self.lumen.wallet_id(self.customer))
        simulation.send(at, due, self._asked)
        simulation.flush()

    def _asked(self, at: int, outcome: Outcome) -> None:
        self._asking = False
        assert isinstance(outcome.answer, DueWorkAnswer)
        for request_id in outcome.answer.requests:
            declined = self.lumen.tally.top_ups["DECLINED"] < MOST_DECLINES
            self._report(at + 5 * MINUTE, request_id, "DECLINED" if declined else "SETTLED")

    def _report(self, at: int, request_id: str, said: TopUpOutcome) -> None:
        tally, customer = self.lumen.tally, self.customer
        tally.top_ups[said] += 1
        self.lumen.send_at(at, ReportTopUp(request_id, said, reason=f"the card says {said}"))
        if said == "SETTLED":
            tally.grants["PAID"] += 1
            customer.balance_units += customer.pack_units
            del self.lumen.after_charge[customer.index]
            self.lumen.send_at(at + HOUR, self._terms(on=False))
        elif tally.top_ups["DECLINED"] < MOST_DECLINES:
            self._asking = True
            self.lumen.simulation.at(at + HOUR, self._ask)
        else:
            self.lumen.send_at(at + DAY, self._terms(on=True))
