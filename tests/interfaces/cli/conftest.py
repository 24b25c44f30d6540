"""The command line on a ledger of its own: an empty database of the tests' server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo

from application.storage.database import Login
from interfaces.cli.main import cli

Run = Callable[..., Result]


@pytest.fixture
def quiet_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner's stderr ends with a command; a log that was sent there would outlive it."""
    monkeypatch.setattr("interfaces.logs.configure_logging", lambda *_: None)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: Login, quiet_logs: None) -> Run:
    """Run a command on an empty ledger; later ones find what earlier ones wrote."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", make_conninfo("", **database.arguments))
    monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(tmp_path / "data"))
    return invoke


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])
