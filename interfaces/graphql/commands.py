"""The way of a command: said by a mutation, decided by the ledger, answered as a type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from strawberry.types.union import StrawberryUnion

from application.commands import answers
from application.commands.requests import Command
from application.ledger import Outcome
from domain.refusals import InvalidInput, Refusal
from interfaces.graphql.accounting import (
    AccountingPeriod,
    AccountMappings,
    load_period,
    mappings_of,
)
from interfaces.graphql.adjustments import Adjustment, adjustment_of
from interfaces.graphql.assets import Asset, asset_of
from interfaces.graphql.budgets import Budget, BudgetTemplate, budget_of, template_of
from interfaces.graphql.catalog import Meter, Product, meter_of, product_of
from interfaces.graphql.charges import UsageCharge, charge_of
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.cost_tables import CostTable, cost_table_of
from interfaces.graphql.customer_subscriptions import CustomerSubscription, load_subscription
from interfaces.graphql.customers import Customer, load_customer
from interfaces.graphql.grants import CreditGrant, load_grant
from interfaces.graphql.holds import Hold, hold_of
from interfaces.graphql.invoices import (
    CreditNote,
    Invoice,
    Seller,
    document_of,
)
from interfaces.graphql.problems import AnyProblem, problem_of
from interfaces.graphql.top_ups import TopUpRequest, load_top_up
from interfaces.graphql.wallets import Wallet, load_wallet

T = TypeVar("T")

Shown = (
    Adjustment
    | Asset
    | AccountingPeriod
    | AccountMappings
    | UsageCharge
    | Customer
    | CreditGrant
    | Hold
    | Wallet
    | Budget
    | BudgetTemplate
    | TopUpRequest
    | Invoice
    | CreditNote
    | Seller
    | CustomerSubscription
    | Meter
    | Product
    | CostTable
)


async def perform(info: Info, build: Callable[[], Command]) -> Shown | AnyProblem:
    """Make a command, have it decided, and return the answer as the mutation's union has it.

    A refusal that the union has no member for is raised.
    """
    try:
        command = build()
    except InvalidInput as refusal:
        return refused(info, refusal)
    return await answered(info, await submit(info.context, command))


async def answered(info: Info, outcome: Outcome) -> Shown | AnyProblem:
    """Return an outcome as the mutation's union has it."""
    if outcome.refusal is not None:
        return refused(info, outcome.refusal)
    assert outcome.answer is not None
    return await shown(info.context, outcome.answer)


async def submit(context: RequestContext, command: Command) -> Outcome:
    """Have a command decided. Raises OutcomeUnknown, NotASandbox."""
    outcome = await context.runtime.ledger.submit(context.caller, command)
    _note(context, [outcome])
    return outcome


async def perform_each(
    info: Info, builds: Sequence[Callable[[], Command]]
) -> list[Shown | AnyProblem]:
    """The same for many, each answered in its place: one that is bad stops no other."""
    context = info.context
    answered: list[Shown | AnyProblem | None] = []
    commands: list[Command] = []
    for build in builds:
        try:
            commands.append(build())
            answered.append(None)
        except InvalidInput as refusal:
            answered.append(problem_of(refusal))
    outcomes = await context.runtime.ledger.submit_many(context.caller, commands)
    _note(context, outcomes)
    rest = iter(outcomes)
    return [each or await _answered(context, next(rest)) for each in answered]


async def _answered(context: RequestContext, outcome: Outcome) -> Shown | AnyProblem:
    if outcome.error is not None:
        raise outcome.error
    if outcome.refusal is not None:
        return problem_of(outcome.refusal)
    assert outcome.answer is not None
    return await shown(context, outcome.answer)


def _note(context: RequestContext, outcomes: Sequence[Outcome]) -> None:
    context.renew()
    for outcome in outcomes:
        context.reached(outcome.position)


def refused(info: Info, refusal: Refusal) -> AnyProblem:
    problem = problem_of(refusal)
    union = info.return_type
    if not isinstance(union, StrawberryUnion) or type(problem) not in union.types:
        raise refusal
    return problem


async def shown(context: RequestContext, answer: answers.Answer) -> Shown:
    """Return what a command answered as the API shows it; what it made is read back."""
    match answer:
        case answers.ChargeAnswer():
            charge = answer.charge
            scale = await context.loaders.scale(charge.asset)
            return charge_of(context.caller.tenant_id, charge, scale, replayed=answer.replayed)
        case answers.HoldAnswer():
            charge = answer.charge
            scale = await context.loaders.scale(charge.asset)
            now = await context.loaders.now() if answer.replayed else None
            return hold_of(charge, scale, now, replayed=answer.replayed)
        case answers.GrantAnswer():
            return _made(await load_grant(context, answer.grant_id, replayed=answer.replayed))
        case answers.WalletAnswer():
            return _made(await load_wallet(context, answer.wallet_id))
        case answers.CustomerAnswer():
            return _made(await load_customer(context, answer.customer_id))
        case answers.AssetAnswer():
            return asset_of(_made(await context.loaders.asset(answer.key)))
        case answers.PeriodAnswer():
            return await load_period(context, answer.month)
        case answers.AdjustmentAnswer():
            return adjustment_of(answer, await context.loaders.scale(answer.asset))
        case answers.SubscriptionAnswer():
            subscription_id, replayed = answer.subscription_id, answer.replayed
            return _made(await load_subscription(context, subscription_id, replayed=replayed))
        case answers.TopUpAnswer():
            return _made(await load_top_up(context, answer.request_id))
        case (
            answers.ClockAnswer()
            | answers.DueWorkAnswer()
            | answers.RerateAnswer()
            | answers.SimulationAnswer()
        ):
            raise AssertionError("whoever asks for these shows them")
        case whole:
            return _shown_as_told(context.caller.tenant_id, whole)


def _shown_as_told(tenant_id: str, answer: answers.WholeAnswer) -> Shown:
    """Return an answer that carries all that is shown of it."""
    match answer:
        case answers.InvoiceAnswer() | answers.CreditNoteAnswer() | answers.SellerAnswer():
            return document_of(answer)
        case answers.AccountMappingsAnswer():
            return mappings_of(answer)
        case answers.BudgetAnswer():
            return budget_of(answer.figures, answer.scale)
        case answers.BudgetTemplateAnswer():
            return template_of(answer.template, answer.scale)
        case answers.MeterAnswer():
            return meter_of(tenant_id, answer.meter)
        case answers.CostTableAnswer():
            return cost_table_of(answer.version)
        case answers.ProductAnswer():
            return product_of(tenant_id, answer.product)
        case never:
            assert_never(never)


def _made(thing: T | None) -> T:
    assert thing is not None, "what was recorded cannot be read back"
    return thing
