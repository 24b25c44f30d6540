"""Sums of usage by quarter hours: a series is the same as if it were read charge by charge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import pytest

from application.codec import EventCodec
from application.commands.requests import RefundCharge
from projections.charges import Charges
from projections.models import read_models
from projections.queries import ChargeFilter, UsagePoint
from projections.replay import replay
from projections.tables import Location
from projections.usage_rollups import quarter_of, whole_quarters
from tests.projections.shop import C, Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

LIVE = Location("ledger_00")
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
MINUTE, MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)
VALUES: list[Any] = [
    "opus",
    "",
    7,
    "7",
    1.5,
    1e22,
    -0.0,
    True,
    None,
    {"b": 1, "a": [2]},
    "x" * 5000,
]
# Every charge, in the statement's own words.
CHARGE_BY_CHARGE = """
    SELECT date_trunc(%(bucket)s, occurred_at, 'UTC'), {group}, count(*),
           trim_scale(coalesce(sum(quantity), 0))::text, sum(amount), asset
    FROM ledger_00.charges WHERE {condition}
    AND occurred_at >= %(from)s AND occurred_at < %(to)s GROUP BY 1, 2, asset ORDER BY 1, asset, 2
"""
GROUPS: dict[Any, str] = {
    ("CUSTOMER", None): "customer_id::text",
    ("METER", None): "meter",
    ("SUBJECT", None): "subject",
    ("PROPERTY", "model"): "properties ->> 'model'",
    ("PROPERTY", "unlisted"): "properties ->> 'unlisted'",
}
USAGE = "status NOT IN ('AUTHORIZED', 'RELEASED')"


def model() -> Charges:
    return Charges(LIVE, rolled_up=("model",))


def a_day_of_usage(shop: Shop, random: Random) -> str:
    """Charges, holds, captures and refunds about noon; return one of the customers."""
    shop.clock.at = NOON + timedelta(hours=6)
    customers = [shop.customer("HYBRID"), shop.customer("HYBRID"), shop.customer("SHADOW")]
    made: list[str] = []
    for number in range(120):
        seconds = random.choice([0, 900, 899.999999, random.uniform(0, 4 * 3600)])
        properties = {"model": random.choice(VALUES), "unlisted": number % 3}
        if number % 5 == 0:
            del properties["model"]
        usage: dict[str, Any] = {
            "occurred_at": NOON + timedelta(seconds=seconds),
            "subject": random.choice([None, "a", "a/b"]),
            "quantity": random.choice([None, "0.1", "0.000000000000000001", "3", "12.50"]),
            "properties": None if number % 7 == 0 else properties,
            "asset": "USD" if number % 11 == 0 else "CREDIT",
        }
        customer = random.choice(customers)
        meter = random.choice(["tokens", "images"])
        if number % 4 == 0:
            del usage["occurred_at"]
            hold = shop.hold(customer, "2", meter, **usage)
            if number % 8 == 0:
                shop.capture(hold, "1")
        else:
            charge = shop.charge(customer, random.choice(["1", "0.5", "0"]), meter, **usage)
            if customer != customers[2]:
                made.append(charge)
    for number, charge in enumerate(made):
        if number % 6 == 0:
            refund = RefundCharge(charge, "no", shop.key("refund"), amount="0.000001")
            if number % 12 == 0:
                refund = RefundCharge(charge, "no", shop.key("refund"))
            shop.try_(refund)
    return customers[0]


def charge_by_charge(
    shop: Shop, condition: str, group: str, span: tuple[datetime, datetime], bucket: str
) -> list[UsagePoint]:
    query = CHARGE_BY_CHARGE.format(group=group, condition=condition)
    with shop.superuser() as connection:
        rows = connection.execute(
            query.encode(), {"bucket": bucket.lower(), "from": span[0], "to": span[1]}
        ).fetchall()
    return [
        UsagePoint(at.astimezone(UTC), of_group, charges, quantity, int(amount), asset)
        for at, of_group, charges, quantity, amount, asset in rows
    ]


def test_sums_and_charges_tell_the_same(own_shop: Shop) -> None:
    # given
    shop = own_shop
    customer = a_day_of_usage(shop, Random(7))
    shop.engine(model(), batch_size=17).catch_up()
    spans = [
        (NOON, NOON + timedelta(hours=7)),
        (NOON + MINUTE, NOON + timedelta(hours=2, minutes=29)),
        (NOON + 15 * MINUTE, NOON + 30 * MINUTE),
        (NOON + 16 * MINUTE, NOON + 29 * MINUTE),
        (NOON + 15 * MINUTE - MICROSECOND, NOON + 15 * MINUTE + MICROSECOND),
    ]
    early, late = NOON + 20 * MINUTE, NOON + 100 * MINUTE
    filters = [
        (ChargeFilter(), USAGE),
        (ChargeFilter(customer_id=customer), f"{USAGE} AND customer_id = '{customer}'"),
        (
            ChargeFilter(meter="images", subject="a"),
            f"{USAGE} AND (meter, subject) = ('images', 'a')",
        ),
        (ChargeFilter(status="REFUNDED"), "status = 'REFUNDED'"),
        (ChargeFilter(status="PARTIALLY_REFUNDED"), "status = 'PARTIALLY_REFUNDED'"),
        (ChargeFilter(status="OBSERVED"), "status = 'OBSERVED'"),
        (ChargeFilter(status="AUTHORIZED"), "status = 'AUTHORIZED'"),
        (
            ChargeFilter(occurred_from=early, occurred_to=late),
            f"{USAGE} AND tstzrange('{early}', '{late}') @> occurred_at",
        ),
    ]
    found = 0
    for span, (wanted, condition), (by, group) in product(spans, filters, GROUPS.items()):
        asked: Any = (*span, "HOUR" if found % 2 else "DAY", *by)
        # when
        points = shop.queries.usage_series(shop.tenant, wanted, *asked)
        # then
        assert points == charge_by_charge(shop, condition, group, span, asked[2])
        found += len(points)
    assert found > 500


def test_whole_quarter_hours_are_read_from_the_sums_alone(own_shop: Shop) -> None:
    # given
    shop = own_shop
    a_day_of_usage(shop, Random(8))
    shop.engine(model()).catch_up()
    by_model: Any = (NOON, NOON + timedelta(hours=5), "DAY", "PROPERTY", "model")
    series = shop.queries.usage_series
    before = series(shop.tenant, ChargeFilter(), *by_model)
    # when
    with shop.superuser() as connection:
        connection.execute("DELETE FROM ledger_00.charges")
    # then
    assert len(before) > 10
    assert series(shop.tenant, ChargeFilter(), *by_model) == before
    unlisted: Any = (NOON, NOON + timedelta(hours=5), "DAY", "PROPERTY", "unlisted")
    assert series(shop.tenant, ChargeFilter(), *unlisted) == []


def test_batches_and_a_replay_make_the_same_sums(own_shop: Shop) -> None:
    # given
    shop = own_shop
    a_day_of_usage(shop, Random(9))
    shop.engine(model(), batch_size=1_000_000).catch_up()
    expected = shop.contents(model())
    assert not [row for row in expected["usage_rollups"] if ",0,0,0)" in row]
    for size in (1, 13):
        # when
        shop.forget_all()
        engine = shop.engine(model(), batch_size=size)
        engine.catch_up()
        # then
        assert not engine.stopped()
        assert shop.contents(model()) == expected
    # then a replay that was told of no property folds by what is kept
    shop.catch_up()
    report = replay(shop.proj, EventCodec().decode_all, read_models(), batch_size=29)
    assert report.differences == []


def test_a_property_chosen_later_counts_from_the_next_rebuild(own_shop: Shop) -> None:
    # given sums by no property
    shop = own_shop
    customer = shop.customer("HYBRID")
    shop.clock.at = NOON
    shop.charge(customer, "1", properties={"model": "opus"})
    shop.catch_up()
    shop.charge(customer, "2", properties={"model": "opus"})
    engine = shop.engine(model())
    engine.catch_up()
    kept = "SELECT property FROM ledger_00.usage_rollup_properties ORDER BY 1"
    assert shop.rows(kept) == [("",)]

    def by_model() -> list[UsagePoint]:
        to = NOON + timedelta(days=1)
        return shop.queries.usage_series(
            shop.tenant, ChargeFilter(), NOON, to, "DAY", "PROPERTY", "model"
        )

    point = UsagePoint(NOON.replace(hour=0), "opus", 2, "0", 3 * C, "CREDIT")
    assert by_model() == [point]
    # when
    with shop.owner_connection() as owner:
        engine.rebuild("charges", owner)
    # then
    assert shop.rows(kept) == [("",), ("model",)]
    assert by_model() == [point]
    assert shop.rows(
        "SELECT value, charges FROM ledger_00.usage_rollups WHERE property = 'model'"
    ) == [("opus", 2)]


def test_every_zone_s_hours_are_made_of_quarter_hours() -> None:
    # given a day of Kathmandu, 5:45 ahead
    midnight = datetime.fromisoformat("2026-01-10T00:00:00+05:45")
    # then
    assert quarter_of(midnight) == midnight
    assert quarter_of(midnight - MICROSECOND) == midnight - 15 * MINUTE
    assert whole_quarters(midnight, midnight + timedelta(days=1)) == (
        midnight,
        midnight + timedelta(days=1),
    )
    assert whole_quarters(NOON + MINUTE, NOON + 40 * MINUTE) == (
        NOON + 15 * MINUTE,
        NOON + 30 * MINUTE,
    )
    assert whole_quarters(NOON + MINUTE, NOON + 29 * MINUTE) == (NOON + 29 * MINUTE,) * 2
