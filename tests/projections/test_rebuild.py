"""A rebuild: new tables like the old ones, swapped in whole, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from application.codec import EventCodec
from domain.aggregate import Event
from domain.usage.events import ChargeSettled
from projections.database import Connection
from projections.engine import CannotRebuild, ProjectionEngine
from projections.models import READ_MODELS, read_models
from projections.read_model import ReadModel
from projections.rebuild import RebuildRunning
from tests.projections.shop import C, Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

_SHAPES = {
    "columns": """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
        FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum
    """,
    "constraints": """
        SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = %s::regclass ORDER BY 1
    """,
    "indexes": """
        SELECT regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \\S+', 'INDEX')
        FROM pg_index WHERE indrelid = %s::regclass ORDER BY 1
    """,
    "policies": """
        SELECT polname, polcmd, polpermissive, polroles::regrole[]::text,
               pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
        FROM pg_policy WHERE polrelid = %s::regclass ORDER BY 1
    """,
    "the rest": """
        SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text, reloptions,
               (SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(relacl) AS acl)
        FROM pg_class WHERE oid = %s::regclass
    """,
}


def shapes(connection: Connection) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    return {
        (table.name, what): connection.execute(
            query.encode(), (f"ledger_00.{table.name}",)
        ).fetchall()
        for model in READ_MODELS
        for table in model.tables
        for what, query in _SHAPES.items()
    }


@pytest.mark.parametrize("model", READ_MODELS, ids=lambda model: str(model.name))
def test_the_new_tables_are_like_the_old_ones(told_shop: Shop, model: type[ReadModel[Any]]) -> None:
    # given
    shop = told_shop
    shop.catch_up()
    with shop.superuser() as connection:
        before = shapes(connection)
        oids = "SELECT 'ledger_00.customers'::regclass::oid"
        was = connection.execute(oids).fetchone()
        # when
        with shop.owner_connection() as owner:
            position = shop.engine().rebuild(model.name, owner)
        # then
        assert shapes(connection) == before
        assert (connection.execute(oids).fetchone() == was) is (model.name != "customers")
    assert shop.rows(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'ledger_00'::regnamespace"
        " AND relkind = 'r' AND relname ~ '^(rebuilt|retired)_'"
    ) == [(0,)]
    assert set(shop.engine().positions().values()) == {position}
    assert shop.rows("SELECT count(*) FROM ledger_00.projection_positions") == [(len(READ_MODELS),)]


def test_a_rebuild_mends_what_was_spoiled_and_lets_a_stopped_one_go_on(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = shop.customer("HYBRID")
    for _ in range(3):
        shop.charge(customer, "1")
    engine = shop.engine()
    engine.catch_up()
    with shop.superuser() as connection:
        connection.execute("UPDATE ledger_00.charges SET amount = 77, overage = 7")
        connection.execute("ALTER TABLE ledger_00.charges RENAME COLUMN refunded TO returned")
    shop.charge(customer, "1")
    engine.catch_up()
    assert [stopped.projection for stopped in engine.stopped()] == ["charges"]
    with shop.superuser() as connection:
        connection.execute("ALTER TABLE ledger_00.charges RENAME COLUMN returned TO refunded")
    reached: list[int] = []
    # when
    with shop.owner_connection() as owner:
        position = engine.rebuild("charges", owner, reached.append)
    # then
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(4, 4 * C)]
    assert engine.stopped() == []
    assert reached[-1] == position
    shop.charge(customer, "1")
    engine.catch_up()
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(5, 5 * C)]


def test_one_that_cannot_be_folded_leaves_the_live_tables(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = shop.customer("HYBRID")
    bad = shop.charge(customer, "1")
    shop.catch_up()

    def decode(
        topic: str, states: Sequence[bytes], streams: Sequence[str], versions: Sequence[int]
    ) -> list[Event]:
        return [
            replace(event, amount_units=-1)
            if event.originator_id == bad and isinstance(event, ChargeSettled)
            else event
            for event in EventCodec().decode_all(topic, states, streams, versions)
        ]

    engine = ProjectionEngine(shop.proj, decode, read_models())
    # when
    with shop.owner_connection() as owner, pytest.raises(CannotRebuild, match=r"charge\.settled"):
        engine.rebuild("charges", owner)
    # then
    assert shop.rows("SELECT charge_id::text, amount FROM ledger_00.charges") == [(bad, 1 * C)]
    assert shop.rows("SELECT to_regclass('ledger_00.rebuilt_charges')") == [(None,)]
    assert shop.rows("SELECT count(*) FROM ledger_00.projection_positions") == [(len(READ_MODELS),)]


def test_a_second_rebuild_of_the_same_is_refused_while_one_runs(own_shop: Shop) -> None:
    # given
    shop = own_shop
    engine, other = shop.engine(), shop.engine()

    def again(_: int) -> None:
        with shop.owner_connection() as owner, pytest.raises(RebuildRunning):
            other.rebuild("customers", owner)
        refused.append(True)

    refused: list[bool] = []
    # when
    with shop.owner_connection() as owner:
        engine.rebuild("customers", owner, again)
    # then
    assert refused
    with shop.owner_connection() as owner:
        other.rebuild("customers", owner)


def test_what_a_killed_rebuild_left_is_in_nobodys_way(own_shop: Shop) -> None:
    # given
    shop = own_shop
    shop.customer()
    shop.catch_up()

    def cut(_: int) -> None:
        owner.close()

    with shop.owner_connection() as owner, pytest.raises(Exception, match="closed"):
        shop.engine(batch_size=2).rebuild("customers", owner, cut)
    assert shop.rows("SELECT count(*) FROM ledger_00.rebuilt_customers") == [(1,)]
    # when
    with shop.owner_connection() as again:
        shop.engine().rebuild("customers", again)
    # then
    assert shop.rows("SELECT count(*) FROM ledger_00.customers") == [(1,)]
    assert shop.rows("SELECT to_regclass('ledger_00.rebuilt_customers')") == [(None,)]


def test_readers_and_writers_go_on_during_rebuilds(own_shop: Shop) -> None:
    # given an engine that folds, a writer, and a reader that must never see fewer charges
    shop = own_shop
    customer = shop.customer("HYBRID")
    for _ in range(10):
        shop.charge(customer, "1")
    shop.catch_up()
    live = shop.engine()
    stop, seen = threading.Event(), list[int]()

    def read() -> None:
        while not stop.is_set():
            with shop.app.transaction(shop.tenant) as connection:
                row = connection.execute("SELECT count(*) FROM ledger_00.charges").fetchone()
                assert row is not None
                seen.append(int(row[0]))

    threads = [
        threading.Thread(target=read),
        threading.Thread(target=live.run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    # when
    try:
        for _ in range(5):
            shop.charge(customer, "1")
            with shop.owner_connection() as owner:
                shop.engine().rebuild("charges", owner)
        ((head,),) = shop.rows("SELECT max(notification_id) FROM ledger_00.events")
        assert live.wait_for(head, 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    # then
    assert seen == sorted(seen)
    assert seen[0] == 10
    assert live.stopped() == []
    assert shop.rows("SELECT count(*), sum(amount) FROM ledger_00.charges") == [(15, 15 * C)]
