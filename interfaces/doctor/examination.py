"""All that the doctor looks at, in order; nothing is made or changed.

An embedded server that is not running is started for it, and stopped again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from application.clock import Clock, SystemClock
from application.storage.database import Login, Role
from application.storage.embedded import EmbeddedServer
from application.storage.embedded.placement import known_cluster
from application.storage.embedded.settings import Machine, this_machine
from application.storage.migrate import is_ledger
from application.storage.roles import role_logins
from interfaces.doctor.finding import Finding
from interfaces.doctor.here import examine_clock, examine_disk, examine_files
from interfaces.doctor.ledger import examine_ledger
from interfaces.doctor.server import examine_server, read_server
from interfaces.keys.secret import SECRET_FILE, derived_secret, server_secret
from interfaces.runtime import DATABASE, ROLE_PASSWORDS
from interfaces.settings import Settings

Progress = Callable[[str], None]


def examine(
    settings: Settings, progress: Progress, clock: Clock | None = None
) -> Iterator[Finding]:
    """Raises psycopg.OperationalError, EmbeddedServerError where there is nothing to look at."""
    clock = clock or SystemClock()
    yield from examine_files(settings.data_dir)
    if settings.database_url is not None:
        admin = Login.of(settings.database_url.get_secret_value())
        yield from _examine_database(settings, admin, None, clock)
        return
    if known_cluster(settings.data_dir) is None:
        yield _nothing_here(str(settings.data_dir))
        return
    server = EmbeddedServer(settings.data_dir, settings.pg_version)
    server.start(progress)
    try:
        machine = this_machine(server.cluster_dir)
        with Login(dict(server.conninfo("postgres"))).connect() as connection:
            found = read_server(connection)
            yield examine_disk(server.cluster_dir, found.number("max_wal_size"))
            made = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            there = made.fetchone() is not None
        if there:
            admin = Login(dict(server.conninfo(DATABASE)))
            yield from _examine_database(settings, admin, machine, clock)
        else:
            yield _nothing_here(str(settings.data_dir))
    finally:
        server.stop()


def _examine_database(
    settings: Settings, admin: Login, machine: Machine | None, clock: Clock
) -> Iterator[Finding]:
    with admin.connect(autocommit=True) as connection:
        yield from examine_server(read_server(connection), machine)
        yield examine_clock(connection, clock)
        there = is_ledger(connection)
    if not there:
        yield _nothing_here("this database")
        return
    logins = _logins(settings, admin)
    if logins is None:
        yield Finding(
            "roles",
            "note",
            f"not looked at: no {SECRET_FILE} in {settings.data_dir}",
            "their passwords derive from it",
            "run the doctor with the COUNTERFOIL_SECRET, or in the DATA_DIR, of the ledger",
        )
        return
    now = None if settings.sandbox else clock.now()
    yield from examine_ledger(logins, now, settings.rollup_properties)


def _logins(settings: Settings, admin: Login) -> dict[Role, Login] | None:
    urls = {"log": settings.log_url, "app": settings.app_url, "proj": settings.proj_url}
    if settings.log_url is not None:
        logins: dict[Role, Login] = {"owner": admin}
        for role, url in urls.items():
            assert url is not None
            logins[role] = Login.of(url.get_secret_value())  # type: ignore[index]
        return logins
    if settings.secret is None and not (settings.data_dir / SECRET_FILE).exists():
        return None  # asking for it would make one
    return role_logins(admin, derived_secret(server_secret(settings), ROLE_PASSWORDS))


def _nothing_here(where: str) -> Finding:
    return Finding("ledger", "note", f"none in {where} yet", "", "counterfoil serve makes one")
