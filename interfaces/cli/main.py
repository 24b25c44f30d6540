"""`counterfoil`: the ledger from a shell."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from interfaces.cli import (
    catalog,
    close,
    configure,
    doctor,
    export,
    failures,
    graphiql,
    migrate,
    rebuild,
    replay,
    run,
    serve,
)
from interfaces.cli.demo import command as demo
from interfaces.cli.usage_import import command as usage_import


class Commands(click.Group):
    """Tells what went wrong in words, and ends with the exit code that goes with it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as failure:
            told = failures.in_words(failure)
            if told is None:
                raise
            raise told from failure


def _version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    try:
        click.echo(f"counterfoil {version('counterfoil')}")
    except PackageNotFoundError:
        click.echo("counterfoil, not installed")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli() -> None:
    """A ledger for prepaid usage: wallets, grants, holds and charges.

    Without any setting it keeps its database in ./.counterfoil, by a PostgreSQL of its own;
    COUNTERFOIL_DATABASE_URL names another, COUNTERFOIL_DATA_DIR another directory.

    \b
    Examples:
      counterfoil run              a demo to look at, served on http://127.0.0.1:8000
      counterfoil serve            serve the ledger that is there
      counterfoil replay --check   fold the log from zero and compare every figure

    Exit codes: 0 done, 1 refused or a difference was found, 2 wrong usage or settings,
    3 the database cannot be reached.
    """


for command in (
    run.run,
    serve.serve,
    demo.demo,
    usage_import.import_usage,
    replay.replay,
    rebuild.rebuild,
    migrate.migrate,
    configure.configure,
    catalog.catalog,
    export.export,
    doctor.doctor,
    close.close,
    graphiql.fetch_graphiql,
):
    cli.add_command(command)


def main() -> None:
    cli(prog_name="counterfoil")
