"""`counterfoil replay --check`: do the books agree with the log?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from interfaces.cli.figures import counted
from interfaces.cli.opening import opened
from interfaces.cli.progress import progress_bar

if TYPE_CHECKING:
    from interfaces.runtime import Runtime
    from projections.replay import ReplayReport


@click.command(short_help="Check every figure against the log.")
@click.option(
    "--check", is_flag=True, required=True,
    help="Compare with the read models. Changes nothing.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress.")
def replay(check: bool, quiet: bool) -> None:  # noqa: ARG001 - it says what will be done
    """Fold the log from zero and compare every figure with what is read.

    Read models are folded anew by their own code; balances are compared with the wallets,
    grants with their own streams, charges with their wallets. Every difference is listed;
    with one or more the exit code is 1. A server may go on meanwhile.

    \b
    Example:
      counterfoil replay --check && echo the books agree
    """
    with opened(quiet=quiet) as runtime:
        runtime.catch_up()
        report = replayed(runtime, quiet=quiet)
    click.echo(summary(report))
    for difference in report.differences:
        click.echo(
            f"  {difference.table} {difference.key} {difference.column}: "
            f"{difference.live} is read, {difference.replayed} is right"
        )
    if not report.complete:
        click.echo("  ... and more of them")
    if report.differences:
        raise SystemExit(1)


def replayed(runtime: Runtime, *, quiet: bool) -> ReplayReport:
    """Replay and compare, with a progress bar."""
    from application.codec import EventCodec
    from projections.models import read_models
    from projections.replay import replay as replay_log

    positions = runtime.engine.positions()
    with progress_bar("Replaying the log", max(positions.values()), quiet=quiet) as reached:
        return replay_log(
            runtime.projection_pool,
            EventCodec().decode_all,
            read_models(),
            progress=lambda position, _end: reached(position),
        )


def summary(report: ReplayReport) -> str:
    found = len(report.differences)
    count = f"{counted(found)}{'' if report.complete else ' or more'}"
    noun = "difference" if found == 1 else "differences"
    return (
        f"{counted(report.events)} events replayed in {report.seconds:.1f} s "
        f"({counted(round(report.events_per_second))} events/s): {count} {noun}"
    )
