"""`counterfoil export` on the demo's books, held to account by other people's programs.

hledger and ledger are no packages of Python: where one is not installed its tests are left out
by name, unless COUNTERFOIL_EXTERNAL_TESTS=required.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

import pytest
from psycopg.conninfo import make_conninfo

from application.storage.embedded import EmbeddedServer
from interfaces.cli import export
from interfaces.exports import reports, request
from interfaces.exports.links import MANIFEST
from tests.conftest import empty_database
from tests.interfaces.cli.conftest import Run, invoke

pytestmark = pytest.mark.xdist_group("demo-export")

MONTHS = ("2026-08", "2026-09", "2026-10")
Balances = dict[str, Decimal]


class Demo:
    """A demo of three months, and what exports its reports into a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        written = invoke(
            "demo", "--months", "3", "--charges", "1500", "--customers", "10",
            "--ends", "2026-11-01T00:00:00Z", "--quiet",
        )  # fmt: skip
        assert written.exit_code == 0, written.output

    def export(self, *arguments: str) -> Path:
        """Return the file, which has its own name."""
        directory = Path(mkdtemp(dir=self._directory))
        result = invoke("export", *arguments, "-o", directory, "--quiet")
        assert result.exit_code == 0, result.output
        (path,) = (each for each in directory.iterdir() if not each.name.endswith(MANIFEST))
        return path

    def balances(self, month: str) -> Balances:
        """Return the trial balance at a month's end, by account key; zeros are left out."""
        result = invoke("export", "trial-balance", "--month", month, "--quiet")
        rows = csv.DictReader(io.StringIO(result.stdout, newline=""))
        found = {row["account"]: Decimal(row["closing"]) for row in rows}
        return {account: amount for account, amount in found.items() if amount}


