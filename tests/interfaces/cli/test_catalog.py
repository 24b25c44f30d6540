"""`counterfoil catalog`: plan, apply, load, show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interfaces.cli.conftest import Run

FILE = """\
meters:
  tokens: {}
products:
  api:
    prices:
      tokens: {meter: tokens, asset: USD, per: 1000000, unitPrice: 3}
defaultProduct: api
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(FILE, "utf-8")
    return file


def test_a_file_is_planned_applied_and_shown(run: Run, prices: Path) -> None:
    # when
    planned = json.loads(run("catalog", "plan", prices, "--json").stdout)
    applied = run("catalog", "apply", prices, "--yes")
    # then
    assert [change["what"] for change in planned] == [
        "meter tokens",
        "product api: draft 1",
        "product api: publish 1, from now",
        "default product: none -> api",
    ]
    assert applied.exit_code == 0
    assert applied.stdout.endswith("Done: 4 changes.\n")
    assert run("catalog", "plan", prices).stdout == "Nothing to change.\n"
    # when
    shown = run("catalog", "show").stdout
    prices.write_text(shown.replace("unitPrice: '3'", "unitPrice: '2.5'"), "utf-8")
    # then
    assert run("catalog", "plan", prices).stdout == (
        "~ product api: draft 2\n    prices.tokens.unitPrice: 3 -> 2.5\n"
        "~ product api: publish 2, from now\n"
    )


def test_nothing_is_published_without_a_yes(run: Run, prices: Path) -> None:
    # when
    asked = run("catalog", "apply", prices)
    # then
    assert asked.exit_code == 1
    assert run("catalog", "show").stdout == "{}\n"


def test_list_prices_are_loaded_by_one_command(run: Run) -> None:
    # when
    loaded = run("catalog", "load", "--templates", "--vendor", "anthropic")
    # then
    assert loaded.exit_code == 0, loaded.stderr
    assert loaded.stdout.endswith("Done: 6 changes.\n")
    assert "publish" not in loaded.stdout
    assert "llm-list-prices" in run("catalog", "show").stdout
    again = run("catalog", "load", "--templates", "--vendor", "anthropic")
    assert again.stdout == "Nothing to change.\n"


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("load",), "Name files, or --templates."),
        (("load", "--templates", "--vendor", "nobody"), "No vendor 'nobody'"),
        (("templates", "--vendor", "nobody"), "No vendor 'nobody'"),
    ],
)
def test_wrong_usage_is_told(run: Run, arguments: tuple[str, ...], told: str) -> None:
    result = run("catalog", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_fault_is_told_with_file_line_and_key(run: Run, prices: Path) -> None:
    # given
    prices.write_text(FILE.replace("unitPrice: 3}", "unitPrice: -3}"), "utf-8")
    # when
    result = run("catalog", "plan", prices)
    # then
    assert result.exit_code == 2
    assert f"{prices}:6: products.api.prices.tokens.unitPrice: must not be negative" in (
        result.stderr
    )
