"""A ledger without a database: the same commands, on streams in memory.

What is committed goes through the codec, so that every figure asserted is one that the log
can give back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from application.batch import Batch
from application.caller import Caller
from application.clock import SetClock
from application.codec import EventCodec, topic_of
from application.commands.answers import Answer
from application.commands.handlers import decide
from application.commands.requests import (
    AuthorizeUsage,
    CaptureUsage,
    Command,
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    Money,
    RecordUsage,
    RefundCharge,
)
from application.registries import AssetRegistry
from application.storage.streams import RATED_TOPICS
from application.storage.wallets import WalletCache
from application.work import Work
from domain import identity
from domain.aggregate import Event
from domain.catalog.catalog import Catalog
from domain.grants.grant import CreditGrant
from domain.money.asset import Asset
from domain.money.decimals import decimal_of
from domain.refusals import Refusal
from domain.tenancy.tenant import TenantOpened
from domain.usage.charge import UsageCharge
from domain.wallet.account import Account
from domain.wallet.events import OverageSettled
from domain.wallet.standing import WalletState
from domain.wallet.wallet import Wallet

CODEC = EventCodec()
START = datetime(2026, 1, 10, tzinfo=UTC)
CREDIT = Asset("CREDIT", "Credits", "CUSTOM", 6)


class MemoryLog:
    """Rows by stream, as a batch may ask for them."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, str, bytes]] = []
        self.streams: dict[str, list[tuple[int, str, bytes]]] = {}

    def append(self, events: Sequence[Event]) -> None:
        for event in events:
            stream = self.streams.setdefault(event.originator_id, [])
            assert event.originator_version == len(stream) + 1, event
            row = (event.originator_version, topic_of(event), CODEC.encode(event))
            stream.append(row)
            self.rows.append((event.originator_id, *row))

    def stream(self, stream_id: str) -> list[Event]:
        return [
            CODEC.decode(topic, state, stream_id, version)
            for version, topic, state in self.streams.get(stream_id, [])
        ]

    def events(self, tenant_id: str, ids: Sequence[str]) -> dict[str, list[Event]]:
        return {each: self.stream(each) for each in ids if each in self.streams}

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        return {each: len(self.streams[each]) for each in ids if each in self.streams}

    def wallets(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Wallet]:
        folded = {each: Wallet.fold(self.stream(each)) for each in ids}
        return {each: wallet for each, wallet in folded.items() if wallet is not None}

    def rated_since(self, tenant_id: str, wallet_id: str, since: datetime) -> list[Event]:
        return [
            event
            for event in self.stream(wallet_id)
            if event.timestamp >= since and topic_of(event) in RATED_TOPICS
        ]

    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]:
        return {each: self.stream(each)[-1] for each in ids if self.stream(each)}

    def repayments(self, tenant_id: str, wallet_id: str) -> list[OverageSettled]:
        return [event for event in self.stream(wallet_id) if isinstance(event, OverageSettled)]

    def all(self) -> list[Event]:
        return [
            CODEC.decode(topic, state, each, version) for each, version, topic, state in self.rows
        ]


