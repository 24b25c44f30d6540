"""A month is looked at and closed from a shell."""

from __future__ import annotations

import re

from application.storage.database import Login
from tests.interfaces.cli.conftest import Run

DEMO = ("demo", "--charges", "100", "--months", "2", "--customers", "2", "--quiet")


def test_a_month_of_the_demo_closes(run: Run, database: Login) -> None:
    # given
    assert run(*DEMO).exit_code == 0
    with database.connect() as connection:
        row = connection.execute(
            "SELECT to_char(min(recorded_at) AT TIME ZONE 'UTC', 'YYYY-MM') FROM ledger_00.log"
        ).fetchone()
    assert row is not None
    month = row[0]
    # when: its days have not ended yet
    looked = run("close", month, "--check")
    closed = run("close", month)
    # then
    assert looked.exit_code == 1
    assert "NO  days_ended: none yet" in looked.stdout
    assert "ok  wallets_tie" in looked.stdout
    assert closed.exit_code == 0, closed.output
    assert "NO" not in closed.stdout
    assert re.search(rf"^{month} is closed at position \d+$", closed.stdout, re.MULTILINE)
    assert re.search(r"^trial balance [0-9a-f]{64}$", closed.stdout, re.MULTILINE)
    again = run("close", month, "--check")
    assert (again.exit_code, again.stdout) == (0, closed.stdout)
    assert run("replay", "--check").exit_code == 0


def test_what_cannot_close_is_said(run: Run) -> None:
    assert "month: not a month" in run("close", "2026-13").output
    refused = run("close", "2999-01")
    assert refused.exit_code == 1
    assert "2999-01 is not over" in refused.output
