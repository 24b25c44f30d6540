"""Faults around a commit: acknowledged once, refused never, unknown at most once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import application.writer
from application.errors import OutcomeUnknown
from application.storage import recorder
from application.storage.database import Connection, Login, Role
from application.storage.embedded import EmbeddedServer
from application.storage.recorder import (
    AlreadyRecorded,
    CommitUnknown,
    LedgerDatastore,
    LedgerRecorder,
    NotRecorded,
    Rows,
)
from domain import identity
from domain.refusals import InsufficientFunds, Overloaded
from tests.application.conftest import Serve
from tests.application.cutting_proxy import Cut, CuttingProxy, through
from tests.application.engine import Engine, running, usage

pytestmark = pytest.mark.storage

CUTS: tuple[Cut, ...] = (
    "before the commit",
    "after the commit",
    "killed at the commit",
    "long before the commit",
)


@pytest.fixture
def admin(postgres: EmbeddedServer, logins: dict[Role, Login]) -> Iterator[Connection]:
    database = logins["log"].database
    with Login(dict(postgres.conninfo(database))).connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def proxy(postgres: EmbeddedServer, admin: Connection) -> Iterator[CuttingProxy]:
    def kill() -> None:
        killed = admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'counterfoil-log'"
        ).fetchall()
        assert set(killed) == {(True,)}

    with tempfile.TemporaryDirectory(prefix="cf") as directory:
        socket = next(postgres.socket_dir.glob(".s.PGSQL.*[0-9]"))
        proxy = CuttingProxy(Path(directory), socket, kill)
        yield proxy
        proxy.close()


@pytest.fixture
def behind(proxy: CuttingProxy, logins: dict[Role, Login], tenant: str) -> Iterator[Engine]:
    """An engine whose writer reaches the database through the proxy."""
    cut = {**logins, "log": Login(through(proxy, logins["log"].arguments))}
    with running(cut, tenant=tenant) as engine:
        yield engine


def rows_of(engine: Engine, *places: tuple[str, int]) -> Rows:
    """Return rows of streams named by a letter."""
    rows = Rows()
    for letter, version in places:
        rows.tenants.append(engine.tenant_id)
        rows.originators.append(identity.derived_id("test", engine.tenant_id, letter))
        rows.versions.append(version)
        rows.topics.append("test.event")
        rows.states.append(b'{"of":"%b"}' % letter.encode())
        rows.recorded_at.append(engine.clock.now())
        rows.actors.append("test")
        rows.request_ids.append("")
    return rows


def charges(engine: Engine, connection: Connection) -> int:
    """Return how many charges the tenant's log holds."""
    row = connection.execute(
        "SELECT count(*) FROM ledger_00.events WHERE tenant = %s AND topic = 'charge.settled'",
        (engine.tenant_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


# At the commit


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_around_the_commit(
    behind: Engine, proxy: CuttingProxy, admin: Connection, cut: Cut
) -> None:
    # given
    behind.funded("100")
    proxy.cut_next = cut
    # when
    (answer,) = behind.done(usage("e1", "30"))
    # then
    assert proxy.cuts == 1
    assert not answer.replayed
    assert behind.available() == 70
    (again,) = behind.done(usage("e1", "30"))
    assert again.replayed
    assert behind.available() == 70
    assert charges(behind, admin) == 1


@pytest.mark.parametrize("cut", CUTS)
def test_a_batch_is_answered_as_it_was_decided(
    behind: Engine, proxy: CuttingProxy, admin: Connection, cut: Cut
) -> None:
    """Accepted, replayed and refused stay what they are, whatever happens to the commit."""
    behind.funded("100")
    behind.done(usage("old", "10"))
    proxy.cut_next = cut
    new, old, refused, last = behind.do(
        usage("new", "40"), usage("old", "10"), usage("much", "60"), usage("last", "50")
    )
    assert proxy.cuts == 1
    assert [getattr(each.answer, "replayed", None) for each in (new, old, last)] == [
        False, True, False,
    ]  # fmt: skip
    assert isinstance(refused.refusal, InsufficientFunds)
    assert behind.available() == 0
    assert charges(behind, admin) == 3


@pytest.mark.parametrize("cut", ["before the commit", "after the commit"])
def test_an_unknown_outcome_is_settled_by_sending_again(
    behind: Engine, proxy: CuttingProxy, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the database stays away after the cut
    monkeypatch.setattr(application.writer, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(behind.datastore.pool, "timeout", 0.3)
    behind.funded("100")
    proxy.cut_next = cut
    proxy.away_after_cut = True
    # when
    (outcome,) = behind.do(usage("e1", "30"))
    # then
    assert isinstance(outcome.error, OutcomeUnknown)
    assert (outcome.answer, outcome.refusal) == (None, None)
    proxy.come_back()
    monkeypatch.setattr(application.writer, "PATIENCE_SECONDS", 30.0)
    (answer,) = behind.done(usage("e1", "30"))
    assert answer.replayed == (cut == "after the commit")
    assert behind.available() == 70


def test_the_recorder_tells_an_unknown_commit(behind: Engine, proxy: CuttingProxy) -> None:
    """The library would call its own rows a conflict here."""
    rows = rows_of(behind, ("a", 1), ("a", 2))
    proxy.cut_next = "after the commit"
    with pytest.raises(CommitUnknown):
        behind.recorder.append(rows)
    found = behind.recorder.positions_of(rows)
    assert found is not None
    assert len(found) == 2
    with pytest.raises(AlreadyRecorded):
        behind.recorder.append(rows)


def test_what_the_server_reads_late_is_never_written(behind: Engine, proxy: CuttingProxy) -> None:
    """It was told that nothing is recorded, and stays so."""
    # given
    rows = rows_of(behind, ("a", 1))
    proxy.cut_next = "long before the commit"
    with pytest.raises(CommitUnknown) as unknown:
        behind.recorder.append(rows)
    # when
    assert behind.recorder.positions_of(rows, unknown.value.backend) is None
    # then
    assert proxy.sent_late.wait(10)
    assert behind.recorder.positions_of(rows) is None


def test_other_rows_in_our_place_are_not_ours(engine: Engine) -> None:
    engine.recorder.append(rows_of(engine, ("a", 1)))
    others = rows_of(engine, ("a", 1))
    others.states[0] = b"{}"
    assert engine.recorder.positions_of(others) is None


def test_a_half_of_a_batch_is_never_written(engine: Engine) -> None:
    rows = rows_of(engine, ("a", 1), ("b", 1), ("a", 1))
    with pytest.raises(AlreadyRecorded):
        engine.recorder.append(rows)
    for stream in rows.originators:
        assert engine.recorder.select_events(stream) == []


# Before the commit


def test_a_killed_connection_is_made_anew(engine: Engine, admin: Connection) -> None:
    engine.funded("100")
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'counterfoil-log'"
    )
    engine.done(usage("e1", "30"))
    assert engine.available() == 70
    assert charges(engine, admin) == 1


@contextmanager
def _locked(connection: Connection, engine: Engine) -> Iterator[None]:
    """Hold the writers' lock, as a server would that was paused."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (engine.recorder.shard.lock_key,))
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that wait for the lock a fifth of a second."""
    monkeypatch.setattr(recorder, "LOCK_TIMEOUT_SECONDS", 0.2)


def test_a_lock_time_out_writes_nothing(impatient: None, engine: Engine, admin: Connection) -> None:
    rows = rows_of(engine, ("a", 1))
    with _locked(admin, engine), pytest.raises(NotRecorded, match="LockNotAvailable"):
        engine.recorder.append(rows)
    assert engine.recorder.positions_of(rows) is None


def test_a_lock_time_out_is_tried_again(
    impatient: None, engine: Engine, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    engine.funded("100")
    failed = threading.Event()
    append = engine.recorder.append

    def watched(*arguments: Any, **options: Any) -> list[int]:
        try:
            return append(*arguments, **options)
        except NotRecorded:
            failed.set()
            raise

    monkeypatch.setattr(engine.recorder, "append", watched)
    # when
    with ThreadPoolExecutor(1) as pool:
        with _locked(admin, engine):
            sent = pool.submit(engine.do, usage("e1", "30"))
            assert failed.wait(10)
            assert not sent.done()
        (outcome,) = sent.result(10)
    # then
    assert outcome.answer is not None
    assert engine.available() == 70
    assert charges(engine, admin) == 1


def test_a_database_that_stays_away_is_no_refusal_for_good(
    impatient: None, engine: Engine, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent to it, so nothing is unknown: the same request later succeeds."""
    # given
    engine.funded("100")
    monkeypatch.setattr(application.writer, "PATIENCE_SECONDS", 0.1)
    # when
    with _locked(admin, engine):
        (outcome,) = engine.do(usage("e1", "30"))
    # then
    assert isinstance(outcome.refusal, Overloaded)
    assert outcome.refusal.retryable
    assert charges(engine, admin) == 0
    (answer,) = engine.done(usage("e1", "30"))
    assert not answer.replayed
    assert engine.available() == 70


def test_a_paused_writer_stops_the_others_only_for_its_time_out(
    serve: Serve, logins: dict[Role, Login], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a writer that holds the lock and does nothing
    engine = serve()
    engine.funded("100")
    monkeypatch.setattr(recorder, "IDLE_IN_TRANSACTION_TIMEOUT_SECONDS", 0.3)
    paused = LedgerRecorder(LedgerDatastore(logins["log"]))
    with paused.connection() as connection:
        connection.execute("BEGIN")
        connection.execute(paused.lock_table_statements[0])
        # when
        engine.done(usage("e1", "30"))
        # then
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            connection.execute("SELECT 1")
    paused.datastore.close()
    assert engine.available() == 70


def test_readers_have_time_outs(engine: Engine) -> None:
    with engine.pool.connection() as connection:
        row = connection.execute(
            "SELECT current_setting('lock_timeout'),"
            " current_setting('idle_in_transaction_session_timeout')"
        ).fetchone()
    assert row == ("3s", "5s")


def test_writers_have_time_outs(engine: Engine) -> None:
    with engine.recorder.connection() as connection:
        row = connection.execute(
            "SELECT current_setting('lock_timeout') AS lock,"
            " current_setting('idle_in_transaction_session_timeout') AS idle"
        ).fetchone()
    assert row == {"lock": "3s", "idle": "5s"}
