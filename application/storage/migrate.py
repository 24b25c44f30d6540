"""Versioned migrations: SQL files, applied in order under an advisory lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from psycopg import sql

from application.storage.database import Connection, Login, Role
from application.storage.shard import FIRST_SHARD, Shard

LOG_MIGRATIONS = Path(__file__).parent / "migrations"

_HISTORY = """
CREATE SCHEMA IF NOT EXISTS counterfoil;
CREATE TABLE IF NOT EXISTS counterfoil.migrations (
    tenant     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    shard      text        NOT NULL,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, shard, name)
);
ALTER TABLE counterfoil.migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE counterfoil.migrations FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS all_read ON counterfoil.migrations;
CREATE POLICY all_read ON counterfoil.migrations USING (true);
"""


class MigrationChanged(Exception):
    """A migration that was applied reads otherwise today."""


class MigrationsPending(Exception):
    """The database is behind this version of the ledger."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    text: str

    @property
    def digest(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def migrations(folders: Iterable[Path]) -> list[Migration]:
    """Return the migrations of these folders by number."""
    files = sorted((file for folder in folders for file in folder.glob("*.sql")), key=_number)
    return [Migration(file.name, file.read_text("utf-8")) for file in files]


def _number(file: Path) -> int:
    return int(file.name.partition("_")[0])


def migrate(
    owner: Login, roles: Mapping[Role, str], folders: Sequence[Path], shard: Shard = FIRST_SHARD
) -> list[str]:
    """Apply what is missing, each file in a transaction of its own; answer their names.

    Raises MigrationChanged.
    """
    applied: list[str] = []
    with owner.connect(autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('counterfoil', 1))")
        _prepare(connection, roles, shard)
        done = history(connection, shard)
        for migration in migrations(folders):
            if migration.name in done:
                if done[migration.name] != migration.digest:
                    raise MigrationChanged(migration.name)
                continue
            with connection.transaction():
                connection.execute(statement_of(migration, roles, shard))
                connection.execute(
                    "INSERT INTO counterfoil.migrations (shard, name, sha256) VALUES (%s, %s, %s)",
                    (shard.schema, migration.name, migration.digest),
                )
            applied.append(migration.name)
    return applied


def pending(
    connection: Connection, folders: Sequence[Path], shard: Shard = FIRST_SHARD
) -> list[str]:
    """Return the migrations that were not applied yet: all, where there never was a ledger."""
    done = history(connection, shard) if is_ledger(connection) else {}
    return [migration.name for migration in migrations(folders) if migration.name not in done]


def statement_of(migration: Migration, roles: Mapping[Role, str], shard: Shard) -> sql.Composed:
    """Return a migration for one shard and its roles."""
    names = {role: sql.Identifier(name) for role, name in roles.items()}
    return sql.SQL(migration.text).format(
        schema=sql.Identifier(shard.schema),
        lock=sql.Literal(shard.lock_key),
        channel=sql.Identifier(shard.channel),
        positions=sql.Literal(f"{shard.schema}.events_notification_id_seq"),
        **names,
    )


def _prepare(connection: Connection, roles: Mapping[Role, str], shard: Shard) -> None:
    with connection.transaction():
        connection.execute(_HISTORY)
        readers = [sql.Identifier(roles[role]) for role in ("log", "app", "proj")]
        for schema in ("counterfoil", shard.schema):
            connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema}").format(
                    schema=sql.Identifier(schema)
                )
            )
            connection.execute(
                sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {readers}").format(
                    schema=sql.Identifier(schema), readers=sql.SQL(", ").join(readers)
                )
            )
        connection.execute(
            sql.SQL("GRANT SELECT ON counterfoil.migrations TO {readers}").format(
                readers=sql.SQL(", ").join(readers)
            )
        )


def is_ledger(connection: Connection) -> bool:
    """Return whether a ledger was ever made in this database."""
    found = connection.execute("SELECT to_regclass('counterfoil.migrations')").fetchone()
    return found != (None,)


def history(connection: Connection, shard: Shard) -> dict[str, str]:
    """Return the digests of the migrations that were applied, by their names."""
    rows = connection.execute(
        "SELECT name, sha256 FROM counterfoil.migrations WHERE shard = %s", (shard.schema,)
    )
    return {str(name): str(digest) for name, digest in rows}
