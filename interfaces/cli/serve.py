"""`counterfoil serve`: API, projections and due work in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from interfaces.http.starting import Opened
    from interfaces.settings import Settings

ROLES = ("all",)


@click.command()
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65_535),
    help="The port to listen on; 0 takes a free one.  [default: 8000]",
)  # fmt: skip
@click.option(
    "--role", type=click.Choice(ROLES), default="all", show_default=True,
    help="What this process does: all is API, projections and due work.",
)  # fmt: skip
def serve(host: str | None, port: int | None, role: str) -> None:  # noqa: ARG001 - one role so far
    """Serve the ledger until SIGTERM or Ctrl-C.

    What was accepted is finished before it stops. Requests are answered from the start:
    /readyz says what goes on while the database comes up.

    \b
    Examples:
      counterfoil serve
      counterfoil serve --port 8080
      COUNTERFOIL_DATABASE_URL=postgresql://... counterfoil serve --host 0.0.0.0

    The administrator's key is in DATA_DIR/admin-key, unless COUNTERFOIL_ADMIN_KEY is set:

    \b
      curl http://127.0.0.1:8000/graphql -H 'Content-Type: application/json' \\
        -H "Authorization: Bearer $(cat .counterfoil/admin-key)" -d '{"query":"{ now }"}'
    """
    from interfaces.logs import configure_logging
    from interfaces.settings import load_settings

    settings = load_settings()
    configure_logging(settings.log_level)
    serve_ledger(settings, host, port, lambda url: click.echo(f"Serving on {url}"))


def serve_ledger(
    settings: Settings, host: str | None, port: int | None, announce: Callable[[str], None]
) -> None:
    """Serve until told to stop; host and port as in the settings unless given.

    announce: told the URL once the ledger is open. Raises what opening raises, and
    AddressUnavailable.
    """
    from interfaces.http.front import ledger_app
    from interfaces.http.server import serve_while_opening
    from interfaces.http.starting import Opened
    from interfaces.keys.keyring import admin_key, open_keyring
    from interfaces.readiness import readiness_of
    from interfaces.runtime import Runtime

    admin_key(settings)  # made now, so that it is there when the address is told
    addresses: list[str] = []

    def open_app(tell: Callable[[str], None]) -> Opened:
        runtime = Runtime.open(settings, progress=tell)
        try:
            runtime.check_sandbox()
            keyring = open_keyring(settings, runtime.tenant_id)
            app = ledger_app(runtime, keyring, readiness_of(runtime))
        except BaseException:
            runtime.close()
            raise
        announce(addresses[0])
        return Opened(app, runtime.close)

    serve_while_opening(
        open_app,
        settings.host if host is None else host,
        settings.port if port is None else port,
        listening=addresses.append,
    )
