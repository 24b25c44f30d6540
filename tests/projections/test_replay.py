"""`replay --check`: no difference, and every difference there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from application.codec import EventCodec
from domain.streams import BY_TOPIC
from projections.models import READ_MODELS, read_models
from projections.replay import Difference, ReplayReport, replay
from tests.projections.shop import Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]


@pytest.fixture
def caught_up(told_shop: Shop) -> Iterator[Shop]:
    """The story's shop with all read models at the end; what a test spoils is made anew."""
    told_shop.forget_all()
    told_shop.catch_up()
    yield told_shop
    told_shop.forget_all()


def check(shop: Shop) -> ReplayReport:
    return replay(shop.proj, EventCodec().decode_all, read_models(), batch_size=100)


# The journal folds what no command states yet: policies, and the closing of periods.
NOT_YET_STATED = {
    "accounting.functional_currency_set",
}


def test_the_story_has_every_event_that_read_models_fold(told_shop: Shop) -> None:
    # given
    told = {topic for (topic,) in told_shop.rows("SELECT DISTINCT topic FROM ledger_00.events")}
    # then
    folded = {topic for topic, event in BY_TOPIC.items() for m in READ_MODELS if event in m.events}
    assert folded - told == NOT_YET_STATED


def test_an_honest_ledger_replays_without_a_difference(caught_up: Shop) -> None:
    # when
    report = check(caught_up)
    # then
    ((events, head),) = caught_up.rows(
        "SELECT count(*), max(notification_id) FROM ledger_00.events"
    )
    assert report.differences == []
    assert (report.events, report.position, report.complete) == (events, head, True)


def test_read_models_that_are_behind_are_compared_where_they_stand(told_shop: Shop) -> None:
    # given
    told_shop.forget_all()
    for steps, model in enumerate(read_models()):
        engine = told_shop.engine(model, batch_size=30)
        for _ in range(2 * steps):
            engine.step()
    # when
    report = check(told_shop)
    # then
    ((events,),) = told_shop.rows("SELECT count(*) FROM ledger_00.events")
    assert report.differences == []
    assert report.events == events


@pytest.mark.parametrize(
    "spoil, table, column",
    [
        ("UPDATE {0} SET burned = burned + 1, granted = granted + 1", "accounts", "burned"),
        ("UPDATE {0} SET frozen = NOT frozen", "wallets", "frozen"),
        ("UPDATE {0} SET status = 'ACTIVE' WHERE status = 'LAPSED'", "grants", "status"),
        ("UPDATE {0} SET meters = '[\"images\"]' WHERE meters IS NULL", "grants", "meters"),
        ("UPDATE {0} SET expires_at = expires_at + interval '1 us'", "holds", "expires_at"),
        ("UPDATE {0} SET amount = amount + 0.000001", "charges", "amount"),
        ("UPDATE {0} SET properties = '{}' WHERE properties IS NULL", "charges", "properties"),
        ("UPDATE {0} SET external_id = external_id || ' '", "customers", "external_id"),
        ("UPDATE {0} SET balance_after = 0 WHERE balance_after <> 0", "statement_lines",
         "balance_after"),
        ("DELETE FROM {0}", "statement_accounts", "row"),
    ],
)  # fmt: skip
def test_a_figure_that_was_changed_is_named(
    caught_up: Shop, spoil: str, table: str, column: str
) -> None:
    # given
    with caught_up.superuser() as connection:
        spoiled = connection.execute(spoil.replace("{0}", f"ledger_00.{table}").encode()).rowcount
    # when
    report = check(caught_up)
    # then
    found = [each for each in report.differences if (each.table, each.column) == (table, column)]
    assert len(found) == spoiled > 0


