"""The ledger, opened for one command that does its work and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from application.caller import Caller
    from application.clock import Clock
    from interfaces.runtime import Runtime
    from interfaces.settings import Settings

ACTOR = "cli"


def settings_for_a_command() -> Settings:
    """Return the settings, with logs on stderr from warnings up. Raises SettingsError."""
    from interfaces.logs import configure_logging
    from interfaces.settings import load_settings

    settings = load_settings()
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    return settings


@contextmanager
def opened(
    *, clock: Clock | None = None, quiet: bool = False, settings: Settings | None = None
) -> Iterator[Runtime]:
    """Open the ledger; nothing runs behind its back: no due work, no projections.

    Raises SettingsError and what Runtime.open raises.
    """
    from interfaces.runtime import Runtime

    def tell(told: str) -> None:
        if not quiet:
            click.secho(told, err=True, dim=True)

    settings = settings or settings_for_a_command()
    runtime = Runtime.open(settings, clock=clock, progress=tell, tasks=())
    with runtime:
        yield runtime


def caller_of(runtime: Runtime, command: str, late_window_seconds: int | None = None) -> Caller:
    """Return who the log shall name: the command line, and which command."""
    from application.caller import Caller

    return Caller(runtime.tenant_id, ACTOR, command, late_window_seconds)
