"""A catalogue said in a few words, for tests of what usage costs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    RowSaid,
    SetDefaultProduct,
    TierSaid,
)
from application.commands.requests import RecordUsage
from domain.catalog.price import PriceModel
from domain.metering.meter import Aggregation
from domain.money.decimals import decimal_of
from domain.usage.charge import UsageCharge
from tests.books import Books

R1_TIERS = (TierSaid("0.10", "1000"), TierSaid("0.08", "10000"), TierSaid("0.05"))


def said_price(key: str, model: str, meter: str | None = None, **terms: Any) -> PriceSaid:
    terms.setdefault("asset", "USD")
    return PriceSaid(key, PriceModel(model), meter=meter or key, **terms)


def meter(books: Books, key: str, aggregation: str = "SUM", **terms: Any) -> None:
    books.do(DefineMeter(key, aggregation=Aggregation(aggregation), **terms))


def publish(
    books: Books,
    product: str,
    *prices: PriceSaid,
    effective_at: datetime | None = None,
    default: bool = True,
) -> int:
    """Draft and publish a version; answer its number."""
    answer = books.do(DraftProductVersion(product, prices))
    number: int = answer.product.versions[-1].number
    books.do(PublishProductVersion(product, number, effective_at))
    if default:
        books.do(SetDefaultProduct(product))
    return number


def use(
    books: Books, event_id: str, meter_key: str, quantity: str | None = None, **report: Any
) -> UsageCharge:
    report.setdefault("customer", "ext:acme")
    answer = books.do(RecordUsage(event_id, meter=meter_key, quantity=quantity, **report))
    charge: UsageCharge = answer.charge
    return charge


def amounts(*charges: UsageCharge, scale: int = 9) -> list[str]:
    return [decimal_of(charge.amount_units, scale) for charge in charges]


__all__ = ["R1_TIERS", "RowSaid", "TierSaid", "amounts", "meter", "publish", "said_price", "use"]
