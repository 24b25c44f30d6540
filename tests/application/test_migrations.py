"""Migrations: each once, in order, whole or not at all, whoever starts at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from application.storage.database import Login, Role
from application.storage.embedded import EmbeddedServer
from application.storage.migrate import (
    LOG_MIGRATIONS,
    MigrationChanged,
    migrate,
    migrations,
    pending,
)
from application.storage.roles import prepare_roles, role_names
from interfaces.runtime import MIGRATIONS
from tests.application.engine import SECRET, prepared

pytestmark = pytest.mark.storage

FIRST = "CREATE TABLE {schema}.first (tenant uuid PRIMARY KEY);"
SECOND = "ALTER TABLE {schema}.first ADD COLUMN more text;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0900_first.sql").write_text(FIRST)
    return tmp_path


@pytest.fixture
def oddly_named(postgres: EmbeddedServer) -> Iterator[Login]:
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute('CREATE DATABASE "odd-Name 1"')
        yield Login(dict(postgres.conninfo("odd-Name 1")))
        connection.execute('DROP DATABASE "odd-Name 1" WITH (FORCE)')
        for role in role_names("odd-Name 1").values():
            connection.execute(f'DROP ROLE "{role}"')


def run(database: Login, *folders: Path) -> list[str]:
    owner = prepare_roles(database, SECRET)["owner"]
    return migrate(owner, role_names(database.database), folders)


def test_migrations_run_once(database: Login) -> None:
    applied = run(database, *MIGRATIONS)
    assert applied == [migration.name for migration in migrations(MIGRATIONS)]
    assert applied[0] == "0001_log.sql"
    assert run(database, *MIGRATIONS) == []


def test_servers_that_start_together_migrate_once(database: Login) -> None:
    start = Barrier(4)

    def serve(_: int) -> list[str]:
        start.wait()
        return run(database, *MIGRATIONS)

    with ThreadPoolExecutor(4) as pool:
        applied = sorted(pool.map(serve, range(4)))
    names = [migration.name for migration in migrations(MIGRATIONS)]
    assert applied == [[], [], [], names]


def test_a_changed_migration_is_refused(database: Login, folder: Path) -> None:
    run(database, LOG_MIGRATIONS, folder)
    (folder / "0900_first.sql").write_text(FIRST + "\n-- and a change")
    (folder / "0901_second.sql").write_text(SECOND)
    with pytest.raises(MigrationChanged, match=r"0900_first\.sql"):
        run(database, LOG_MIGRATIONS, folder)
    with database.connect() as connection:
        assert pending(connection, [LOG_MIGRATIONS, folder]) == ["0901_second.sql"]


def test_a_later_migration_is_applied_alone(database: Login, folder: Path) -> None:
    applied = run(database, LOG_MIGRATIONS, folder)
    assert (applied[0], applied[-1]) == ("0001_log.sql", "0900_first.sql")
    (folder / "0901_second.sql").write_text(SECOND)
    with database.connect() as connection:
        assert pending(connection, [LOG_MIGRATIONS, folder]) == ["0901_second.sql"]
    assert run(database, LOG_MIGRATIONS, folder) == ["0901_second.sql"]


def test_all_are_pending_where_there_never_was_a_ledger(database: Login) -> None:
    with database.connect() as connection:
        left = pending(connection, MIGRATIONS)
    assert left == [migration.name for migration in migrations(MIGRATIONS)]


def test_a_migration_that_fails_leaves_nothing(database: Login, folder: Path) -> None:
    # given
    (folder / "0901_second.sql").write_text(SECOND + "SELECT 1 / 0;")
    # when
    with pytest.raises(psycopg.errors.DivisionByZero):
        run(database, LOG_MIGRATIONS, folder)
    # then
    with database.connect() as connection:
        assert pending(connection, [LOG_MIGRATIONS, folder]) == ["0901_second.sql"]
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'ledger_00' AND table_name = 'first'"
        ).fetchall()
    assert columns == [("tenant",)]


def test_names_need_not_be_plain(oddly_named: Login) -> None:
    """A database's name stands in the names of its roles, quoted wherever it is used."""
    logins: dict[Role, Login] = prepared(oddly_named)
    with logins["app"].connect() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("odd-Name 1_app",)


def test_two_folders_share_no_number() -> None:
    numbers = [migration.name.partition("_")[0] for migration in migrations(MIGRATIONS)]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
