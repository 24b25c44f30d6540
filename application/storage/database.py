"""How the database is reached: one login a role, one helper that opens a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

Role = Literal["owner", "log", "app", "proj"]
Connection = psycopg.Connection[tuple[Any, ...]]

LOCK_TIMEOUT_SECONDS = 3
IDLE_IN_TRANSACTION_TIMEOUT_SECONDS = 5
CONNECT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Login:
    """psycopg's connection arguments of one role."""

    arguments: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Login:
        return cls(dict(conninfo_to_dict(url)))

    def as_user(self, user: str, password: str) -> Login:
        return Login({**self.arguments, "user": user, "password": password})

    @property
    def database(self) -> str:
        return str(self.arguments["dbname"])

    def connect(self, **kwargs: Any) -> Connection:
        return psycopg.connect(
            **{"connect_timeout": CONNECT_TIMEOUT_SECONDS, **self.arguments}, **kwargs
        )


class Pool:
    """Connections of one role. Nothing outlives a transaction on them."""

    def __init__(self, login: Login, name: str, size: int = 8) -> None:
        self.login = login
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            kwargs={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                **login.arguments,
                "application_name": f"counterfoil-{name}",
            },
            min_size=1,
            max_size=size,
            name=name,
            open=False,
            reset=_reset,
            configure=_configure,
            check=ConnectionPool.check_connection,
        )

    def open(self) -> None:
        self._pool.open(wait=True, timeout=30)

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection; committed at the end, rolled back on an error."""
        with self._pool.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self, tenant_id: str) -> Iterator[Connection]:
        """Open a transaction that sees the rows of one tenant."""
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("SELECT set_config('app.tenant', %s, true)", (tenant_id,))
            yield connection


def _configure(connection: Connection) -> None:
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
    connection.execute(
        f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_TIMEOUT_SECONDS}s'"
    )
    connection.commit()


def _reset(connection: Connection) -> None:
    # A setting that outlives its transaction would leak to the next borrower.
    connection.execute("SELECT set_config('app.tenant', '', false)")
    connection.commit()
