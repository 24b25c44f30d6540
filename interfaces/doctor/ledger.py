"""The ledger in a database: its tables, who may see whose rows, read models, due work."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg

from application.storage.database import Connection, Login, Role
from application.storage.migrate import history, migrations
from application.storage.roles import RefusesToServe, check_isolation
from application.storage.shard import FIRST_SHARD
from domain import identity
from interfaces.doctor.finding import Finding
from interfaces.runtime import FIRST_TENANT, MIGRATIONS
from projections import positions
from projections.models import read_models
from projections.queries import ReadModels
from projections.tables import Location

LONG_BEHIND_SECONDS = 60.0
OVERDUE = timedelta(minutes=1)
SCHEMAS = [FIRST_SHARD.schema, "counterfoil"]
_SERVING: tuple[Role, ...] = ("log", "app", "proj")
_LIVE = Location(FIRST_SHARD.schema)


def examine_ledger(
    logins: dict[Role, Login], now: datetime | None, rolled_up: Sequence[str]
) -> Iterator[Finding]:
    """now: none where the ledger's time is not the world's, so that nothing is overdue.
    rolled_up: the properties that sums of usage are to be kept by.
    """
    able: dict[Role, Login] = {}
    for role in _SERVING:
        try:
            with logins[role].connect() as connection:
                check_isolation(connection, SCHEMAS)
        except psycopg.OperationalError as error:
            yield Finding(
                f"role {role}",
                "wrong",
                _first_line(error),
                "the ledger serves as this role and cannot",
                "counterfoil migrate; and the same COUNTERFOIL_SECRET for every process",
            )
        except RefusesToServe as refusal:
            yield Finding(
                f"role {role}",
                "wrong",
                str(refusal),
                "it would see the rows of every tenant, so the ledger refuses to serve",
                "take superuser and BYPASSRLS from the role, and force row security on every "
                "table; it may own none",
            )
        else:
            able[role] = logins[role]
            yield Finding(f"role {role}", "ok", "sees its tenant's rows alone")
    if "log" in able:
        yield _commits(able["log"])
    if "proj" in able:
        yield from _folded(able["proj"], now, rolled_up)


def _commits(log: Login) -> Finding:
    """What holds in the sessions that append: ALTER ROLE may have set something else."""
    with log.connect() as connection:
        (found,) = connection.execute("SHOW synchronous_commit").fetchone() or ("",)
    if found == "off":
        return Finding(
            "commits of the log",
            "wrong",
            "synchronous_commit off",
            "COMMIT answers before the disk has it: a crash loses charges that were acknowledged",
            f"ALTER ROLE {log.arguments.get('user')} RESET synchronous_commit",
        )
    return Finding("commits of the log", "ok", f"synchronous_commit {found}")


def _folded(proj: Login, now: datetime | None, rolled_up: Sequence[str]) -> Iterator[Finding]:
    with proj.connect(autocommit=True) as connection:
        missing = yield from _migrations(connection)
        if missing:
            return
        yield from _read_models(connection)
        yield from _sums(connection, rolled_up)
        yield _scheduler(connection, now)


def _migrations(connection: Connection) -> Generator[Finding, None, bool]:
    """Return whether tables are missing."""
    done = history(connection, FIRST_SHARD)
    ours = {migration.name: migration.digest for migration in migrations(MIGRATIONS)}
    missing = [name for name in ours if name not in done]
    changed = [name for name in ours if name in done and done[name] != ours[name]]
    later = sorted(done.keys() - ours.keys())
    if missing:
        yield Finding(
            "migrations",
            "wrong",
            f"pending: {', '.join(missing)}",
            "this version of the ledger needs tables that are not there",
            "counterfoil migrate",
        )
    if changed:
        yield Finding(
            "migrations",
            "wrong",
            f"changed since they were applied: {', '.join(changed)}",
            "the tables may not be what this version takes them for",
            "run the version that applied them",
        )
    if later:
        yield Finding(
            "migrations",
            "note",
            f"of a later version: {', '.join(later)}",
            "a newer version of the ledger has been here",
            "run that version everywhere",
        )
    if not (missing or changed or later):
        yield Finding("migrations", "ok", f"{len(ours)} applied")
    return bool(missing)


def _read_models(connection: Connection) -> Iterator[Finding]:
    names = [model.name for model in read_models()]
    standings = positions.standings(connection, _LIVE, names)
    behind: dict[str, float] = {}
    for name, standing in standings.items():
        if standing.stopped is not None:
            yield Finding(
                f"read model {name}",
                "wrong",
                f"stopped at position {standing.stopped.position} ({standing.stopped.topic})",
                f"{standing.stopped.because}; what it answers stays as it was",
                standing.stopped.remedy,
            )
        else:
            behind[name] = _behind_seconds(connection, standing.position)
    slowest = max(behind, key=lambda name: behind[name], default=None)
    if slowest is None:
        return
    if behind[slowest] > LONG_BEHIND_SECONDS:
        late = sorted(name for name, seconds in behind.items() if seconds > LONG_BEHIND_SECONDS)
        yield Finding(
            "read models",
            "slow",
            f"{behind[slowest]:.0f} s behind: {', '.join(late)}",
            "lists and reports show an older state; balances and decisions are not touched",
            "run `counterfoil serve`, or one with --role projector; if one runs, see "
            "counterfoil_projection_batch_seconds",
        )
    else:
        yield Finding("read models", "ok", f"at most {behind[slowest]:.0f} s behind")


def _behind_seconds(connection: Connection, position: int) -> float:
    """Return how old the first event is that is not folded yet, by its own time."""
    row = connection.execute(
        _LIVE.query(
            "SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM {events}"
            " WHERE notification_id > %s ORDER BY notification_id LIMIT 1"
        ),
        (position,),
    ).fetchone()
    return 0.0 if row is None else max(0.0, float(row[0]))


def _sums(connection: Connection, rolled_up: Sequence[str]) -> Iterator[Finding]:
    row = connection.execute(
        _LIVE.query(
            "SELECT count(*) FROM (SELECT tenant FROM {usage_rollup_properties} GROUP BY tenant"
            " HAVING NOT array_agg(property) @> %s::text[]) AS without"
        ),
        (list(rolled_up),),
    ).fetchone()
    if row is not None and row[0]:
        yield Finding(
            "sums of usage",
            "note",
            f"not by all of {', '.join(rolled_up)} for {row[0]} tenants",
            "they had charges before COUNTERFOIL_ROLLUP_PROPERTIES said so; usageSeries by such a "
            "property reads every charge",
            "counterfoil rebuild charges",
        )


def _scheduler(connection: Connection, now: datetime | None) -> Finding:
    lease = FIRST_SHARD.due_work_lease
    held = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND classid = %s AND objid = %s AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (lease >> 32, lease & 0xFFFF_FFFF),
    ).fetchone() != (0,)
    if held:
        return Finding("due work", "ok", "a scheduler is at work")
    overdue: list[str] = []
    if now is not None:

        @contextmanager
        def transaction(tenant_id: str) -> Iterator[Connection]:
            with connection.transaction():
                connection.execute("SELECT set_config('app.tenant', %s, true)", (tenant_id,))
                yield connection

        queries = ReadModels(transaction, FIRST_SHARD.schema)
        overdue = queries.due_wallets(identity.tenant_id(FIRST_TENANT), now - OVERDUE, 1_000)
    if overdue:
        return Finding(
            "due work",
            "wrong",
            f"overdue in {len(overdue)} wallets, and no scheduler runs",
            "lapses and expiries are not written until their wallet is next used; decisions are "
            "right all the same, reports and revenue are late",
            "run `counterfoil serve`, or one with --role scheduler",
        )
    return Finding(
        "due work", "note", "no scheduler runs", "nothing is overdue", "counterfoil serve"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