@pytest.fixture(scope="module")
def demo(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("books")
    with empty_database(postgres) as database, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("interfaces.logs.configure_logging", lambda *_: None)
        monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", make_conninfo("", **database.arguments))
        monkeypatch.setenv("COUNTERFOIL_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield Demo(directory)


def program(name: str) -> str:
    """Return where a program is; without it the test is left out, or fails where it must not."""
    found = shutil.which(name) or shutil.which(str(Path(sys.executable).parent / name))
    if found is None:
        told = f"{name} is not installed: apt install {name}"
        if os.environ.get("COUNTERFOIL_EXTERNAL_TESTS") == "required":
            pytest.fail(told)
        pytest.skip(told)
    return found


def told(*command: str | Path) -> str:
    """Return what a program prints; it must accept what it is given."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert not ended.stderr, ended.stderr
    return ended.stdout


def told_balances(rows: list[tuple[str, str]]) -> Balances:
    """Return account key -> amount of "liabilities:contract_liability", "-5.00 USD"."""
    found: Balances = {}
    for account, amount in rows:
        key = account.rpartition(":")[2].lower().replace("-", "_")
        figure = Decimal(amount.removesuffix("USD").strip())
        if figure and key != "opening_balances":
            found[key] = figure
    return found


@pytest.mark.external
def test_hledger_agrees(demo: Demo) -> None:
    hledger = program("hledger")
    for detail in ("full", "daily", "monthly"):
        path = demo.export(
            "journal", "--format", "hledger", "--detail", detail,
            "--from", MONTHS[0], "--to", MONTHS[2],
        )  # fmt: skip
        told(hledger, "-f", path, "check", "-s", "ordereddates")
        rows = csv.reader(io.StringIO(told(hledger, "-f", path, "bal", "--flat", "-N", "-Ocsv")))
        balances = told_balances([(account, amount) for account, amount in list(rows)[1:]])
        assert balances == demo.balances(MONTHS[2])


@pytest.mark.external
def test_ledger_agrees(demo: Demo) -> None:
    ledger = program("ledger")
    for detail in ("full", "daily", "monthly"):
        path = demo.export(
            "journal", "--format", "ledger", "--detail", detail,
            "--from", MONTHS[0], "--to", MONTHS[2],
        )  # fmt: skip
        lines = told(
            ledger, "-f", path, "--strict", "--pedantic", "balance", "--flat", "--no-total",
            "--format", "%(account)\t%(quantity(scrub(display_total)))\n",
        )  # fmt: skip
        pairs = [line.split("\t") for line in lines.splitlines()]
        assert told_balances([(account, amount) for account, amount in pairs]) == demo.balances(
            MONTHS[2]
        )


def test_beancount_agrees(demo: Demo) -> None:
    from beancount import loader
    from beancount.core.data import Transaction

    for detail in ("full", "daily", "monthly"):
        path = demo.export(
            "journal", "--format", "beancount", "--detail", detail,
            "--from", MONTHS[0], "--to", MONTHS[2],
        )  # fmt: skip
        told(program("bean-check"), path)
        entries, errors, _ = loader.load_file(str(path))
        assert errors == []
        sums: Balances = {}
        for entry in entries:
            for posting in entry.postings if isinstance(entry, Transaction) else ():
                assert posting.units is not None
                assert posting.units.number is not None
                before = sums.get(posting.account, Decimal(0))
                sums[posting.account] = before + posting.units.number
        rows = [(account, str(amount)) for account, amount in sums.items()]
        assert told_balances(rows) == demo.balances(MONTHS[2])


@pytest.mark.external
def test_a_month_alone_opens_with_what_came_before(demo: Demo) -> None:
    for name, *check in (
        ("hledger", "check", "-s", "ordereddates"),
        ("ledger", "--strict", "--pedantic", "balance"),
    ):
        path = demo.export("journal", "--format", name, "--month", MONTHS[1])
        told(program(name), "-f", path, *check)
        assert "Opening balances" in path.read_text("utf-8")
    told(
        program("bean-check"), demo.export("journal", "--format", "beancount", "--month", MONTHS[1])
    )


def test_every_entry_balances_and_sums_to_ours(demo: Demo) -> None:
    """Exact decimals, which the other programs do not hold us to: they let half a cent pass."""
    rows = list(
        csv.DictReader(
            io.StringIO(
                demo.export("journal", "--from", MONTHS[0], "--to", MONTHS[2]).read_text("utf-8"),
                newline="",
            )
        )
    )
    by_entry: Balances = {}
    by_account: Balances = {}
    for row in rows:
        moved = Decimal(row["debit"]) - Decimal(row["credit"])
        by_entry[row["number"]] = by_entry.get(row["number"], Decimal(0)) + moved
        by_account[row["account"]] = by_account.get(row["account"], Decimal(0)) + moved
    assert len(by_entry) > 100
    assert set(by_entry.values()) == {Decimal(0)}
    assert {key: sum_ for key, sum_ in by_account.items() if sum_} == demo.balances(MONTHS[2])


def test_a_file_has_its_manifest_beside_it(demo: Demo) -> None:
    path = demo.export("journal", "--format", "beancount", "--month", "2026-09")
    assert path.name == "journal-2026-09.beancount"
    manifest = json.loads(path.with_name(f"{path.name}{MANIFEST}").read_text("utf-8"))
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (manifest["file"], manifest["bytes"]) == (path.name, path.stat().st_size)
    assert f"up to position {manifest['position']}\n" in path.read_text("utf-8")


def test_a_file_goes_to_stdout(run: Run) -> None:
    result = run("export", "journal", "--month", "2026-01", "--quiet")
    assert result.exit_code == 0
    assert result.stdout.startswith("number,date,period,")


@pytest.mark.parametrize(
    "arguments, exit_code, told_of",
    [
        (("journal",), 2, "--month 2026-01"),
        (("journal", "--month", "2026-01", "--from", "2026-01"), 2, "give one of them"),
        (("journal", "--month", "2026-13"), 1, "fromMonth"),
        (("journal", "--month", "2026-02", "--to", "2026-01"), 1, "toMonth"),
        (("journal", "--month", "2026-01", "--position", "999999999"), 1, "position"),
        (("revenue", "--month", "2026-01", "--format", "hledger"), 1, "format"),
        (("everything", "--month", "2026-01"), 2, "everything"),
    ],
)
def test_what_cannot_be_exported_is_named(
    run: Run, arguments: tuple[str, ...], exit_code: int, told_of: str
) -> None:
    result = run("export", *arguments, "--quiet")
    assert result.exit_code == exit_code, result.output
    assert told_of in result.output


def test_all_that_there_is_can_be_named() -> None:
    reported = {name.upper().replace("-", "_") for name in export.REPORTS}
    assert reported == {"JOURNAL", *reports.SHEETS} == set(request.REPORTS)
    assert set(export.FORMATS.values()) == set(request.FORMATS)
    assert {name.upper() for name in export.DETAILS} == set(request.DETAILS)
