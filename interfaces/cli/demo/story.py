"""What happens to Lumen on named days. Days are told by how far into the demo they are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from application.commands.answers import ProductAnswer, RerateAnswer
from application.commands.catalog_requests import PublishProductVersion, SetDefaultProduct
from application.commands.requests import (
    AdjustWallet,
    ExtendGrant,
    FreezeWallet,
    IssueGrant,
    Money,
    RefundGrant,
    RerateWallet,
    SetOverageLimit,
    SetWalletMode,
    UnfreezeWallet,
    VoidGrant,
)
from application.ledger import Outcome
from domain import identity
from interfaces.cli.demo import plans, prices, spend_control
from interfaces.cli.demo.catalog import AGENTS, CREDIT, OPUS, event_type
from interfaces.cli.demo.customers import DemoCustomer
from interfaces.cli.demo.lumen import MINUTE, Lumen
from interfaces.cli.demo.requests import RANDOM_BITS, drawn
from interfaces.cli.demo.traffic import DAY, HOUR, MICROSECONDS

RUNAWAY_REQUESTS = 240
RUNAWAY_EVERY = 9 * MICROSECONDS


def tell(lumen: Lumen, charges: int) -> None:
    """Plan the whole story; what names a customer that a small demo has not is left out."""
    _prices_change(lumen)
    _a_wrong_price_corrected(lumen)
    _an_overage_limit(lumen)
    _a_year_ahead_and_back(lumen)
    _a_promotion_that_mostly_lapses(lumen)
    _a_slip_of_the_hand(lumen)
    _an_incident(lumen)
    _from_shadow_to_control(lumen)
    _a_disputed_payment(lumen)
    _corrections(lumen)
    _a_runaway_agent(lumen, min(RUNAWAY_REQUESTS, charges // 50))
    _a_pack_for_later(lumen)
    plans.tell(lumen)
    spend_control.tell(lumen)


def _customer(lumen: Lumen, index: int) -> DemoCustomer | None:
    return lumen.customers[index] if index < len(lumen.customers) else None


def _grant_id(lumen: Lumen, key: str) -> str:
    return identity.grant_id(lumen.tenant_id, "issueGrant", key)


def _prices_change(lumen: Lumen) -> None:
    """A product of its own takes over from the launch's; later it becomes cheaper."""
    at = lumen.span.day(25, 9)
    lumen.send_at(at, prices.lumen({}))
    lumen.send_at(at + MINUTE, PublishProductVersion(prices.LUMEN, 1))
    lumen.send_at(at + 2 * MINUTE, SetDefaultProduct(prices.LUMEN))
    # Published the day before, for midnight.
    at = lumen.span.day(48, 14)
    lumen.send_at(at, prices.lumen(prices.CHEAPER, lumen.midnight_after(at, 1)))
    lumen.send_at(at + MINUTE, PublishProductVersion(prices.LUMEN, 2))
    lumen.tally.price_changes += 1


def _a_wrong_price_corrected(lumen: Lumen) -> None:
    """A model's answers become dearer, by a digit too much at first. The next morning it is
    found, and what it priced is rated anew.
    """
    at = lumen.span.day(72, 9)
    lumen.send_at(at, prices.lumen(prices.MISTYPED))
    _publish(lumen, at + MINUTE, prices.WRONG_VERSION)
    lumen.send_at(at + DAY, prices.lumen(prices.DEARER))
    _publish(lumen, at + DAY + MINUTE, prices.RIGHT_VERSION)
    lumen.simulation.at(at + DAY + HOUR, partial(_preview, lumen))
    lumen.tally.price_changes += 1


def _publish(lumen: Lumen, at: int, number: int) -> None:
    """Publish a version, and keep in mind from when it holds."""

    def published(_at: int, outcome: Outcome) -> None:
        assert isinstance(outcome.answer, ProductAnswer)
        effective_at = outcome.answer.product.versions[number - 1].effective_at
        assert effective_at is not None
        lumen.effective_at[number] = effective_at

    lumen.simulation.send_at(at, PublishProductVersion(prices.LUMEN, number), published)


def _preview(lumen: Lumen, at: int) -> None:
    """Ask what the right price would change for each customer."""
    lumen.simulation.flush()
    for customer in lumen.customers:
        if lumen.span.start + customer.joins_on * DAY < at:
            preview = RerateWallet(
                lumen.wallet_id(customer), prices.LUMEN, prices.RIGHT_VERSION,
                lumen.effective_at[prices.WRONG_VERSION], lumen.effective_at[prices.RIGHT_VERSION],
                "a price was typed wrong",
            )  # fmt: skip
            lumen.simulation.send(at, preview, partial(_rate_anew, lumen, preview))


def _rate_anew(lumen: Lumen, preview: RerateWallet, at: int, outcome: Outcome) -> None:
    """Do what was previewed, where there is something to do."""
    answer = outcome.answer
    assert isinstance(answer, RerateAnswer)
    if answer.asset is not None and answer.charges:
        lumen.tally.corrected += answer.charges
        lumen.tally.given_back[answer.asset] += answer.before_units - answer.after_units
        lumen.send(at, replace(preview, dry=False))


def _an_overage_limit(lumen: Lumen) -> None:
    for index in (4, 6):
        customer = _customer(lumen, index)
        if customer is not None:
            limit = lumen.amount(customer, customer.units_for(5))
            command = SetOverageLimit(customer.reference, customer.asset, limit)
            lumen.send_at(lumen.span.day(8, 9) + customer.joins_on * DAY, command)


