"""Where the database files and the socket lie: near, if the server's account can get there.

A cluster is the directory of one server's files, in PostgreSQL's words. No mode of a directory
that was there before is ever changed: what cannot be reached is put where it can.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path

from application.storage.embedded.account import ServerAccount
from application.storage.embedded.errors import EmbeddedServerError

SHELTER = Path("/var/lib/counterfoil")
CLUSTER = "postgres"
_NOTE = "data_dir"  # in a sheltered home: the data directory that it belongs to
SOCKET_FILE = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 103  # sun_path less its end: 107 on Linux, 103 on macOS


def digest(path: Path) -> str:
    """A short name for a long path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def make_data_dir(data_dir: Path) -> Path:
    """The absolute path of the data directory, made if it is not there.

    Made by root it can be passed through by others, since the server's account has to; what
    lies in it is closed to them.
    """
    data_dir = data_dir.absolute()
    if not data_dir.is_dir():
        data_dir.mkdir(parents=True, exist_ok=True)
        data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return data_dir.resolve()


def known_cluster(data_dir: Path) -> Path | None:
    """The cluster that a data directory holds or points to; None: there never was one.

    Raises EmbeddedServerError when it points to nothing, or to what belongs to another.
    """
    pointer = data_dir / CLUSTER
    if not pointer.is_symlink():
        return pointer if pointer.exists() else None
    if os.geteuid() == 0 and pointer.lstat().st_uid != 0:
        raise EmbeddedServerError(
            f"{pointer} is a link that root did not make", "Remove it, or run as its owner."
        )
    cluster = pointer.readlink()
    if not cluster.parent.is_dir():
        raise EmbeddedServerError(
            f"its files are gone: {pointer} points to {cluster}",
            "Put them back from a backup, or remove the link to begin with an empty ledger.",
        )
    if os.geteuid() == 0:
        _claim(cluster.parent, data_dir)
    return cluster


def new_cluster(
    data_dir: Path, account: ServerAccount, shelter: Path, abandoned: Callable[[Path], None]
) -> Path:
    """Where to make a cluster: in the data directory, else in `shelter` with a link to it.

    abandoned: told of each cluster that this data directory had there before it was removed.
    """
    if account.can_enter(data_dir):
        return data_dir / CLUSTER
    home = _sheltered_home(data_dir, shelter, abandoned)
    if not account.can_enter(home):
        raise EmbeddedServerError(
            f"system user {account.name} can reach neither {data_dir} nor {home}",
            "Choose a data directory that every user may pass through.",
        )
    (data_dir / CLUSTER).symlink_to(home / CLUSTER)
    return home / CLUSTER


def checked_shelter(shelter: Path) -> Path:
    """The directory of root for what cannot lie elsewhere, made if it is not there."""
    if not shelter.is_dir():
        shelter.mkdir(parents=True, exist_ok=True)
        shelter.chmod(0o755)
    status = shelter.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022 or not stat.S_ISDIR(status.st_mode):
        raise EmbeddedServerError(
            f"{shelter} can be written by others",
            f"It must be a directory of root with mode 0755: chown root {shelter}, "
            f"chmod 0755 {shelter}.",
        )
    return shelter


def socket_directory(cluster: Path, account: ServerAccount) -> Path:
    """A directory that only the server's account can enter, made if it is not there.

    Beside the cluster; where that path cannot be a socket's, a short one. Raises
    EmbeddedServerError when the place is taken by somebody else.
    """
    directory = cluster.parent / "socket"
    is_long = len(os.fsencode(directory / SOCKET_FILE)) > _SOCKET_PATH_BYTES
    if is_long or "," in str(directory):  # clients take a comma for the next host
        directory = _short_root() / f"counterfoil-{digest(cluster)}"
    try:
        directory.mkdir(mode=0o700)
        account.owns(directory)
    except FileExistsError:
        status = directory.lstat()
        is_private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
        if not is_private or status.st_uid != account.uid:
            raise EmbeddedServerError(
                f"{directory} is not a directory of system user {account.name} alone",
                f"Find out who made it, then remove it: rm -r {directory}.",
            ) from None
    return directory


def _short_root() -> Path:
    """Root has a place where nobody else can be first; an ordinary user has not."""
    run = Path("/run")
    if os.geteuid() == 0 and run.is_dir() and not run.stat().st_mode & 0o022:
        return run
    return Path("/tmp")  # noqa: S108 - made with mode 0700, refused when somebody was there first


def _sheltered_home(data_dir: Path, shelter: Path, abandoned: Callable[[Path], None]) -> Path:
    checked_shelter(shelter)
    for number in count(1):
        name = digest(data_dir) if number == 1 else f"{digest(data_dir)}-{number}"
        home = shelter / name
        try:
            home.mkdir()
        except FileExistsError:
            if _owner_of(home) == data_dir:
                abandoned(home / CLUSTER)
            continue
        home.chmod(0o711)
        (home / _NOTE).write_bytes(os.fsencode(data_dir))
        return home
    raise AssertionError("unreachable")


def _claim(home: Path, data_dir: Path) -> None:
    """Follow a data directory that was moved; refuse one that was copied."""
    owner = _owner_of(home)
    if owner == data_dir:
        return
    if owner is not None:
        pointer = owner / CLUSTER
        if pointer.is_symlink() and pointer.readlink() == home / CLUSTER:
            raise EmbeddedServerError(
                f"{data_dir} is a copy of {owner}: both point to {home / CLUSTER}",
                f"Remove {data_dir / CLUSTER} to begin with an empty ledger there.",
            )
    (home / _NOTE).write_bytes(os.fsencode(data_dir))


def _owner_of(home: Path) -> Path | None:
    try:
        return Path(os.fsdecode((home / _NOTE).read_bytes()))
    except FileNotFoundError:
        return None
