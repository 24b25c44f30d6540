"""A ledger in memory: real commands and real folds, a list of events for a log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from graphql import DocumentNode
from strawberry.types import ExecutionResult

from application.batch import Batch
from application.caller import Caller
from application.clock import SetClock
from application.codec import EventCodec, topic_of
from application.commands.handlers import decide, own_stream
from application.commands.requests import Command
from application.errors import NotASandbox
from application.ledger import Outcome
from application.reading import LoggedEvent
from application.registries import AssetRegistry
from application.storage.wallets import WalletCache
from application.work import Work
from domain import identity
from domain.aggregate import Aggregate, Event
from domain.catalog.catalog import Catalog
from domain.customers.customer import Customer
from domain.grants.grant import CreditGrant
from domain.invoicing.credit_note import CreditNote
from domain.invoicing.invoice import Invoice
from domain.money.asset import Asset, CustomAsset, currency
from domain.refusals import Refusal
from domain.tenancy.tenant import ClockAdvanced, Tenant, TenantOpened
from domain.usage.charge import HoldPointer, UsageCharge
from domain.wallet.derived_budgets import BudgetCounted, BudgetPointer
from domain.wallet.events import GrantCredited, OverageSettled
from domain.wallet.wallet import Wallet
from interfaces.graphql import view
from interfaces.graphql.context import Gate, RequestContext
from projections.pages import Page, place
from projections.statement_queries import StatementLine

TENANT = identity.tenant_id("tests")
START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

A = TypeVar("A", bound=Aggregate)


class MemoryLog:
    """Events in the order of their positions, by stream."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.authors: list[Caller] = []

    def append(self, events: Sequence[Event], caller: Caller) -> None:
        self.all += events
        self.authors += [caller] * len(events)

    def stream(self, stream_id: str) -> list[Event]:
        return [event for event in self.all if event.originator_id == stream_id]

    def events(self, tenant_id: str, ids: Sequence[str]) -> dict[str, list[Event]]:
        return {each: self.stream(each) for each in ids if self.stream(each)}

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        return {each: len(self.stream(each)) for each in ids if self.stream(each)}

    def wallets(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Wallet]:
        found = {each: Wallet.fold(self.stream(each)) for each in ids}
        return {each: wallet for each, wallet in found.items() if wallet is not None}

    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]:
        return {each: self.stream(each)[-1] for each in ids if self.stream(each)}

    def rated_since(self, tenant_id: str, wallet_id: str, since: datetime) -> list[Event]:
        return []

    def repayments(self, tenant_id: str, wallet_id: str) -> list[OverageSettled]:
        return [each for each in self.stream(wallet_id) if isinstance(each, OverageSettled)]


class MemoryLedger:
    def __init__(self, log: MemoryLog, clock: SetClock) -> None:
        self._log = log
        self._clock = clock
        self.submitted: list[Command] = []
        self.fails: Exception | None = None
        self.refuses: Refusal | None = None

    async def submit(self, caller: Caller, command: Command) -> Outcome:
        (outcome,) = await self.submit_many(caller, [command])
        if outcome.error is not None:
            raise outcome.error
        return outcome

    async def submit_many(self, caller: Caller, commands: Sequence[Command]) -> list[Outcome]:
        return [self._decide(caller, command) for command in commands]

    def _decide(self, caller: Caller, command: Command) -> Outcome:
        self.submitted.append(command)
        if self.fails is not None:
            return Outcome(None, None, 0, self.fails)
        if self.refuses is not None:
            return Outcome(None, self.refuses, 0)
        batch = Batch(self._log, WalletCache(), AssetRegistry(), self._clock)
        batch.by(caller)
        own = own_stream(caller.tenant_id, command)
        batch.look_up(caller.tenant_id, [] if own is None else [own])
        try:
            command.check()
            answer = decide(Work(batch, caller), command)
        except Refusal as refusal:
            return Outcome(None, refusal, 0)
        except NotASandbox as error:
            return Outcome(None, None, 0, error)
        batch.seal()
        self._log.append(batch.decided, caller)
        return Outcome(answer, None, len(self._log.all))


