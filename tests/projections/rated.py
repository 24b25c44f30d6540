"""The part of the story in which usage is rated, and a charge gives back what was taken."""

from __future__ import annotations

from datetime import timedelta

from application.commands.answers import ChargeAnswer
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    SetDefaultProduct,
)
from application.commands.requests import (
    RecordUsage,
    RerateWallet,
    SetExchangeRate,
    VoidGrant,
    WithdrawCharge,
)
from domain.catalog.price import PriceModel
from domain.metering.meter import Aggregation
from tests.projections.documents import invoiced
from tests.projections.shop import Shop


def tell_rated(shop: Shop) -> None:
    """A gauge that falls: grants, overage and a dead grant have paid for it."""
    shop.do(
        DefineMeter("level", aggregation=Aggregation.LATEST, property="n"),
        DefineMeter("calls", aggregation=Aggregation.COUNT, event_type="level"),
        DraftProductVersion(
            "gauges", (PriceSaid("level", PriceModel.UNIT, "CREDIT", "level", unit_price="1.5"),)
        ),
        PublishProductVersion("gauges", 1),
        SetDefaultProduct("gauges"),
    )
    shop.do(SetExchangeRate("CREDIT", "USD", "0.01"))
    customer = shop.customer("HYBRID")
    shop.grant(customer, "15", "PAID", priority=1)
    voided = shop.grant(customer, "40", "PAID", priority=2)
    level(shop, customer, 30)
    shop.do(VoidGrant(voided, "never paid"))
    level(shop, customer, 18)
    level(shop, customer, 100)
    level(shop, customer, 80)
    level(shop, customer, 0)
    shadow = shop.customer("SHADOW")
    seen = level(shop, shadow, 5)
    level(shop, shadow, 2)
    shop.do(WithdrawCharge(seen, "a test"))
    corrected(shop)
    made_good(shop)


def made_good(shop: Shop) -> None:
    """Overage goes back that is on an invoice, by a line below zero and by a withdrawal."""
    customer = shop.customer("HYBRID")
    charge = level(shop, customer, 30)
    invoiced(shop, customer)
    level(shop, customer, 10)
    shop.do(WithdrawCharge(charge, "it never happened"))


def corrected(shop: Shop) -> None:
    """Charges that are withdrawn, and rated anew both ways, by grants and by overage."""
    customer = shop.customer("HYBRID")
    shop.grant(customer, "30", "PAID")
    first = level(shop, customer, 10)
    shop.wait(minutes=1)
    level(shop, customer, 40)
    shop.do(WithdrawCharge(first, "it never happened"))
    since, until = shop.clock.at - timedelta(hours=1), shop.clock.at + timedelta(hours=1)
    for number, unit_price in ((2, "3"), (3, "0.5")):
        price = PriceSaid("level", PriceModel.UNIT, "CREDIT", "level", unit_price=unit_price)
        shop.wait(minutes=1)
        shop.do(DraftProductVersion("gauges", (price,)), PublishProductVersion("gauges", number))
        wallet = shop.wallet(customer)
        anew = RerateWallet(wallet, "gauges", number, since, until, "typed wrong", dry=False)
        shop.do(anew)


def level(shop: Shop, customer: str, n: int) -> str:
    """Report a level; return the charge's id."""
    event = shop.key("event")
    answer = shop.do(
        RecordUsage(event, customer, "level", properties={"n": n}, subject="agent:gauge")
    )
    assert isinstance(answer, ChargeAnswer)
    return answer.charge.id
