"""A version tried on usage: drafts too, and whether or not the customer has the product."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from domain.calendar.months import Months
from domain.rating.pricing import PricingSubscription, PricingTerms


@dataclass(frozen=True, slots=True)
class Trial:
    """version: None follows the product's versions."""

    product: str
    version: int | None

    def terms(
        self, subscriptions: Iterable[PricingSubscription], months: Months, at: datetime
    ) -> PricingTerms:
        """Return by what a customer's usage of that time would be priced: as by its
        subscription of the product, if it has one, else by calendar months.
        """
        for each in subscriptions:
            terms = each.pricing_at(at)
            if terms is not None and terms.product == self.product:
                return replace(terms, version=self.version)
        return PricingTerms(self.product, self.version, months.at(at))