def _a_year_ahead_and_back(lumen: Lumen) -> None:
    """Bought early, burned last, given back: its money returns in full."""
    customer = _customer(lumen, 6)
    if customer is None:
        return
    usd = 10 * customer.pack_usd
    bought = IssueGrant(
        "year-ahead",
        customer.reference,
        customer.asset,
        lumen.amount(customer, customer.units_for(usd)),
        "PAID",
        Money(str(usd), "USD"),
        priority=90,
        reference="pay_year_ahead",
        metadata={"plan": "yearly"},
    )
    lumen.grant(lumen.span.day(20, 10), customer, bought)
    refund = RefundGrant(
        _grant_id(lumen, "year-ahead"), "the plan was cancelled", idempotency_key="year-back"
    )
    lumen.send_at(lumen.span.day(60, 11), refund)


def _a_promotion_that_mostly_lapses(lumen: Lumen) -> None:
    at = lumen.span.day(30, 8)
    for customer in lumen.customers:
        if customer.mode == "SHADOW" or lumen.span.start + customer.joins_on * DAY >= at:
            continue
        promotion = IssueGrant(
            f"agents-week-{customer.external_id}",
            customer.reference,
            customer.asset,
            lumen.amount(customer, customer.units_for(3)),
            "PROMOTIONAL",
            priority=5,
            expires_at=lumen.midnight_after(at, 21),
            meters=(event_type(AGENTS, customer.asset),),
            metadata={"campaign": "agents-week"},
        )
        lumen.grant(at, customer, promotion)
    favoured = lumen.customers[0].external_id
    extended = ExtendGrant(
        _grant_id(lumen, f"agents-week-{favoured}"),
        lumen.midnight_after(at, 35),
        "their launch was late",
    )
    lumen.send_at(at + 18 * DAY, extended)


def _a_slip_of_the_hand(lumen: Lumen) -> None:
    customer = _customer(lumen, 8)
    if customer is None:
        return
    at = lumen.span.day(35, 15)
    amount = lumen.amount(customer, customer.units_for(1_000))
    slip = IssueGrant("slip", customer.reference, customer.asset, amount, "PROMOTIONAL")
    lumen.grant(at, customer, slip)
    lumen.send_at(at + 2 * HOUR, VoidGrant(_grant_id(lumen, "slip"), "three zeros too many"))


def _an_incident(lumen: Lumen) -> None:
    at = lumen.span.day(45, 16)
    for index in range(5):
        customer = _customer(lumen, index)
        if customer is not None and lumen.span.start + customer.joins_on * DAY < at:
            amount = lumen.amount(customer, customer.units_for(1))
            command = AdjustWallet(
                f"incident-{customer.external_id}", customer.reference, customer.asset, amount,
                "SERVICE_CREDIT", note="answers were slow for an hour",
            )  # fmt: skip
            lumen.send_at(at, command)


def _from_shadow_to_control(lumen: Lumen) -> None:
    """A customer that was only watched so far is switched on."""
    customer = _customer(lumen, 7)
    if customer is None:
        return
    lumen.send_at(lumen.span.day(50, 9), SetWalletMode(customer.reference, "CONTROL"))
    lumen.simulation.at(lumen.span.day(50, 9), partial(lumen.begin_to_pay, customer))


def _a_disputed_payment(lumen: Lumen) -> None:
    customer = _customer(lumen, 2)
    if customer is None:
        return
    at = max(lumen.span.day(55, 10), lumen.span.start + (customer.joins_on + 1) * DAY)
    freeze = FreezeWallet(customer.reference, "a payment is disputed")
    lumen.send_at(at, freeze)
    lumen.send_at(at + 2 * DAY + 5 * HOUR, UnfreezeWallet(customer.reference))


def _corrections(lumen: Lumen) -> None:
    customer = lumen.customers[0]
    at = lumen.span.day(65, 13)
    fee = AdjustWallet("export-fee", customer.reference, CREDIT, "-100", "FEE")
    recount = AdjustWallet("recount", customer.reference, CREDIT, "200", "CORRECTION")
    lumen.send_at(at, fee)
    lumen.send_at(at + HOUR, recount)


def _a_runaway_agent(lumen: Lumen, requests: int) -> None:
    """At 03:12 an agent calls itself in a circle, until its budget says no."""
    customer = _customer(lumen, 5)
    if customer is None:
        return

    def call(number: int, at: int) -> None:
        request = drawn(customer, lumen.random.getrandbits(RANDOM_BITS))
        request.meter, request.model = AGENTS, OPUS
        request.input_tokens, request.output_tokens = 24_000 + 400 * number, 2_500
        request.amount_units = OPUS.amount_units(
            request.input_tokens, request.output_tokens, customer.asset
        )
        lumen.charge(at, request)

    begins = lumen.span.day(70, 3, 12)
    for number in range(requests):
        at = begins + number * RUNAWAY_EVERY
        lumen.simulation.at(at, partial(call, number))


def _a_pack_for_later(lumen: Lumen) -> None:
    customer = _customer(lumen, 10)
    if customer is None:
        return
    at = lumen.span.day(78, 12)
    pack = IssueGrant(
        "next-quarter",
        customer.reference,
        customer.asset,
        lumen.amount(customer, customer.pack_units),
        "PAID",
        Money(str(customer.pack_usd), "USD"),
        effective_at=lumen.midnight_after(at, 10),
        reference="pay_next_quarter",
    )
    lumen.grant(at + 5 * MINUTE, customer, pack)
