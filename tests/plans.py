"""Plans and subscriptions of a ledger in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from application.commands.catalog_requests import (
    DraftProductVersion,
    IncludedGrantSaid,
    PriceSaid,
    PublishProductVersion,
)
from application.commands.subscription_requests import (
    CancelSubscription,
    ChangeSubscription,
    PauseSubscription,
    ResumeSubscription,
    SetOverrides,
    Subscribe,
)
from domain.catalog.price import PriceModel
from domain.money.decimals import decimal_of
from domain.subscriptions.enrolment import Enrolment
from domain.subscriptions.subscription import Subscription
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeRefunded, ChargeSettled
from tests.books import Books

FOR_EVER = datetime.fromisoformat("2020-01-01T00:00:00Z")


def flat(price: str, asset: str = "USD", key: str = "fee", **terms: Any) -> PriceSaid:
    return PriceSaid(key, PriceModel.FLAT, asset, unit_price=price, **terms)


def seat(price: str, asset: str = "USD", key: str = "seat", **terms: Any) -> PriceSaid:
    return PriceSaid(key, PriceModel.SEAT, asset, unit_price=price, **terms)


def included(amount: str, **terms: Any) -> IncludedGrantSaid:
    """So many CREDIT, whatever the seats unless said."""
    terms.setdefault("per_seat", False)
    return IncludedGrantSaid("CREDIT", amount, **terms)


class Plans:
    """Subscriptions of acme, who has 1 000 000 USD of credit in advance unless said."""

    def __init__(self, books: Books, money: str | None = "1000000", **customer: Any) -> None:
        self.books = books
        books.customer(**customer)
        if money is not None:
            books.grant("money", money, asset="USD", source="PROMOTIONAL")

    def publish(
        self,
        product: str,
        prices: Iterable[PriceSaid] = (),
        includes: Iterable[IncludedGrantSaid] = (),
        effective_at: datetime = FOR_EVER,
        **terms: Any,
    ) -> None:
        draft = DraftProductVersion(
            product, tuple(prices), includes=tuple(includes), effective_at=effective_at, **terms
        )
        number = len(self.books.do(draft).product.versions)
        self.books.do(PublishProductVersion(product, number))

    def subscribe(self, product: str, key: str | None = None, **terms: Any) -> str:
        command = Subscribe(key or product, "ext:acme", product, **terms)
        subscription_id: str = self.books.do(command).subscription_id
        return subscription_id

    def change(self, subscription_id: str, product: str, **terms: Any) -> None:
        self.books.do(ChangeSubscription(subscription_id, product, **terms))

    def override(self, subscription_id: str, *prices: PriceSaid, **terms: Any) -> None:
        self.books.do(SetOverrides(subscription_id, prices, **terms))

    def pause(self, subscription_id: str) -> None:
        self.books.do(PauseSubscription(subscription_id))

    def resume(self, subscription_id: str) -> None:
        self.books.do(ResumeSubscription(subscription_id))

    def cancel(self, subscription_id: str, **terms: Any) -> None:
        self.books.do(CancelSubscription(subscription_id, **terms))

    # Reading

    def enrolment(self, subscription_id: str) -> Enrolment:
        return self.books.wallet().enrolments[subscription_id]

    def told(self, subscription_id: str) -> Subscription:
        subscription = Subscription.fold(self.books.log.stream(subscription_id))
        assert subscription is not None
        return subscription

    def fees(self, asset: str = "USD") -> list[str]:
        """Return what was charged and, negative, given back of fees, in order."""
        moves: list[str] = []
        scale = self.books.account(asset).scale
        for event in self.books.log.all():
            if isinstance(event, ChargeSettled) and event.reported.source != "default":
                if event.asset == asset:
                    moves.append(decimal_of(event.amount_units, scale))
            elif isinstance(event, ChargeRefunded) and event.asset == asset:
                moves.append(decimal_of(-event.units, scale))
        return moves

    def fee_charges(self) -> list[UsageCharge]:
        found = [
            UsageCharge.fold(self.books.log.stream(event.originator_id))
            for event in self.books.log.all()
            if isinstance(event, ChargeSettled) and event.reported.source != "default"
        ]
        return [each for each in found if each is not None]

    def run(self) -> None:
        """Write what has fallen due."""
        from application.commands.requests import RunDueWork

        self.books.do(RunDueWork(self.books.wallet().id))