class Books:
    """One tenant's ledger at a clock that the test sets."""

    def __init__(self, at: datetime = START) -> None:
        self.clock = SetClock(at)
        self.log = MemoryLog()
        self.cache = WalletCache()
        self.assets = AssetRegistry()
        self.tenant_id = identity.tenant_id("default")
        self.caller = Caller(self.tenant_id, "test", "request")
        self.log.append([TenantOpened(self.tenant_id, 1, at, "default", None)])
        self.do(DefineAsset("CREDIT", "Credits"))

    # Commands

    def do(self, command: Command) -> Any:
        """Decide and commit one command. Raises its refusal, once what fell due is kept."""
        command.check()
        return self._commit([command])[0]

    def do_together(self, commands: Sequence[Command]) -> list[Answer | Refusal]:
        """Decide commands as one batch."""
        answers: list[Any] = self._commit(commands, keep_refusals=True)
        return answers

    def _commit(self, commands: Sequence[Command], keep_refusals: bool = False) -> list[Any]:
        batch = Batch(self.log, self.cache, self.assets, self.clock)
        batch.by(self.caller)
        answers: list[Any] = []
        refused: Refusal | None = None
        for command in commands:
            work = Work(batch, self.caller)
            for stream in _natural(self.tenant_id, command):
                batch.look_up(self.tenant_id, [stream])
            try:
                answers.append(decide(work, command))
            except Refusal as refusal:
                refused = refusal
                answers.append(refusal)
        batch.seal()
        self.log.append(batch.decided)
        batch.keep()
        if refused is not None and not keep_refusals:
            raise refused
        return answers

    def customer(self, external_id: str = "acme", **terms: Any) -> str:
        self.do(CreateCustomer(external_id, **terms))
        return f"ext:{external_id}"

    def grant(self, key: str, amount: str, **terms: Any) -> str:
        """Issue a grant to acme; PAID for as many USD unless said."""
        terms.setdefault("source", "PAID")
        terms.setdefault("customer", "ext:acme")
        terms.setdefault("asset", "CREDIT")
        if terms["source"] == "PAID":
            terms.setdefault("paid", Money("10", "USD"))
        answer = self.do(IssueGrant(key, amount=amount, **terms))
        grant_id: str = answer.grant_id
        return grant_id

    def charge(self, event_id: str, amount: str, **report: Any) -> UsageCharge:
        report.setdefault("customer", "ext:acme")
        report.setdefault("meter", "tokens")
        report.setdefault("asset", "CREDIT")
        answer = self.do(RecordUsage(event_id, amount=amount, **report))
        charge: UsageCharge = answer.charge
        return charge

    def authorize(self, event_id: str, amount: str, **report: Any) -> str:
        report.setdefault("customer", "ext:acme")
        report.setdefault("meter", "tokens")
        report.setdefault("asset", "CREDIT")
        answer = self.do(AuthorizeUsage(event_id, amount=amount, **report))
        hold_id: str = answer.charge.hold_id
        return hold_id

    def capture(self, hold_id: str, amount: str | None = None, **terms: Any) -> UsageCharge:
        charge: UsageCharge = self.do(CaptureUsage(hold_id, amount, **terms)).charge
        return charge

    def refund(
        self, charge: UsageCharge, key: str, amount: str | None = None, **terms: Any
    ) -> UsageCharge:
        answer = self.do(RefundCharge(charge.id, "test", key, amount, **terms))
        refunded: UsageCharge = answer.charge
        return refunded

    # Time

    def at(self, *moment: int) -> None:
        self.clock.at = datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]

    def later(self, **span: float) -> None:
        self.clock.at += timedelta(**span)

    # Reading

    def wallet(self, external_id: str = "acme") -> Wallet:
        """Fold the wallet from zero, with what has fallen due by now."""
        customer_id = identity.customer_id(self.tenant_id, external_id)
        wallet = Wallet.fold(self.log.stream(identity.wallet_id(self.tenant_id, customer_id)))
        assert wallet is not None
        catalog = Catalog.fold(self.log.stream(identity.catalog_id(self.tenant_id)))
        return wallet.as_of(wallet.time(self.clock.at), catalog)

    def account(self, asset: str = "CREDIT") -> Account:
        return self.wallet().accounts[asset]

    def available(self, asset: str = "CREDIT") -> str:
        account = self.account(asset)
        return decimal_of(account.available_units(self.clock.at), account.scale)

    def available_for(self, meter: str) -> str:
        account = self.account()
        units = account.available_for_units(meter, self.clock.at, self.clock.at)
        return decimal_of(units, account.scale)

    def held(self) -> str:
        account = self.account()
        return decimal_of(account.held_units, account.scale)

    def overage(self) -> str:
        account = self.account()
        return decimal_of(account.owed_units, account.scale)

    def grant_state(self, grant_id: str) -> CreditGrant:
        grant = CreditGrant.fold(self.log.stream(grant_id))
        assert grant is not None
        return grant

    def topics(self) -> list[str]:
        return [topic for _, _, topic, _ in self.log.rows]


def _natural(tenant_id: str, command: Command) -> list[str]:
    if isinstance(command, RecordUsage | AuthorizeUsage):
        return [identity.charge_id(tenant_id, command.source, command.event_id)]
    return []


def reloaded(wallet: Wallet) -> Wallet:
    """Return the wallet that its snapshot would give back."""
    kept = msgspec.json.decode(msgspec.json.encode(wallet.state()), type=WalletState)
    return Wallet.restored(wallet.id, wallet.version, wallet.recorded_at, kept)


def parts(charge: UsageCharge, names: dict[str, str], scale: int = 6) -> dict[str, str]:
    """Return a charge's allocations as grant name -> amount, in burn order."""
    return {names[grant_id]: decimal_of(units, scale) for grant_id, units in charge.allocations}


def amount(units: int, scale: int = 6) -> str:
    return decimal_of(units, scale)
