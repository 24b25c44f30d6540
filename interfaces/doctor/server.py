"""The settings of a PostgreSQL: which of them lose what was acknowledged, which cost speed.

The figures were measured on two cores with rows of 217 bytes, 1 000 a commit, fsync on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from application.storage.database import Connection
from application.storage.embedded.settings import Machine
from interfaces.doctor.finding import GIB, MIB, Finding, Level, size

OLDEST_VERSION = 160_000
FULL_BUFFERS = 2 * GIB
FULL_WAL = 4 * GIB
LONG_WAL = 32 * GIB
REPLAYED_A_SECOND = 180 * MIB
SHORTEST_CHECKPOINTS_SECONDS = 900
CONNECTIONS_OF_A_PROCESS = 40
FEWEST_CONNECTIONS = 10

WHOLE_PAGES = (
    "the log's key is random, so after each checkpoint nearly every insert writes a whole page: "
    "at the default settings inserts fell from 34 000 to 10 000-14 000 rows/s within 2 million "
    "rows, where 35 000-52 000 are held with shared_buffers 2 GB, max_wal_size 16 GB, "
    "checkpoint_timeout 30 min and wal_compression pglz"
)

_UNITS = {"B": 1, "kB": 1024, "8kB": 8192, "16MB": 16 * MIB, "MB": MIB, "s": 1, "min": 60}
_NAMES = (
    "autovacuum",
    "checkpoint_timeout",
    "data_checksums",
    "fsync",
    "full_page_writes",
    "max_connections",
    "max_wal_size",
    "reserved_connections",
    "server_version",
    "server_version_num",
    "shared_buffers",
    "superuser_reserved_connections",
    "synchronous_commit",
    "synchronous_standby_names",
    "wal_compression",
)


@dataclass(frozen=True, slots=True)
class Server:
    """settings: as text, sizes in bytes and times in seconds; of the session that asked.

    connections: clients that are connected; standbys: that stream from it.
    """

    settings: dict[str, str]
    connections: int
    standbys: int

    def number(self, name: str) -> int:
        return int(self.settings.get(name, "0"))


def read_server(connection: Connection) -> Server:
    """Raises psycopg.Error."""
    rows = connection.execute(
        "SELECT name, setting, unit FROM pg_settings WHERE name = ANY(%s)", (list(_NAMES),)
    )
    settings = {
        name: setting if unit is None else str(int(setting) * _UNITS[unit])
        for name, setting, unit in rows
    }
    counted = connection.execute(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " OR backend_type IS NULL), (SELECT count(*) FROM pg_stat_replication)"
    ).fetchone()
    assert counted is not None
    return Server(settings, int(counted[0]), int(counted[1]))


def examine_server(server: Server, machine: Machine | None) -> Iterator[Finding]:
    """machine: whose memory and disk the server has, if it is this one."""
    yield _version(server)
    yield from _durability(server)
    yield from _checkpoints(server, machine)
    yield _connections(server)
    if server.settings["autovacuum"] != "on":
        yield Finding(
            "autovacuum",
            "slow",
            "off",
            "read models are updated in place: their tables and indexes grow for ever",
            "autovacuum = on",
        )


def _version(server: Server) -> Finding:
    found = server.settings["server_version"]
    if server.number("server_version_num") >= OLDEST_VERSION:
        return Finding("version", "ok", found)
    return Finding(
        "version", "wrong", found, "Counterfoil is tested on 16 to 18", "upgrade PostgreSQL"
    )


def _durability(server: Server) -> Iterator[Finding]:
    settings = server.settings
    yield _on(
        settings,
        "fsync",
        "when the machine goes down, charges that were acknowledged are lost, and the whole "
        "cluster may be",
    )
    yield _on(
        settings,
        "full_page_writes",
        "a page that was half written when the machine went down cannot be repaired",
    )
    commit = settings["synchronous_commit"]
    if commit == "off":
        yield Finding(
            "synchronous_commit",
            "wrong",
            commit,
            "COMMIT answers before the disk has it: a crash loses charges that were acknowledged",
            "synchronous_commit = on, also where ALTER ROLE or ALTER DATABASE has set it",
        )
    else:
        yield Finding("synchronous_commit", "ok", commit)
    if server.standbys and not settings["synchronous_standby_names"]:
        yield Finding(
            "standbys",
            "wrong",
            f"{server.standbys}, asynchronous",
            "a failover loses what the standby had not received: of 500 acknowledged charges 168 "
            "were left when one that lagged was promoted",
            "name a standby in synchronous_standby_names, or never promote one by itself",
        )
    if settings.get("data_checksums") == "off":
        yield Finding(
            "data_checksums",
            "note",
            "off",
            "a byte that the disk has changed is only found by folding the log",
            "pg_checksums --enable, with the server stopped",
        )


def _on(settings: dict[str, str], name: str, says: str) -> Finding:
    if settings[name] == "on":
        return Finding(name, "ok", "on")
    return Finding(name, "wrong", settings[name], says, f"{name} = on")


def _checkpoints(server: Server, machine: Machine | None) -> Iterator[Finding]:
    quarter = FULL_BUFFERS if machine is None else machine.memory_bytes // 4
    yield _at_least(
        "shared_buffers",
        server.number("shared_buffers"),
        # What is unknown of another machine is given the benefit of the doubt.
        min(FULL_BUFFERS // 2 if machine is None else FULL_BUFFERS, quarter),
        "once the index of the log's key outgrows it, inserts wait for the disk; and "
        + WHOLE_PAGES,
        "a quarter of the server's memory, 2 GB at most; takes a restart",
    )
    wal = server.number("max_wal_size")
    yield _at_least(
        "max_wal_size",
        wal,
        FULL_WAL if machine is None else min(FULL_WAL, machine.disk_free_bytes // 8),
        "checkpoints come before their time; " + WHOLE_PAGES,
        "4 GB or more, as the disk allows",
    )
    if wal > LONG_WAL:
        yield Finding(
            "recovery",
            "note",
            f"up to {wal // REPLAYED_A_SECOND} s",
            f"after a crash {size(wal)} of WAL are replayed at about 180 MB/s",
            "a smaller max_wal_size, if that is too long",
        )
    seconds = server.number("checkpoint_timeout")
    yield Finding(
        "checkpoint_timeout",
        "ok" if seconds >= SHORTEST_CHECKPOINTS_SECONDS else "slow",
        f"{seconds} s",
        "" if seconds >= SHORTEST_CHECKPOINTS_SECONDS else WHOLE_PAGES,
        "" if seconds >= SHORTEST_CHECKPOINTS_SECONDS else "checkpoint_timeout = 30min",
    )
    compression = server.settings["wal_compression"]
    yield Finding(
        "wal_compression",
        "slow" if compression == "off" else "ok",
        compression,
        "whole pages go to the WAL as they are; " + WHOLE_PAGES if compression == "off" else "",
        "wal_compression = pglz" if compression == "off" else "",
    )


def _at_least(name: str, found: int, wanted: int, says: str, remedy: str) -> Finding:
    # Servers round to pages and segments.
    if found >= wanted - 16 * MIB:
        return Finding(name, "ok", size(found))
    return Finding(name, "slow", size(found), says, f"{name}: {remedy}")


def _connections(server: Server) -> Finding:
    most = (
        server.number("max_connections")
        - server.number("superuser_reserved_connections")
        - server.number("reserved_connections")
    )
    free = most - server.connections
    level: Level = "ok"
    if free < CONNECTIONS_OF_A_PROCESS:
        level = "wrong" if free < FEWEST_CONNECTIONS else "slow"
    return Finding(
        "connections",
        level,
        f"{free} of {most} free",
        ""
        if level == "ok"
        else f"a process of the ledger takes up to {CONNECTIONS_OF_A_PROCESS} under load; where "
        "none is left, requests wait and are refused as OVERLOADED",
        "" if level == "ok" else "raise max_connections, or run fewer processes",
    )
