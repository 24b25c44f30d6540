"""A ledger on a database of its own, without servers in front of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from application.caller import Caller
from application.clock import Clock, SystemClock
from application.commands.requests import (
    AuthorizeUsage,
    Command,
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    Money,
    RecordUsage,
)
from application.ledger import Ledger, Outcome
from application.reading import Reader
from application.storage.database import Login, Pool, Role
from application.storage.migrate import migrate
from application.storage.recorder import LedgerDatastore, LedgerRecorder
from application.storage.roles import prepare_roles, role_names
from application.storage.wallets import WalletCache
from application.tenants import open_tenant
from domain import identity
from domain.wallet.wallet import Wallet
from interfaces.runtime import MIGRATIONS

SECRET = b"s" * 32


def prepared(database: Login) -> dict[Role, Login]:
    """Make the roles and the tables of a database."""
    logins = prepare_roles(database, SECRET)
    migrate(logins["owner"], role_names(database.database), MIGRATIONS)
    return logins


class Engine:
    """One writer, and a reader, as one server has them."""

    def __init__(
        self,
        logins: dict[Role, Login],
        clock: Clock,
        tenant: str = "default",
        cache: WalletCache | None = None,
    ) -> None:
        self.datastore = LedgerDatastore(logins["log"])
        self.recorder = LedgerRecorder(self.datastore)
        self.clock = clock
        self.tenant_id = open_tenant(self.recorder, tenant, clock.now())
        self.caller = Caller(self.tenant_id, "test", "request")
        self.ledger = Ledger(self.recorder, clock, cache=cache)
        self.pool = Pool(logins["app"], "app", 4)
        self.reader = Reader(self.pool, clock)

    def start(self) -> None:
        self.pool.open()
        self.ledger.start()

    def stop(self) -> None:
        self.ledger.stop()
        self.pool.close()
        self.datastore.close()

    def do(self, *commands: Command) -> list[Outcome]:
        return self.ledger.execute(self.caller, commands)

    def done(self, *commands: Command) -> list[Any]:
        """Return the answers; none may be refused."""
        outcomes = self.do(*commands)
        assert [outcome.refusal or outcome.error for outcome in outcomes] == [None] * len(outcomes)
        return [outcome.answer for outcome in outcomes]

    def funded(self, amount: str, customer: str = "acme") -> None:
        self.done(
            DefineAsset("CREDIT", "Credits"),
            CreateCustomer(customer),
            IssueGrant(
                f"grant-{customer}", f"ext:{customer}", "CREDIT", amount, paid=Money("10", "USD")
            ),
        )

    def grant(self, key: str, amount: str, customer: str = "acme", **terms: Any) -> str:
        """Issue a promotional grant; return its id."""
        terms.setdefault("source", "PROMOTIONAL")
        (answer,) = self.done(IssueGrant(key, f"ext:{customer}", "CREDIT", amount, **terms))
        grant_id: str = answer.grant_id
        return grant_id

    def wallet_id(self, customer: str = "acme") -> str:
        return identity.wallet_id(self.tenant_id, identity.customer_id(self.tenant_id, customer))

    def wallet(self, customer: str = "acme") -> Wallet:
        wallet_id = self.wallet_id(customer)
        return self.reader.wallets(self.tenant_id, [wallet_id])[wallet_id]

    def available(self, customer: str = "acme") -> int:
        """Return whole credits."""
        account = self.wallet(customer).accounts["CREDIT"]
        return account.available_units(self.clock.now()) // 10**6

    def topics(self, stream_id: str) -> list[str]:
        """Return what happened in a stream, in order."""
        return [event.topic for event in self.recorder.select_events(stream_id)]


def usage(event_id: str, amount: str = "1", customer: str = "acme", **more: Any) -> RecordUsage:
    return RecordUsage(event_id, f"ext:{customer}", "tokens", amount=amount, asset="CREDIT", **more)


@contextmanager
def running(
    logins: dict[Role, Login],
    clock: Clock | None = None,
    tenant: str = "default",
    cache: WalletCache | None = None,
) -> Iterator[Engine]:
    engine = Engine(logins, clock or SystemClock(), tenant, cache)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def hold(event_id: str, amount: str, customer: str = "acme", **more: Any) -> AuthorizeUsage:
    return AuthorizeUsage(
        event_id, f"ext:{customer}", "tokens", amount=amount, asset="CREDIT", **more
    )


def settled(outcomes: Sequence[Outcome]) -> int:
    """Return how many were answered for the first time."""
    return sum(
        outcome.answer is not None and not getattr(outcome.answer, "replayed", False)
        for outcome in outcomes
    )


def replayed(outcomes: Sequence[Outcome]) -> int:
    return sum(getattr(outcome.answer, "replayed", False) for outcome in outcomes)