class MemoryReader:
    def __init__(self, log: MemoryLog, clock: SetClock) -> None:
        self._log = log
        self._clock = clock
        self._codec = EventCodec()
        self.reads: list[str] = []

    def now(self, tenant_id: str) -> datetime:
        self.reads.append("now")
        (tenant,) = self._many(Tenant, [tenant_id]).values()
        return tenant.clock_at or self._clock.now()

    def asset(self, tenant_id: str, key: str) -> Asset | None:
        self.reads.append("asset")
        custom = self.custom_asset(tenant_id, key)
        return custom.asset if custom else currency(key)

    def custom_asset(self, tenant_id: str, key: str) -> CustomAsset | None:
        asset_id = identity.asset_id(tenant_id, key)
        return self._many(CustomAsset, [asset_id]).get(asset_id)

    def assets(self, tenant_id: str) -> list[Asset]:
        ids = [event.originator_id for event in self._log.all]
        return [custom.asset for custom in self._many(CustomAsset, ids).values()]

    def catalog(self, tenant_id: str) -> Catalog:
        catalog_id = identity.catalog_id(tenant_id)
        catalog = Catalog.fold(self._log.stream(catalog_id))
        return catalog or Catalog.empty(catalog_id, self._clock.now())

    def customer_id(self, tenant_id: str, reference: str) -> str:
        if reference.startswith("ext:"):
            return identity.customer_id(tenant_id, reference[4:])
        return reference.lower()

    def customers(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Customer]:
        self.reads.append("customers")
        return self._many(Customer, ids)

    def grants(self, tenant_id: str, ids: Sequence[str]) -> dict[str, CreditGrant]:
        self.reads.append("grants")
        return self._many(CreditGrant, ids)

    def charges(self, tenant_id: str, ids: Sequence[str]) -> dict[str, UsageCharge]:
        self.reads.append("charges")
        return self._many(UsageCharge, ids)

    def invoices(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Invoice]:
        return self._many(Invoice, ids)

    def credit_notes(self, tenant_id: str, ids: Sequence[str]) -> dict[str, CreditNote]:
        return self._many(CreditNote, ids)

    def hold_pointers(self, tenant_id: str, ids: Sequence[str]) -> dict[str, HoldPointer]:
        return self._many(HoldPointer, ids)

    def tenant(self, tenant_id: str) -> Tenant:
        return self._many(Tenant, [tenant_id])[tenant_id]

    def budget_pointers(self, tenant_id: str, ids: Sequence[str]) -> dict[str, BudgetPointer]:
        return self._many(BudgetPointer, ids)

    def wallets(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Wallet]:
        self.reads.append("wallets")
        at = self.now(tenant_id)
        found = self._many(Wallet, ids)
        return {each: wallet.as_of(wallet.time(at)) for each, wallet in found.items()}

    def wallet_as_of(self, tenant_id: str, wallet_id: str, at: datetime) -> Wallet | None:
        events = [each for each in self._log.stream(wallet_id) if each.timestamp <= at]
        wallet = Wallet.fold(events)
        return None if wallet is None else wallet.as_of(at)

    def last_position(self, tenant_id: str, stream_id: str | None = None) -> int:
        streams = [event.originator_id for event in self._log.all]
        return max(
            (at for at, each in enumerate(streams, 1) if stream_id in (None, each)), default=0
        )

    def events(
        self,
        tenant_id: str,
        *,
        aggregate_id: str | None = None,
        actor: str | None = None,
        request_id: str | None = None,
        recorded_from: datetime | None = None,
        recorded_to: datetime | None = None,
        before_position: int | None = None,
        limit: int = 50,
    ) -> list[LoggedEvent]:
        found: list[LoggedEvent] = []
        for index, event in enumerate(self._log.all):
            author = self._log.authors[index]
            if (
                (aggregate_id in (None, event.originator_id))
                and actor in (None, author.actor)
                and request_id in (None, author.request_id)
                and (recorded_from is None or event.timestamp >= recorded_from)
                and (recorded_to is None or event.timestamp < recorded_to)
                and (before_position is None or index + 1 < before_position)
            ):
                found.append(
                    LoggedEvent(
                        index + 1,
                        event.originator_id,
                        event.originator_version,
                        topic_of(event),
                        self._codec.encode(event),
                        event.timestamp,
                        author.actor,
                        author.request_id,
                    )
                )
        return found[::-1][:limit]

    def _many(self, aggregate_class: type[A], ids: Sequence[str]) -> dict[str, A]:
        found: dict[str, A] = {}
        for each in dict.fromkeys(ids):
            events = self._log.stream(each)
            if events and aggregate_class.begins_with(events[0]):
                folded = aggregate_class.fold(events)
                assert folded is not None
                found[each] = folded
        return found


