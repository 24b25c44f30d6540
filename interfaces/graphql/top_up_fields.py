"""Queries and mutations about balance alerts, auto top-up and what is told."""

from __future__ import annotations

from typing import Annotated

import strawberry

from application.commands import top_up_requests as requests
from domain.refusals import InvalidInput as WrongInput
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import MoneyInput, default, money, said
from interfaces.graphql.lists import read_page
from interfaces.graphql.lookups import customer_id_of
from interfaces.graphql.nodes import PageInfo, page_size
from interfaces.graphql.notifications import (
    NotificationConnection,
    NotificationKind,
    notification_of,
)
from interfaces.graphql.problems import (
    IdempotencyConflict,
    InvalidInput,
    InvalidState,
    NotFound,
    Overloaded,
)
from interfaces.graphql.results import WalletResult
from interfaces.graphql.scalars import ExactDecimal
from interfaces.graphql.top_ups import (
    TopUpOutcome,
    TopUpRequest,
    TopUpRequestConnection,
    TopUpStatus,
    load_top_up,
)

TopUpResult = Annotated[
    TopUpRequest | InvalidInput | NotFound | InvalidState | IdempotencyConflict | Overloaded,
    strawberry.union("TopUpResult"),
]


@strawberry.type
class TopUpQueries:
    @field("Newest first.")
    async def top_ups(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID | None = strawberry.UNSET,
        status: TopUpStatus | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> TopUpRequestConnection:
        context, size = info.context, page_size(first)
        of_customer, of_status = said(customer_id), said(status)
        customer = (
            None if of_customer is None else customer_id_of(context, of_customer, "customerId")
        )
        await context.wait_for_lists(customer)
        models, tenant_id = context.runtime.read_models, context.caller.tenant_id
        now = await context.loaders.now()
        wanted = None if of_status is None else of_status.value
        page = await read_page(
            lambda: models.top_up_page(tenant_id, customer, wanted, now, size, said(after))
        )
        nodes = [await load_top_up(context, each) for each in page.nodes]
        return TopUpRequestConnection(
            nodes=[each for each in nodes if each is not None],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )

    @field("What is worth telling, newest first.")
    async def notifications(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID | None = strawberry.UNSET,
        kind: NotificationKind | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> NotificationConnection:
        context, size = info.context, page_size(first)
        of_customer, of_kind = said(customer_id), said(kind)
        customer = (
            None if of_customer is None else customer_id_of(context, of_customer, "customerId")
        )
        # Of the tenant: what tells of a customer may stand in another stream than the wallet's.
        await context.wait_for_lists(None)
        models, tenant_id = context.runtime.read_models, context.caller.tenant_id
        wanted = None if of_kind is None else of_kind.value
        page = await read_page(
            lambda: models.notification_page(tenant_id, customer, wanted, size, said(after))
        )
        return NotificationConnection(
            nodes=[await notification_of(context, row) for row in page.nodes],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=page.end_cursor),
        )


@strawberry.type
class TopUpMutations:
    @answering(
        WalletResult,
        "Tells once when the balance falls below, and again only after it was above. `below` "
        "must be said; null: none.",
    )
    async def set_balance_alert(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        asset: str,
        below: ExactDecimal | None = strawberry.UNSET,
    ) -> object:
        def command() -> requests.SetBalanceAlert:
            return requests.SetBalanceAlert(customer_id, asset, _below(below, "none"))

        return await perform(info, command)

    @answering(
        WalletResult,
        "Asks for a payment when what lowers the balance leaves it below: for `amount`, or up to "
        "`target` at the exchange rate. `below` must be said; null: off. `validDays`: how long "
        "the credits live.",
    )
    async def set_auto_top_up(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        asset: str,
        below: ExactDecimal | None = strawberry.UNSET,
        valid_days: int | None = strawberry.UNSET,
        amount: ExactDecimal | None = strawberry.UNSET,
        target: ExactDecimal | None = strawberry.UNSET,
        price: MoneyInput | None = strawberry.UNSET,
        max_per_day: int | None = 3,
        max_per_month: MoneyInput | None = strawberry.UNSET,
    ) -> object:
        def command() -> requests.SetAutoTopUp:
            return requests.SetAutoTopUp(
                customer_id,
                asset,
                _below(below, "off"),
                said(amount),
                said(target),
                money(said(price)),
                said(valid_days),
                default(max_per_day, otherwise=3),
                money(said(max_per_month)),
            )

        return await perform(info, command)

    @answering(WalletResult, "Lets an auto top-up ask again that declines have suspended.")
    async def resume_auto_top_up(
        self, info: Info, *, customer_id: strawberry.ID, asset: str
    ) -> object:
        return await perform(info, lambda: requests.ResumeAutoTopUp(customer_id, asset))

    @answering(
        TopUpResult,
        "What became of a request. SETTLED credits a PAID grant, once, however late; `paid`: the "
        "request's price unless said. The same again answers as it did.",
    )
    async def report_top_up(
        self,
        info: Info,
        *,
        request_id: strawberry.ID,
        outcome: TopUpOutcome,
        paid: MoneyInput | None = strawberry.UNSET,
        reference: str | None = strawberry.UNSET,
        reason: str | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info,
            lambda: requests.ReportTopUp(
                request_id, outcome.value, money(said(paid)), said(reference), said(reason)
            ),
        )


def _below(below: ExactDecimal | None, null_means: str) -> str | None:
    if below is strawberry.UNSET:
        raise WrongInput(field="below", reason=f"must be said; null means {null_means}")
    return below
