"""`counterfoil doctor` on real servers: names what is set wrong, and only that."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from application.clock import SetClock, SystemClock
from application.storage.database import Login
from application.storage.embedded import EmbeddedServer, postmaster
from application.storage.embedded.settings import GIB, Machine, kept_settings
from interfaces.doctor.examination import examine
from interfaces.doctor.here import examine_disk
from interfaces.doctor.server import Server, examine_server
from tests.interfaces.cli.conftest import Run, invoke
from tests.scenarios.server import settings_for

pytestmark = pytest.mark.storage

WRONG = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
SLOW = {
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "1min",
    "wal_compression": "off",
    "autovacuum": "off",
    "max_connections": "30",
}


STOP = """UPDATE ledger_00.projection_positions SET stopped_at = 99, stopped_topic = 'a.b',
    stopped_error = 'KeyError', stopped_because = 'KeyError in here', stopped_since = now()
    WHERE projection = 'charges'"""


def told(result: Any) -> dict[str, dict[str, str]]:
    """Return the checks by what was looked at."""
    return {each["check"]: each for each in json.loads(result.stdout)["checks"]}


def levels(checks: dict[str, dict[str, str]], *but: str) -> set[tuple[str, str]]:
    return {
        (name, each["level"])
        for name, each in checks.items()
        if each["level"] in ("slow", "wrong") and name not in but
    }


def test_a_server_with_everything_wrong_is_told_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet_logs: None
) -> None:
    # given a real server that nothing of this is kept from
    monkeypatch.setattr(postmaster, "kept_settings", lambda *at: kept_settings(*at) | WRONG)
    postgres = EmbeddedServer(tmp_path / "server", settings=SLOW)
    postgres.start()
    try:
        monkeypatch.setenv(
            "COUNTERFOIL_DATABASE_URL", make_conninfo("", **postgres.conninfo("postgres"))
        )
        monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(tmp_path / "data"))
        # when
        result = invoke("doctor", "--json")
        in_words = invoke("doctor", "--quiet")
    finally:
        postgres.stop()
        postgres.remove()
    # then
    assert (result.exit_code, in_words.exit_code) == (1, 1)
    checks = told(result)
    assert not json.loads(result.stdout)["healthy"]
    assert levels(checks) == {
        ("fsync", "wrong"),
        ("full_page_writes", "wrong"),
        ("synchronous_commit", "wrong"),
        ("shared_buffers", "slow"),
        ("max_wal_size", "slow"),
        ("checkpoint_timeout", "slow"),
        ("wal_compression", "slow"),
        ("autovacuum", "slow"),
        ("connections", "slow"),
    }
    assert checks["shared_buffers"]["found"] == "16 MB"
    assert "34 000 to 10 000-14 000 rows/s" in checks["max_wal_size"]["says"]
    assert checks["checkpoint_timeout"]["remedy"] == "checkpoint_timeout = 30min"
    assert checks["ledger"]["level"] == "note"
    assert "wrong  fsync: off" in in_words.output
    assert "-> fsync = on" in in_words.output
    assert "version" not in in_words.output
    assert not (tmp_path / "data").exists()


def test_a_ledger_as_we_make_it_is_told_of_its_small_server_alone(run: Run) -> None:
    # given
    assert run("migrate").exit_code == 0
    # when
    checks = told(run("doctor", "--json"))
    # then the tests' server is small, and its ledger as it should be
    assert {name for name, _ in levels(checks)} <= {"shared_buffers", "max_wal_size", "connections"}
    for name in ("role log", "role app", "role proj", "migrations", "read models", "clock"):
        assert checks[name]["level"] == "ok", checks[name]
    assert checks["due work"]["level"] == "note"


@pytest.mark.parametrize(
    "statement, check, found",
    [
        ("ALTER ROLE {}_app BYPASSRLS", "role app", "bypasses row security"),
        ("ALTER ROLE {}_proj PASSWORD 'another'", "role proj", "authentication failed"),
        ("ALTER TABLE ledger_00.charges NO FORCE ROW LEVEL SECURITY", "role log", "charges"),
        ("ALTER ROLE {}_log SET synchronous_commit = off", "commits of the log", "off"),
        ("DELETE FROM counterfoil.migrations WHERE name LIKE '0101%'", "migrations", "0101"),
        ("UPDATE counterfoil.migrations SET sha256 = ''", "migrations", "changed since"),
        (
            STOP,
            "read model charges",
            "stopped at position 99 (a.b)",
        ),
        (
            "UPDATE ledger_00.events SET recorded_at = now() - interval '2 minutes'",
            "read models",
            "s behind",
        ),
    ],
)
def test_what_is_wrong_with_a_ledger_is_named(
    run: Run, database: Login, statement: str, check: str, found: str
) -> None:
    # given
    assert run("migrate").exit_code == 0
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger_00.projection_positions (tenant, projection, position)"
            " VALUES ('00000000-0000-0000-0000-000000000000', 'charges', 0)"
        )
        # when
        connection.execute(statement.format(database.database).encode())
    result = run("doctor", "--json")
    # then
    assert result.exit_code == 1
    named = told(result)[check]
    assert named["level"] in ("wrong", "slow")
    assert found in named["found"]
    assert named["remedy"]


def test_a_secret_that_others_may_read_is_named(run: Run, tmp_path: Path) -> None:
    # given
    assert run("migrate").exit_code == 0
    (tmp_path / "data" / "admin-key").write_text("a-key-that-is-not-private")
    (tmp_path / "data" / "admin-key").chmod(0o644)
    # when
    checks = told(run("doctor", "--json"))
    # then
    assert checks["file secret"]["level"] == "ok"
    assert checks["file admin-key"]["level"] == "wrong"
    assert checks["file admin-key"]["remedy"].startswith("chmod 600 ")


def test_clocks_that_differ_are_named(database: Login, tmp_path: Path) -> None:
    for seconds, level in ((0, "ok"), (30, "wrong"), (-30, "wrong")):
        clock = SetClock(SystemClock().now() + timedelta(seconds=seconds))
        # when
        findings = list(examine(settings_for(database, tmp_path), lambda _: None, clock))
        # then
        (found,) = [each for each in findings if each.check == "clock"]
        assert found.level == level
        assert ("ahead" in found.found) is (seconds > 0) or not seconds


def test_without_the_ledgers_secret_its_roles_are_not_guessed(run: Run, tmp_path: Path) -> None:
    # given
    assert run("migrate").exit_code == 0
    (tmp_path / "data" / "secret").unlink()
    # when
    checks = told(run("doctor", "--json"))
    # then
    assert checks["roles"]["level"] == "note"
    assert not (tmp_path / "data" / "secret").exists()


def test_sums_that_are_not_kept_as_wished_are_named(
    run: Run, database: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    assert run("migrate").exit_code == 0
    with database.connect(autocommit=True) as connection:
        for name in ("", "model"):
            connection.execute(
                "INSERT INTO ledger_00.usage_rollup_properties"
                " SELECT tenant, %s FROM ledger_00.events LIMIT 1",
                (name,),
            )
    monkeypatch.setenv("COUNTERFOIL_ROLLUP_PROPERTIES", "model")
    assert "sums of usage" not in told(run("doctor", "--json"))
    # when
    monkeypatch.setenv("COUNTERFOIL_ROLLUP_PROPERTIES", "model,region")
    # then
    found = told(run("doctor", "--json"))["sums of usage"]
    assert (found["level"], found["remedy"]) == ("note", "counterfoil rebuild charges")


def test_holds_that_nobody_ends_are_named(run: Run, database: Login) -> None:
    # given
    assert run("migrate").exit_code == 0
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger_00.holds SELECT e.tenant, gen_random_uuid(), gen_random_uuid(),"
            " gen_random_uuid(), 'CREDIT', 'tokens', 'OPEN', false, 1, 1, 0, 0, '[]',"
            " now() - interval '1 hour', now() FROM ledger_00.events e LIMIT 1"
        )
    # when
    checks = told(run("doctor", "--json"))
    # then
    assert checks["due work"]["level"] == "wrong"
    assert checks["due work"]["found"] == "overdue in 1 wallets, and no scheduler runs"


def test_an_embedded_ledger_is_looked_at_where_it_lies(
    postgres: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, quiet_logs: None
) -> None:
    # given
    directory = postgres.log.parent
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(directory))
    try:
        assert invoke("migrate").exit_code == 0
        # when
        checks = told(invoke("doctor", "--json"))
    finally:
        with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS counterfoil WITH (FORCE)")
            for role in ("owner", "log", "app", "proj"):
                connection.execute(f"DROP ROLE IF EXISTS counterfoil_{role}")
    # then what was chosen small is small for this machine, the rest is as it should be
    assert checks["shared_buffers"]["level"] == "slow"
    for name in ("fsync", "disk", "file superuser.password", "file secret", "role log", "clock"):
        assert checks[name]["level"] == "ok", checks[name]


def test_an_empty_directory_is_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet_logs: None
) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(tmp_path / "none"))
    # when
    result = invoke("doctor")
    # then
    assert (result.exit_code, "counterfoil serve makes one" in result.output) == (0, True)
    assert not (tmp_path / "none").exists()


GOOD = {
    "autovacuum": "on", "checkpoint_timeout": "1800", "data_checksums": "on", "fsync": "on",
    "full_page_writes": "on", "max_connections": "200", "max_wal_size": str(8 * GIB),
    "server_version": "18.4", "server_version_num": "180004", "shared_buffers": str(2 * GIB),
    "superuser_reserved_connections": "3", "synchronous_commit": "on",
    "synchronous_standby_names": "", "wal_compression": "zstd",
}  # fmt: skip


@pytest.mark.parametrize(
    "changed, connections, standbys, expected",
    [
        ({}, 10, 0, {}),
        ({"shared_buffers": str(GIB)}, 10, 0, {}),
        ({"shared_buffers": str(GIB // 2)}, 10, 0, {"shared_buffers": "slow"}),
        ({"server_version_num": "150010"}, 10, 0, {"version": "wrong"}),
        ({}, 190, 0, {"connections": "wrong"}),
        ({}, 160, 0, {"connections": "slow"}),
        ({}, 10, 1, {"standbys": "wrong"}),
        ({"synchronous_standby_names": "b"}, 10, 1, {}),
        ({"max_wal_size": str(64 * GIB)}, 10, 0, {"recovery": "note"}),
        ({"data_checksums": "off"}, 10, 0, {"data_checksums": "note"}),
    ],
)
def test_where_the_bounds_are(
    changed: dict[str, str], connections: int, standbys: int, expected: dict[str, str]
) -> None:
    findings = list(examine_server(Server(GOOD | changed, connections, standbys), None))
    assert {each.check: each.level for each in findings if each.level != "ok"} == expected


def test_a_small_machine_is_asked_for_no_more_than_it_has() -> None:
    small = Machine(memory_bytes=GIB, disk_free_bytes=8 * GIB)
    settings = GOOD | {"shared_buffers": str(GIB // 4), "max_wal_size": str(GIB)}
    findings = examine_server(Server(settings, 10, 0), small)
    assert {each.level for each in findings} == {"ok"}


def test_a_disk_that_the_log_would_fill_is_named(tmp_path: Path) -> None:
    assert examine_disk(tmp_path, wal_bytes=1).level == "ok"
    assert examine_disk(tmp_path, wal_bytes=10**18).level == "wrong"
