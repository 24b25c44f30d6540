"""Loading a wallet does not grow with its history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.rows import tuple_row

from application.clock import Clock, SetClock
from application.codec import EventCodec
from application.commands.requests import CaptureUsage, SetOverageLimit
from application.storage.database import Login, Role
from application.storage.streams import StreamReader
from domain.wallet.wallet import Wallet
from tests.application.engine import Engine, hold, running, usage

pytestmark = pytest.mark.storage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
A_DAYS_CHARGES = 120
A_BATCH_WORTH_KEEPING = 500
PAD = {"pad": "x" * 50}


@pytest.fixture(scope="module")
def history(logins: dict[Role, Login]) -> Clock:
    """Three days of 120 commits each, behind them a wallet with all that one may hold."""
    clock = SetClock(NOON)
    with running(logins, clock, "three-days") as engine:
        engine.funded("100000")
        engine.done(SetOverageLimit("ext:acme", "CREDIT", "50"))
        engine.grant("scoped", "10", meters=("images",))
        engine.grant("pending", "20", effective_at=NOON + 10 * A_DAY)
        engine.grant("lapsing", "30", expires_at=NOON + A_DAY + timedelta(hours=6))
        (answer,) = engine.done(hold("h1", "40", ttl_seconds=20 * 86_400))
        engine.done(CaptureUsage(answer.charge.hold_id, "5", event_id="part", final=False))
        for day in range(3):
            for number in range(A_DAYS_CHARGES):
                engine.done(usage(f"e-{day}-{number}", properties=PAD))
            clock.at += A_DAY
    # Stopped: what it kept is written.
    return clock


@pytest.fixture
def reopened(logins: dict[Role, Login], history: Clock) -> Iterator[Engine]:
    """The same ledger after a restart: nothing is in its memory."""
    with running(logins, history, "three-days") as engine:
        yield engine


@pytest.fixture
def a_day(logins: dict[Role, Login], tenant: str) -> Iterator[Engine]:
    """One day more than a grant old, and reopened."""
    clock = SetClock(NOON)
    with running(logins, clock, tenant) as engine:
        engine.funded("1000")
        clock.at += A_DAY
        for number in range(A_DAYS_CHARGES):
            engine.done(usage(f"e{number}", properties=PAD))
    with running(logins, clock, tenant) as engine:
        assert [at for _, at in kept(engine)] == [NOON + A_DAY]
        yield engine


def kept(engine: Engine, customer: str = "acme") -> list[tuple[int, datetime]]:
    """Return version and time of a wallet's snapshots."""
    with engine.recorder.connection() as connection:
        rows = connection.cursor(row_factory=tuple_row).execute(
            "SELECT originator_version, recorded_at FROM ledger_00.snapshots"
            " WHERE tenant = %s AND originator_id = %s ORDER BY 1",
            (engine.tenant_id, engine.wallet_id(customer)),
        )
        return [(version, at) for version, at in rows]


def loaded(engine: Engine, at: datetime | None = None) -> tuple[Wallet, int]:
    """Return the wallet, and how many events were folded to load it."""
    tails: dict[str, int] = {}
    with engine.recorder.connection() as connection:
        wallets = StreamReader(engine.recorder.shard, EventCodec()).wallets(
            connection.cursor(row_factory=tuple_row),
            engine.tenant_id,
            [engine.wallet_id()],
            at,
            tails,
        )
    return wallets[engine.wallet_id()], tails.get(engine.wallet_id(), 0)


def folded(engine: Engine, at: datetime | None = None) -> Wallet:
    """Fold the wallet from zero."""
    decode = EventCodec().decode
    events = [
        decode(stored.topic, stored.state, engine.wallet_id(), stored.originator_version)
        for stored in engine.recorder.select_events(engine.wallet_id())
    ]
    wallet = Wallet.fold(event for event in events if at is None or event.timestamp <= at)
    assert wallet is not None
    return wallet


