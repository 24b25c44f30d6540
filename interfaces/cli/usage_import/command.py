"""`counterfoil import-usage`: a trace of real requests, charged."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from interfaces.cli.failures import Refused, WrongUsage
from interfaces.cli.opening import caller_of, opened
from interfaces.cli.parameters import Moment, Pair, Zone
from interfaces.cli.progress import progress_bar

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from interfaces.cli.usage_import.importing import NewCustomers
    from interfaces.cli.usage_import.mapping import UsageMapping
    from interfaces.cli.usage_import.pricing import Price
    from interfaces.runtime import Runtime

LONGEST_IMPORT = timedelta(days=1)
MODES = ("SHADOW", "HYBRID", "CONTROL")


@click.command("import-usage")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-m", "--mapping", "pairs", type=Pair(), multiple=True, metavar="KEY=VALUE",
              help="Which column is what; repeated. See above.")  # fmt: skip
@click.option("--format", "file_format", type=click.Choice(("csv", "tsv", "ndjson")),
              help="What the file is.  [default: by its name]")  # fmt: skip
@click.option("--time-zone", "zone", type=Zone(),
              help="Where times without a zone were written, such as UTC.")  # fmt: skip
@click.option("--since", type=Moment(),
              help="A backfill: usage since then is taken, beyond the late window.")  # fmt: skip
@click.option("--price", "price_pairs", type=Pair(), multiple=True, metavar="COLUMN=PRICE",
              help="What a million of a column's count costs; repeated, and added up.")  # fmt: skip
@click.option("--catalog", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              multiple=True, help="A catalogue file to publish first; it prices rows.")  # fmt: skip
@click.option("--asset", help="What is charged: a currency, or an asset that is defined.")
@click.option("--create-customers", is_flag=True, help="Create customers that do not exist.")
@click.option("--grant", help="What each of them starts with, such as 1000.")
@click.option("--mode", type=click.Choice(MODES), help="Their wallets' mode.  [default: CONTROL]")
@click.option("--errors", type=click.Path(dir_okay=False, writable=True, path_type=Path),
              help="A CSV file for all rows that are not charged.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress.")
def import_usage(
    *,
    file: Path,
    pairs: tuple[tuple[str, str], ...],
    file_format: str | None,
    zone: ZoneInfo | None,
    since: datetime | None,
    price_pairs: tuple[tuple[str, str], ...],
    catalog: tuple[Path, ...],
    asset: str | None,
    create_customers: bool,
    grant: str | None,
    mode: str | None,
    errors: Path | None,
    quiet: bool,
) -> None:
    """Charge the rows of a CSV, TSV or NDJSON file of usage.

    --mapping says what is what: customer and meter are needed; time, event_id, amount, asset,
    subject, source, quantity and properties may be. A value is a column, or const:TEXT for
    every row; customer=customers:40 deals the rows out to 40 customers. quantity and
    properties take several columns, with commas between; those of quantity are added up.

    A row costs what a catalogue file says (--catalog, published first: counterfoil catalog
    --help), by its quantity and its properties. Or the amount is a column (--mapping
    amount=COST), or counts times prices (--price), rounded half-even once a row.

    Without an event_id column a row is known by the file's content and its number: the same
    import, run again, charges nothing twice. A row that cannot be charged is told with its
    number, column and reason, and does not stop the others; then the exit code is 1.

    \b
    Examples:
      A trace of an hour of real requests (the Azure LLM inference trace 2023), into a fresh
      ledger, by one command:

    \b
        counterfoil import-usage azure-llm-trace-code-2023.csv --catalog azure-llm.yaml \\
          --mapping customer=customers:40 --mapping meter=const:llm.code \\
          --mapping properties=ContextTokens,GeneratedTokens \\
          --mapping time=TIMESTAMP --time-zone UTC --since 2023-11-01T00:00:00Z \\
          --create-customers --grant 1000 --asset USD

    \b
      Your own log, with what it cost already in it, only to watch:

    \b
        counterfoil import-usage usage.ndjson -m customer=account -m meter=model \\
          -m time=created_at -m event_id=id -m amount=cost -m properties=usage \\
          --asset USD --create-customers --mode SHADOW
    """
    from interfaces.cli.catalog import publish
    from interfaces.cli.usage_import.mapping import check_columns, mapping_of
    from interfaces.cli.usage_import.pricing import prices_of
    from interfaces.cli.usage_import.rows import format_of, header_of

    mapping, prices = mapping_of(pairs, asset), prices_of(price_pairs)
    if (grant is not None or mode is not None) and not create_customers:
        raise WrongUsage("--grant and --mode are for customers that --create-customers creates.")
    mapping = _with_prices(mapping, prices, rated=bool(catalog))
    chosen = format_of(file) if file_format is None else file_format
    header = header_of(file, chosen)  # type: ignore[arg-type]
    if header is not None:
        check_columns([*mapping.columns(), *(price.column for price in prices)], header)
    new_customers = _new_customers(mapping, mode, grant) if create_customers else None
    with opened(quiet=quiet) as runtime:
        if catalog:
            publish(runtime, catalog)
        everything_charged = _charge(
            runtime=runtime, file=file, file_format=chosen, mapping=mapping, prices=prices,
            rated=bool(catalog), zone=zone, since=since, new_customers=new_customers,
            errors=errors, quiet=quiet,
        )  # fmt: skip
    if not everything_charged:
        raise SystemExit(1)


def _with_prices(mapping: UsageMapping, prices: tuple[Price, ...], *, rated: bool) -> UsageMapping:
    """Return the mapping, what is priced being kept as properties unless said otherwise."""
    from dataclasses import replace

    if [mapping.amount is not None, bool(prices), rated].count(True) != 1:
        raise WrongUsage(
            "Say what a row costs: --catalog, --mapping amount=COLUMN, or --price, one of them."
        )
    if mapping.asset is None and not rated:
        raise WrongUsage("Say what is charged: --asset USD, or --mapping asset=COLUMN.")
    if prices and not mapping.properties:
        return replace(mapping, properties=tuple(price.column for price in prices))
    return mapping


def _new_customers(mapping: UsageMapping, mode: str | None, grant: str | None) -> NewCustomers:
    from interfaces.cli.usage_import.importing import NewCustomers
    from interfaces.cli.usage_import.mapping import Constant

    asset = mapping.asset.text if isinstance(mapping.asset, Constant) else None
    if grant is not None and asset is None:
        raise WrongUsage("--grant needs one asset for all rows: --asset")
    return NewCustomers(mode or "CONTROL", grant, asset or "")  # type: ignore[arg-type]


def _charge(
    *,
    runtime: Runtime,
    file: Path,
    file_format: str,
    mapping: UsageMapping,
    prices: tuple[Price, ...],
    rated: bool,
    zone: ZoneInfo | None,
    since: datetime | None,
    new_customers: NewCustomers | None,
    errors: Path | None,
    quiet: bool,
) -> bool:
    """Charge the file; return whether every row was."""
    from functools import cache

    from interfaces.cli.usage_import.conversion import Converter
    from interfaces.cli.usage_import.importing import UsageImport
    from interfaces.cli.usage_import.mapping import Constant
    from interfaces.cli.usage_import.report import ImportTally, Rejections, errors_file, summary
    from interfaces.cli.usage_import.rows import content_of, rows_of

    tenant_id = runtime.tenant_id
    asset_of = cache(lambda key: runtime.reader.asset(tenant_id, key))
    if isinstance(mapping.asset, Constant) and asset_of(mapping.asset.text) is None:
        raise Refused(f"No asset {mapping.asset.text!r}: take a currency such as USD, or define it")
    caller = caller_of(runtime, "import-usage", _late_window_seconds(runtime, since))
    content = content_of(file)
    tally = ImportTally()
    started = perf_counter()
    with (
        errors_file(errors) as all_errors,
        progress_bar(f"Charging {file.name}", content.lines, quiet=quiet) as reached,
    ):
        usage_import = UsageImport(
            runtime.ledger,
            caller,
            Converter(mapping, prices, zone, since, content.sha256, asset_of, rated),
            new_customers=new_customers,
            tally=tally,
            rejections=Rejections(tally, all_errors),
        )
        usage_import.charge(rows_of(file, file_format), reached)  # type: ignore[arg-type]
    seconds = perf_counter() - started
    runtime.catch_up()
    click.echo(summary(tally, seconds))
    return not tally.not_charged


def _late_window_seconds(runtime: Runtime, since: datetime | None) -> int | None:
    if since is None:
        return None
    now = runtime.reader.now(runtime.tenant_id)
    if since > now:
        raise WrongUsage(f"--since {since:%Y-%m-%dT%H:%M:%SZ} is in the future")
    # Rows before it are sorted out beforehand: a day more, since the clock goes on meanwhile.
    return (now - since + LONGEST_IMPORT) // timedelta(seconds=1)
