"""What the command line says of itself."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from interfaces.cli.main import cli
from tests.interfaces.cli.conftest import invoke

COMMANDS = (
    "catalog", "close", "configure", "demo", "doctor", "export", "fetch-graphiql", "import-usage",
    "migrate", "rebuild", "replay",
    "run", "serve",
)  # fmt: skip
HEAVY = (
    "eventsourcing", "graphql", "msgspec", "psycopg", "pydantic", "rich", "starlette",
    "strawberry", "structlog", "uvicorn",
)  # fmt: skip


def test_every_command_is_listed() -> None:
    # when
    result = invoke("--help")
    # then
    assert result.exit_code == 0
    assert tuple(sorted(cli.commands)) == COMMANDS
    for name in COMMANDS:
        assert f"\n  {name} " in result.output
    summaries = result.output.partition("Commands:")[2]
    assert "..." not in summaries, "a summary is too long for its line"
    assert "Exit codes: 0 done, 1 refused" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(name: str) -> None:
    # when
    result = invoke(name, "--help")
    # then
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"counterfoil {name}" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    for parameter in cli.commands[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_help_loads_nothing_heavy() -> None:
    # given
    program = (
        "import json, sys; from interfaces.cli.main import cli; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    # when
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    # then
    assert set(json.loads(told.stdout)).isdisjoint(HEAVY)


def test_the_version_is_told() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.output.startswith("counterfoil ")
