"""EmbeddedServer: a PostgreSQL that several programs share and the last one stops."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict

import psycopg

from application.storage.embedded.account import ServerAccount, server_account
from application.storage.embedded.binaries import VERSIONS, Binaries, reachable_binaries
from application.storage.embedded.cluster import (
    SUPERUSER,
    cluster_version,
    create_cluster,
    forget_password,
    superuser_password,
    write_settings,
)
from application.storage.embedded.errors import (
    EmbeddedServerError,
    EmbeddedServerTimeout,
    log_tail,
)
from application.storage.embedded.locks import FileLock, held_alone
from application.storage.embedded.placement import (
    CLUSTER,
    SHELTER,
    SOCKET_FILE,
    known_cluster,
    make_data_dir,
    new_cluster,
    socket_directory,
)
from application.storage.embedded.postmaster import (
    POLL_SECONDS,
    Postmaster,
    clear_remnants,
    end_remnants,
    find_postmaster,
    is_alive,
    launch,
    shut_down,
    wait_until_gone,
)
from application.storage.embedded.settings import (
    checked_overrides,
    machine_settings,
    this_machine,
)

Progress = Callable[[str], None]

_LOG = "postgres.log"
_USERS_LOCK = "server.lock"
_START_LOCK = "start.lock"


class ConnectionArguments(TypedDict):
    """Keyword arguments of psycopg.connect."""

    host: str
    port: int
    dbname: str
    user: str
    password: str


@dataclass(frozen=True)
class StartOutcome:
    """adopted: it was running already. recovered: it had to replay what was written last."""

    adopted: bool
    recovered: bool


@dataclass(frozen=True)
class _Site:
    """All that is settled before a server can be looked for or launched."""

    data_dir: Path
    cluster: Path
    account: ServerAccount
    binaries: Binaries
    password: str

    @property
    def log(self) -> Path:
        return self.data_dir / _LOG

    def postmaster(self) -> Postmaster | None:
        return find_postmaster(self.cluster, self.account)


class EmbeddedServer:
    """The PostgreSQL of a data directory, from our own programs; needs no administrator.

    Its files are in `<data_dir>/postgres` (for root, where its system user cannot get there, in
    `shelter`, with a link), its log is `<data_dir>/postgres.log`. It listens on a socket that
    only its system user and root can reach, and asks everybody for a password. Several programs
    may use it at once; it outlives a program that is killed, and the next start adopts it.

    version: the major version of a cluster that is still to be made, 16 or 18; one that is there
    is served by the version that made it. settings: PostgreSQL's, over those made for this
    machine; in force at the next launch. A start gives up after start_timeout_seconds.
    Safe to use from several threads; start, stop and ensure_alive block.

    Raises ValueError for a setting that is not the caller's, EmbeddedServerError for a version
    that is not there.
    """

    def __init__(
        self,
        data_dir: Path,
        version: int = 18,
        *,
        settings: Mapping[str, str] | None = None,
        start_timeout_seconds: float = 600.0,
        shelter: Path = SHELTER,
    ) -> None:
        if version not in VERSIONS:
            raise EmbeddedServerError(
                f"it comes without a PostgreSQL {version}", f"Choose one of {_versions()}."
            )
        self._given_dir = data_dir
        self._version = version
        self._settings = checked_overrides(settings or {})
        self._timeout_seconds = start_timeout_seconds
        self._shelter = shelter
        self._mutex = threading.RLock()
        self._usage: FileLock | None = None
        self._site: _Site | None = None
        self._postmaster: Postmaster | None = None

    def start(self, progress: Progress | None = None) -> StartOutcome:
        """Use the server of the data directory: adopt it, or make what is missing and launch it.

        progress: told in words what goes on; they begin with waiting:, creating:, starting:,
        recovering: or stopping:. Raises EmbeddedServerError; EmbeddedServerTimeout
        when it is still recovering, which it then does without us.
        """
        tell = progress or _say_nothing
        with self._mutex, _plainly(self._given_dir):
            data_dir = make_data_dir(self._given_dir)
            with self._start_lock(data_dir, tell):
                usage = self._usage or FileLock(data_dir / _USERS_LOCK)
                usage.share()
                try:
                    outcome = self._bring_up(data_dir, tell)
                except BaseException:
                    self._usage = None
                    usage.release()
                    raise
                self._usage = usage
                return outcome

    def ensure_alive(self, progress: Progress | None = None) -> bool:
        """Launch the server again if it died; True when it had to be. Cheap when it is alive.

        Waits while it recovers. Raises EmbeddedServerError, also when it was never started, and
        when its files are gone: it never begins an empty ledger in their place.
        """
        with self._mutex, _plainly(self._given_dir):
            site, postmaster = self._started()
            if is_alive(postmaster.pid) and self._answers(site, postmaster):
                return False
            if cluster_version(site.cluster) is None:
                raise EmbeddedServerError(
                    f"its files are gone from {site.cluster}",
                    "Put them back, or mount what holds them; then start again.",
                )
            return not self.start(progress).adopted

    def stop(self, progress: Progress | None = None) -> bool:
        """Leave the server; shut it down if nobody else uses it. True when it was shut down.

        Nothing happens when it was not started. Raises EmbeddedServerError.
        """
        tell = progress or _say_nothing
        with self._mutex, _plainly(self._given_dir):
            if self._usage is None or self._site is None:
                return False
            usage, site = self._usage, self._site
            try:
                if not site.data_dir.is_dir():
                    return False  # moved or removed: if removed, the server ends by itself
                with self._start_lock(site.data_dir, tell):
                    try:
                        return usage.try_alone() and self._shut_down(site, tell)
                    finally:
                        usage.release()  # before the next to stop asks whether it is alone
            finally:
                usage.release()
                self._usage = None
                self._postmaster = None

    def remove(self) -> None:
        """Stop the server and delete its files, log and password for good.

        Raises EmbeddedServerError when somebody else uses it.
        """
        with self._mutex, _plainly(self._given_dir):
            self.stop()
            data_dir = make_data_dir(self._given_dir)
            with self._start_lock(data_dir, _say_nothing):
                usage = FileLock(data_dir / _USERS_LOCK)
                try:
                    if not usage.try_alone():
                        raise EmbeddedServerError(
                            f"{data_dir} is in use", "Stop the other programs that use it first."
                        )
                    _delete_files(data_dir)
                finally:
                    usage.release()

    def conninfo(
        self, dbname: str = "postgres", user: str = SUPERUSER, password: str | None = None
    ) -> ConnectionArguments:
        """How to connect; without a password, the superuser's.

        Raises EmbeddedServerError when it is not started.
        """
        site, postmaster = self._started()
        return _arguments(site, postmaster, dbname, user, password)

    @property
    def version(self) -> int:
        """The major version that serves the cluster, which may not be the one asked for."""
        return self._started()[0].binaries.version

    @property
    def postmaster_pid(self) -> int:
        return self._started()[1].pid

    @property
    def socket_dir(self) -> Path:
        return Path(self.conninfo()["host"])

    @property
    def cluster_dir(self) -> Path:
        """Where the database files really lie."""
        return self._started()[0].cluster

    @property
    def log(self) -> Path:
        return self._given_dir.absolute() / _LOG

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # What follows runs under the start lock.

    def _bring_up(self, data_dir: Path, tell: Progress) -> StartOutcome:
        site = self._prepare(data_dir, tell)
        postmaster = self._adopt(site, tell)
        if postmaster is not None:
            self._site, self._postmaster = site, postmaster
            return StartOutcome(adopted=True, recovered=False)
        postmaster, recovered = self._launch(site, tell)
        self._site, self._postmaster = site, postmaster
        return StartOutcome(adopted=False, recovered=recovered)

    def _prepare(self, data_dir: Path, tell: Progress) -> _Site:
        known = known_cluster(data_dir)
        account = server_account(known if known is not None and known.exists() else None)
        cluster = known or new_cluster(
            data_dir, account, self._shelter, lambda old: _tell_abandoned(old, account, tell)
        )
        made_by = cluster_version(cluster)
        if made_by is not None and made_by not in VERSIONS:
            raise EmbeddedServerError(
                f"{cluster} was made by PostgreSQL {made_by}, and there are only {_versions()}",
                "Move its content over with pg_dump and pg_restore.",
            )
        binaries = reachable_binaries(made_by or self._version, account, self._shelter)
        password = superuser_password(data_dir, is_new_cluster=made_by is None)
        if made_by is None:
            tell(f"creating: a PostgreSQL {self._version} in {cluster}")
            end_remnants(cluster, account)  # of a directory that was removed under its server
            create_cluster(cluster, binaries, account, password)
        return _Site(data_dir, cluster, account, binaries, password)

    def _adopt(self, site: _Site, tell: Progress) -> Postmaster | None:
        """The running server, once it answers; None when there is none, or none any more."""
        postmaster = site.postmaster()
        if postmaster is None:
            return None
        if postmaster.status == "ready" and not _socket_of(postmaster).exists():
            tell("stopping: the server that runs has lost its socket")
            shut_down(postmaster, site.cluster, site.account, site.log)
            return None
        return self._await_ready(site, postmaster.pid, _Recovery(site.log, tell))

    def _launch(self, site: _Site, tell: Progress) -> tuple[Postmaster, bool]:
        tell(f"starting: PostgreSQL {site.binaries.version}")
        socket_dir = socket_directory(site.cluster, site.account)
        clear_remnants(site.cluster, socket_dir, site.account)
        settings = machine_settings(this_machine(site.cluster)) | self._settings
        write_settings(site.cluster, site.account, settings)
        recovery = _Recovery(site.log, tell)
        pid = launch(site.binaries, site.cluster, socket_dir, site.account, site.log)
        try:
            postmaster = self._await_ready(site, pid, recovery)
        except EmbeddedServerTimeout:
            raise  # it goes on without us, and the next start adopts it
        except BaseException:
            launched = site.postmaster()
            if launched is not None:
                shut_down(launched, site.cluster, site.account, site.log)
            raise
        if postmaster is None:
            raise EmbeddedServerError(
                f"PostgreSQL {site.binaries.version} did not start",
                f"The reason is in {site.log}.",
                log_tail(site.log),
            )
        recovery.follow()
        return postmaster, recovery.seen

    def _await_ready(self, site: _Site, pid: int, recovery: _Recovery) -> Postmaster | None:
        """The postmaster `pid` once it lets us in; None when it died."""
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            recovery.follow()
            postmaster = site.postmaster()
            if postmaster is not None and postmaster.pid == pid and postmaster.status == "ready":
                if self._answers(site, postmaster):
                    return postmaster
            elif not is_alive(pid):
                return None
            if time.monotonic() > deadline:
                raise EmbeddedServerTimeout(
                    f"PostgreSQL {site.binaries.version} is not ready after "
                    f"{self._timeout_seconds:.0f} s and still at work (process {pid})",
                    "Start again to wait on; it loses nothing by that.",
                    log_tail(site.log),
                )
            time.sleep(POLL_SECONDS)

    def _answers(self, site: _Site, postmaster: Postmaster) -> bool:
        """Whether it lets us in.

        Raises EmbeddedServerError when it does not and will not, as when our password is not
        its own.
        """
        arguments = _arguments(site, postmaster, "postgres", SUPERUSER, None)
        try:
            psycopg.connect(**arguments, connect_timeout=10).close()
        except psycopg.OperationalError as error:
            reason = str(error).partition("FATAL:")[2].strip()
            if "too many clients" in reason or "connection slots" in reason:
                return True  # busy, and well
            if not reason or "the database system is" in reason or "terminating" in reason:
                return False
            raise EmbeddedServerError(
                f"it does not let us in: {reason}",
                f"If the password in {site.data_dir} is not the superuser's, put back the file "
                f"that belongs to {site.cluster} from a backup.",
                log_tail(site.log),
            ) from None
        return True

    def _shut_down(self, site: _Site, tell: Progress) -> bool:
        postmaster = site.postmaster()
        if postmaster is None:
            end_remnants(site.cluster, site.account)
            return False
        tell("stopping: PostgreSQL writes out what it holds in memory")
        shut_down(postmaster, site.cluster, site.account, site.log)
        socket_dir = _socket_of(postmaster).parent
        with suppress(OSError):
            if socket_dir.lstat().st_uid == site.account.uid:
                socket_dir.rmdir()
        return True

    def _started(self) -> tuple[_Site, Postmaster]:
        if self._site is None or self._postmaster is None:
            raise EmbeddedServerError("it is not started", "Call start() first.")
        return self._site, self._postmaster

    @contextmanager
    def _start_lock(self, data_dir: Path, tell: Progress) -> Iterator[None]:
        def waiting() -> None:
            tell("waiting: another program is starting or stopping the server")

        with held_alone(data_dir / _START_LOCK, self._timeout_seconds, waiting):
            yield


class _Recovery:
    """Tells from the server's log how far recovery has come."""

    def __init__(self, log: Path, tell: Progress) -> None:
        self.seen = False
        self._log = log
        self._tell = tell
        self._offset = log.stat().st_size if log.exists() else 0

    def follow(self) -> None:
        """Read what was logged since the last call."""
        try:
            with self._log.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size < self._offset:
                    self._offset = 0  # it was begun anew
                stream.seek(self._offset)
                written = stream.read()
        except FileNotFoundError:
            return
        whole_lines = written[: written.rfind(b"\n") + 1]
        self._offset += len(whole_lines)
        for line in whole_lines.decode("utf-8", "replace").splitlines():
            if "automatic recovery in progress" in line:
                self.seen = True
                self._tell("recovering: replaying what was written last")
            elif stage := re.search(r"elapsed time: ([0-9.]+ s), current [A-Za-z]+: (.*)", line):
                self._tell(f"recovering: {stage[1]}, at {stage[2]}")


