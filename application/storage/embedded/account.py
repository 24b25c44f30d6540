"""The system user that PostgreSQL's programs run as: ourselves, or, for root, a lesser one."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from application.storage.embedded.errors import EmbeddedServerError

SERVICE_USER = "counterfoil"
_STANDING_IN = ("postgres", "nobody")  # where no user can be made
ACCOUNTS_LOCK = Path("/run/counterfoil-account.lock")
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ServerAccount:
    """Runs programs as itself. Root never writes inside the database files: this account does."""

    name: str
    uid: int
    gid: int

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        text: str = "",
        directory: Path = Path("/"),
        log: IO[bytes] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to its end with `text` as input; a failure is in its return code.

        Starts a session of its own, so that an interrupt from the terminal does not reach it,
        with an environment of its own, so that no PG variable of the caller does.
        log: takes the error output.
        """
        is_root = os.geteuid() == 0
        return subprocess.run(
            [str(part) for part in argv],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log is None else log,
            encoding="utf-8",
            errors="replace",
            check=False,
            cwd=directory,
            env=_environment(),
            umask=0o077,
            start_new_session=True,
            user=self.uid if is_root else None,
            group=self.gid if is_root else None,
            extra_groups=[] if is_root else None,
        )

    def can_run(self, argv: Sequence[str | Path]) -> bool:
        """Found by trying: modes, access lists and mount options all count."""
        try:
            return self.run(argv).returncode == 0
        except OSError:
            return False

    def can_enter(self, directory: Path) -> bool:
        return self.can_run(["/bin/sh", "-c", 'cd -- "$1"', "sh", directory])

    def write(self, path: Path, content: str) -> None:
        """Replace a file at once, mode 0600. Raises OSError."""
        script = 'cat >"$1.new" && mv -f -- "$1.new" "$1"'
        done = self.run(["/bin/sh", "-c", script, "sh", path], text=content)
        if done.returncode != 0:
            raise OSError(f"{path} cannot be written: {done.stdout.strip()}")

    def owns(self, directory: Path) -> None:
        """Make `directory`, which is ours and new, this account's."""
        if os.geteuid() == 0:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)


def server_account(cluster: Path | None) -> ServerAccount:
    """Who runs the server of `cluster`; None: of one that is still to be made.

    Raises EmbeddedServerError when that cannot be us.
    """
    own_uid = os.geteuid()
    owner_uid = cluster.stat().st_uid if cluster is not None else None
    if own_uid != 0 and owner_uid not in {None, own_uid}:
        raise EmbeddedServerError(
            f"{cluster} belongs to system user {_name_of(owner_uid or 0)}",
            "Run as that user or as root, or choose another data directory.",
        )
    if own_uid != 0:
        return ServerAccount(_name_of(own_uid), own_uid, os.getegid())
    if owner_uid == 0:
        raise EmbeddedServerError(
            f"{cluster} belongs to root, as whom PostgreSQL refuses to run",
            "Give it to the system user that made it (chown -R), then start again.",
        )
    if owner_uid is not None and cluster is not None:
        return ServerAccount(_name_of(owner_uid), owner_uid, cluster.stat().st_gid)
    return _service_account()


def _service_account() -> ServerAccount:
    for name in (SERVICE_USER, *_STANDING_IN):
        entry = _entry(name) or (_made(name) if name == SERVICE_USER else None)
        if entry is not None and entry.pw_uid != 0:
            return ServerAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        f"no system user to run as: {SERVICE_USER} cannot be made",
        f"Run as an ordinary user, or make one: useradd --system {SERVICE_USER}.",
    )


def _made(name: str) -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path=_SYSTEM_PATH)
    if useradd is None:
        return None
    argv = [useradd, "--system", "--user-group", "--no-create-home"]
    argv += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name]
    # One at a time: two that run at once may each make the user, with another number.
    with suppress(OSError), ACCOUNTS_LOCK.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _entry(name) is None:
            subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return _entry(name)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _environment() -> dict[str, str]:
    environment = {"PATH": _SYSTEM_PATH, "LC_ALL": "C", "TZ": "UTC"}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment
