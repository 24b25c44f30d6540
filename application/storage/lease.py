"""A lease: of several processes on one database, one at a time does what one is enough for.

It saves work and nothing more: what is done under it has to be right without it, since a
connection may be lost while its holder is still at work.
"""

from __future__ import annotations

from contextlib import suppress

import psycopg

from application.storage.database import Connection, Login


class Lease:
    """An advisory lock of a session of its own; it ends with the session.

    key: names what is leased. Not safe to use from several threads.
    """

    def __init__(self, login: Login, key: int) -> None:
        self._login = login
        self._key = key
        self._connection: Connection | None = None
        self._held = False

    def held(self) -> bool:
        """Return whether we hold it, trying to take it if not. Raises psycopg.Error."""
        try:
            if self._connection is None:
                self._connection = self._login.connect(autocommit=True)
            if self._held:
                self._connection.execute("SELECT 1")
                return True
            row = self._connection.execute(
                "SELECT pg_try_advisory_lock(%s)", (self._key,)
            ).fetchone()
        except psycopg.Error:
            self.release()
            raise
        self._held = row is not None and bool(row[0])
        return self._held

    def release(self) -> None:
        """Let go; once more does nothing."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                if self._held:
                    # The end of a session is noticed later than that.
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", (self._key,))
            self._connection.close()
        self._held = False
        self._connection = None