def _arguments(
    site: _Site, postmaster: Postmaster, dbname: str, user: str, password: str | None
) -> ConnectionArguments:
    return ConnectionArguments(
        host=str(_socket_of(postmaster).parent),
        port=5432,
        dbname=dbname,
        user=user,
        password=site.password if password is None else password,
    )


def _socket_of(postmaster: Postmaster) -> Path:
    return (postmaster.socket_dir or Path("/nonexistent")) / SOCKET_FILE


def _tell_abandoned(cluster: Path, account: ServerAccount, tell: Progress) -> None:
    end_remnants(cluster, account)
    tell(f"creating: an earlier ledger of this directory stays in {cluster}")


def _delete_files(data_dir: Path) -> None:
    cluster = known_cluster(data_dir)
    if cluster is not None and cluster.exists():
        account = server_account(cluster)
        postmaster = find_postmaster(cluster, account)
        if postmaster is not None:
            end_remnants(cluster, account)
            wait_until_gone(postmaster.pid, 10.0)
        shutil.rmtree(cluster)
    pointer = data_dir / CLUSTER
    if cluster is not None and pointer.is_symlink():
        shutil.rmtree(cluster.parent)
        pointer.unlink()
    shutil.rmtree(data_dir / "socket", ignore_errors=True)
    (data_dir / _LOG).unlink(missing_ok=True)
    forget_password(data_dir)


def _versions() -> str:
    return " and ".join(map(str, VERSIONS))


def _say_nothing(_: str) -> None:
    return


@contextmanager
def _plainly(data_dir: Path) -> Iterator[None]:
    """Errors of the system, in our words."""
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"{data_dir} cannot be used: {error.strerror or error}"
            + (f" ({error.filename})" if error.filename else ""),
            "See that it can be written, has room, and belongs to the user who runs this.",
        ) from error
