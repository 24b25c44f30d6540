"""A PostgreSQL of our own: made, tuned, started, recovered and stopped without an administrator.

server        EmbeddedServer: start, share, keep alive, stop
cluster       the database files: initdb, who may log in, the password
settings      what this machine can give the server
postmaster    which processes are ours; launching and ending them
placement     where the files and the socket lie
binaries      the programs, from the wheel
account       the system user they run as
locks         who uses the server, who may start or stop it
errors        what failed and what to do
"""

from application.storage.embedded.cluster import SUPERUSER
from application.storage.embedded.errors import EmbeddedServerError, EmbeddedServerTimeout
from application.storage.embedded.server import (
    ConnectionArguments,
    EmbeddedServer,
    StartOutcome,
)
from application.storage.embedded.settings import (
    SMALL_PROFILE,
    Machine,
    machine_settings,
    this_machine,
)

__all__ = [
    "SMALL_PROFILE",
    "SUPERUSER",
    "ConnectionArguments",
    "EmbeddedServer",
    "EmbeddedServerError",
    "EmbeddedServerTimeout",
    "Machine",
    "StartOutcome",
    "machine_settings",
    "this_machine",
]
