"""`counterfoil serve`: API, projections and due work, in one process or several."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from interfaces.processes.roles import Role
    from interfaces.settings import Settings

ROLES = ("all", "api", "projector", "scheduler")


@click.command()
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65_535),
    help="The port to listen on; 0 takes a free one.  [default: 8000]",
)  # fmt: skip
@click.option(
    "--role", type=click.Choice(ROLES), default="all", show_default=True,
    help="What this process does: api answers requests, projector keeps read models current, "
    "scheduler writes what falls due; all is the three of them.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True,
    help="How many API processes share the port. With more than one, all runs what is no API "
    "in a process of its own.",
)  # fmt: skip
def serve(host: str | None, port: int | None, role: Role, workers: int) -> None:
    """Serve the ledger until SIGTERM or Ctrl-C.

    Any number of processes of any role may serve one database; at least one each of api,
    projector and scheduler is needed. projector and scheduler listen only where --port is
    given, for /healthz, /readyz and /metrics.

    What was accepted is finished before it stops. Requests are answered from the start:
    /readyz says what goes on while the database comes up.

    \b
    Examples:
      counterfoil serve
      counterfoil serve --port 8080
      counterfoil serve --workers 4
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
    if role in ("projector", "scheduler"):
        if workers > 1:
            raise click.UsageError(f"--workers: a {role} is one process; start it again for more")
        serve_background(settings, role, host, port)
    else:
        serve_ledger(
            settings,
            host,
            port,
            lambda url: click.echo(f"Serving on {url}"),
            role=role,
            workers=workers,
        )


def serve_ledger(
    settings: Settings,
    host: str | None,
    port: int | None,
    announce: Callable[[str], None],
    *,
    role: Role = "all",
    workers: int = 1,
) -> None:
    """Serve until told to stop; host and port as in the settings unless given.

    role: all or api. announce: told the URL once the ledger is open. Raises what opening
    raises, and AddressUnavailable.
    """
    from interfaces.http.server import listen, listen_for_each, url_of
    from interfaces.keys.keyring import admin_key
    from interfaces.keys.secret import server_secret
    from interfaces.processes.roles import serve_role
    from interfaces.processes.supervisor import Supervisor, WorkersFailed

    address = settings.host if host is None else host, settings.port if port is None else port
    # Made now, so that they are there when the address is told, and made once.
    admin_key(settings)
    server_secret(settings)
    if workers == 1:
        listener = listen(*address)
        url = url_of(listener)
        serve_role(settings, role, listener, lambda: announce(url))
        return
    listeners = listen_for_each(*address, workers)
    url = url_of(listeners[0])
    supervisor = Supervisor(
        listeners, dict(os.environ), lambda: announce(url), background=role == "all"
    )
    try:
        supervisor.run()
    except WorkersFailed as failure:
        raise SystemExit(max(1, failure.code)) from None


def serve_background(settings: Settings, role: Role, host: str | None, port: int | None) -> None:
    """Run a role without API until told to stop. Raises what opening raises."""
    from interfaces.http.server import listen
    from interfaces.processes.roles import serve_role

    listener = None if port is None else listen(settings.host if host is None else host, port)
    serve_role(settings, role, listener, lambda: click.echo(f"Running as {role}"))
