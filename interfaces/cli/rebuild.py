"""`counterfoil rebuild`: a read model, folded anew beside the live one."""

from __future__ import annotations

import click

from interfaces.cli.failures import Refused
from interfaces.cli.figures import counted
from interfaces.cli.opening import opened
from interfaces.cli.progress import progress_bar

# Written out: --help loads nothing heavy. A test holds it to the read models there are.
NAMES = (
    "balances", "budgets", "charges", "customers", "invoices", "journal", "margins",
    "notifications", "statement", "subscriptions", "top_ups", "unbilled",
)  # fmt: skip


@click.command(short_help="Fold a read model anew from the log.")
@click.argument("name", type=click.Choice((*NAMES, "all")))
@click.option("--quiet", is_flag=True, help="No progress.")
def rebuild(name: str, quiet: bool) -> None:
    """Fold a read model from the log into new tables, and swap them in.

    Readers see the old tables until the swap, never half of the new. Nothing that counts is
    in a read model alone: the log is the truth, and this is how one that stopped, or that a
    new version folds otherwise, is made right.

    \b
    Examples:
      counterfoil rebuild balances
      counterfoil rebuild all
    """
    from projections.engine import CannotRebuild
    from projections.rebuild import RebuildRunning

    with opened(quiet=quiet) as runtime:
        runtime.catch_up()
        for each in NAMES if name == "all" else (name,):
            end = max(runtime.engine.positions().values())
            try:
                with (
                    progress_bar(f"Rebuilding {each}", end, quiet=quiet) as reached,
                    runtime.owner.connect(autocommit=True) as owner,
                ):
                    position = runtime.engine.rebuild(each, owner, reached)
            except RebuildRunning:
                raise Refused(f"{each} is being rebuilt by another program.") from None
            except CannotRebuild as failure:
                raise Refused(f"{failure}. The live tables are as they were.") from None
            click.echo(f"{each} rebuilt up to position {counted(position)}")
