"""`counterfoil configure`: the tenant's own settings, kept in the log."""

from __future__ import annotations

import click

from interfaces.cli.figures import lines_of
from interfaces.cli.opening import caller_of, opened
from interfaces.cli.parameters import SECONDS, Span


@click.command()
@click.option(
    "--late-window", type=Span(), help="How far back usage may have occurred, such as 35d."
)
@click.option(
    "--settlement-grace", type=Span(),
    help="For how long after its expiry a grant still pays what occurred before it, such as 2h.",
)  # fmt: skip
@click.option("--timezone", help="Whose midnight begins a day, such as Europe/Berlin.")
def configure(late_window: int | None, settlement_grace: int | None, timezone: str | None) -> None:
    """Change the tenant's settings, or show them.

    What is not named stays as it is. A change is an event of the log, in force from then on.
    The timezone stays once the journal has entries: they were dated by it.

    \b
    Examples:
      counterfoil configure
      counterfoil configure --late-window 7d --timezone Europe/Berlin
    """
    from application.commands.requests import ConfigureTenant

    with opened() as runtime:
        begun = False
        if timezone is not None:
            runtime.catch_up()
            begun = runtime.read_models.has_entries(runtime.tenant_id)
        command = ConfigureTenant(late_window, settlement_grace, timezone, begun)
        if command != ConfigureTenant(begun=begun):
            (outcome,) = runtime.ledger.execute(caller_of(runtime, "configure"), [command])
            failure = outcome.refusal or outcome.error
            if failure is not None:
                raise failure
        tenant = runtime.reader.tenant(runtime.tenant_id)
    click.echo(
        lines_of(
            [
                ("late window", _span_text(tenant.late_window_seconds)),
                ("settlement grace", _span_text(tenant.settlement_grace_seconds)),
                ("timezone", tenant.timezone),
            ],
            indent=0,
        )
    )


def _span_text(seconds: int) -> str:
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]}{unit}"
    return f"{seconds}s"
