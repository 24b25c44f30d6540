"""The part of the story in which usage is rated, and a charge gives back what was taken."""

from __future__ import annotations

from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    SetDefaultProduct,
)
from application.commands.requests import RecordUsage, SetExchangeRate, VoidGrant
from domain.catalog.meter import Aggregation
from domain.catalog.price import PriceModel
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
    level(shop, shadow, 5)
    level(shop, shadow, 2)


def level(shop: Shop, customer: str, n: int) -> None:
    event = shop.key("event")
    shop.do(RecordUsage(event, customer, "level", properties={"n": n}, subject="agent:gauge"))
