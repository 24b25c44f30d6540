"""The engine: each event once, poison stops one read model, writers wake it, lag is visible."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from application.codec import EventCodec
from application.commands.requests import UpdateCustomer
from domain.aggregate import Event
from domain.usage.events import ChargeSettled
from projections.database import Connection
from projections.engine import ProjectionEngine
from projections.journal import Journal
from projections.models import read_models
from projections.stops import Stopped
from projections.tables import Location
from tests.projections.shop import C, Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

PATIENCE_SECONDS = 20.0
NAMES = {model.name for model in read_models()}


@contextmanager
def running(engine: ProjectionEngine) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=engine.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def head(shop: Shop) -> int:
    ((position,),) = shop.rows("SELECT max(notification_id) FROM ledger_00.events")
    return int(position)


class Poisoned:
    """Decodes as the codec does, but for what it was told of."""

    def __init__(self) -> None:
        self.charges: dict[str, Any] = {}

    def decode(
        self, topic: str, states: Sequence[bytes], streams: Sequence[str], versions: Sequence[int]
    ) -> list[Event]:
        return [
            replace(event, **self.charges[event.originator_id])
            if event.originator_id in self.charges and isinstance(event, ChargeSettled)
            else event
            for event in EventCodec().decode_all(topic, states, streams, versions)
        ]

    def engine(self, shop: Shop, **options: Any) -> ProjectionEngine:
        return ProjectionEngine(shop.proj, self.decode, read_models(), **options)


def test_an_empty_log_is_the_end(own_shop: Shop) -> None:
    # given
    engine = own_shop.engine()
    # when
    first, second = engine.catch_up(), engine.catch_up()
    # then
    assert (first, second) == (2, 0)  # the tenant and its asset
    assert engine.positions() == dict.fromkeys(NAMES, head(own_shop))


def test_a_poison_event_stops_one_read_model_at_that_event(own_shop: Shop) -> None:
    # given a charge that the charges refuse (an amount below its overage), others do not
    shop, poisoned, told = own_shop, Poisoned(), list[Stopped]()
    customer = shop.customer("HYBRID")
    good = shop.charge(customer, "1")
    bad = shop.charge(customer, "2")
    shop.charge(customer, "4")
    poisoned.charges[bad] = {"amount_units": -1}
    ((position,),) = shop.rows(
        "SELECT notification_id FROM ledger_00.events WHERE originator_id = %s", bad
    )
    # when
    engine = poisoned.engine(shop, told=told.append)
    engine.catch_up()
    # then
    (stopped,) = told
    assert (stopped.projection, stopped.position, stopped.topic) == (
        "charges", position, "charge.settled",
    )  # fmt: skip
    assert stopped.error == "CheckViolation"
    assert stopped.because.startswith("CheckViolation 23514 charges_check in projections/")
    assert stopped.remedy.endswith("`counterfoil rebuild charges`")
    by_name = {health.projection: health for health in engine.health()}
    assert by_name["charges"].stopped == stopped
    assert by_name["charges"].behind_events == head(shop) - by_name["charges"].position > 0
    assert [name for name, health in by_name.items() if health.stopped] == ["charges"]
    assert {by_name[name].position for name in NAMES - {"charges"}} == {head(shop)}
    assert shop.rows("SELECT charge_id::text, amount FROM ledger_00.charges") == [(good, 1 * C)]
    # when the others go on
    shop.charge(customer, "8")
    engine.catch_up()
    # then
    assert shop.rows("SELECT burned, incurred FROM ledger_00.accounts") == [(0, 15 * C)]
    assert not engine.wait_for(head(shop), PATIENCE_SECONDS)  # answered at once: it never comes
    assert engine.wait_for(head(shop), PATIENCE_SECONDS, NAMES - {"charges"})
    # then every process knows, and one that starts finds it the same
    assert {health.stopped for health in shop.engine().health()} == {None, stopped}
    again = poisoned.engine(shop, told=told.append)
    again.catch_up()
    assert told == [stopped, stopped]
    assert not shop.engine().wait_for(head(shop), PATIENCE_SECONDS)
    # when it can be folded
    del poisoned.charges[bad]
    restarted = poisoned.engine(shop)
    restarted.catch_up()
    # then
    assert restarted.stopped() == []
    assert {health.stopped for health in engine.health()} == {None}
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(4, 15 * C)]
    # then the one that had stopped goes on where the other has come to
    shop.charge(customer, "16")
    assert engine.catch_up() == 2
    assert engine.stopped() == []
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(5, 31 * C)]


def test_a_rebuild_elsewhere_lets_a_running_engine_go_on(own_shop: Shop) -> None:
    # given an engine that runs, and has stopped one
    shop, poisoned, resumed = own_shop, Poisoned(), list[str]()
    customer = shop.customer("HYBRID")
    bad = shop.charge(customer, "1")
    poisoned.charges[bad] = {"amount_units": -1}
    engine = poisoned.engine(shop)
    engine.on_resumed.append(resumed.append)
    with running(engine):
        assert engine.wait_for(head(shop), PATIENCE_SECONDS, NAMES - {"charges"})
        assert [stopped.projection for stopped in engine.stopped()] == ["charges"]
        # when
        with shop.owner_connection() as owner:
            shop.engine().rebuild("charges", owner)
        shop.charge(customer, "2")
        # then
        assert shop.engine().wait_for(head(shop), PATIENCE_SECONDS)
    assert resumed == ["charges"]
    assert engine.stopped() == []
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(2, 3 * C)]


def test_why_one_stopped_quotes_nothing_of_the_event(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = shop.customer()
    with shop.superuser() as connection:
        connection.execute(
            "UPDATE ledger_00.events SET state = %s WHERE originator_id = %s",
            (b'{"timestamp":"2026-01-01T00:00:00Z","external_id":{"secret":"words"}}', customer),
        )
        # when a value that PostgreSQL's own words would repeat
        connection.execute("ALTER TABLE ledger_00.accounts ADD CHECK (asset <> 'CREDIT')")
    shop.charge(shop.customer("HYBRID"), "1")
    engine = shop.engine()
    engine.catch_up()
    # then
    told = shop.rows(
        "SELECT projection, stopped_topic, stopped_error, stopped_because"
        " FROM ledger_00.projection_positions WHERE stopped_at IS NOT NULL"
    )
    by_name = {row[0]: row[1:] for row in told}
    assert by_name["customers"][:2] == ("customer.created", "ValidationError")
    assert by_name["balances"][1] == "CheckViolation"
    assert "accounts_asset_check" in by_name["balances"][2]
    assert "secret" not in str(told)
    assert "CREDIT" not in str(told)


def test_what_cannot_be_decoded_stops_those_that_fold_it(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = shop.customer()
    with shop.superuser() as connection:
        connection.execute(
            "UPDATE ledger_00.events SET state = '{\"broken\"' WHERE originator_id = %s",
            (customer,),
        )
    # when
    engine = shop.engine()
    engine.catch_up()
    # then
    assert [(stopped.projection, stopped.topic) for stopped in engine.stopped()] == [
        ("customers", "customer.created")
    ]
    assert engine.positions()["balances"] == head(shop)


def test_a_batch_ends_where_a_commit_does(own_shop: Shop) -> None:
    # given commits of two events and more
    shop = own_shop
    customer = shop.customer("HYBRID")
    for number in range(1, 8):
        shop.charge(customer, str(number))
    commits = shop.rows(
        "SELECT max(notification_id), count(*) FROM ledger_00.events GROUP BY xmin::text"
    )
    most = max(rows for _, rows in commits)
    engine = shop.engine(batch_size=most + 1)
    # when
    ends: list[int] = []
    while engine.step() is not None:
        ends.append(max(engine.positions().values()))
    # then
    assert most > 1
    assert 1 < len(ends) < len(commits)
    assert set(ends) <= {end for end, _ in commits}
    assert ends[-1] == head(shop)


def test_a_commit_that_is_no_batch_is_folded_in_parts(own_shop: Shop) -> None:
    # given
    customer = own_shop.customer("HYBRID")
    own_shop.charge(customer, "1")
    engine = own_shop.engine(batch_size=1)
    # when
    rows = engine.catch_up()
    # then
    assert engine.positions() == dict.fromkeys(NAMES, head(own_shop))
    assert rows == len(own_shop.rows("SELECT FROM ledger_00.events"))


def test_one_alone_is_given_only_what_it_folds(own_shop: Shop) -> None:
    # given charges between commits of which the journal folds nothing
    shop = own_shop
    first, second = shop.customer("HYBRID"), shop.customer("HYBRID")
    shop.grant(first, "100", "PAID")
    for number in range(1, 4):
        shop.charge(first, str(number))
        shop.do(*[UpdateCustomer(second, None, {"name": f"{number} {time}"}) for time in range(5)])
    journal = Journal(Location("ledger_00"))
    mine = shop.rows(
        "SELECT notification_id FROM ledger_00.events WHERE topic = ANY(%s)", list(journal.topics)
    )
    # when
    engine = shop.engine(journal, batch_size=2)
    ends: list[int] = []
    rows = 0
    while (step := engine.step()) is not None:
        rows += step
        ends.append(engine.positions()["journal"])
    # then each is folded once, in order, up to the log's end
    assert rows == len(mine) < head(shop)
    assert ends == sorted(set(ends))
    assert ends[-1] == head(shop)
    # and what they make is what all models' common batches make
    entries = shop.rows("SELECT number, position, amounts FROM ledger_00.journal ORDER BY number")
    shop.forget_all()
    shop.catch_up()
    again = shop.rows("SELECT number, position, amounts FROM ledger_00.journal ORDER BY number")
    assert len(again) == 4
    assert again == entries


def test_statements_are_planned_for_the_tables_as_they_are(shop: Shop) -> None:
    # given, when
    with shop.proj.connection() as connection:
        setting = connection.execute("SHOW plan_cache_mode").fetchone()
    # then
    assert setting == ("force_custom_plan",)


def test_topics_of_a_later_version_are_passed_over(own_shop: Shop) -> None:
    # given
    with own_shop.superuser() as connection:
        connection.execute(
            "UPDATE ledger_00.events SET topic = 'asset.renamed' WHERE topic = 'asset.defined'"
        )
    # when
    engine = own_shop.engine()
    engine.catch_up()
    # then
    assert engine.stopped() == []
    assert set(engine.positions().values()) == {head(own_shop)}


def test_writers_wake_it(shop: Shop) -> None:
    # given
    engine = shop.engine()
    customer = shop.customer("HYBRID")
    with running(engine):
        assert engine.wait_for(head(shop), PATIENCE_SECONDS)
        # when
        charge = shop.charge(customer, "3")
        # then
        assert engine.wait_for(head(shop), PATIENCE_SECONDS)
        assert shop.rows("SELECT amount FROM ledger_00.charges WHERE charge_id = %s", charge) == [
            (3 * C,)
        ]
        assert {health.behind_events for health in engine.health()} == {0}
        assert {health.behind_seconds for health in engine.health()} == {0.0}


def test_a_process_that_only_reads_waits_for_another_ones_engine(shop: Shop) -> None:
    # given
    reading, folding = shop.engine(), shop.engine()
    shop.customer()
    position = head(shop)
    assert not reading.wait_for(position, 0.05)
    # when
    with running(folding):
        # then
        assert reading.wait_for(position, PATIENCE_SECONDS)


def test_two_engines_on_one_database_fold_each_event_once(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = shop.customer("HYBRID")
    with running(shop.engine(batch_size=3)), running(shop.engine(batch_size=5)):
        # when
        for _ in range(40):
            shop.charge(customer, "1")
        # then
        watching = shop.engine()
        assert watching.wait_for(head(shop), PATIENCE_SECONDS)
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(40, 40 * C)]
    assert shop.rows("SELECT incurred FROM ledger_00.accounts") == [(40 * C,)]
    assert shop.rows("SELECT max(overage_after), count(*) FROM ledger_00.statement_lines") == [
        (40 * C, 40)
    ]


def test_a_lost_connection_stops_nothing(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = shop.customer("HYBRID")
    engine = shop.engine()
    with running(engine):
        assert engine.wait_for(head(shop), PATIENCE_SECONDS)
        # when
        with shop.superuser() as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE usename = current_database() || '_proj'"
            ).fetchone()
        shop.charge(customer, "3")
        # then
        assert ended is not None
        assert ended[0] >= 1
        assert engine.wait_for(head(shop), PATIENCE_SECONDS)
        assert engine.stopped() == []


class Impatient:
    """Connections of a shop's engine that wait for no lock."""

    def __init__(self, shop: Shop) -> None:
        self._pool = shop.proj

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with self._pool.connection() as connection:
            connection.execute("SET LOCAL lock_timeout = '20ms'")
            yield connection


def test_a_locked_position_is_no_poison(own_shop: Shop) -> None:
    # given
    shop = own_shop
    engine = ProjectionEngine(Impatient(shop), EventCodec().decode_all, read_models())
    engine.catch_up()
    shop.customer()
    with shop.owner_connection() as owner, owner.transaction():
        owner.execute("SELECT FROM ledger_00.projection_positions FOR UPDATE")
        # when
        with pytest.raises(psycopg.errors.LockNotAvailable):
            engine.catch_up()
    # then
    assert engine.stopped() == []
    engine.catch_up()
    assert set(engine.positions().values()) == {head(shop)}
