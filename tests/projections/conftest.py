"""A shop for tests that only add customers, and one with a story for those that fold it anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from tests.projections.shop import Shop
from tests.projections.story import tell

_numbers = count(1)


@contextmanager
def open_shop(server: EmbeddedServer) -> Iterator[Shop]:
    name = f"shop_{next(_numbers)}"
    with Login(dict(server.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        shop = Shop(Login(dict(server.conninfo(name))))
        try:
            yield shop
        finally:
            shop.close()
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            for role in ("owner", "log", "app", "proj"):
                connection.execute(f"DROP ROLE {name}_{role}")


@pytest.fixture(scope="session")
def shop(postgres: EmbeddedServer) -> Iterator[Shop]:
    """Shared: a test brings its own customers, and leaves the read models caught up or not."""
    with open_shop(postgres) as shop:
        yield shop


@pytest.fixture(scope="session")
def told_shop(postgres: EmbeddedServer) -> Iterator[Shop]:
    """Its log holds the story and nothing more; a test may fold it in any way."""
    with open_shop(postgres) as shop:
        tell(shop)
        yield shop


@pytest.fixture
def own_shop(postgres: EmbeddedServer) -> Iterator[Shop]:
    """For a test that spoils the log or stops what others share."""
    with open_shop(postgres) as shop:
        yield shop
