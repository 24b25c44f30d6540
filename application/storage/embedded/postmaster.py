"""The server's processes: which are ours, how they are launched, signalled and waited for.

The postmaster is the parent of them all, in PostgreSQL's words. Its file postmaster.pid outlives
a kill -9, and the number in it may since be anybody's: so a process is ours by its user and its
command, not by its number, and not by its start time, which moves when the clock is set.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from application.storage.embedded.account import ServerAccount
from application.storage.embedded.binaries import Binaries
from application.storage.embedded.errors import EmbeddedServerError, log_tail
from application.storage.embedded.locks import open_private
from application.storage.embedded.placement import SOCKET_FILE
from application.storage.embedded.settings import cluster_name, kept_settings

POLL_SECONDS = 0.02
_PROC = Path("/proc")
_PID_FILE = "postmaster.pid"
_QUIT_SECONDS = 5.0  # as the postmaster itself gives its children
_KILL_SECONDS = 20.0
_STOP_SECONDS = 120.0  # the last checkpoint writes all that shared_buffers hold
_LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class SystemProcess:
    """A process of this machine that is not yet dead. command: its words, joined by blanks."""

    pid: int
    uid: int
    command: str


@dataclass(frozen=True)
class Postmaster:
    """A live postmaster as its file describes it. status: starting, ready, stopping, standby."""

    pid: int
    socket_dir: Path | None
    status: str


def find_postmaster(cluster: Path, account: ServerAccount) -> Postmaster | None:
    """The live server of a cluster; None when there is no file, or it names no process of ours.

    Raises EmbeddedServerError while somebody works on the cluster in single-user mode.
    """
    try:
        lines = (cluster / _PID_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    fields = [line.strip() for line in lines] + [""] * 8
    pid, socket_dir, status = fields[0], fields[4], fields[7]
    is_single_user = pid.startswith("-")
    pid = pid.removeprefix("-")
    found = _system_process(int(pid)) if pid.isdecimal() else None
    if found is None or not _is_ours(found, cluster, account):
        return None
    if is_single_user:
        raise EmbeddedServerError(
            f"it is in single-user mode: process {pid}", "Leave that mode (control-D) first."
        )
    return Postmaster(found.pid, Path(socket_dir) if socket_dir else None, status)


def launch(
    binaries: Binaries, cluster: Path, socket_dir: Path, account: ServerAccount, log: Path
) -> int:
    """Start a postmaster that outlives us; its process id. It may still fail: see its log."""
    argv: list[str | Path] = [binaries.program("postgres"), "-D", cluster]
    for name, value in kept_settings(cluster, socket_dir).items():
        argv += ["-c", f"{name}={value}"]
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.rename(log.with_name(f"{log.name}.1"))
    # A shell that ends at once leaves the server to init, which takes care of it when it dies.
    script = '"$@" </dev/null >&2 & echo $!'
    with os.fdopen(open_private(log, os.O_WRONLY | os.O_APPEND), "ab") as stream:
        started = account.run(["/bin/sh", "-c", script, "sh", *argv], log=stream)
    return int(started.stdout)


def clear_remnants(cluster: Path, socket_dir: Path, account: ServerAccount) -> None:
    """End what is left of a server whose postmaster is dead, and remove its stale files.

    Its children may be at work still, holding its shared memory; and PostgreSQL takes a zombie,
    or whoever has the number now, for the one that it was: a new server would not start.
    """
    end_remnants(cluster, account)
    for stale in (cluster / _PID_FILE, socket_dir / f"{SOCKET_FILE}.lock"):
        stale.unlink(missing_ok=True)


def end_remnants(cluster: Path, account: ServerAccount) -> None:
    """Raises EmbeddedServerError when a process of the cluster cannot be ended."""
    remnants: list[SystemProcess] = []
    for number, patience_seconds in (
        (signal.SIGQUIT, _QUIT_SECONDS),
        (signal.SIGKILL, _KILL_SECONDS),
    ):
        remnants = _processes_of(cluster, account)
        for remnant in remnants:
            _send(remnant.pid, number)
        deadline = time.monotonic() + patience_seconds
        while remnants and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            remnants = [r for r in remnants if is_alive(r.pid)]
        if not remnants:
            return
    pids = " ".join(str(remnant.pid) for remnant in remnants)
    raise EmbeddedServerError(
        f"processes of an earlier server do not end: {pids}",
        "They wait for a disk that does not answer: mend it, or restart the machine.",
    )


def shut_down(postmaster: Postmaster, cluster: Path, account: ServerAccount, log: Path) -> None:
    """Fast shutdown: sessions are cut, all is written out. After two minutes an immediate one.

    Raises EmbeddedServerError when even that does not end it.
    """
    _send(postmaster.pid, signal.SIGINT)
    if wait_until_gone(postmaster.pid, _STOP_SECONDS):
        return
    try:
        end_remnants(cluster, account)  # nothing is lost: the next start recovers
    except EmbeddedServerError as error:
        raise EmbeddedServerError(error.failed, error.remedy, log_tail(log)) from None


def wait_until_gone(pid: int, timeout_seconds: float) -> bool:
    """False: it is still there."""
    deadline = time.monotonic() + timeout_seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_alive(pid: int) -> bool:
    """A zombie is dead: nobody has asked for its end yet."""
    return _system_process(pid) is not None


def _processes_of(cluster: Path, account: ServerAccount) -> list[SystemProcess]:
    return [found for found in _system_processes() if _is_ours(found, cluster, account)]


def _is_ours(found: SystemProcess, cluster: Path, account: ServerAccount) -> bool:
    if found.uid != account.uid:
        return False
    if found.command.startswith(f"postgres: {cluster_name(cluster)}: "):
        return True
    if re.match(rf"(.*/)?postgres (.* )?-D {re.escape(str(cluster))}( |$)", found.command):
        return True
    # The directory may have been moved under a running server: then it is where it works.
    return re.match(r"(.*/)?postgres( |:)", found.command) is not None and _works_in(
        found.pid, cluster
    )


def _works_in(pid: int, cluster: Path) -> bool:
    try:
        return cluster.samefile(_PROC / str(pid) / "cwd")
    except OSError:  # gone, not ours to ask, or no /proc
        return False


def _system_process(pid: int) -> SystemProcess | None:
    if not _has_proc():
        return next(_ps("-p", str(pid)), None)
    try:
        status = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:  # gone, or not ours to ask
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if fields["State"].split()[0] in {"Z", "X"}:
        return None
    words = os.fsdecode(command).rstrip("\0 ").replace("\0", " ")
    return SystemProcess(pid, int(fields["Uid"].split()[0]), words)


def _system_processes() -> Iterator[SystemProcess]:
    if not _has_proc():
        yield from _ps("-A")
        return
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            found = _system_process(int(entry.name))
            if found is not None:
                yield found


def _has_proc() -> bool:
    return (_PROC / "self" / "status").exists()


def _ps(*selection: str) -> Iterator[SystemProcess]:
    """Where there is no /proc, as on macOS."""
    argv = ["/bin/ps", "-ww", "-o", "pid=,uid=,stat=,args=", *selection]
    listed = subprocess.run(argv, check=False, capture_output=True, encoding="utf-8").stdout
    for line in listed.splitlines():
        pid, uid, state, command = (*line.split(None, 3), "")[:4]
        if not state.startswith("Z"):
            yield SystemProcess(int(pid), int(uid), command.rstrip())


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
