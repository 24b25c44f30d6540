"""A read model folded anew into tables beside the live ones, which it then replaces.

The copies have the columns, keys, checks, indexes, policies and rights of the live tables
as those are. The swap holds the live position, so that no engine moves the live tables
meanwhile, and is one transaction: a reader sees the old tables or the new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.sql import Identifier

from projections import positions
from projections.database import Connection
from projections.read_model import ReadModel
from projections.tables import Location

_BESIDE = "rebuilt_"
_RETIRED = "retired_"
_TRIES = 20
_LOCK_SECONDS = 2


class RebuildRunning(Exception):
    """Somebody else rebuilds this read model."""


class Rebuild:
    """One rebuild: `copy` is to be folded, then `swap` makes it the live one.

    owner: a connection, in autocommit, of the role that owns the tables. Raises
    RebuildRunning.
    """

    def __init__(self, owner: Connection, live: ReadModel[Any]) -> None:
        self._owner = owner
        self._live = live
        self._location = live.location
        self._schema = live.location.schema
        self._beside = Location(self._schema, _BESIDE)
        self._lock = f"rebuild {self._schema}.{live.name}"
        self.copy = live.beside(self._beside, f"{_BESIDE}{live.name}")

    def __enter__(self) -> Self:
        if not self._value("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", self._lock):
            raise RebuildRunning(self._live.name)
        with self._owner.transaction():
            self._drop_copies()
            for table in self._live.tables:
                self._copy_table(table.name)
            positions.begin(self._owner, self._location, [self._live.name, self.copy.name])
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._owner.closed:
            return  # the next rebuild drops what this one leaves
        with self._owner.transaction():
            self._drop_copies()
        self._value("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", self._lock)

    def swap(self, fold: Callable[[], int]) -> int:
        """Replace the live tables, once `fold` has taken the copies to the log's end.

        Tried again while readers are in the way. Returns the position of both.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                with self._owner.transaction():
                    return self._swap(fold)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def _swap(self, fold: Callable[[], int]) -> int:
        self._owner.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        self._owner.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        before = positions.lock(self._owner, self._location, self._live.name).position
        position = fold()
        assert position >= before
        for table in self._live.tables:
            self._run("ALTER TABLE {live} RENAME TO {name}", table.name, _RETIRED + table.name)
        for table in self._live.tables:
            self._run("ALTER TABLE {copy} RENAME TO {name}", table.name, table.name)
            self._run("DROP TABLE {retired}", table.name)
        positions.move(self._owner, self._location, self._live.name, position)
        positions.forget(self._owner, self._location, self.copy.name)
        return position

    def _drop_copies(self) -> None:
        for table in self._live.tables:
            self._run("DROP TABLE IF EXISTS {copy}", table.name)
        positions.forget(self._owner, self._location, self.copy.name)

    def _copy_table(self, table: str) -> None:
        self._run("CREATE TABLE {copy} (LIKE {live} INCLUDING ALL)", table)
        options = self._value(_OPTIONS, self._schema, table)
        if options:
            self._run("ALTER TABLE {copy} SET ({options})", table, options=sql.SQL(options))
        owner = self._value(_OWNER, self._schema, table)
        for name, mode, command, roles, using, check in self._owner.execute(
            _POLICIES, (self._schema, table)
        ):
            text = "CREATE POLICY {name} ON {copy} AS {mode} FOR {command} TO {roles}"
            text += " USING ({using})" if using is not None else ""
            text += " WITH CHECK ({check})" if check is not None else ""
            self._run(
                text, table, name, mode=sql.SQL(mode), command=sql.SQL(command),
                roles=sql.SQL(roles), using=sql.SQL(using or ""), check=sql.SQL(check or ""),
            )  # fmt: skip
        for grantee, privilege in self._owner.execute(_RIGHTS, (self._schema, table)):
            self._run(
                "GRANT {privilege} ON {copy} TO {grantee}", table,
                privilege=sql.SQL(privilege), grantee=Identifier(grantee),
            )  # fmt: skip
        self._run("ALTER TABLE {copy} ENABLE ROW LEVEL SECURITY", table)
        self._run("ALTER TABLE {copy} FORCE ROW LEVEL SECURITY", table)
        self._run("ALTER TABLE {copy} OWNER TO {owner}", table, owner=Identifier(owner))

    def _run(self, statement: str, table: str, name: str = "", **parts: sql.Composable) -> None:
        names = {
            "live": self._location.table(table),
            "copy": self._beside.table(table),
            "retired": Identifier(self._schema, _RETIRED + table),
            "name": Identifier(name),
        }
        self._owner.execute(sql.SQL(statement).format(**names, **parts))

    def _value(self, query: str, *parameters: str) -> Any:
        row = self._owner.execute(query.encode(), parameters).fetchone()
        return None if row is None else row[0]


_OPTIONS = """
SELECT array_to_string(reloptions, ', ') FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relname = %s
"""

_OWNER = """
SELECT pg_get_userbyid(relowner) FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relname = %s
"""

_POLICIES = """
SELECT policyname, permissive, cmd,
       (SELECT string_agg(CASE role WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(role) END, ', ')
        FROM unnest(roles) AS role),
       qual, with_check
FROM pg_policies WHERE schemaname = %s AND tablename = %s
"""

_RIGHTS = """
SELECT r.rolname, a.privilege_type
FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = %s AND a.grantee <> c.relowner
"""
