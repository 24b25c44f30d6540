"""`counterfoil close`: end an accounting month, or see what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from interfaces.cli.opening import caller_of, opened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain.revenue.period import Check


@click.command(short_help="Close an accounting month.")
@click.argument("month")
@click.option("--check", is_flag=True, help="Only say what stands in the way. Changes nothing.")
def close(month: str, check: bool) -> None:
    """Close an accounting month: nothing is posted into it any more.

    Months close in order, never the running one. What is checked is listed; the trial balance
    is pinned by its hash. With --check the exit code is 1 while something stands in the way.

    \b
    Examples:
      counterfoil close 2026-01 --check
      counterfoil close 2026-01
    """
    from application.commands.accounting_requests import BeginClose

    command = BeginClose(month)
    command.check()
    with opened() as runtime:
        closed = runtime.reader.periods(runtime.tenant_id, [month]).get(month)
        if check and (closed is None or closed.closed is None):
            checks = runtime.closing.checklist(runtime.tenant_id, month)
            _tell(checks)
            if not all(each.passed for each in checks):
                raise SystemExit(1)
            click.echo(f"{month} can close")
            return
        if not check:
            outcome = runtime.closing.close(caller_of(runtime, "close"), command)
            if outcome.refusal is not None:
                raise outcome.refusal
            closed = runtime.reader.periods(runtime.tenant_id, [month])[month]
    assert closed is not None
    assert closed.closed is not None
    _tell(closed.closed.checks)
    click.echo(f"{month} is closed at position {closed.closed.position}")
    click.echo(f"trial balance {closed.closed.trial_balance_hash}")


def _tell(checks: Iterable[Check]) -> None:
    for each in checks:
        mark = "ok" if each.passed else "NO"
        click.echo(f"  {mark}  {each.name}: {each.detail}")
