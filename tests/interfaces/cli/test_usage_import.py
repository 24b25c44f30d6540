"""Rows of a file as charges: once, exactly, and the bad ones told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from application.storage.database import Login
from interfaces.cli.usage_import.pricing import PLACES, Price, finest_units, priced_units
from interfaces.cli.usage_import.times import NotATime, moment_of
from tests.interfaces.cli.conftest import Run, invoke

TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781490,110,27
2023-11-16 18:17:04.1206440,7433,14
"""
PRICED = (
    "--mapping", "customer=customers:3", "--mapping", "meter=const:llm.code",
    "--mapping", "time=TIMESTAMP", "--time-zone", "UTC", "--since", "2023-11-01T00:00:00Z",
    "--price", "ContextTokens=3.00", "--price", "GeneratedTokens=15.00", "--asset", "USD",
    "--create-customers", "--grant", "1000",
)  # fmt: skip


def _file(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def _figures(output: str) -> dict[str, str]:
    """Return the summary's lines by their label."""
    lines = (line.strip().split("  ", 1) for line in output.splitlines() if line.startswith("  "))
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


def _balances(login: Login) -> dict[str, str]:
    """Return what each wallet has burned, in nano-dollars, by external id."""
    with login.connect() as connection:
        rows = connection.execute(
            "SELECT c.external_id, sum(g.burned)::text FROM ledger_00.grants g"
            " JOIN ledger_00.customers c USING (tenant, wallet_id) GROUP BY 1"
        ).fetchall()
    return {str(name): str(burned) for name, burned in rows}


def test_a_trace_of_tokens_goes_in_by_one_command(
    run: Run, database: Login, tmp_path: Path
) -> None:
    # given
    trace = _file(tmp_path, "trace.csv", TRACE)
    # when
    result = run("import-usage", trace, *PRICED)
    # then
    assert result.exit_code == 0, result.output
    figures = _figures(result.stdout)
    assert figures["settled"] == "4"
    assert figures["not charged"] == "0"
    # 15 531 tokens in at 3 and 59 out at 15 a million.
    assert figures["charged"] == "0.047478 USD"
    assert figures["customers"] == "3, 3 of them new"
    # Rows 1 and 4 are the first customer's: 12 241 in, 24 out.
    with database.connect() as connection:
        charges = connection.execute(
            "SELECT event_id, occurred_at, amount::text FROM ledger_00.charges"
            " JOIN ledger_00.customers USING (tenant, wallet_id)"
            " WHERE external_id = 'customer-1' ORDER BY occurred_at"
        ).fetchall()
    assert [(str(at.astimezone(UTC)), amount) for _, at, amount in charges] == [
        ("2023-11-16 18:17:03.979960+00:00", "14574000"),
        ("2023-11-16 18:17:04.120644+00:00", "22509000"),
    ]


CATALOGUE = """\
meters:
  code.input: {eventType: llm.code, property: ContextTokens}
  code.output: {eventType: llm.code, property: GeneratedTokens}
products:
  azure-llm:
    effectiveAt: 2023-11-01T00:00:00Z
    prices:
      input: {meter: code.input, asset: USD, per: 1000000, unitPrice: 3.00}
      output: {meter: code.output, asset: USD, per: 1000000, unitPrice: 15.00}
defaultProduct: azure-llm
"""


def test_a_trace_is_priced_by_a_catalogue(run: Run, database: Login, tmp_path: Path) -> None:
    # given
    trace = _file(tmp_path, "trace.csv", TRACE)
    prices = _file(tmp_path, "azure-llm.yaml", CATALOGUE)
    arguments = (
        "import-usage", trace, "--catalog", prices, "--mapping", "customer=customers:3",
        "--mapping", "meter=const:llm.code", "--mapping",
        "properties=ContextTokens,GeneratedTokens", "--mapping", "time=TIMESTAMP",
        "--time-zone", "UTC", "--since", "2023-11-01T00:00:00Z", "--create-customers",
        "--grant", "1000", "--asset", "USD",
    )  # fmt: skip
    # when
    result = run(*arguments)
    # then it comes to what the flags do
    assert result.exit_code == 0, result.output
    figures = _figures(result.stdout)
    assert (figures["settled"], figures["charged"]) == ("4", "0.047478 USD")
    # and again: neither prices nor charges twice
    again = run(*arguments)
    assert again.exit_code == 0, again.output
    assert _figures(again.stdout)["replayed"].startswith("4 ")
    assert run("catalog", "plan", prices).stdout == "Nothing to change.\n"
    with database.connect() as connection:
        lines = connection.execute(
            "SELECT meter, sum(amount)::text FROM ledger_00.margin_lines GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert lines == [("code.input", "46593000"), ("code.output", "885000")]


def test_the_same_import_twice_charges_nothing_twice(run: Run, tmp_path: Path) -> None:
    # given
    trace = _file(tmp_path, "trace.csv", TRACE)
    assert run("import-usage", trace, *PRICED).exit_code == 0
    # when, under another name
    renamed = _file(tmp_path, "renamed.csv", TRACE)
    again = run("import-usage", renamed, *PRICED)
    # then
    assert again.exit_code == 0, again.output
    figures = _figures(again.stdout)
    assert figures["settled"] == "0"
    assert figures["replayed"].startswith("4 ")
    assert figures["charged"] == "nothing"
    assert figures["customers"] == "3, 0 of them new"
    assert run("replay", "--check").stdout.endswith(": 0 differences\n")


def test_bad_rows_are_told_and_do_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    # given
    text = """\
id,who,at,model,tokens,cost
e1,acme,2026-01-05T10:00:00Z,m,10,0.25
e2,acme,yesterday,m,10,0.25
e3,acme,2026-01-05 10:00:00,m,10,0.25
e4,,2026-01-05T10:00:00Z,m,10,0.25
e5,acme,2026-01-05T10:00:00Z,m,10,-1
e6,acme,2026-01-05T10:00:00Z,m,10,1e3
e7,acme,2026-01-05T10:00:00Z,m
e8,acme,2026-01-05T10:00:00Z,adjustment,10,0.25
e9,acme,2026-01-05T10:00:00Z,m,10,5000
e10,acme,2025-01-05T10:00:00Z,m,10,0.25

e11,acme,2026-01-05T10:00:00.1234567+01:00,m,11,0.75
"""
    bad = _file(tmp_path, "usage.csv", text)
    errors = tmp_path / "errors.csv"
    arguments = (
        "import-usage", bad, "-m", "customer=who", "-m", "meter=model", "-m", "time=at",
        "-m", "event_id=id", "-m", "amount=cost", "-m", "quantity=tokens", "--asset", "USD",
        "--since", "2026-01-01T00:00:00Z", "--create-customers", "--grant", "10",
        "--errors", errors,
    )  # fmt: skip
    # when
    first = run(*arguments)
    # then
    assert first.exit_code == 1
    figures = _figures(first.stdout)
    assert (figures["rows"], figures["settled"], figures["not charged"]) == ("11", "2", "9")
    assert figures["charged"] == "1 USD"
    told = errors.read_text("utf-8").splitlines()
    assert told == [
        "row,column,code,reason",
        "3,at,BAD_ROW,'yesterday' is no time such as 2026-01-31 09:30:00.25",
        (
            "4,at,BAD_ROW,'2026-01-05 10:00:00' has no time zone: say where it was written by "
            "--time-zone UTC"
        ),
        "5,who,BAD_ROW,is missing or empty",
        "6,cost,BAD_ROW,'-1' must not be negative",
        "7,cost,BAD_ROW,'1e3' is no number such as 12 or 12.50",
        '8,,BAD_ROW,"has 4 fields, the header 6"',
        "11,at,BAD_ROW,'2025-01-05T10:00:00Z' is before --since",
        "9,model,INVALID_INPUT,meter: meter adjustment is the ledger's own",
        (
            '10,,INSUFFICIENT_FUNDS,"5000 USD required, 9.75 available: add a grant or raise the '
            'overage limit"'
        ),
    ]
    for line in ("row 5, who: BAD_ROW is missing or empty", "row 8: BAD_ROW has 4 fields"):
        assert line in first.stderr

    # when it is run again
    second = run(*arguments)
    # then
    assert second.exit_code == 1
    figures = _figures(second.stdout)
    assert (figures["settled"], figures["not charged"]) == ("0", "9")
    assert figures["replayed"].startswith("2 ")


def test_an_event_that_is_twice_in_a_file_is_charged_once(run: Run, tmp_path: Path) -> None:
    # given
    rows = "id,cost\ne1,0.25\ne1,0.25\ne1,0.50\n"
    usage = _file(tmp_path, "usage.csv", rows)
    arguments = (
        "import-usage", usage, "-m", "customer=customers:1", "-m", "meter=const:m",
        "-m", "event_id=id", "-m", "amount=cost", "--asset", "USD", "--create-customers",
        "--grant", "10",
    )  # fmt: skip
    for settled, replayed in (("1", "1"), ("0", "2")):
        # when, and when it is run again
        result = run(*arguments)
        # then
        assert result.exit_code == 1
        figures = _figures(result.stdout)
        assert figures["settled"] == settled
        assert figures["replayed"].split()[0] == replayed
        assert "row 4, cost: IDEMPOTENCY_CONFLICT" in result.stderr


def test_ndjson_keeps_numbers_exact_and_only_watches(
    run: Run, database: Login, tmp_path: Path
) -> None:
    # given
    lines = (
        '{"id": "a", "account": "acme", "model": "m", "cost": 0.10000000025,'
        ' "usage": {"in": 12, "share": 0.5}}\n'
        "\n"
        '{"id": "b", "account": "acme", "model": "m", "cost": NaN, "usage": {}}\n'
        '{"id": "c", "account": "acme", "model": "m", "usage": {"in": 1}}\n'
        "[1]\n"
        '{"id": "d", "account": {"x": 1}, "model": "m", "cost": "1"}\n'
        '{"id": "e", "account": "acme", "model": "m", "cost": "0.2000000005", "usage": {"in": 3}}\n'
    )
    log = _file(tmp_path, "usage.ndjson", lines)
    # when
    result = run(
        "import-usage", log, "-m", "customer=account", "-m", "meter=model", "-m", "event_id=id",
        "-m", "amount=cost", "-m", "properties=usage", "-m", "quantity=usage.in",
        "--asset", "USD", "--create-customers", "--mode", "SHADOW",
    )  # fmt: skip
    # then
    assert result.exit_code == 1
    figures = _figures(result.stdout)
    assert (figures["rows"], figures["observed"], figures["settled"]) == ("6", "2", "0")
    # Rounded half-even to nine places, a row at a time: ...000 and ...000.
    assert figures["charged"] == "0.3 USD"
    assert "row 3: BAD_ROW is no JSON" in result.stderr
    assert "row 4, cost: BAD_ROW is missing or empty" in result.stderr
    assert "row 5: BAD_ROW is no JSON object" in result.stderr
    assert "row 6, account: BAD_ROW is no text" in result.stderr
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT event_id, quantity::text, properties::text FROM ledger_00.charges ORDER BY 1"
        ).fetchall()
    assert rows == [("a", "12", '{"in": 12, "share": "0.5"}'), ("e", "3", '{"in": 3}')]


def test_customers_are_not_made_unasked(run: Run, tmp_path: Path) -> None:
    # given
    usage = _file(tmp_path, "usage.csv", "who,cost\nacme,1\nacme,2\n")
    # when
    result = run(
        "import-usage", usage, "-m", "customer=who", "-m", "meter=const:m", "-m", "amount=cost",
        "--asset", "USD",
    )  # fmt: skip
    # then
    assert result.exit_code == 1
    assert "2  NOT_FOUND who: no such customer: create it first, or say --create-customers" in (
        result.stdout
    )


def test_a_customer_that_was_there_keeps_what_it_has(run: Run, tmp_path: Path) -> None:
    # given: a demo customer with a name of its own, as no import makes it
    assert run("demo", "--charges", "100", "--months", "1", "--customers", "1").exit_code == 0
    usage = _file(tmp_path, "usage.csv", "who,cost\nnorthwind-analytics,1\n")
    # when
    result = run(
        "import-usage", usage, "-m", "customer=who", "-m", "meter=const:m", "-m", "amount=cost",
        "--asset", "USD", "--create-customers", "--grant", "1000",
    )  # fmt: skip
    # then: it pays in credits, and was granted no dollars
    assert result.exit_code == 1
    assert "INSUFFICIENT_FUNDS: the wallet has not enough USD" in result.stdout


MAPPED = ("-m", "customer=who", "-m", "meter=const:m", "-m", "amount=cost", "--asset", "USD")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("-m", "meter=const:m", "-m", "amount=cost", "--asset", "USD"), "customer=... is missing"),
        (("-m", "customer=who", "-m", "amount=cost", "--asset", "USD"), "meter=... is missing"),
        ((*MAPPED, "-m", "tiem=at"), "did you mean 'time'?"),
        ((*MAPPED, "-m", "time=When"), "No column 'When' in the file: did you mean 'when'?"),
        ((*MAPPED, "-m", "time=const:now"), "only a column makes sense here"),
        ((*MAPPED, "-m", "meter=const:n"), "meter: given twice"),
        ((*MAPPED, "-m", "nonsense"), "is not of the form KEY=VALUE"),
        ((*MAPPED, "--price", "cost=3"), "Say what a row costs"),
        (MAPPED[:-4], "Say what a row costs"),
        (MAPPED[:-2], "Say what is charged"),
        ((*MAPPED, "--grant", "5"), "for customers that --create-customers creates"),
        ((*MAPPED, "--time-zone", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        ((*MAPPED, "--since", "2026-01-01"), "is not a time with its zone"),
        (
            ("-m", "customer=customers:0", "-m", "meter=const:m", "-m", "amount=cost",
             "--asset", "USD"),
            "from 1 to 100000",
        ),
        (
            ("-m", "customer=who", "-m", "meter=const:m", "--price", "cost=-3", "--asset", "USD"),
            "no price such as 3.00",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_before_anything_is_opened(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    # given
    usage = _file(tmp_path, "usage.csv", "who,when,cost\nacme,2026-01-01T00:00:00Z,1\n")
    # when
    result = invoke("import-usage", usage, *arguments)
    # then
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("usage.csv", "", "is empty"),
        ("usage.csv", "who,who,cost\n", "two columns are named 'who'"),
        ("usage.txt", "who,cost\n", "say --format csv, tsv or ndjson"),
    ],
)
def test_a_file_that_is_no_table_is_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    result = invoke("import-usage", _file(tmp_path, name, text), *MAPPED)
    assert result.exit_code == 2
    assert told in result.stderr


def test_an_asset_that_is_not_defined_is_told(run: Run, tmp_path: Path) -> None:
    usage = _file(tmp_path, "usage.csv", "who,cost\nacme,1\n")
    result = run("import-usage", usage, *MAPPED[:-1], "GOLD")
    assert result.exit_code == 1
    assert "No asset 'GOLD'" in result.stderr


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "text, zone, moment",
    [
        ("2023-11-16 18:17:03.9799600", ZoneInfo("UTC"), "2023-11-16T18:17:03.979960"),
        ("2023-11-16T18:17:03.9999999Z", None, "2023-11-16T18:17:03.999999"),
        ("2023-11-16T18:17:03,5 utc", BERLIN, "2023-11-16T18:17:03.500000"),
        ("2023-11-16T18:17:03-0330", None, "2023-11-16T21:47:03"),
        ("2023-07-16 18:17:03", BERLIN, "2023-07-16T16:17:03"),
        # The hour that clocks went through twice: the first time.
        ("2023-10-29 02:30:00", BERLIN, "2023-10-29T00:30:00"),
    ],
)
def test_a_time_stamp_means_a_moment(text: str, zone: ZoneInfo | None, moment: str) -> None:
    assert moment_of(text, zone) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text, told",
    [
        ("2023-11-16", "is no time such as"),
        ("2023-02-30 10:00:00", "does not exist"),
        ("2023-01-01 10:00:60", "does not exist"),
        ("0001-01-01 00:00:00+23:59", "does not exist"),
        ("2023-03-26 02:30:00", "does not exist in Europe/Berlin"),
        ("٢٠٢٣-11-16 10:00:00", "is no time such as"),
    ],
)
def test_a_time_stamp_that_means_none_says_why(text: str, told: str) -> None:
    with pytest.raises(NotATime, match=told):
        moment_of(text, BERLIN)


def test_a_row_is_rounded_once_on_its_sum_half_even() -> None:
    # given: a millionth of 3, and of 2.5, a count
    prices = (Price("in", finest_units("3")), Price("out", finest_units("2.5")))
    one = 10**PLACES
    # then, at 6 places: 3 + 2.5 = 5.5 and 3 + 7.5 = 10.5, ties to the even
    assert priced_units(zip((one, one), prices, strict=True), 6) == 6
    assert priced_units(zip((one, 3 * one), prices, strict=True), 6) == 10
    assert priced_units(zip((0, 0), prices, strict=True), 9) == 0
