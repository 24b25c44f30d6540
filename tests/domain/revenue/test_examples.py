"""What docs/finance.md shows: each of its examples is done, and its entries are compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from application.commands.invoice_requests import MarkUncollectible, SetTaxRate
from application.commands.requests import (
    AdjustWallet,
    RecordGrantPayment,
    RefundGrant,
    RunDueWork,
    SetExchangeRate,
    SetWalletMode,
    VoidGrant,
)
from domain.revenue.examples import EXAMPLES, Example
from tests.accountant import journal
from tests.books import Books
from tests.domain.revenue.test_grant_cases import usd
from tests.domain.revenue.test_policies import policy, proportional
from tests.domain.test_invoices import ACME, credit, issue, pay

SOON = datetime(2026, 2, 10, tzinfo=UTC)


class Company:
    """What acme's seller does; the last of each thing is remembered."""

    def __init__(self) -> None:
        self.books = Books(datetime(2026, 1, 10, 10, tzinfo=UTC))
        self.books.customer()
        self.grant = ""
        self.uses = 0
        self.charge: Any = None
        self.invoice: Any = None

    def sell(self, amount: str, price: str, **terms: Any) -> None:
        self.grant = self.books.grant("A", amount, paid=usd(price), **terms)

    def use(self, amount: str) -> None:
        self.uses += 1
        self.charge = self.books.charge(f"e{self.uses}", amount)

    def use_some_and_let_expire(self) -> None:
        self.use("40")
        self.expire()

    def give_back(self, amount: str) -> None:
        self.books.refund(self.charge, "back", amount)

    def expire(self) -> None:
        self.books.clock.at = SOON
        self.books.do(RunDueWork(self.books.wallet().id))

    def refund(self) -> None:
        self.books.do(RefundGrant(self.grant, "unused"))

    def void(self) -> None:
        self.books.do(VoidGrant(self.grant, "never paid"))

    def take_payment(self) -> None:
        self.books.do(RecordGrantPayment(self.grant, "wire-1"))

    def give_free(self, amount: str, **terms: Any) -> None:
        self.books.grant("free", amount, source="PROMOTIONAL", **terms)

    def price(self, unit_price: str) -> None:
        self.books.do(SetExchangeRate("CREDIT", "USD", unit_price))

    def apologise(self) -> None:
        self.books.do(AdjustWallet("sorry", ACME, "CREDIT", "100", "SERVICE_CREDIT"))

    def bill(self) -> None:
        self.books.do(SetTaxRate(ACME, "VAT", "0.2", inclusive=False))
        self.invoice = issue(self.books)

    def take_part(self) -> None:
        pay(self.books, self.invoice, "8")

    def give_credit(self) -> None:
        credit(self.books, self.invoice, "5")

    def give_up(self) -> None:
        self.books.do(MarkUncollectible(self.invoice.id, "bankrupt"))

    def let_owe(self) -> None:
        self.price("0.01")
        self.books.do(SetWalletMode(ACME, "HYBRID"))


Do = Callable[[Company], None]

GIVEN: dict[str, Do] = {
    "fault": lambda it: it.price("0.02"),
    "estimate": lambda it: proportional(it.books, "0.10"),
    "escheat": lambda it: policy(it.books, escheat_share="0.25"),
    "overage": Company.let_owe,
    "repaid": Company.let_owe,
}
DONE: dict[str, tuple[Do, ...]] = {
    "prepaid": (
        lambda it: it.sell("1000", "100", fee="3.20", expires_at=SOON),
        lambda it: it.use("300"),
        lambda it: it.give_back("100"),
        Company.expire,
    ),
    "tax": (
        lambda it: it.sell("1000", "120", tax="20"),
        lambda it: it.use("300"),
        Company.refund,
    ),
    "account": (
        lambda it: it.sell("1000", "100", payment="DUE"),
        lambda it: it.use("200"),
        Company.void,
    ),
    "cancellable": (
        lambda it: it.sell("1000", "100", payment="CANCELLABLE"),
        lambda it: it.use("200"),
        Company.take_payment,
    ),
    "bonus": (
        lambda it: it.sell("1000", "100", bundle_id="order-1"),
        lambda it: it.give_free("250", bundle_id="order-1"),
        lambda it: it.use("500"),
        Company.refund,
    ),
    "free": (
        lambda it: it.give_free("100", expires_at=SOON),
        Company.use_some_and_let_expire,
    ),
    "fault": (Company.apologise, lambda it: it.use("40")),
    "estimate": (
        lambda it: it.sell("1000", "1000"),
        lambda it: it.use("450"),
        lambda it: policy(it.books, breakage_estimate="0.20"),
        lambda it: it.use("550"),
    ),
    "escheat": (
        lambda it: it.sell("100", "50", expires_at=SOON),
        lambda it: it.use("60"),
        Company.expire,
    ),
    "overage": (
        lambda it: it.use("1500"),
        Company.bill,
        Company.take_part,
        Company.give_credit,
        Company.give_up,
    ),
    "repaid": (lambda it: it.use("1500"), lambda it: it.sell("4000", "36")),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.key)
def test_the_guide_shows_what_the_books_do(example: Example) -> None:
    # given
    company = Company()
    if (given := GIVEN.get(example.key)) is not None:
        given(company)
    for step, do in zip(example.steps, DONE[example.key], strict=True):
        before = len(journal(company.books))
        # when
        do(company)
        # then
        assert journal(company.books, before) == list(step.entries), step.done
