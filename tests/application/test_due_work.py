"""What time does to wallets: written on the way of a test clock, by the runner, or lazily."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

import application.due_work
from application.clock import SetClock
from application.codec import EventCodec
from application.commands.answers import ClockAnswer
from application.commands.requests import (
    AdvanceClock,
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    RunDueWork,
)
from application.due_work import DueWork
from application.storage.database import Login, Pool, Role
from application.tenants import open_tenant
from projections.engine import ProjectionEngine
from projections.models import read_models
from projections.queries import ReadModels
from tests.application.engine import Engine, hold, running, usage

pytestmark = pytest.mark.storage

START = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY = timedelta(days=1)
DAYS = 181
SIX_MONTHS = START + DAYS * A_DAY
CUSTOMERS = 40


@dataclass
class Sandbox:
    """A tenant with a test clock, one whose clock is the system's, and their due work."""

    clock: SetClock
    engine: Engine
    real: Engine
    projections: ProjectionEngine
    due_work: DueWork

    def advance(self, to: datetime) -> datetime:
        (answer,) = self.engine.done(AdvanceClock(to))
        assert isinstance(answer, ClockAnswer)
        return answer.now

    def history(self) -> list[tuple[int, str, str, datetime, str | None]]:
        """Return position, stream, topic, recorded_at and due_at of every event."""
        with self.engine.pool.transaction(self.engine.tenant_id) as connection:
            return connection.execute(
                "SELECT position, originator_id::text, topic, recorded_at,"
                " state::jsonb->>'due_at' FROM ledger_00.log ORDER BY position"
            ).fetchall()


@pytest.fixture
def sandbox(own_logins: dict[Role, Login]) -> Iterator[Sandbox]:
    clock = SetClock(START)
    proj = Pool(own_logins["proj"], "proj", 2)
    proj.open()
    with running(own_logins, clock) as real:
        open_tenant(real.recorder, "sandbox", START, clock_at=START)
        with running(own_logins, clock, "sandbox") as engine:
            yield Sandbox(clock, engine, real, *_due_work(engine, proj))
    proj.close()


def _due_work(engine: Engine, proj: Pool) -> tuple[ProjectionEngine, DueWork]:
    projections = ProjectionEngine(proj, EventCodec().decode_all, read_models())

    def catch_up() -> None:
        projections.catch_up()

    queries = ReadModels(engine.pool.transaction)
    tenants = [engine.tenant_id]
    return projections, DueWork(
        engine.ledger, engine.reader, queries.due_wallets, catch_up, lambda: tenants
    )


def open_books(engine: Engine, customers: int, days: int) -> None:
    """Give each customer a grant of 10 for each day, a hold of a week, and 1 spent at once."""
    names = [f"c{number}" for number in range(customers)]
    engine.done(DefineAsset("CREDIT", "Credits"), *(CreateCustomer(name) for name in names))
    for name in names:
        engine.done(
            *(
                IssueGrant(
                    f"{name}-{day}", f"ext:{name}", "CREDIT", "10", "PROMOTIONAL",
                    effective_at=START + day * A_DAY,
                    expires_at=START + (day + 1) * A_DAY,
                )
                for day in range(days)
            ),
            hold(f"hold-{name}", "3", name, ttl_seconds=7 * 86_400),
            usage(f"usage-{name}", "1", name),
        )  # fmt: skip


def test_six_months_of_forty_customers(sandbox: Sandbox) -> None:
    # given
    engine = sandbox.engine
    open_books(engine, CUSTOMERS, DAYS)
    before = sandbox.history()
    # when
    assert sandbox.advance(SIX_MONTHS) == SIX_MONTHS
    # then: each at its due time, in order within a wallet
    written = sandbox.history()[len(before) :]
    due = [(stream, at, due_at) for _, stream, _, at, due_at in written if due_at is not None]
    assert all(datetime.fromisoformat(due_at) == at for _, at, due_at in due)
    topics = [topic for _, _, topic, _, _ in written]
    # A day's grant becomes effective on its day, but the first, and lapses on the next. The
    # hold pins three of the first day's, which lapse when it does, a week later.
    assert topics.count("wallet.grant_became_effective") == CUSTOMERS * (DAYS - 1)
    assert topics.count("wallet.hold_lapsed") == CUSTOMERS
    assert topics.count("wallet.grant_lapsed") == CUSTOMERS * (DAYS + 1)
    for customer in range(CUSTOMERS):
        wallet_id = engine.wallet_id(f"c{customer}")
        times = [at for stream, at, _ in due if stream == wallet_id]
        assert times == sorted(times)
    # the clock last
    assert (written[-1][2], written[-1][3]) == ("tenant.clock_advanced", SIX_MONTHS)
    assert engine.reader.now(engine.tenant_id) == SIX_MONTHS
    for customer in range(CUSTOMERS):
        account = engine.wallet(f"c{customer}").accounts["CREDIT"]
        assert (account.available_units(SIX_MONTHS), account.held_units) == (0, 0)
        assert account.expired_units == (DAYS * 10 - 1) * 10**6


