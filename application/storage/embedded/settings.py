"""What the server is told: figures for this machine, and what is not open to discussion."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from application.storage.embedded.placement import digest

MIB = 1024 * 1024
GIB = 1024 * MIB

SMALL_PROFILE: Mapping[str, str] = {
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "maintenance_work_mem": "32MB",
}
"""For tests: what keeps a small server light. Nothing of what makes it safe."""

_KEPT = {
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "listen_addresses",
    "unix_socket_directories",
    "unix_socket_permissions",
    "port",
    "cluster_name",
    "hba_file",
    "ident_file",
    "config_file",
    "data_directory",
    "external_pid_file",
    "logging_collector",
    "log_destination",
    "include",
    "include_dir",
    "include_if_exists",
}
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Machine:
    """memory_bytes: what this program may use. disk_free_bytes: where the cluster lies."""

    memory_bytes: int
    disk_free_bytes: int


def this_machine(directory: Path) -> Machine:
    """The memory of the machine or of our container, the smaller; the disk of `directory`."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            memory_bytes = min(memory_bytes, int(limit.read_text()))
    return Machine(memory_bytes, shutil.disk_usage(directory).free)


def machine_settings(machine: Machine) -> dict[str, str]:
    """Settings that let a large random index grow, bounded by what the machine has.

    shared_buffers: a quarter of memory, 2 GiB at most. max_wal_size: an eighth of the free
    disk, 4 GiB at most, since recovery replays about 180 MB/s.
    """
    memory_mib = machine.memory_bytes // MIB
    wal_mib = _within(128, machine.disk_free_bytes // 8 // MIB, 4096)
    return {
        "shared_buffers": f"{_within(32, memory_mib // 4, 2048)}MB",
        "effective_cache_size": f"{max(64, memory_mib * 3 // 4)}MB",
        "maintenance_work_mem": f"{_within(16, memory_mib // 16, 512)}MB",
        "work_mem": f"{_within(4, memory_mib // 256, 32)}MB",
        "max_wal_size": f"{wal_mib}MB",
        "min_wal_size": f"{wal_mib // 4}MB",
        "checkpoint_timeout": "30min",
        "wal_compression": "pglz",
        "random_page_cost": "1.1",
        "jit": "off",
        "password_encryption": "scram-sha-256",
        # The server's word for programs that set none; writers of the log are stricter.
        "idle_in_transaction_session_timeout": "60s",
        "lock_timeout": "30s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_startup_progress_interval": "1s",
        # Details and statements repeat values, and values may be personal.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }


def checked_overrides(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings of the caller. Raises ValueError for what he may not set or cannot be meant."""
    for name, value in settings.items():
        if not re.fullmatch(r"[a-z_][a-z0-9_.]*", name):
            raise ValueError(f"{name!r} is not the name of a setting of PostgreSQL")
        if name in _KEPT:
            raise ValueError(f"{name} is kept by the embedded server and cannot be set")
        if any(ord(character) < 32 for character in value):
            raise ValueError(f"the value of {name} holds a control character")
    return dict(settings)


def settings_file(settings: Mapping[str, str]) -> str:
    """The text of a settings file."""
    quoted = {
        name: value.replace("\\", "\\\\").replace("'", "''") for name, value in settings.items()
    }
    lines = [f"{name} = '{value}'" for name, value in quoted.items()]
    return "\n".join(["# Written anew at each start.", *lines, ""])


def kept_settings(cluster: Path, socket_dir: Path) -> dict[str, str]:
    """Given on the command line, where no file and no ALTER SYSTEM overrules them."""
    quoted_dir = str(socket_dir).replace('"', '""')
    return {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted_dir}"',
        "unix_socket_permissions": "0700",
        "port": "5432",
        "cluster_name": cluster_name(cluster),
        "logging_collector": "off",
        "log_destination": "stderr",
    }


def cluster_name(cluster: Path) -> str:
    """Shown in the title of each of the server's processes, which tells them from others'."""
    return f"counterfoil-{digest(cluster)}"


def _within(lowest: int, wished: int, highest: int) -> int:
    return max(lowest, min(wished, highest))