def assert_same(one: Wallet, other: Wallet) -> None:
    assert (one.version, one.recorded_at) == (other.version, other.recorded_at)
    assert one.state() == other.state()
    assert one.due == other.due
    for asset, account in one.accounts.items():
        assert account.available_units(NOON) == other.accounts[asset].available_units(NOON)
        assert account.pending_units == other.accounts[asset].pending_units


def test_a_day_keeps_its_newest_snapshot(reopened: Engine) -> None:
    assert [at for _, at in kept(reopened)] == [NOON, NOON + A_DAY, NOON + 2 * A_DAY]


def test_wallets_that_are_due_together_are_all_kept(logins: dict[Role, Login], tenant: str) -> None:
    # given
    clock = SetClock(NOON)
    customers = ("acme", "brook", "cliff")
    with running(logins, clock, tenant) as engine:
        for customer in customers:
            engine.funded("10000", customer)
        # when: two batches, each heavy enough for a snapshot of every wallet
        for batch in range(2):
            engine.done(
                *(
                    usage(f"{customer}-{batch}-{number}", customer=customer)
                    for number in range(A_BATCH_WORTH_KEEPING)
                    for customer in customers
                )
            )
    # then: of each the newest of the day
    with running(logins, clock, tenant) as engine:
        for customer in customers:
            ((version, at),) = kept(engine, customer)
            assert (version, at) == (engine.wallet(customer).version, NOON)


def test_a_snapshot_is_the_wallet(reopened: Engine) -> None:
    wallet, tail = loaded(reopened)
    assert wallet.version > 3 * A_DAYS_CHARGES
    assert tail < A_DAYS_CHARGES
    assert_same(wallet, folded(reopened))
    assert (len(wallet.holds), len(wallet.accounts["CREDIT"].grants)) == (1, 4)
    # 360 charged; the hold pins 25 of the grant that has lapsed since, and 10 more.
    assert reopened.available() == 100_000 + 10 - 360 - 10


@pytest.mark.parametrize("day", [0, 1, 2])
def test_an_older_day_is_loaded_from_its_own_snapshot(reopened: Engine, day: int) -> None:
    evening = NOON + day * A_DAY + timedelta(hours=8)
    wallet, tail = loaded(reopened, evening)
    assert tail < A_DAYS_CHARGES
    assert_same(wallet, folded(reopened, evening))
    then = reopened.reader.wallet_as_of(reopened.tenant_id, reopened.wallet_id(), evening)
    assert then is not None
    burned_units = then.accounts["CREDIT"].burned_units
    assert burned_units == ((day + 1) * A_DAYS_CHARGES + 5) * 10**6


def test_a_time_before_every_snapshot_is_folded_from_zero(a_day: Engine) -> None:
    first_day, _ = loaded(a_day, NOON)
    assert first_day.accounts["CREDIT"].available_units(NOON) == 1_000 * 10**6
    then = a_day.reader.wallet_as_of(a_day.tenant_id, a_day.wallet_id(), NOON)
    assert then is not None
    assert then.state() == first_day.state()
    before = NOON - timedelta(seconds=1)
    assert a_day.reader.wallet_as_of(a_day.tenant_id, a_day.wallet_id(), before) is None


def test_a_ledger_goes_on_from_a_snapshot(a_day: Engine) -> None:
    assert a_day.available() == 1_000 - 120
    a_day.done(usage("one-more"))
    assert a_day.available() == 1_000 - 121
    assert_same(loaded(a_day)[0], folded(a_day))


def test_without_snapshots_the_wallet_is_the_same(a_day: Engine) -> None:
    """The log is the truth; a snapshot only saves the way."""
    with a_day.recorder.connection() as connection:
        connection.execute("DELETE FROM ledger_00.snapshots WHERE tenant = %s", (a_day.tenant_id,))
    wallet, tail = loaded(a_day)
    assert tail == wallet.version
    assert_same(wallet, folded(a_day))
    a_day.done(usage("one-more"))
    assert a_day.available() == 1_000 - 121