def test_advancing_again_writes_nothing(sandbox: Sandbox) -> None:
    open_books(sandbox.engine, 3, 10)
    to = START + 5 * A_DAY
    assert sandbox.advance(to) == to
    before = sandbox.history()
    assert sandbox.advance(to) == to
    assert sandbox.advance(to - A_DAY) == to
    assert sandbox.history() == before


def test_steps_come_to_the_same_as_a_leap(sandbox: Sandbox) -> None:
    """Two customers alike, one reached by steps, the other by a leap over all of them."""
    engine = sandbox.engine
    open_books(engine, 2, 10)
    for day in range(1, 10):
        engine.done(RunDueWork(engine.wallet_id("c0"), START + day * A_DAY))
    sandbox.advance(START + 10 * A_DAY)
    histories = [
        [
            (topic, at, due_at)
            for _, stream, topic, at, due_at in sandbox.history()
            if stream == engine.wallet_id(name)
        ]
        for name in ("c0", "c1")
    ]
    assert histories[0] == histories[1]


def test_an_interrupted_advance_is_resumed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: it breaks off after the second of four commits
    engine = sandbox.engine
    open_books(engine, 8, 10)
    monkeypatch.setattr(application.due_work, "WALLETS_ON_THE_WAY_AT_ONCE", 2)
    execute = engine.ledger.execute
    commits = iter([True, True, False])

    def interrupted(*arguments: object) -> object:
        if not next(commits):
            raise KeyboardInterrupt
        return execute(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.ledger, "execute", interrupted)
    to = START + 10 * A_DAY
    with pytest.raises(KeyboardInterrupt):
        sandbox.due_work.advance(engine.caller, AdvanceClock(to))
    monkeypatch.undo()
    half = sandbox.history()
    assert engine.reader.now(engine.tenant_id) == START
    lapsed = {stream for _, stream, topic, _, _ in half if topic == "wallet.grant_lapsed"}
    assert len(lapsed) == 4
    # when
    assert sandbox.advance(to) == to
    # then: the other four, and nothing twice
    written = sandbox.history()
    assert written[: len(half)] == half
    again = written[len(half) :]
    assert {stream for _, stream, topic, _, _ in again if topic == "wallet.grant_lapsed"} == {
        engine.wallet_id(f"c{customer}") for customer in range(8)
    } - lapsed
    seen = [(stream, topic, due_at) for _, stream, topic, _, due_at in written if due_at]
    kinds = {("wallet.grant_became_effective", 9), ("wallet.hold_lapsed", 1)}
    for topic, times in kinds:
        for customer in range(8):
            wallet_id = engine.wallet_id(f"c{customer}")
            assert sum((each[0], each[1]) == (wallet_id, topic) for each in seen) == times
    assert all(earlier[0] < later[0] for earlier, later in pairwise(written))


def test_a_real_clock_has_its_due_work_done_by_the_runner(sandbox: Sandbox) -> None:
    """The first tenant's clock is the system's; what is late is written when it is seen."""
    # given
    assert sandbox.due_work.run_once(sandbox.engine.tenant_id) == 0
    real = sandbox.real
    open_books(real, 2, 3)
    sandbox.clock.at += 2 * A_DAY + timedelta(hours=1)
    sandbox.projections.catch_up()
    # when
    assert sandbox.due_work.run_once(real.tenant_id) == 2
    # then
    with real.pool.transaction(real.tenant_id) as connection:
        late = connection.execute(
            "SELECT topic, recorded_at, state::jsonb->>'due_at' FROM ledger_00.log"
            " WHERE originator_id = %s AND topic = 'wallet.grant_lapsed' ORDER BY position",
            (real.wallet_id("c0"),),
        ).fetchall()
    now = real.clock.now()
    assert late == [
        ("wallet.grant_lapsed", now, "2026-01-02T00:00:00Z"),
        ("wallet.grant_lapsed", now, "2026-01-03T00:00:00Z"),
    ]
    sandbox.projections.catch_up()
    assert sandbox.due_work.run_once(real.tenant_id) == 0


def test_lazily_is_the_same_as_by_the_runner(sandbox: Sandbox) -> None:
    """A command finds everything fallen due, whether a runner has been there or not."""
    real = sandbox.real
    open_books(real, 2, 3)
    sandbox.clock.at += 2 * A_DAY + timedelta(hours=1)
    unwritten = real.wallet("c0").state()
    real.done(RunDueWork(real.wallet_id("c0")))
    real.done(usage("late", "4", "c1"))
    assert real.wallet("c0").state() == unwritten
    assert (real.available("c0"), real.available("c1")) == (10, 6)
