"""`counterfoil export`: a report as a file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interfaces.cli.failures import WrongUsage
from interfaces.cli.figures import counted
from interfaces.cli.opening import opened

if TYPE_CHECKING:
    from interfaces.exports.making import Made
    from interfaces.exports.request import ExportRequest

# Written out: --help loads nothing heavy. A test holds them to what can be exported.
REPORTS = (
    "journal", "trial-balance", "rollforward", "revenue", "late-entries", "revenue-schedule",
    "waterfall", "rpo", "breakage", "tie-out", "policies", "close-certificate", "ageing",
    "invoices", "charges",
)  # fmt: skip
FORMATS = {
    "csv": "CSV",
    "parquet": "PARQUET",
    "hledger": "HLEDGER",
    "ledger": "LEDGER",
    "beancount": "BEANCOUNT",
    "netsuite": "NETSUITE_CSV",
    "quickbooks": "QUICKBOOKS_CSV",
    "xero": "XERO_CSV",
}
DETAILS = ("full", "daily", "monthly")


@click.command(short_help="Write a report as a file for other programs.")
@click.argument("report", type=click.Choice(REPORTS))
@click.option("--format", "file_format", type=click.Choice(tuple(FORMATS)), default="csv",
              show_default=True, help="What the file is for.")  # fmt: skip
@click.option("--month", help="The month, such as 2026-01; or the first one, with --to.")
@click.option("--from", "from_month", help="The same as --month.")
@click.option("--to", "to_month", help="The last month.  [default: the first one]")
@click.option("--detail", type=click.Choice(DETAILS), default="full", show_default=True,
              help="Of the journal: each entry, or one a day or month.")  # fmt: skip
@click.option("--position", type=click.IntRange(min=1),
              help="Of the log, up to which things count.  [default: the last]")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="A file, or a directory that it is put into under its own name; its manifest "
              "goes beside it.  [default: stdout]")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress.")
def export(
    *,
    report: str,
    file_format: str,
    month: str | None,
    from_month: str | None,
    to_month: str | None,
    detail: str,
    position: int | None,
    output: Path | None,
    quiet: bool,
) -> None:
    """Write the journal, or a report of it, of one month or several.

    A text journal (hledger, ledger, beancount) stands alone: what came before its first month
    it opens with, and what it closes at is asserted in it. hledger, ledger, beancount and the
    import layouts are for the journal; csv and parquet for every report.

    The same report of the same position of the log is the same file, to the byte. The manifest
    (FILE.manifest.json) says position, rows and SHA-256.

    \b
    Examples:
      counterfoil export journal --format beancount --month 2026-01 > january.beancount
      counterfoil export journal --format xero --detail daily --month 2026-01 -o books/
      counterfoil export trial-balance --from 2026-01 --to 2026-06 -o balances.csv
    """
    first = _first(month, from_month)
    with opened(quiet=quiet) as runtime:
        from interfaces.exports.request import ExportRequest
        from interfaces.exports.shelf import Shelf, last_position

        runtime.catch_up()
        if position is None:
            position = last_position(runtime, runtime.tenant_id)
        request = ExportRequest(
            report.upper().replace("-", "_"),  # type: ignore[arg-type]
            FORMATS[file_format],  # type: ignore[arg-type]
            first,
            to_month or first,
            detail.upper(),  # type: ignore[arg-type]
            position,
        )
        request.check()
        path, made = Shelf(runtime).take(runtime.tenant_id, request)
        _put(path, made, request, output, quiet=quiet)


def _first(month: str | None, from_month: str | None) -> str:
    if month is not None and from_month is not None:
        raise WrongUsage("--month and --from are the same: give one of them.")
    first = month or from_month
    if first is None:
        raise WrongUsage("Say which month: --month 2026-01")
    return first


def _put(
    path: Path, made: Made, request: ExportRequest, output: Path | None, *, quiet: bool
) -> None:
    if output is None:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        return
    target = output / made.name if output.is_dir() else output
    shutil.copyfile(path, target)
    target.with_name(f"{target.name}.manifest.json").write_bytes(made.manifest(request))
    if not quiet:
        told = f"{target}: {counted(made.rows)} rows up to position {counted(request.position)}"
        click.echo(f"{told}, SHA-256 {made.sha256}", err=True)
