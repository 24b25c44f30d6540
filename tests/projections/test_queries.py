"""Lists and series: order, pages, filters, buckets, and what is due."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.commands.requests import (
    ConfigureTenant,
    Money,
    RefundCharge,
    ReleaseHold,
    VoidGrant,
)
from application.tenants import open_tenant
from projections.models import read_models
from projections.pages import BadCursor, Page, cursor
from projections.queries import ChargeFilter, UsagePoint
from projections.series import TooManyPoints
from projections.statement_queries import BalancePoint
from tests.projections.shop import DAY_ONE, C, Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def charges(shop: Shop, **wanted: Any) -> list[str]:
    return shop.queries.charge_page(shop.tenant, ChargeFilter(**wanted), 1000).nodes


def balances(shop: Shop, customer: str, *span: Any) -> list[BalancePoint]:
    return shop.queries.balance_series(shop.tenant, shop.wallet(customer), "CREDIT", *span)


# Pages


def test_customers_come_newest_first_a_page_at_a_time(shop: Shop) -> None:
    # given
    customers = [shop.customer() for _ in range(5)][::-1]
    shop.catch_up()
    # when
    first = shop.queries.customer_page(shop.tenant, 3)
    second = shop.queries.customer_page(shop.tenant, 2, first.end_cursor)
    # then
    assert (first.nodes, first.has_next) == (customers[:3], True)
    assert second.nodes == customers[3:]


def test_a_page_that_ends_the_list_says_so(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "10")
    made = [shop.charge(customer, "1") for _ in range(4)][::-1]
    shop.catch_up()
    wanted = ChargeFilter(customer_id=customer)
    # when
    first = shop.queries.charge_page(shop.tenant, wanted, 2)
    second = shop.queries.charge_page(shop.tenant, wanted, 2, first.end_cursor)
    third = shop.queries.charge_page(shop.tenant, wanted, 2, second.end_cursor)
    # then
    assert (first.nodes, first.has_next) == (made[:2], True)
    assert (second.nodes, second.has_next) == (made[2:], False)
    assert third == Page([], None, has_next=False)


def test_what_is_written_between_two_pages_shifts_nothing(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "10")
    for _ in range(3):
        shop.charge(customer, "1")
    shop.catch_up()
    wallet = shop.wallet(customer)
    first = shop.queries.statement_page(shop.tenant, wallet, "CREDIT", 2)
    # when
    shop.charge(customer, "1")
    shop.catch_up()
    second = shop.queries.statement_page(shop.tenant, wallet, "CREDIT", 9, first.end_cursor)
    # then
    assert [line.balance_after for line in first.nodes] == [7 * C, 8 * C]
    assert [line.balance_after for line in second.nodes] == [9 * C, 10 * C]
    assert not second.has_next


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "AAAAA",
        "Y2hhcmdlcw",
        cursor("customers", 5),
        cursor("charges", 5) + "=",
        cursor("charges", 5, 5),
        cursor("charges", 10**18 - 1) + "A",
        urlsafe_b64encode(b"charges:05").decode().rstrip("="),
        urlsafe_b64encode(b"charges:-5").decode().rstrip("="),
        urlsafe_b64encode(b"charges:9999999999999999999").decode().rstrip("="),
        urlsafe_b64encode("charges:٥".encode()).decode().rstrip("="),
        "' OR 1=1 --",
        "A" * 100_000,
        "\x00",
        "Y2hhcmdlczo1\n",
    ],
)
def test_a_cursor_that_this_list_never_gave_is_refused(shop: Shop, after: str) -> None:
    with pytest.raises(BadCursor):
        shop.queries.charge_page(shop.tenant, ChargeFilter(), 10, after)


def test_a_statement_cursor_is_no_cursor_of_another_list(shop: Shop) -> None:
    with pytest.raises(BadCursor):
        shop.queries.statement_page(shop.tenant, shop.tenant, "CREDIT", 10, cursor("statement", 5))


# Charges


def test_charges_are_filtered(shop: Shop) -> None:
    # given
    customer, other = shop.customer("HYBRID"), shop.customer("SHADOW")
    now = shop.clock.at
    plain = shop.charge(customer, "1", subject="agent:a", occurred_at=now - 2 * HOUR)
    image = shop.charge(customer, "2", meter="images", occurred_at=now - HOUR)
    back = shop.charge(customer, "3", occurred_at=now)
    partly = shop.charge(customer, "4", occurred_at=now)
    observed = shop.charge(other, "5")
    open_hold, released = shop.hold(customer, "6"), shop.hold(customer, "7")
    shop.do(ReleaseHold(released))
    shop.do(RefundCharge(back, "wrong", shop.key("refund")))
    shop.do(RefundCharge(partly, "wrong", shop.key("refund"), "1"))
    shop.catch_up()
    of_hold: dict[str, str] = dict(
        shop.rows("SELECT hold_id::text, charge_id::text FROM ledger_00.holds")
    )
    # then
    assert charges(shop, customer_id=customer) == [partly, back, image, plain]
    assert charges(shop, customer_id=customer, meter="images") == [image]
    assert charges(shop, customer_id=customer, subject="agent:a") == [plain]
    assert charges(shop, customer_id=customer, occurred_from=now - HOUR, occurred_to=now) == [image]
    assert charges(shop, customer_id=customer, status="SETTLED") == [image, plain]
    assert charges(shop, customer_id=customer, status="REFUNDED") == [back]
    assert charges(shop, customer_id=customer, status="PARTIALLY_REFUNDED") == [partly]
    assert charges(shop, customer_id=customer, status="AUTHORIZED") == [of_hold[open_hold]]
    assert charges(shop, customer_id=customer, status="RELEASED") == [of_hold[released]]
    assert charges(shop, customer_id=other) == [observed]
    assert charges(shop, customer_id="no such customer") == []


def test_a_captured_hold_stands_where_it_settled(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "10")
    hold = shop.hold(customer, "5")
    between = shop.charge(customer, "1")
    # when
    captured = shop.capture(hold, "2")
    shop.catch_up()
    # then
    assert charges(shop, customer_id=customer) == [captured, between]


# Grants


def test_all_grants_of_an_account_in_burn_down_order(shop: Shop) -> None:
    # given
    customer = shop.customer()
    soon = shop.clock.at + DAY
    never = shop.grant(customer, "1", "PAID")
    free = shop.grant(customer, "1")
    first = shop.grant(customer, "1", priority=1, effective_at=soon)
    ending = shop.grant(customer, "1", "PAID", expires_at=soon)
    void = shop.grant(customer, "1", "PAID", expires_at=soon + DAY)
    shop.do(VoidGrant(void, "mistake"))
    shop.charge(customer, "2")
    shop.catch_up()
    # then
    assert shop.queries.spent_grant_ids(shop.tenant, shop.wallet(customer), "CREDIT") == [
        first, ending, void, free, never,
    ]  # fmt: skip


# Due work


def test_due_wallets_come_soonest_first_and_only_while_something_is_due(shop: Shop) -> None:
    # given
    now = shop.clock.at
    expiring, holding, waiting, idle = (shop.customer() for _ in range(4))
    shop.grant(expiring, "5", expires_at=now + 3 * HOUR)
    shop.grant(holding, "5")
    shop.hold(holding, "1", ttl_seconds=7200)
    shop.hold(holding, "1", ttl_seconds=3 * 7200)
    shop.grant(waiting, "5", effective_at=now + HOUR)
    shop.grant(idle, "5", expires_at=now + HOUR)
    shop.charge(idle, "5")
    ours = {shop.wallet(each): each for each in (expiring, holding, waiting, idle)}

    def due(until: datetime, limit: int = 1000) -> list[str]:
        shop.catch_up()
        found = shop.queries.due_wallets(shop.tenant, until, limit)
        return [ours[wallet] for wallet in found if wallet in ours]

    # then
    assert due(now + HOUR - timedelta(microseconds=1)) == []
    assert due(now + HOUR) == [waiting]
    assert due(now + 4 * HOUR) == [waiting, holding, expiring]
    # when
    shop.wait(hours=4)
    for customer in (waiting, holding, expiring):
        shop.run_due_work(customer)
    # then
    assert due(shop.clock.at) == []
    assert due(now + 7 * HOUR) == [holding]


def test_due_wallets_are_at_most_as_many_as_asked_for(shop: Shop) -> None:
    # given
    for _ in range(3):
        shop.grant(shop.customer(), "5", expires_at=shop.clock.at + HOUR)
    shop.catch_up()
    # then
    until = shop.clock.at + HOUR
    assert len(shop.queries.due_wallets(shop.tenant, until, 2)) == 2


# Series


def test_usage_by_meter_and_day(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    shop.wait(days=40)
    day = shop.clock.at.replace(hour=0, minute=0, second=0, microsecond=0) - 10 * DAY
    shop.charge(customer, "1.5", occurred_at=day, quantity="0.10")
    shop.charge(customer, "2", occurred_at=day + DAY - timedelta(microseconds=1), quantity="0.2")
    shop.charge(customer, "4", "images", occurred_at=day + HOUR)
    back = shop.charge(customer, "8", occurred_at=day + DAY, quantity="1")
    shop.do(RefundCharge(back, "wrong", shop.key("refund")))
    shop.charge(customer, "16", occurred_at=day + 2 * DAY)
    shop.hold(customer, "32")
    shop.catch_up()
    # when
    wanted = ChargeFilter(customer_id=customer)
    points = shop.queries.usage_series(
        shop.tenant, wanted, day, day + 2 * DAY, "DAY", "METER", None
    )
    # then
    assert points == [
        UsagePoint(day, "images", 1, "0", 4 * C, "CREDIT"),
        UsagePoint(day, "tokens", 2, "0.3", 3_500_000, "CREDIT"),
        UsagePoint(day + DAY, "tokens", 1, "1", 8 * C, "CREDIT"),
    ]


def test_usage_by_customer_subject_and_property(shop: Shop) -> None:
    # given
    customer, other = shop.customer("HYBRID"), shop.customer("HYBRID")
    hour = shop.clock.at.replace(minute=0, second=0, microsecond=0)
    shop.wait(hours=2)
    meter = shop.key("meter")
    shop.charge(customer, "1", meter, occurred_at=hour, subject="a", properties={"model": "opus"})
    shop.charge(customer, "2", meter, occurred_at=hour, properties={"model": "haiku", "n": 7})
    shop.charge(other, "4", meter, occurred_at=hour + HOUR, subject="a", properties={"n": 7})
    shop.charge(other, "8", meter, occurred_at=hour + HOUR, asset="USD")
    shop.catch_up()

    def usage(by: Any, name: str | None = None) -> list[tuple[int, str | None, int, str]]:
        wanted = ChargeFilter(meter=meter)
        upto = hour + 2 * HOUR
        points = shop.queries.usage_series(shop.tenant, wanted, hour, upto, "HOUR", by, name)
        return [((p.at - hour) // HOUR, p.group, p.amount, p.asset) for p in points]

    # then
    assert usage("CUSTOMER") == [
        (0, customer, 3 * C, "CREDIT"),
        (1, other, 4 * C, "CREDIT"),
        (1, other, 8 * 10**9, "USD"),
    ]
    assert usage("SUBJECT") == [
        (0, "a", 1 * C, "CREDIT"),
        (0, None, 2 * C, "CREDIT"),
        (1, "a", 4 * C, "CREDIT"),
        (1, None, 8 * 10**9, "USD"),
    ]
    assert usage("PROPERTY", "model") == [
        (0, "haiku", 2 * C, "CREDIT"),
        (0, "opus", 1 * C, "CREDIT"),
        (1, None, 4 * C, "CREDIT"),
        (1, None, 8 * 10**9, "USD"),
    ]
    assert usage("PROPERTY", "n") == [
        (0, "7", 2 * C, "CREDIT"),
        (0, None, 1 * C, "CREDIT"),
        (1, "7", 4 * C, "CREDIT"),
        (1, None, 8 * 10**9, "USD"),
    ]
    assert usage("PROPERTY", "it's %s {}")[0] == (0, None, 3 * C, "CREDIT")


def test_weeks_begin_on_monday_and_months_on_the_first(shop: Shop) -> None:
    # given a Sunday and a Monday
    customer = shop.customer("HYBRID")
    shop.clock.at = max(shop.clock.at, datetime(2027, 3, 1, 12, tzinfo=UTC))
    shop.charge(customer, "1", occurred_at=datetime(2027, 2, 28, 23, 59, tzinfo=UTC))
    shop.charge(customer, "2", occurred_at=datetime(2027, 3, 1, tzinfo=UTC))
    shop.catch_up()

    def buckets(bucket: Any) -> list[tuple[datetime, int]]:
        span = (datetime(2027, 2, 1, tzinfo=UTC), datetime(2027, 3, 2, tzinfo=UTC), bucket)
        wanted = ChargeFilter(customer_id=customer)
        points = shop.queries.usage_series(shop.tenant, wanted, *span, "METER", None)
        return [(point.at, point.amount) for point in points]

    # then
    assert buckets("WEEK") == [
        (datetime(2027, 2, 22, tzinfo=UTC), 1 * C),
        (datetime(2027, 3, 1, tzinfo=UTC), 2 * C),
    ]
    assert buckets("MONTH") == [
        (datetime(2027, 2, 1, tzinfo=UTC), 1 * C),
        (datetime(2027, 3, 1, tzinfo=UTC), 2 * C),
    ]


def test_a_balance_at_the_end_of_each_hour_and_at_the_end(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    shop.clock.at = start = shop.clock.at.replace(minute=0, second=0, microsecond=0) + HOUR
    shop.wait(minutes=30)
    shop.grant(customer, "10")
    shop.wait(minutes=30)  # on the hour: it counts at the end that it stands on
    shop.charge(customer, "12")
    shop.wait(hours=2)
    shop.hold(customer, "3", ttl_seconds=86_400)
    shop.catch_up()
    # when
    points = balances(shop, customer, start - HOUR, start + 3 * HOUR + HOUR / 2, "HOUR")
    # then
    assert points == [
        BalancePoint(start, 0, 0, 0),
        BalancePoint(start + HOUR, -2 * C, 0, 2 * C),
        BalancePoint(start + 2 * HOUR, -2 * C, 0, 2 * C),
        BalancePoint(start + 3 * HOUR, -5 * C, 3 * C, 2 * C),
        BalancePoint(start + 3 * HOUR + HOUR / 2, -5 * C, 3 * C, 2 * C),
    ]


def test_what_fell_due_counts_before_it_is_written_and_after(shop: Shop) -> None:
    # given
    customer = shop.customer("HYBRID")
    shop.clock.at = start = shop.clock.at.replace(minute=0, second=0, microsecond=0) + HOUR
    shop.grant(customer, "10", expires_at=start + 3 * HOUR)
    shop.charge(customer, "12")
    shop.grant(customer, "20", "PAID", effective_at=start + 2 * HOUR, expires_at=start + 4 * HOUR)
    shop.hold(customer, "1", ttl_seconds=90 * 60)
    shop.catch_up()
    span = (start, start + 5 * HOUR, "HOUR")
    # when
    before = balances(shop, customer, *span)
    shop.wait(hours=6)
    shop.run_due_work(customer)
    shop.catch_up()
    # then
    assert before == [
        BalancePoint(start + HOUR, -3 * C, 1 * C, 2 * C),
        BalancePoint(start + 2 * HOUR, 18 * C, 0, 0),
        BalancePoint(start + 3 * HOUR, 18 * C, 0, 0),
        BalancePoint(start + 4 * HOUR, 0, 0, 0),
        BalancePoint(start + 5 * HOUR, 0, 0, 0),
    ]
    assert balances(shop, customer, *span) == before


def test_within_the_settlement_grace_an_expired_grant_is_not_available(shop: Shop) -> None:
    # given
    shop.do(ConfigureTenant(settlement_grace_seconds=7200))
    customer = shop.customer()
    shop.clock.at = start = shop.clock.at.replace(minute=0, second=0, microsecond=0) + HOUR
    shop.grant(customer, "10", expires_at=start + HOUR)
    shop.do(ConfigureTenant(settlement_grace_seconds=0))
    shop.catch_up()
    # then
    just_before = start + HOUR - timedelta(microseconds=1)
    assert balances(shop, customer, start, just_before, "HOUR")[-1].available == 10 * C
    assert balances(shop, customer, start, start + HOUR, "HOUR")[-1].available == 0


def test_an_account_that_never_was_is_empty(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.catch_up()
    wallet = shop.wallet(customer)
    # then
    page = shop.queries.statement_page(shop.tenant, wallet, "EUR", 10)
    assert page == Page([], None, has_next=False)
    assert balances(shop, customer, DAY_ONE, DAY_ONE + DAY, "DAY") == [
        BalancePoint(DAY_ONE + DAY, 0, 0, 0)
    ]
    assert balances(shop, customer, DAY_ONE, DAY_ONE, "DAY") == []
    assert shop.queries.spent_grant_ids(shop.tenant, wallet, "EUR") == []


def test_a_series_of_too_many_points_is_refused(shop: Shop) -> None:
    with pytest.raises(TooManyPoints):
        balances(shop, shop.tenant, DAY_ONE, DAY_ONE + timedelta(hours=10_001), "HOUR")


# Tenants and positions


def test_another_tenant_sees_nothing(shop: Shop) -> None:
    # given
    customer = shop.customer()
    shop.grant(customer, "10", expires_at=shop.clock.at + HOUR)
    shop.charge(customer, "1", cost=Money("0.1", "USD"))
    shop.catch_up()
    other = open_tenant(shop.recorder, shop.key("tenant"), DAY_ONE)
    wallet = shop.wallet(customer)
    begin, end = DAY_ONE, DAY_ONE + 800 * DAY
    # then
    queries = shop.queries
    assert queries.customer_page(other, 9).nodes == []
    assert queries.charge_page(other, ChargeFilter(customer_id=customer), 9).nodes == []
    assert queries.statement_page(other, wallet, "CREDIT", 9).nodes == []
    assert queries.spent_grant_ids(other, wallet, "CREDIT") == []
    assert queries.due_wallets(other, shop.clock.at + DAY, 9) == []
    assert queries.usage_series(other, ChargeFilter(), begin, end, "MONTH", "METER") == []
    assert {
        point.available
        for point in queries.balance_series(other, wallet, "CREDIT", begin, end, "MONTH")
    } == {0}


@pytest.mark.parametrize("table", [table.name for model in read_models() for table in model.tables])
def test_the_role_of_queries_reads_its_tenant_alone_and_writes_nothing(
    told_shop: Shop, table: str
) -> None:
    # given
    shop = told_shop
    shop.catch_up()
    seen = f"SELECT count(*) FROM ledger_00.{table}".encode()
    with shop.app.transaction(shop.tenant) as connection:
        # then
        assert connection.execute(seen).fetchone() != (0,)
        rights = connection.execute(
            "SELECT privilege FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])"
            " AS privilege WHERE has_table_privilege(%s, privilege)",
            (f"ledger_00.{table}",),
        ).fetchall()
        assert rights == []
    with shop.app.connection() as connection:
        assert connection.execute(seen).fetchone() == (0,)
    with shop.proj.connection() as connection:
        may_truncate = connection.execute(
            "SELECT has_table_privilege(%s, 'TRUNCATE')", (f"ledger_00.{table}",)
        ).fetchone()
        assert may_truncate == (False,)


def test_lists_stand_at_the_position_of_the_read_model_furthest_behind(own_shop: Shop) -> None:
    # given
    shop = own_shop
    charges_only = [model for model in read_models() if model.name == "charges"]
    assert shop.queries.position(shop.tenant) == 0
    # when
    shop.catch_up()
    before = shop.queries.position(shop.tenant)
    shop.customer()
    shop.engine(*charges_only).catch_up()
    # then
    assert shop.queries.position(shop.tenant) == before
    shop.catch_up()
    ((head,),) = shop.rows("SELECT max(notification_id) FROM ledger_00.events")
    assert shop.queries.position(shop.tenant) == head > before