class MemoryReadModels:
    """Only what the write model cannot answer; pages are what a test puts here."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.pages: dict[str, Page[Any]] = {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.points: list[Any] = []

    def spent_grant_ids(self, tenant_id: str, wallet_id: str, asset: str) -> list[str]:
        return [
            event.terms.grant_id
            for event in self._log.stream(wallet_id)
            if isinstance(event, GrantCredited) and event.asset == asset
        ]

    def derived_budgets(self, tenant_id: str, wallet_id: str) -> dict[str, BudgetCounted]:
        return {
            event.originator_id: event
            for event in self._log.all
            if isinstance(event, BudgetCounted) and event.wallet_id == wallet_id
        }

    def notification(self, tenant_id: str, notification_id: str) -> None:
        """Nothing is told here."""

    def customer_page(self, *asked: Any) -> Page[str]:
        return self._page("customers", asked)

    def charge_page(self, *asked: Any) -> Page[str]:
        return self._page("charges", asked)

    def statement_page(self, *asked: Any) -> Page[StatementLine]:
        return self._page("statement", asked)

    def balance_series(self, *asked: Any) -> list[Any]:
        self.asked.append(("balance_series", asked))
        return self.points

    def usage_series(self, *asked: Any) -> list[Any]:
        self.asked.append(("usage_series", asked))
        return self.points

    def _page(self, listed: str, asked: tuple[Any, ...]) -> Page[Any]:
        self.asked.append((listed, asked))
        if isinstance(asked[-1], str):
            place(listed, 2 if listed == "statement" else 1, asked[-1])
        return self.pages[listed]


class MemoryRuntime:
    """A tenant of its own; `clock_at` makes it a sandbox."""

    def __init__(self, clock_at: datetime | None = START) -> None:
        self.log = MemoryLog()
        self.clock = SetClock(START)
        self.ledger = MemoryLedger(self.log, self.clock)
        self.reader = MemoryReader(self.log, self.clock)
        self.read_models = MemoryReadModels(self.log)
        self.tenant_id = TENANT
        self.caller = Caller(TENANT, "tests", "request-1")
        self.behind = 0
        self.waited: list[tuple[str | None, int]] = []
        self.changes: asyncio.Queue[int] = asyncio.Queue()
        self.feed_fails: Exception | None = None
        self.feeds_left = 0
        opened = TenantOpened(TENANT, 1, START, "tests", clock_at)
        self.log.append([opened], self.caller)

    async def wait_for_lists(
        self, tenant_id: str, customer_id: str | None, position: int, models: Sequence[str] = ()
    ) -> int:
        self.waited.append((customer_id, position))
        return self.behind

    async def wallet_changes(self, tenant_id: str, wallet_id: str) -> AsyncGenerator[int, None]:
        try:
            yield len(self.log.all)
            if self.feed_fails is not None:
                raise self.feed_fails
            while True:
                yield await self.changes.get()
        finally:
            self.feeds_left += 1

    def with_customer(self, external_id: str = "acme", mode: str = "CONTROL") -> MemoryRuntime:
        """Define CREDIT, and create a customer."""
        self.ask(
            """mutation($id: String!, $mode: WalletMode) {
                 defineAsset(input: {key: "CREDIT", name: "Credits"}) { __typename }
                 createCustomer(input: {externalId: $id, mode: $mode}) { __typename }
               }""",
            {"id": external_id, "mode": mode},
        )
        return self

    def grant(self, key: str, amount: str, **more: Any) -> str:
        """Issue a grant to ext:acme; return its id."""
        given = {
            "idempotencyKey": key,
            "customerId": "ext:acme",
            "asset": "CREDIT",
            "amount": amount,
            "source": "PROMOTIONAL",
        }
        answer = self.ask(
            """mutation($g: GrantInput!) {
                 issueGrant(input: $g) { ... on CreditGrant { id } ... on Problem { message } }
               }""",
            {"g": {**given, **more}},
        )
        return cast(str, answer["issueGrant"]["id"])

    def charge(self, event_id: str, amount: str, **more: Any) -> str:
        """Record usage of ext:acme; return the charge's id."""
        given = {
            "eventId": event_id,
            "customerId": "ext:acme",
            "meter": "tokens",
            "asset": "CREDIT",
            "amount": amount,
        }
        answer = self.ask(
            """mutation($e: UsageEventInput!) {
                 recordUsage(input: $e) { ... on UsageCharge { id } ... on Problem { message } }
               }""",
            {"e": {**given, **more}},
        )
        return cast(str, answer["recordUsage"]["id"])

    def hold(self, event_id: str, amount: str, **more: Any) -> str:
        """Authorise usage of ext:acme; return the hold's id."""
        given = {
            "eventId": event_id,
            "customerId": "ext:acme",
            "meter": "tokens",
            "asset": "CREDIT",
            "amount": amount,
        }
        answer = self.ask(
            """mutation($e: AuthorizeInput!) {
                 authorizeUsage(input: $e) { ... on Hold { id } ... on Problem { message } }
               }""",
            {"e": {**given, **more}},
        )
        return cast(str, answer["authorizeUsage"]["id"])

    def set_clock(self, at: datetime) -> None:
        """Move the test clock; what falls due on the way is not written."""
        (tenant,) = self.reader._many(Tenant, [TENANT]).values()
        self.log.append([ClockAdvanced(TENANT, tenant.version + 1, at, at)], self.caller)

    def context(self, gate: Gate | None = None, **more: Any) -> RequestContext:
        return RequestContext(
            runtime=cast(Any, self),
            caller=self.caller,
            scopes=frozenset({"ADMIN"}),
            gate=gate or _open_gate,
            **more,
        )

    async def run(
        self, text: str, variables: dict[str, Any] | None = None, **more: Any
    ) -> ExecutionResult:
        return await view.run(text, variables, None, self.context(**more))

    def ask(self, text: str, variables: dict[str, Any] | None = None) -> Any:
        """Return the answer of a request without errors."""
        result = asyncio.run(self.run(text, variables))
        assert result.errors is None, result.errors
        return result.data

    def fail(self, text: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the one error of a request, as the client sees it."""
        result = asyncio.run(self.run(text, variables))
        assert result.errors is not None, result.data
        (error,) = result.errors
        return cast(dict[str, Any], error.formatted)


def _open_gate(document: DocumentNode, variables: Any, name: str | None) -> None:
    """Let everything through."""