def test_a_changed_figure_is_shown_as_it_is_and_as_it_should_be(caught_up: Shop) -> None:
    # given
    ((position, amount),) = caught_up.rows(
        "UPDATE ledger_00.charges SET amount = amount + 7 WHERE charge_id ="
        " (SELECT min(charge_id::text)::uuid FROM ledger_00.charges)"
        " RETURNING position::text, amount::text"
    )
    # when
    report = check(caught_up)
    # then
    assert report.differences == [
        Difference("charges", position, "amount", amount, str(int(amount) - 7))
    ]


def test_a_row_that_is_nobodys_is_named(caught_up: Shop) -> None:
    # given
    ((customer,),) = caught_up.rows(
        "UPDATE ledger_00.customers SET customer_id = gen_random_uuid()"
        " WHERE customer_id = (SELECT min(customer_id::text)::uuid FROM ledger_00.customers)"
        " RETURNING customer_id::text"
    )
    # when
    report = check(caught_up)
    # then
    assert Difference("customers", customer, "row", "there", "missing") in report.differences
    assert len(report.differences) == 2


@pytest.mark.parametrize(
    "topic, before, after, named",
    [
        # A charge that says it took more than its wallet was told.
        (
            "charge.settled",
            '"amount_units":1000000,',
            '"amount_units":1000001,',
            {("charge streams", "burned"), ("last lines", "available")},
        ),
        # A grant that says it expired less than its wallet was told.
        ("grant.expired", '"expired_units":4000000', '"expired_units":3999999',
         {("grant streams", "expired")}),
    ],
)  # fmt: skip
def test_streams_that_tell_two_stories_are_named(
    own_shop: Shop, topic: str, before: str, after: str, named: set[tuple[str, str]]
) -> None:
    # given
    customer = own_shop.customer()
    own_shop.grant(customer, "5", expires_at=own_shop.clock.at.replace(hour=1))
    own_shop.charge(customer, "1")
    own_shop.wait(days=1)
    own_shop.run_due_work(customer)
    own_shop.rows(
        "UPDATE ledger_00.events SET state ="
        " convert_to(replace(convert_from(state, 'UTF8'), %s, %s), 'UTF8')"
        " WHERE topic = %s RETURNING 1",
        before, after, topic,
    )  # fmt: skip
    own_shop.catch_up()
    # when
    report = check(own_shop)
    # then
    assert {(each.table, each.column) for each in report.differences} == named


@pytest.mark.parametrize(
    "topic, stopped",
    [
        ("customer.created", {"customers"}),
        ("charge.settled", {"charges", "journal", "margins", "statement", "unbilled"}),
        ("wallet.opened", {"balances", "aggregates", "notifications"}),
    ],
)
def test_what_cannot_be_folded_is_a_finding_and_the_rest_is_compared(
    own_shop: Shop, topic: str, stopped: set[str]
) -> None:
    # given
    customer = own_shop.customer("HYBRID")
    own_shop.charge(customer, "1")
    own_shop.catch_up()
    own_shop.rows("UPDATE ledger_00.events SET state = '{' WHERE topic = %s RETURNING 1", topic)
    # when
    report = check(own_shop)
    # then
    assert {found.table for found in report.differences} == stopped
    assert {found.column for found in report.differences} == {"cannot be folded"}
    assert all(found.replayed.startswith("DecodeError: ") for found in report.differences)


def test_it_leaves_nothing_behind(caught_up: Shop) -> None:
    # given
    check(caught_up)
    # when
    report = check(caught_up)
    # then
    assert report.differences == []
    assert caught_up.rows(
        "SELECT count(*) FROM pg_class WHERE relname = 'charges' AND relpersistence = 't'"
    ) == [(0,)]


def test_progress_ends_at_the_last_position(caught_up: Shop) -> None:
    # given
    told: list[tuple[int, int]] = []
    # when
    report = replay(
        caught_up.proj, EventCodec().decode_all, read_models(), progress=lambda *at: told.append(at)
    )
    # then
    assert told[-1] == (report.position, report.position)
    assert report.events_per_second > 0
