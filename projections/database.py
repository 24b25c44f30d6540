"""What the read models need of a database; whoever starts them gives it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]


class Connections(Protocol):
    """Lends connections as the role that reads the log and writes read models.

    Committed when given back, rolled back on an error. Two at a time must be possible.
    """

    def connection(self) -> AbstractContextManager[Connection]: ...
