"""What a company does, and the entries that it makes: worked examples with exact figures.

Printed in docs/finance.md; a test does each of them and compares every amount.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.revenue.chart import AccountKey

Amounts = dict[AccountKey, str]
"""USD by account, credits below zero."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done, and its entries: none where it has none."""

    done: str
    entries: tuple[Amounts, ...]


@dataclass(frozen=True, slots=True)
class Example:
    key: str
    title: str
    steps: tuple[Step, ...]


def _cl(amount: str, **others: str) -> Amounts:
    entry: dict[str, str] = {"contract_liability": amount, **others}
    return entry  # type: ignore[return-value]


EXAMPLES: tuple[Example, ...] = (
    Example("prepaid", "Credits sold, used, and expired", (
        Step("1 000 credits are sold for 100.00; the processor keeps 3.20",
             ({"cash": "96.80", "payment_costs": "3.20", "contract_liability": "-100.00"},)),
        Step("300 are used", (_cl("30.00", revenue_usage="-30.00"),)),
        Step("100 of that usage are given back", (_cl("-10.00", revenue_usage="10.00"),)),
        Step("the rest expires", (_cl("80.00", revenue_breakage="-80.00"),)),
    )),
    Example("tax", "A sale with tax, and its refund", (
        Step("1 000 credits are sold for 120.00, of which 20.00 are tax",
             ({"cash": "120.00", "contract_liability": "-100.00", "tax_payable": "-20.00"},)),
        Step("300 are used", (_cl("30.00", revenue_usage="-30.00"),)),
        Step("the rest is refunded",
             (_cl("70.00", tax_payable="14.00", cash="-84.00"),)),
    )),
    Example("account", "A sale on account that is never paid", (
        Step("1 000 credits are sold on account for 100.00, without conditions",
             ({"receivable": "100.00", "contract_liability": "-100.00"},)),
        Step("200 are used", (_cl("20.00", revenue_usage="-20.00"),)),
        Step("the sale is voided and the claim ends", (
            _cl("80.00", receivable="-80.00"),
            {"revenue_concessions": "20.00", "receivable": "-20.00"},
        )),
    )),
    Example("cancellable", "An order that the customer may still cancel", (
        Step("1 000 credits are ordered for 100.00", ()),
        Step("200 are used, so the claim is unconditional", (
            {"receivable": "100.00", "contract_liability": "-100.00"},
            _cl("20.00", revenue_usage="-20.00"),
        )),
        Step("it is paid", ({"cash": "100.00", "receivable": "-100.00"},)),
    )),
    Example("bonus", "A purchase with a bonus", (
        Step("1 000 credits are sold for 100.00",
             ({"cash": "100.00", "contract_liability": "-100.00"},)),
        Step("250 free ones of the same purchase (`bundleId`) take 20.00 of its price",
             (_cl("0.00"),)),
        Step("500 are used, the bonus first", (
            _cl("20.00", revenue_usage="-20.00"), _cl("20.00", revenue_usage="-20.00"),
        )),
        Step("the 750 that are left are refunded at what was paid for them",
             (_cl("60.00", revenue_concessions="15.00", cash="-75.00"),)),
    )),
    Example("free", "Credits that nobody paid for", (
        Step("100 promotional credits are given", ()),
        Step("40 are used, the rest expires", ()),
    )),
    Example("fault", "A credit for a fault", (
        Step("100 credits that sell for 0.02 each are promised",
             ({"revenue_concessions": "2.00", "contract_liability": "-2.00"},)),
        Step("40 are used", (_cl("0.80", revenue_usage="-0.80"),)),
    )),
    Example("estimate", "Breakage that is expected (PROPORTIONAL, 10 %)", (
        Step("1 000 credits are sold for 1 000.00",
             ({"cash": "1000.00", "contract_liability": "-1000.00"},)),
        Step("450 are used",
             (_cl("500.00", revenue_usage="-450.00", revenue_breakage="-50.00"),)),
        Step("the estimate becomes 20 %", (_cl("62.50", revenue_breakage="-62.50"),)),
        Step("550 are used after all: more than was expected", (
            _cl("437.50", revenue_usage="-550.00", revenue_breakage="112.50"),
        )),
    )),
    Example("escheat", "Unclaimed property: a quarter of what lapses is the state's", (
        Step("100 credits are sold for 50.00",
             ({"cash": "50.00", "contract_liability": "-50.00"},)),
        Step("60 are used", (_cl("30.00", revenue_usage="-30.00"),)),
        Step("the rest expires",
             (_cl("20.00", revenue_breakage="-15.00", unclaimed_property="-5.00"),)),
    )),
    Example("overage", "Usage beyond the balance, billed and paid in part", (
        Step("1 500 credits are used at 0.01 that no grant covers",
             ({"unbilled_receivable": "15.00", "revenue_usage": "-15.00"},)),
        Step("they are invoiced, with 20 % tax", ({
            "receivable": "18.00", "unbilled_receivable": "-15.00", "tax_payable": "-3.00",
        },)),
        Step("8.00 are paid", ({"cash": "8.00", "receivable": "-8.00"},)),
        Step("a credit note of 5.00 and its tax", ({
            "revenue_concessions": "5.00", "tax_payable": "1.00", "receivable": "-6.00",
        },)),
        Step("the rest is given up", ({"credit_loss": "4.00", "receivable": "-4.00"},)),
    )),
    Example("repaid", "Usage beyond the balance that a purchase repays", (
        Step("1 500 credits are used at 0.01 that no grant covers",
             ({"unbilled_receivable": "15.00", "revenue_usage": "-15.00"},)),
        Step("4 000 credits are sold for 36.00: 1 500 of them repay it", (
            {"cash": "36.00", "contract_liability": "-36.00"},
            _cl("13.50", revenue_usage="1.50", unbilled_receivable="-15.00"),
        )),
    )),
)  # fmt: skip
