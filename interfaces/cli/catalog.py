"""`counterfoil catalog`: prices that live in your repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interfaces.cli.failures import Refused, WrongUsage
from interfaces.cli.opening import caller_of, opened

if TYPE_CHECKING:
    from interfaces.catalogue.files import Written
    from interfaces.catalogue.plan import Change
    from interfaces.runtime import Runtime

FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
VENDOR = click.option(
    "--vendor", "vendors", multiple=True,
    help="Whose models; repeated. Of a model that several list, the first one's price."
    "  [default: those that make models]",
)  # fmt: skip
PRODUCT = click.option(
    "--product", default="llm-list-prices", show_default=True,
    help="The key of the product that has the list prices.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@click.group()
def catalog() -> None:
    """Meters, products and prices in YAML files.

    Names are those of the API, in mappings by key. Numbers are exact decimals.

    \b
    Example of a file:
      meters:
        llm.output: {eventType: llm, property: output_tokens}
      products:
        api:
          name: API
          effectiveAt: 2026-03-01T00:00:00Z
          prices:
            output: {meter: llm.output, asset: USD, per: 1000000, unitPrice: 15}
      defaultProduct: api

    \b
    Examples:
      counterfoil catalog plan prices.yaml        what would change
      counterfoil catalog apply prices.yaml       change it, and publish
      counterfoil catalog load --templates        today's list prices of models, as drafts
      counterfoil catalog show > prices.yaml      what the ledger has, as a file
    """


@catalog.command()
@FILES
@JSON
def plan(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Show what `apply` would change; change nothing."""
    with opened() as runtime:
        _tell(_planned(runtime, _read(files), publishing=True), as_json=as_json)


@catalog.command()
@FILES
@click.option("--yes", is_flag=True, help="Do not ask.")
def apply(files: tuple[Path, ...], *, yes: bool) -> None:
    """Make the ledger's catalogue what the files say, and publish it.

    Products and meters that no file names stay as they are.
    """
    with opened() as runtime:
        changes = _planned(runtime, _read(files), publishing=True)
        _tell(changes)
        if changes and not yes:
            click.confirm("Publish this?", abort=True)
        _make(runtime, changes)


@catalog.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--templates", is_flag=True, help="Today's list prices of language models.")
@VENDOR
@PRODUCT
def load(
    files: tuple[Path, ...], *, templates: bool, vendors: tuple[str, ...], product: str
) -> None:
    """Define what is missing, and draft versions; publish nothing.

    A draft prices nothing until somebody publishes it: `apply`, or publishProductVersion.

    \b
    Examples:
      counterfoil catalog load prices.yaml
      counterfoil catalog load --templates --vendor anthropic
    """
    if templates == bool(files):
        raise WrongUsage("Name files, or --templates.")
    with opened() as runtime:
        said = _list_prices(runtime, vendors, product) if templates else _read(files)
        changes = _planned(runtime, said, publishing=False)
        _tell(changes)
        _make(runtime, changes)


@catalog.command()
def show() -> None:
    """Print the catalogue as a file: each product as its newest version says."""
    from interfaces.catalogue.writing import catalogue_of, text_of

    with opened() as runtime:
        kept = runtime.reader.catalog(runtime.tenant_id)
        shown = catalogue_of(kept, lambda key: runtime.reader.asset(runtime.tenant_id, key))
    click.echo(text_of(shown), nl=False)


@catalog.command()
@VENDOR
@PRODUCT
def templates(*, vendors: tuple[str, ...], product: str) -> None:
    """Print today's list prices of language models as a file, to begin from."""
    from application.clock import SystemClock
    from interfaces.catalogue.template_file import catalogue_of_templates
    from interfaces.catalogue.writing import text_of

    _check_vendors(vendors)
    today = SystemClock().now().date()
    click.echo(text_of(catalogue_of_templates(today, vendors, product)), nl=False)


def _read(files: Sequence[Path]) -> Written:
    from interfaces.catalogue.files import BadCatalogue, read_files

    try:
        return read_files(files)
    except BadCatalogue as bad:
        raise WrongUsage(str(bad)) from None


def _list_prices(runtime: Runtime, vendors: tuple[str, ...], product: str) -> Written:
    from interfaces.catalogue.files import said_by
    from interfaces.catalogue.template_file import catalogue_of_templates

    _check_vendors(vendors)
    today = runtime.reader.now(runtime.tenant_id).date()
    return said_by(catalogue_of_templates(today, vendors, product), Path("list prices"))


def _check_vendors(vendors: Sequence[str]) -> None:
    from interfaces.catalogue.templates import vendors as known

    for vendor in vendors:
        if vendor not in known():
            raise WrongUsage(f"No vendor {vendor!r}. Known are: {', '.join(known())}")


def _planned(runtime: Runtime, said: Written, *, publishing: bool) -> list[Change]:
    from interfaces.catalogue.applying import planned
    from interfaces.catalogue.files import BadCatalogue

    try:
        return planned(runtime, said, publishing=publishing)
    except BadCatalogue as bad:
        raise WrongUsage(str(bad)) from None


def _tell(changes: Sequence[Change], *, as_json: bool = False) -> None:
    if as_json:
        import json

        told = [
            {"sign": each.sign, "what": each.what, "details": list(each.details)}
            for each in changes
        ]
        click.echo(json.dumps(told, indent=2))
        return
    for change in changes:
        click.echo(f"{change.sign} {change.what}")
        for detail in change.details:
            click.echo(f"    {detail}")
    if not changes:
        click.echo("Nothing to change.")


def _make(runtime: Runtime, changes: Sequence[Change]) -> None:
    """Raises Refusal, Refused."""
    from interfaces.catalogue.applying import MovedOnMeanwhile, make

    try:
        make(runtime, caller_of(runtime, "catalog"), changes)
    except MovedOnMeanwhile as moved_on:
        raise Refused(f"{moved_on}: somebody drafted meanwhile. Plan again.") from None
    if changes:
        click.echo(f"Done: {len(changes)} changes.")


def publish(runtime: Runtime, files: Sequence[Path]) -> None:
    """Make the catalogue what files say, without asking. Raises WrongUsage, Refusal, Refused."""
    _make(runtime, _planned(runtime, _read(files), publishing=True))
