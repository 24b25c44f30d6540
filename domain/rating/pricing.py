"""What rating needs to know of whoever subscribed: which prices, in which cycle, at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from domain.calendar.cycles import Cycle
from domain.calendar.months import Months
from domain.catalog.catalog import Catalog
from domain.catalog.price import Price
from domain.rating.cost import NO_DISCOUNT
from domain.struct import struct


@struct(frozen=True, slots=True)
class PricingTerms:
    """By what a subscription prices usage that occurred at one time.

    version: the pin; None follows the product's versions. overrides: each in place of the
    product's price of its key. discount: a fraction of every price, as an exact decimal.
    cycle: whose totals the usage moves.
    """

    product: str
    version: int | None
    cycle: Cycle
    overrides: tuple[Price, ...] = ()
    discount: str = NO_DISCOUNT


class PricingSubscription(Protocol):
    """A subscription, as rating asks it. The wallet keeps them by id, the oldest first."""

    def pricing_at(self, occurred_at: datetime) -> PricingTerms | None:
        """Return by what it prices usage of that time; None while it prices none (not yet
        or no longer TRIALING or ACTIVE).
        """
        ...


def terms_at(
    subscriptions: Iterable[PricingSubscription],
    catalog: Catalog,
    months: Months,
    occurred_at: datetime,
) -> list[PricingTerms]:
    """Return by what a customer's usage of that time is priced, what comes first first:
    subscriptions, the oldest first; then the default product, by calendar months.
    """
    found = [terms for each in subscriptions if (terms := each.pricing_at(occurred_at)) is not None]
    default = catalog.default_product(occurred_at)
    if default is not None:
        found.append(PricingTerms(default.key, None, months.at(occurred_at)))
    return found
