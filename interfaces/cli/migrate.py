"""`counterfoil migrate`: the database, brought up to this version."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from interfaces.cli.failures import WrongUsage
from interfaces.cli.opening import opened, settings_for_a_command

if TYPE_CHECKING:
    from application.storage.database import Login, Role
    from interfaces.settings import Settings

PASSWORD_BYTES = 24


@click.command()
@click.option(
    "--print-sql", is_flag=True, help="Change nothing: print what a superuser has to run."
)
def migrate(print_sql: bool) -> None:
    """Make the roles and tables that are missing. `serve` does it too, where it may.

    Where COUNTERFOIL_DATABASE_URL may not create roles, a superuser runs what --print-sql
    prints; it ends with the settings to use from then on. It holds passwords.

    \b
    Examples:
      counterfoil migrate
      counterfoil migrate --print-sql > roles.sql && psql -f roles.sql ledger
    """
    settings = settings_for_a_command()
    if print_sql:
        click.echo(roles_sql(settings))
    elif settings.log_url is not None:
        _told(_migrate_as_owner(settings))
    else:
        with opened(settings=settings):
            _told([])


def _told(applied: list[str]) -> None:
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("The database is up to date.")


def _migrate_as_owner(settings: Settings) -> list[str]:
    """Apply what is missing where the roles are somebody else's to make."""
    from application.storage.database import Login
    from application.storage.migrate import migrate as apply_missing
    from interfaces.runtime import MIGRATIONS

    urls = {
        "owner": settings.database_url,
        "log": settings.log_url,
        "app": settings.app_url,
        "proj": settings.proj_url,
    }
    logins = {
        role: Login.of(url.get_secret_value()) for role, url in urls.items() if url is not None
    }
    names: dict[Role, str] = {role: _user(login) for role, login in logins.items()}  # type: ignore[misc]
    return apply_missing(logins["owner"], names, MIGRATIONS)


def _user(login: Login) -> str:
    with login.connect() as connection:
        return connection.info.user


def roles_sql(settings: Settings) -> str:
    """Return what makes the roles, with new passwords, and the settings that go with them.

    Raises WrongUsage for the embedded database, which needs none of this.
    """
    from application.storage.database import Login
    from application.storage.roles import ROLES, role_names, role_statements

    if settings.database_url is None:
        raise WrongUsage(
            "The embedded database needs no superuser: set COUNTERFOIL_DATABASE_URL, or run "
            "counterfoil migrate."
        )
    login = Login.of(settings.database_url.get_secret_value())
    passwords: dict[Role, str] = {role: secrets.token_hex(PASSWORD_BYTES) for role in ROLES}
    with login.connect() as connection:
        info = connection.info
        database, address = info.dbname, f"{info.host}:{info.port}"
        statements = role_statements(connection, database, passwords)
        lines = [f"{statement.as_string(connection)};" for statement in statements]
    names = role_names(database)
    variables = {"owner": "DATABASE_URL", "log": "LOG_URL", "app": "APP_URL", "proj": "PROJ_URL"}
    lines += ["", "-- Then set, and run counterfoil migrate:"]
    lines += [
        f"-- COUNTERFOIL_{variables[role]}=postgresql://{quote(names[role])}:{passwords[role]}"
        f"@{address}/{quote(database)}"
        for role in ROLES
    ]
    return "\n".join(lines)
