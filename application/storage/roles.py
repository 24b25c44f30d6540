"""The database's roles, named after it: owner, log, app, proj; none bypasses row security.

owner  migrations; owns everything
log    the log's writer: INSERT and SELECT of streams by id, for any tenant
app    queries: SELECT only, under the tenant's policy
proj   reads the log, writes read models
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import get_args

import psycopg
from psycopg import sql

from application.storage.database import Connection, Login, Role

ROLES: tuple[Role, ...] = get_args(Role)


class RolesMissing(Exception):
    """The login may not make the roles; says what to do."""


def role_names(database: str) -> dict[Role, str]:
    return {role: f"{database}_{role}" for role in ROLES}


def prepare_roles(admin: Login, secret: bytes) -> dict[Role, Login]:
    """Make the roles where they are missing and answer each one's login.

    Their passwords derive from `secret`. Raises RolesMissing where the login may not make
    roles.
    """
    names = role_names(admin.database)
    passwords = _passwords(secret, names)
    try:
        with admin.connect() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('counterfoil', 0))")
            for statement in role_statements(connection, admin.database, passwords):
                connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RolesMissing(
            "the login of COUNTERFOIL_DATABASE_URL may not create roles "
            f"({error.diag.message_primary}): run `counterfoil migrate --print-sql` as a "
            "superuser, then set COUNTERFOIL_LOG_URL, COUNTERFOIL_APP_URL and COUNTERFOIL_PROJ_URL"
        ) from error
    return role_logins(admin, secret)


def role_logins(admin: Login, secret: bytes) -> dict[Role, Login]:
    """Return each role's login, made or not."""
    names = role_names(admin.database)
    passwords = _passwords(secret, names)
    return {role: admin.as_user(names[role], passwords[role]) for role in ROLES}


def role_statements(
    connection: Connection, database: str, passwords: Mapping[Role, str]
) -> list[sql.Composed]:
    """Return what makes the roles and lets the owner create schemas."""
    names = role_names(database)
    existing = {
        str(row[0])
        for row in connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(names.values()),)
        )
    }
    statements: list[sql.Composed] = []
    for role in ROLES:
        verb = "ALTER" if names[role] in existing else "CREATE"
        statements.append(
            sql.SQL(
                "{verb} ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE "
                "PASSWORD {password}"
            ).format(
                verb=sql.SQL(verb),
                name=sql.Identifier(names[role]),
                password=sql.Literal(passwords[role]),
            )
        )
    # A read model and its position are one transaction: what a crash takes of both is folded
    # anew. Waiting for the disk each time would take it from the log.
    # A plan that is kept for any parameters suits the tables as they were when it was made: the
    # empty ones of a new ledger, of which it scans all of a tenant for each row that it looks up.
    statements.extend(
        sql.SQL("ALTER ROLE {name} SET {setting}").format(
            name=sql.Identifier(names["proj"]), setting=sql.SQL(setting)
        )
        for setting in ("synchronous_commit = off", "plan_cache_mode = force_custom_plan")
    )
    statements.append(
        sql.SQL("GRANT CREATE, CONNECT ON DATABASE {database} TO {owner}").format(
            database=sql.Identifier(database), owner=sql.Identifier(names["owner"])
        )
    )
    statements.extend(
        sql.SQL("GRANT CONNECT ON DATABASE {database} TO {role}").format(
            database=sql.Identifier(database), role=sql.Identifier(names[role])
        )
        for role in ROLES
    )
    return statements


def _passwords(secret: bytes, names: Mapping[Role, str]) -> dict[Role, str]:
    """Derive each role's password, so that servers with one secret agree on it."""
    return {
        role: hmac.new(secret, f"role {name}".encode(), sha256).hexdigest()
        for role, name in names.items()
    }


class RefusesToServe(Exception):
    """The database would not keep tenants apart; says what is wrong."""


def check_isolation(connection: Connection, schemas: list[str]) -> None:
    """Raise RefusesToServe when this login would see past row security."""
    row = connection.execute(
        "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None
    name, superuser, bypasses = row
    if superuser or bypasses:
        raise RefusesToServe(f"role {name} is superuser or bypasses row security")
    unforced = connection.execute(
        """
        SELECT n.nspname || '.' || c.relname,
               pg_has_role(current_user, c.relowner, 'USAGE'),
               c.relrowsecurity AND c.relforcerowsecurity
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p')
        """,
        (schemas,),
    ).fetchall()
    for table, owned, forced in unforced:
        if owned:
            raise RefusesToServe(f"role {name} owns {table}")
        if not forced:
            raise RefusesToServe(f"table {table} has no forced row security")
