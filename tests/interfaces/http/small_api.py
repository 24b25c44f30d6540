"""A schema small enough to read, behind the real doors: what a front can be asked for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock

import strawberry
from graphql import GraphQLSchema
from strawberry.types import ExecutionResult

from application.caller import Caller
from application.errors import OutcomeUnknown
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.errors import api_error
from interfaces.graphql.schema import LedgerSchema
from interfaces.graphql.schema import schema as ledger_schema
from interfaces.http.app import create_app
from interfaces.http.asker import Asker
from interfaces.http.gate import Gate, Passage
from interfaces.http.graphql_ws import SocketLimits
from interfaces.http.health import CheckReadiness, Readiness
from interfaces.http.operations import Operations
from interfaces.http.protocol import StrictHttpProtocol
from interfaces.http.server import listen, server_for
from interfaces.keys.api_key import hint
from interfaces.keys.keyring import KeyIdentity, Keyring, Scope, key_digest

TENANT = "6f1c0a3e-0000-4000-8000-000000000001"
PEPPER = b"pepper of the tests, 32 bytes .."
ADMIN_KEY = "cf_live_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG2o5yvZ"
INGEST_KEY = "an-ingest-key-without-introspection"
PRIVATE = "4111-1111-1111-1111"


@strawberry.type
class Person:
    name: str

    @strawberry.field
    def friends(self, first: int = 50) -> PersonConnection:
        return PersonConnection(nodes=[Person(name=f"friend {n}") for n in range(first)])


@strawberry.type
class PersonConnection:
    nodes: list[Person]


@strawberry.type
class Query:
    @strawberry.field
    def now(self) -> str:
        return "2026-01-31T09:30:00Z"

    @strawberry.field
    def people(self, first: int = 50) -> PersonConnection:
        return PersonConnection(nodes=[Person(name=f"person {n}") for n in range(first)])

    @strawberry.field
    def echo(self, info: Info, text: str) -> str:
        info.context.reached(max(info.context.min_position, 42))
        return text

    @strawberry.field
    def request_id(self, info: Info) -> str:
        return info.context.caller.request_id

    @strawberry.field
    def min_position(self, info: Info) -> int:
        return info.context.min_position

    @strawberry.field
    async def slow(self) -> str:
        await asyncio.sleep(60)
        return "late"

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError(f"card {PRIVATE}")

    @strawberry.field
    def forbidden(self) -> str | None:
        raise api_error("FORBIDDEN", "this key may not do that")

    @strawberry.field
    def no_json(self) -> strawberry.scalars.JSON:
        return {"value": object()}  # type: ignore[return-value]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def slow_record(self) -> str:
        await asyncio.sleep(60)
        return "late"

    @strawberry.mutation
    async def advance_clock(self, seconds: float) -> str:
        EVENTS.append("advancing")
        await asyncio.sleep(seconds)
        return "advanced"

    @strawberry.mutation
    def record(self) -> str | None:
        raise OutcomeUnknown


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, count: int) -> AsyncGenerator[int, None]:
        for tick in range(count):
            yield tick

    @strawberry.subscription
    async def forever(self, info: Info) -> AsyncGenerator[int, None]:
        EVENTS.append("opened")
        try:
            yield 0
            await asyncio.sleep(3600)
        finally:
            EVENTS.append("closed")

    @strawberry.subscription
    async def broken(self) -> AsyncGenerator[int, None]:
        yield 0
        raise ValueError(f"card {PRIVATE}")


EVENTS: list[str] = []
RUNTIME = MagicMock()
SCHEMA = LedgerSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=ledger_schema.extensions,
)
GRAPHQL_SCHEMA: GraphQLSchema = SCHEMA._schema


async def run(
    text: str, variables: Mapping[str, Any] | None, name: str | None, context: Any
) -> ExecutionResult:
    return await SCHEMA.execute(
        text, dict(variables or {}), context_value=context, operation_name=name
    )


def context_of(asker: Asker, passage: Passage) -> RequestContext:
    return RequestContext(
        runtime=RUNTIME,
        caller=Caller(asker.identity.tenant_id, asker.identity.name, asker.request_id),
        scopes=frozenset(asker.identity.scopes),
        gate=passage,
        min_position=asker.min_position,
    )


def operations(deadline_seconds: float = 10.0) -> Operations:
    return Operations(run, SCHEMA.stream, context_of, Gate(GRAPHQL_SCHEMA), deadline_seconds)


class Keys:
    """Keys that can be revoked."""

    def __init__(self) -> None:
        self.by_digest = {
            key_digest(PEPPER, ADMIN_KEY): ADMIN,
            key_digest(PEPPER, INGEST_KEY): INGEST,
        }

    def find(self, digest: bytes) -> KeyIdentity | None:
        return self.by_digest.get(digest)

    def revoke(self, key: str) -> None:
        del self.by_digest[key_digest(PEPPER, key)]


ADMIN = KeyIdentity(TENANT, "admin", frozenset(Scope), introspection=True, hint=hint(ADMIN_KEY))
INGEST = KeyIdentity(TENANT, "reporter", frozenset({Scope.INGEST}))


async def ready() -> Readiness:
    return Readiness(ready=True, phase="ready", checks={"database": "ok"})


@contextmanager
def served(
    *,
    keys: Keys | None = None,
    check_readiness: CheckReadiness = ready,
    deadline_seconds: float = 10.0,
    socket_limits: SocketLimits | None = None,
    protocol: type[StrictHttpProtocol] = StrictHttpProtocol,
    most_connections: int = 1_000,
) -> Iterator[int]:
    """A real server in a thread; its port."""
    app = create_app(
        operations(deadline_seconds),
        Keyring(PEPPER, [keys or Keys()]),
        check_readiness,
        socket_limits=socket_limits,
    )
    listener = listen("127.0.0.1", 0)
    port: int = listener.getsockname()[1]
    started = threading.Event()
    server = server_for(
        app,
        listening=lambda _: started.set(),
        protocol=protocol,
        most_connections=most_connections,
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert started.wait(10)
        yield port
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that another thread brings about; fail when it does not."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.01)
