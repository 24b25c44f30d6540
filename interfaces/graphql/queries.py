"""Queries. Things by id come from the write model at its latest version; lists come from
read models, which are waited for, and say how far behind they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from anyio import to_thread

from domain import identity
from domain.subscriptions.events import FEE_SOURCE
from interfaces.graphql import lists
from interfaces.graphql.assets import Asset, asset_of
from interfaces.graphql.catalog_fields import CatalogQueries
from interfaces.graphql.charges import UsageCharge, UsageChargeConnection, load_charge
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.cost_fields import CostQueries
from interfaces.graphql.customer_subscription_fields import SubscriptionQueries
from interfaces.graphql.customers import Customer, CustomerConnection, load_customer
from interfaces.graphql.errors import bad_input
from interfaces.graphql.fields import answering, field
from interfaces.graphql.finance import FinanceQueries
from interfaces.graphql.grants import CreditGrant, load_grant
from interfaces.graphql.health import HealthQueries
from interfaces.graphql.holds import Hold, load_open_holds
from interfaces.graphql.inputs import ChargeFilter, UsageEventInput, said
from interfaces.graphql.invoice_fields import InvoiceQueries
from interfaces.graphql.log import LedgerEventConnection, events_page, position_of
from interfaces.graphql.lookups import (
    check_identifiers,
    customer_id_of,
    load_node,
    required_customer,
    wallet_id_of,
)
from interfaces.graphql.margins import MarginQueries
from interfaces.graphql.nodes import Node, page_size
from interfaces.graphql.results import RecordUsageResult
from interfaces.graphql.scalars import InstantText
from interfaces.graphql.spend_fields import SpendQueries
from interfaces.graphql.statement import (
    BalancePoint,
    Bucket,
    StatementConnection,
    UsageGroup,
    UsagePoint,
)
from interfaces.graphql.templates import TemplateQueries
from interfaces.graphql.times import optional_instant
from interfaces.graphql.top_up_fields import TopUpQueries
from interfaces.graphql.trials import TrialQueries
from interfaces.graphql.wallets import Wallet, load_past_wallet, load_wallet


@strawberry.type
class Query(
    CatalogQueries,
    CostQueries,
    HealthQueries,
    SubscriptionQueries,
    TemplateQueries,
    TrialQueries,
    SpendQueries,
    TopUpQueries,
    MarginQueries,
    FinanceQueries,
    InvoiceQueries,
):
    @field("The ledger's clock.")
    async def now(self, info: Info) -> datetime:
        return await info.context.loaders.now()

    @strawberry.field
    async def node(self, info: Info, *, id: strawberry.ID) -> Node | None:
        return await load_node(info.context, id)

    @field("Custom assets, and the currencies in use.")
    async def assets(self, info: Info) -> list[Asset]:
        context = info.context
        found = await to_thread.run_sync(context.runtime.reader.assets, context.caller.tenant_id)
        return [asset_of(asset) for asset in found]

    @field("By `id` or by `externalId`.")
    async def customer(
        self,
        info: Info,
        *,
        id: strawberry.ID | None = strawberry.UNSET,
        external_id: str | None = strawberry.UNSET,
    ) -> Customer | None:
        context, by_id, by_key = info.context, said(id), said(external_id)
        if (by_id is None) == (by_key is None):
            raise bad_input("customer: give id or externalId")
        if by_key is not None:
            check_identifiers(externalId=by_key)
            found = identity.customer_id(context.caller.tenant_id, by_key)
        else:
            assert by_id is not None
            found = customer_id_of(context, by_id, "id")
        return await load_customer(context, found)

    @field("Newest first.")
    async def customers(
        self, info: Info, *, first: int | None = 50, after: str | None = strawberry.UNSET
    ) -> CustomerConnection:
        return await lists.customers(info.context, page_size(first), said(after))

    @field("`asOf` folds the log to that recorded time; what fell due by then counts.")
    async def wallet(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        as_of: InstantText | None = strawberry.UNSET,
    ) -> Wallet | None:
        context = info.context
        wallet_id = wallet_id_of(context, customer_id_of(context, customer_id, "customerId"))
        at = optional_instant(said(as_of), "asOf")
        if at is None:
            return await load_wallet(context, wallet_id)
        return await load_past_wallet(context, wallet_id, at)

    @strawberry.field
    async def grant(self, info: Info, *, id: strawberry.ID) -> CreditGrant | None:
        return await load_grant(info.context, id.lower())

    @answering(
        RecordUsageResult,
        "The decision of recordUsage, nothing recorded.",
    )
    async def check_usage(self, info: Info, *, input: UsageEventInput) -> object:
        return await perform(info, lambda: input.command(dry=True))

    @field("What moved a balance, newest first.")
    async def statement(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        asset: str,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> StatementConnection:
        size = page_size(first)
        return await lists.statement(info.context, customer_id, asset, size, said(after))

    @field("The balance at the end of each bucket.")
    async def balance_series(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        asset: str,
        from_: Annotated[InstantText, strawberry.argument(name="from")],
        to: InstantText,
        bucket: Bucket,
    ) -> list[BalancePoint]:
        span = lists.span_of(from_, to, bucket)
        return await lists.balance_series(info.context, customer_id, asset, span)

    @field("Usage by the time it occurred.")
    async def usage_series(
        self,
        info: Info,
        *,
        from_: Annotated[InstantText, strawberry.argument(name="from")],
        to: InstantText,
        bucket: Bucket,
        filter: ChargeFilter | None = strawberry.UNSET,
        by: UsageGroup | None = strawberry.UNSET,
        property: str | None = strawberry.UNSET,
    ) -> list[UsagePoint]:
        span = lists.span_of(from_, to, bucket)
        return await lists.usage_series(info.context, said(filter), span, said(by), said(property))

    @field("By `id`, or by `eventId` and its source.")
    async def charge(
        self,
        info: Info,
        *,
        id: strawberry.ID | None = strawberry.UNSET,
        event_id: str | None = strawberry.UNSET,
        source: str | None = "default",
    ) -> UsageCharge | None:
        context, by_id, by_event = info.context, said(id), said(event_id)
        if (by_id is None) == (by_event is None):
            raise bad_input("charge: give id or eventId")
        if by_id is not None:
            return await load_charge(context, by_id.lower())
        assert by_event is not None
        by_source = "default" if source is None else source
        check_identifiers(eventId=by_event, source=by_source)
        if by_source == FEE_SOURCE:
            return await load_charge(context, identity.fee_id(by_event))
        charge_id = identity.charge_id(context.caller.tenant_id, by_source, by_event)
        return await load_charge(context, charge_id)

    @field("Newest first. AUTHORIZED and RELEASED ones only when the filter's status asks.")
    async def charges(
        self,
        info: Info,
        *,
        filter: ChargeFilter | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> UsageChargeConnection:
        return await lists.charges(info.context, said(filter), page_size(first), said(after))

    @field("Open ones, oldest first.")
    async def holds(self, info: Info, *, customer_id: strawberry.ID) -> list[Hold]:
        customer = await required_customer(info.context, customer_id)
        return await load_open_holds(info.context, customer.wallet_id)

    @field("The log itself, for audits; newest first.")
    async def events(
        self,
        info: Info,
        *,
        aggregate_id: strawberry.ID | None = strawberry.UNSET,
        actor: str | None = strawberry.UNSET,
        request_id: str | None = strawberry.UNSET,
        recorded_from: InstantText | None = strawberry.UNSET,
        recorded_to: InstantText | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        first: int | None = 50,
    ) -> LedgerEventConnection:
        context, size = info.context, page_size(first)
        stream, by_actor, by_request = said(aggregate_id), said(actor), said(request_id)
        check_identifiers(actor=by_actor, requestId=by_request)
        since = optional_instant(said(recorded_from), "recordedFrom")
        until = optional_instant(said(recorded_to), "recordedTo")
        before = position_of(said(after))
        reader, tenant_id = context.runtime.reader, context.caller.tenant_id
        events = await to_thread.run_sync(
            lambda: reader.events(
                tenant_id,
                aggregate_id=None if stream is None else stream.lower(),
                actor=by_actor,
                request_id=by_request,
                recorded_from=since,
                recorded_to=until,
                before_position=before,
                limit=size + 1,
            )
        )
        return events_page(events, size)
