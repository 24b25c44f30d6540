"""Replay, rebuild, configure, migrate, serve: what they do, and their exit codes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import make_conninfo

from application.storage.database import Login
from interfaces.http.graphiql import FetchOutcome
from tests.interfaces.cli.conftest import Run, invoke

DEMO = ("demo", "--charges", "100", "--months", "1", "--customers", "2", "--quiet")
COUNTERFOIL = (sys.executable, "-c", "from interfaces.cli.main import main; main()")


def test_replay_finds_a_spoilt_figure_and_rebuild_puts_it_right(run: Run, database: Login) -> None:
    # given
    assert run(*DEMO).exit_code == 0
    clean = run("replay", "--check")
    assert (clean.exit_code, clean.stdout[-16:]) == (0, ": 0 differences\n")
    with database.connect() as connection:
        spoilt = connection.execute(
            "UPDATE ledger_00.accounts SET burned = burned + 1 WHERE asset = 'CREDIT'"
        ).rowcount
        assert spoilt == 2
    # when
    found = run("replay", "--check")
    # then
    assert found.exit_code == 1
    assert re.search(r"accounts \S+ burned: \d+ is read, \d+ is right", found.stdout)
    # when
    rebuilt = run("rebuild", "balances")
    # then
    assert rebuilt.exit_code == 0
    assert rebuilt.stdout.startswith("balances rebuilt up to position ")
    assert run("replay", "--check").exit_code == 0


def test_rebuild_knows_the_read_models_there_are(run: Run) -> None:
    # when
    every = run("rebuild", "all")
    # then
    from projections.models import read_models

    assert every.exit_code == 0
    rebuilt = sorted(line.split()[0] for line in every.stdout.splitlines())
    assert rebuilt == sorted(model.name for model in read_models())
    assert run("rebuild", "fortunes").exit_code == 2


def test_configure_changes_what_is_named_and_shows_all(run: Run) -> None:
    # when
    changed = run("configure", "--late-window", "36h", "--timezone", "Europe/Berlin")
    # then
    assert changed.exit_code == 0
    shown = run("configure").stdout
    assert changed.stdout == shown
    assert [line.split("  ", 1)[1].strip() for line in shown.splitlines()] == [
        "36h", "0s", "Europe/Berlin",
    ]  # fmt: skip


def test_configure_leaves_the_zone_of_books_that_have_begun(run: Run) -> None:
    # given
    assert run(*DEMO).exit_code == 0
    # when
    refused = run("configure", "--late-window", "36h", "--timezone", "Asia/Tokyo")
    # then
    assert refused.exit_code == 1
    assert "INVALID_STATE: timezone stays as it is" in refused.stderr
    assert "35d" in run("configure", "--timezone", "UTC").stdout


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (("--late-window", "5"), 2, "is not a span such as 90s, 30m, 36h or 35d"),
        (("--late-window", "9999d"), 1, "INVALID_INPUT: lateWindow: must be from 0"),
        (("--timezone", "Mars/Olympus"), 1, "INVALID_INPUT: timezone: no time zone"),
    ],
)
def test_configure_refuses_what_makes_no_sense(
    run: Run, arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = run("configure", *arguments)
    assert result.exit_code == code
    assert told in result.stderr


def test_migrate_brings_the_database_up_to_date(run: Run) -> None:
    for _ in range(2):
        result = run("migrate")
        assert (result.exit_code, result.stdout) == (0, "The database is up to date.\n")


def test_a_superuser_may_make_the_roles_by_hand(
    run: Run, database: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    printed = run("migrate", "--print-sql").stdout
    with database.connect(autocommit=True) as superuser:
        superuser.execute(printed)
    settings = dict(re.findall(r"^-- (COUNTERFOIL_\w+)=(\S+)$", printed, re.MULTILINE))
    assert len(settings) == 4
    for name, url in settings.items():
        user, password = re.fullmatch(r"postgresql://(\w+):(\w+)@.*", url).groups()  # type: ignore[union-attr]
        login = database.as_user(user, password)
        monkeypatch.setenv(name, make_conninfo("", **login.arguments))
    # when
    behind = run("replay", "--check")
    migrated = run("migrate")
    # then
    assert behind.exit_code == 1
    assert "counterfoil migrate" in behind.stderr
    assert migrated.exit_code == 0
    assert migrated.stdout.startswith("applied 0001_")
    assert run(*DEMO).exit_code == 0


def test_the_embedded_database_needs_no_superuser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quiet_logs: None
) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(tmp_path))
    result = invoke("migrate", "--print-sql")
    assert result.exit_code == 2
    assert "needs no superuser" in result.stderr


def test_a_database_that_does_not_answer_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quiet_logs: None
) -> None:
    # given: a port that nobody listens on
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"postgresql://me@127.0.0.1:{port}/ledger")
    monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(tmp_path))
    # when
    result = invoke("replay", "--check")
    # then
    assert result.exit_code == 3
    assert "The database cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mistyped_setting_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, quiet_logs: None
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABSE_URL", "postgresql://me@127.0.0.1/ledger")
    result = invoke("replay", "--check")
    assert result.exit_code == 2
    assert "COUNTERFOIL_DATABASE_URL is" in result.stderr


def test_replay_without_check_says_what_is_missing() -> None:
    assert invoke("replay").exit_code == 2


@pytest.mark.parametrize("command", ["serve", "run"])
def test_a_port_that_is_taken_is_told(run: Run, command: str) -> None:
    # given
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # when
        result = run(command, "--port", port)
    # then
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.stderr
    assert "Choose another by --port" in result.stderr


@pytest.mark.parametrize("fetched, code", [(True, 0), (False, 3)])
def test_graphiql_is_fetched_or_said_to_be_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, fetched: bool, code: int
) -> None:
    outcome = FetchOutcome(fetched=fetched, message="so it went")
    monkeypatch.setattr("interfaces.http.graphiql.fetch_graphiql", lambda: outcome)
    result = invoke("fetch-graphiql")
    assert result.exit_code == code
    assert "so it went" in result.output


def test_run_on_a_bare_machine_writes_the_demo_serves_it_and_ends_in_peace(
    tmp_path: Path,
) -> None:
    # given: nothing but a directory
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERFOIL_")}
    environment["COUNTERFOIL_DATA_DIR"] = str(tmp_path / "ledger")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    arguments = (*COUNTERFOIL, "run", "--port", "0", "--charges", "200")
    errors = tmp_path / "errors"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as server,
    ):
        try:
            # when
            assert server.stdout is not None
            told: list[str] = []
            for line in server.stdout:
                told.append(line)
                if line.startswith("Ctrl-C"):
                    break
            output = "".join(told)
            url, key = _after("Serving on", output), _after("Key", output)
            answer = httpx.post(
                f"{url}/graphql",
                headers={"Authorization": f"Bearer {key}"},
                json={"query": "{ customers(first: 100) { nodes { externalId } } }"},
            )
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=30)
        finally:
            server.kill()
    # then
    assert code == 0, errors.read_text()
    assert ", 0 differences" in output
    assert "Five things to try:" in output
    assert len(answer.json()["data"]["customers"]["nodes"]) == 40
    assert "Traceback" not in errors.read_text()
    assert not (tmp_path / "ledger" / "postgres" / "postmaster.pid").exists()


def _after(label: str, output: str) -> str:
    found = re.search(rf"^{label} +(\S+)$", output, re.MULTILINE)
    assert found is not None, output
    return found[1]
