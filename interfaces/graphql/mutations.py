"""Mutations: each one command."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from application.commands import requests
from application.commands.answers import ClockAnswer
from domain.refusals import InvalidInput
from interfaces.graphql.accounting_fields import AccountingMutations
from interfaces.graphql.catalog_fields import CatalogMutations
from interfaces.graphql.commands import perform, perform_each, submit
from interfaces.graphql.context import Info
from interfaces.graphql.correction_fields import CorrectionMutations
from interfaces.graphql.cost_fields import CostMutations
from interfaces.graphql.customer_mutations import CustomerMutations
from interfaces.graphql.customer_subscription_fields import SubscriptionMutations
from interfaces.graphql.errors import bad_input
from interfaces.graphql.exports import ExportMutations
from interfaces.graphql.fields import answering, field
from interfaces.graphql.inputs import (
    ZERO,
    AdjustmentInput,
    AssetInput,
    AuthorizeInput,
    CustomerInput,
    GrantInput,
    MoneyInput,
    Shortfall,
    UsageEventInput,
    default,
    mode_of,
    said,
)
from interfaces.graphql.inputs import (
    money as paid_back,
)
from interfaces.graphql.invoice_fields import InvoiceMutations
from interfaces.graphql.results import (
    AdjustResult,
    AuthorizeResult,
    CreateCustomerResult,
    DefineAssetResult,
    GrantResult,
    IssueGrantResult,
    RecordUsageResult,
    RefundChargeResult,
    WalletResult,
)
from interfaces.graphql.scalars import ExactDecimal, InstantText
from interfaces.graphql.spend_fields import SpendMutations
from interfaces.graphql.times import instant_of, optional_instant
from interfaces.graphql.top_up_fields import TopUpMutations
from interfaces.graphql.wallets import WalletMode

LARGEST_BATCH = 1_000


@strawberry.type
class Mutation(
    AccountingMutations,
    CatalogMutations,
    CostMutations,
    CorrectionMutations,
    CustomerMutations,
    SpendMutations,
    TopUpMutations,
    InvoiceMutations,
    ExportMutations,
    SubscriptionMutations,
):
    @answering(DefineAssetResult)
    async def define_asset(self, info: Info, *, input: AssetInput) -> object:
        return await perform(info, input.command)

    @answering(DefineAssetResult)
    async def set_exchange_rate(
        self,
        info: Info,
        *,
        asset: str,
        currency: str,
        unit_price: ExactDecimal,
        effective_at: InstantText | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info,
            lambda: requests.SetExchangeRate(
                asset, currency, unit_price, optional_instant(said(effective_at), "effectiveAt")
            ),
        )

    @answering(CreateCustomerResult)
    async def create_customer(self, info: Info, *, input: CustomerInput) -> object:
        return await perform(info, input.command)

    @answering(WalletResult)
    async def set_wallet_mode(
        self, info: Info, *, customer_id: strawberry.ID, mode: WalletMode
    ) -> object:
        return await perform(info, lambda: requests.SetWalletMode(customer_id, mode_of(mode)))

    @answering(
        WalletResult,
        "How far overage may go. `limit` must be said; null: without limit.",
    )
    async def set_overage_limit(
        self,
        info: Info,
        *,
        customer_id: strawberry.ID,
        asset: str,
        limit: ExactDecimal | None = strawberry.UNSET,
    ) -> object:
        def command() -> requests.SetOverageLimit:
            if limit is strawberry.UNSET:
                raise InvalidInput(field="limit", reason="must be said; null means no limit")
            return requests.SetOverageLimit(customer_id, asset, limit)

        return await perform(info, command)

    @answering(WalletResult)
    async def freeze_wallet(self, info: Info, *, customer_id: strawberry.ID, reason: str) -> object:
        return await perform(info, lambda: requests.FreezeWallet(customer_id, reason))

    @answering(WalletResult)
    async def unfreeze_wallet(self, info: Info, *, customer_id: strawberry.ID) -> object:
        return await perform(info, lambda: requests.UnfreezeWallet(customer_id))

    @answering(IssueGrantResult)
    async def issue_grant(self, info: Info, *, input: GrantInput) -> object:
        return await perform(info, input.command)

    @answering(
        GrantResult,
        "It was never paid for, or was a mistake: revokes what is neither burned nor held.",
    )
    async def void_grant(
        self, info: Info, *, id: strawberry.ID, reason: str, keep_claim: bool = False
    ) -> object:
        return await perform(info, lambda: requests.VoidGrant(id, reason, keep_claim))

    @answering(
        GrantResult,
        "The money of a DUE or CANCELLABLE grant has come in; `fee`: what the processor kept.",
    )
    async def record_grant_payment(
        self,
        info: Info,
        *,
        grant_id: strawberry.ID,
        reference: str,
        fee: ExactDecimal | None = ZERO,
    ) -> object:
        return await perform(
            info,
            lambda: requests.RecordGrantPayment(grant_id, reference, default(fee, otherwise=ZERO)),
        )

    @answering(
        GrantResult,
        "Money goes back: revokes `credits` (default: all that is refundable, or as many as "
        "`money` bought); `money` says what is paid, if other than their price.",
    )
    async def refund_grant(
        self,
        info: Info,
        *,
        id: strawberry.ID,
        reason: str,
        credits: ExactDecimal | None = strawberry.UNSET,
        money: MoneyInput | None = strawberry.UNSET,
        idempotency_key: str | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info,
            lambda: requests.RefundGrant(
                id, reason, said(credits), paid_back(said(money)), said(idempotency_key)
            ),
        )

    @answering(
        GrantResult,
        "Only while it has not expired. `expiresAt` must be said; null: never.",
    )
    async def extend_grant(
        self,
        info: Info,
        *,
        id: strawberry.ID,
        reason: str,
        expires_at: InstantText | None = strawberry.UNSET,
    ) -> object:
        def command() -> requests.ExtendGrant:
            if expires_at is strawberry.UNSET:
                raise InvalidInput(field="expiresAt", reason="must be said; null means never")
            return requests.ExtendGrant(id, optional_instant(expires_at, "expiresAt"), reason)

        return await perform(info, command)

    @answering(AdjustResult)
    async def adjust_wallet(self, info: Info, *, input: AdjustmentInput) -> object:
        return await perform(info, input.command)

    @answering(RecordUsageResult)
    async def record_usage(self, info: Info, *, input: UsageEventInput) -> object:
        return await perform(info, input.command)

    @answering(list[RecordUsageResult], "One answer an event, in order.")
    async def record_usage_batch(self, info: Info, *, events: list[UsageEventInput]) -> object:
        if len(events) > LARGEST_BATCH:
            raise bad_input(f"events: at most {LARGEST_BATCH}; more go to POST /v1/usage")
        return await perform_each(info, [event.command for event in events])

    @answering(AuthorizeResult)
    async def authorize_usage(self, info: Info, *, input: AuthorizeInput) -> object:
        return await perform(info, input.command)

    @answering(
        RecordUsageResult,
        "Without `eventId` the charge is the hold's own event and the hold ends. With it, "
        "one of several partial captures; `final: false` keeps the rest held.",
    )
    async def capture_usage(
        self,
        info: Info,
        *,
        hold_id: strawberry.ID,
        amount: ExactDecimal | None = strawberry.UNSET,
        quantity: ExactDecimal | None = strawberry.UNSET,
        event_id: str | None = strawberry.UNSET,
        final: bool | None = True,
        shortfall: Shortfall = Shortfall.REFUSE,
        properties: JSON | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info,
            lambda: requests.CaptureUsage(
                hold_id,
                amount=said(amount),
                quantity=said(quantity),
                event_id=said(event_id),
                final=default(final, otherwise=True),
                delivered=shortfall is Shortfall.OVERAGE,
                properties=said(properties),
            ),
        )

    @answering(AuthorizeResult, "From now; `amount`: the new total to hold.")
    async def extend_hold(
        self,
        info: Info,
        *,
        hold_id: strawberry.ID,
        ttl_seconds: int | None = strawberry.UNSET,
        amount: ExactDecimal | None = strawberry.UNSET,
    ) -> object:
        return await perform(
            info, lambda: requests.ExtendHold(hold_id, said(ttl_seconds), said(amount))
        )

    @answering(WalletResult)
    async def release_hold(self, info: Info, *, hold_id: strawberry.ID) -> object:
        return await perform(info, lambda: requests.ReleaseHold(hold_id))

    @answering(
        RefundChargeResult,
        "`compensate`: what cannot return to its grant becomes a COMPENSATION grant of the "
        "same cost basis.",
    )
    async def refund_charge(
        self,
        info: Info,
        *,
        charge_id: strawberry.ID,
        reason: str,
        idempotency_key: str,
        amount: ExactDecimal | None = strawberry.UNSET,
        compensate: bool | None = False,
    ) -> object:
        return await perform(
            info,
            lambda: requests.RefundCharge(
                charge_id, reason, idempotency_key, said(amount), bool(compensate)
            ),
        )

    @field("Sandbox tenants only.")
    async def advance_clock(self, info: Info, *, to: InstantText) -> datetime:
        outcome = await submit(info.context, requests.AdvanceClock(instant_of(to, "to")))
        if outcome.refusal is not None:
            raise outcome.refusal
        assert isinstance(outcome.answer, ClockAnswer)
        return outcome.answer.now
