"""Engines on a database that all tests share, each with a tenant of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from application.clock import Clock
from application.storage.database import Login, Role
from application.storage.embedded import EmbeddedServer
from tests.application.engine import Engine, prepared, running

_tenants = count(1)

Serve = Callable[..., Engine]


@pytest.fixture(scope="session")
def logins(postgres: EmbeddedServer) -> dict[Role, Login]:
    """One database for the session: making one takes longer than most tests."""
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE shared")
    return prepared(Login(dict(postgres.conninfo("shared"))))


@pytest.fixture
def own_logins(database: Login) -> dict[Role, Login]:
    """A database of the test's own: for what tenants do not keep apart."""
    return prepared(database)


@pytest.fixture
def tenant() -> str:
    return f"tenant-{next(_tenants)}"


@pytest.fixture
def engine(logins: dict[Role, Login], tenant: str) -> Iterator[Engine]:
    with running(logins, tenant=tenant) as engine:
        yield engine


@pytest.fixture
def serve(logins: dict[Role, Login], tenant: str) -> Iterator[Serve]:
    """Start one more server of the test's tenant; all stop with the test."""
    with ExitStack() as stack:

        def start(clock: Clock | None = None) -> Engine:
            return stack.enter_context(running(logins, clock, tenant))

        yield start
