"""`counterfoil run`: something to look at, in one command."""

from __future__ import annotations

import click


@click.command()
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65_535),
    help="The port to listen on; 0 takes a free one.  [default: 8000]",
)  # fmt: skip
@click.option(
    "--charges", type=click.IntRange(100, 5_000_000), default=106_000, show_default=True,
    help="How many usage events the demo draws.",
)  # fmt: skip
def run(host: str | None, port: int | None, charges: int) -> None:
    """Write the demo into an empty ledger, then serve it.

    A ledger that holds anything is served as it is.

    \b
    Examples:
      counterfoil run
      COUNTERFOIL_DATA_DIR=/tmp/play counterfoil run --port 8080
    """
    from interfaces.cli.demo.command import demo_if_empty
    from interfaces.cli.demo.report import things_to_try
    from interfaces.cli.opening import settings_for_a_command
    from interfaces.cli.serve import serve_ledger
    from interfaces.http.server import listen
    from interfaces.keys.keyring import admin_key
    from interfaces.logs import configure_logging

    settings = settings_for_a_command()
    # A port that is taken shall be told before the demo is written, not after.
    listen(host or settings.host, settings.port if port is None else port).close()
    customer = None
    if settings.sandbox:
        click.echo("A sandbox has a clock of its own: it is served without the demo.", err=True)
    else:
        customer = demo_if_empty(settings, charges)

    def announce(url: str) -> None:
        click.echo(f"\nServing on {url}\nKey        {admin_key(settings)}\n")
        if customer is not None:
            click.echo(things_to_try(url, settings, customer))
        click.echo("Ctrl-C stops it; nothing is lost by that.")

    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    serve_ledger(settings, host, port, announce)
