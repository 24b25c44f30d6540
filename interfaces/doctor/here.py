"""This machine's part: its clock against the database's, disk, and files that hold secrets."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from application.clock import Clock
from application.storage.database import Connection
from interfaces.doctor.finding import Finding, size

FAR_APART_SECONDS = 1.0
PRIVATE_FILES = ("secret", "admin-key", "superuser.password")


def examine_clock(connection: Connection, clock: Clock) -> Finding:
    """Compare clocks by the quickest of three round trips."""
    apart, half_trip = min((_asked(connection, clock) for _ in range(3)), key=lambda each: each[1])
    found = f"{abs(apart):.3f} s {'ahead of' if apart > 0 else 'behind'} the database's"
    if abs(apart) <= FAR_APART_SECONDS + half_trip:
        return Finding("clock", "ok", found)
    return Finding(
        "clock",
        "wrong",
        found,
        "what expires, resets and lapses is decided by the clock of the process that decides: "
        "two that differ refuse and accept otherwise at the same moment",
        "keep both by NTP",
    )


def _asked(connection: Connection, clock: Clock) -> tuple[float, float]:
    """Return by how much our clock is ahead, and half the time that asking took. Seconds."""
    sent = clock.now().timestamp()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    received = clock.now().timestamp()
    assert row is not None
    return (sent + received) / 2 - float(row[0]), (received - sent) / 2


def examine_disk(directory: Path, wal_bytes: int) -> Finding:
    """directory: of an embedded server; wal_bytes: what its WAL may take."""
    usage = shutil.disk_usage(directory)
    found = f"{size(usage.free)} of {size(usage.total)} free"
    if usage.free >= wal_bytes:
        return Finding("disk", "ok", found)
    return Finding(
        "disk",
        "wrong",
        found,
        f"the WAL alone may take {size(wal_bytes)}; on a full disk nothing is recorded",
        "free some, or move COUNTERFOIL_DATA_DIR",
    )


def examine_files(data_dir: Path) -> Iterator[Finding]:
    """Look at the modes of the files that hold secrets, where there are any."""
    for name in PRIVATE_FILES:
        path = data_dir / name
        if not path.exists():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding(
                f"file {name}",
                "wrong",
                f"mode {mode:04o}",
                "others on this machine may read it, and with it everything of every tenant",
                f"chmod 600 {path}",
            )
        else:
            yield Finding(f"file {name}", "ok", f"mode {mode:04o}")
