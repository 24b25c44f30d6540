"""The database files: made whole or not at all, and closed to all but our password."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from application.storage.embedded.account import ServerAccount
from application.storage.embedded.binaries import Binaries
from application.storage.embedded.errors import EmbeddedServerError, last_lines
from application.storage.embedded.locks import open_private
from application.storage.embedded.settings import settings_file

SUPERUSER = "postgres"
_PASSWORD_FILE = "superuser.password"  # noqa: S105 - the name of a file
_STAGING = "postgres.new-"
_HBA = "# Only through the socket, only with a password.\nlocal all all scram-sha-256\n"


def cluster_version(cluster: Path) -> int | None:
    """The major version of PostgreSQL that made a cluster; None: it is still to be made."""
    try:
        text = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise EmbeddedServerError(
            f"{cluster / 'PG_VERSION'} is damaged", "Put the directory back from a backup."
        )
    return int(text)


def create_cluster(
    cluster: Path, binaries: Binaries, account: ServerAccount, password: str
) -> None:
    """Make a cluster beside its place and move it there when it is whole and on disk.

    UTF-8, locale C, data checksums, one superuser. Raises EmbeddedServerError.
    """
    home = cluster.parent
    for remnant in home.glob(f"{_STAGING}*"):
        shutil.rmtree(remnant, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=home))
    try:
        account.owns(staging)
        files = staging / "cluster"
        password_file = staging / "password"
        account.write(password_file, password)
        _initdb(binaries, account, files, password_file)
        script = 'mkdir conf.d && echo "include_dir = \'conf.d\'" >>postgresql.conf && cat >"$1"'
        edited = account.run(
            ["/bin/sh", "-c", script, "sh", "pg_hba.conf"], text=_HBA, directory=files
        )
        if edited.returncode != 0:
            raise _not_made(edited.stdout)
        synced = account.run([binaries.program("initdb"), "--sync-only", "-D", files])
        if synced.returncode != 0:
            raise _not_made(synced.stdout)
        files.rename(cluster)
        _sync_directory(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_settings(cluster: Path, account: ServerAccount, settings: dict[str, str]) -> None:
    account.write(cluster / "conf.d" / "counterfoil.conf", settings_file(settings))


def superuser_password(data_dir: Path, *, is_new_cluster: bool) -> str:
    """The superuser's password, kept with mode 0600; made with a new cluster.

    Raises EmbeddedServerError when it is gone or others may read it.
    """
    path = data_dir / _PASSWORD_FILE
    if not path.exists() or not path.stat().st_size:
        if not is_new_cluster:
            raise EmbeddedServerError(
                f"the superuser's password is gone: there is no {path}",
                "Put the file back from a backup; it belongs to the files in "
                f"{data_dir / 'postgres'}.",
            )
        _write_once(path, secrets.token_urlsafe(32))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise EmbeddedServerError(f"others may read {path}", f"Close it: chmod 600 {path}.")
    return path.read_text(encoding="ascii").strip()


def forget_password(data_dir: Path) -> None:
    (data_dir / _PASSWORD_FILE).unlink(missing_ok=True)


def _initdb(binaries: Binaries, account: ServerAccount, files: Path, password_file: Path) -> None:
    done = account.run(
        [
            binaries.program("initdb"),
            f"--pgdata={files}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",  # the same order and the same case rules on both versions
            "--data-checksums",
            "--no-instructions",
            "--no-sync",  # once, at the end
        ]
    )
    if done.returncode != 0:
        raise _not_made(done.stdout)


def _not_made(output: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        "the database files could not be made",
        "See that the disk has room (50 MB and more) and the directory can be written.",
        last_lines(output),
    )


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all: written beside, then linked under its name."""
    partial = path.with_name(f"{path.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = open_private(partial, os.O_WRONLY | os.O_EXCL)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{text}\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
