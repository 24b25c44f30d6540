"""What every test may ask for: a real PostgreSQL, a database in it, a ledger on that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from application.storage.database import Login
from application.storage.embedded import SMALL_PROFILE, EmbeddedServer

settings.register_profile(
    "counterfoil", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("counterfoil")

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this test process, of the version that COUNTERFOIL_PG_VERSION names."""
    version = int(os.environ.get("COUNTERFOIL_PG_VERSION", "18"))
    directory: Path = tmp_path_factory.mktemp("postgres")
    server = EmbeddedServer(directory, version, settings=SMALL_PROFILE)
    server.start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def database(postgres: EmbeddedServer) -> Iterator[Login]:
    """An empty database, as the server's superuser."""
    with empty_database(postgres) as login:
        yield login


@contextmanager
def empty_database(postgres: EmbeddedServer) -> Iterator[Login]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield Login(dict(postgres.conninfo(name)))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        for role in ("owner", "log", "app", "proj"):
            connection.execute(f"DROP ROLE IF EXISTS {name}_{role}")
