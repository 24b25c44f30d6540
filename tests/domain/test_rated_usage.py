"""Usage that the ledger rates: cases R1 to R17 through the commands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from application.commands.requests import Money, RecordUsage, SetWalletMode
from application.commands.subscription_requests import Subscribe
from domain.money.decimals import decimal_of
from domain.refusals import IdempotencyConflict, InsufficientFunds, InvalidInput
from domain.usage.charge import UsageCharge
from domain.wallet.spend_events import ThresholdCrossed
from tests.books import Books, reloaded
from tests.catalogue import R1_TIERS, RowSaid, TierSaid, amounts, meter, publish, said_price, use


@pytest.fixture
def books() -> Books:
    """acme has 100 000 USD, of two grants; usage is priced from January on."""
    books = Books()
    books.at(2026, 1, 1)
    books.customer()
    books.grant("first", "60", asset="USD", source="PROMOTIONAL", priority=1)
    books.grant("rest", "100000", asset="USD", paid=Money("100000", "USD"))
    books.at(2026, 1, 10)
    return books


def spent(books: Books) -> str:
    account = books.account("USD")
    return decimal_of(account.burned_units, 9)


def total(books: Books, price: str = "tokens") -> str:
    (found,) = [each for each in books.wallet().totals.by_key.values() if each.price == price]
    return f"{decimal_of(found.quantity, 18)}: {decimal_of(found.amount_units, 9)}"


def check_reloads(books: Books) -> None:
    """A wallet is the same from its snapshot, from zero, and in memory."""
    folded = books.wallet()
    assert reloaded(folded).state() == folded.state()
    kept = books.cache.get(folded.id)
    assert kept is not None
    assert kept.state() == folded.state()


def test_r1_graduated(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))
    # when
    charges = [use(books, f"e{i}", "tokens", q) for i, q in enumerate(["600", "600", "9000"])]
    # then
    assert amounts(*charges) == ["60", "56", "714"]
    assert total(books) == "10200: 830"
    assert spent(books) == "830"
    (line,) = charges[1].lines
    assert (line.product, line.version, line.price, line.overridden) == ("api", 1, "tokens", False)
    assert (line.quantity, line.before, line.after) == ("600", "600", "1200")
    assert line.starts_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert line.ends_at == datetime(2026, 2, 1, tzinfo=UTC)
    check_reloads(books)


def test_r2_volume_gives_back_to_those_who_paid_newest_first(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    # when
    first = use(books, "e0", "tokens", "990")
    credit = use(books, "e1", "tokens", "20")
    last = use(books, "e2", "tokens", "9190")
    # then
    assert amounts(first, credit, last) == ["99", "-18.2", "429.2"]
    assert [units for _, units in credit.allocations] == [-18_200_000_000]
    assert credit.allocations[0][0] == first.allocations[-1][0]
    assert credit.status == "SETTLED"
    assert total(books) == "10200: 510"
    assert spent(books) == "510"
    check_reloads(books)


def test_r3_package_with_free_allowance(books: Books) -> None:
    # given
    meter(books, "tokens")
    terms = {"unit_price": "2.00", "package_size": "1000", "free": "500"}
    publish(books, "api", said_price("tokens", "PACKAGE", **terms))
    # when
    charges = [use(books, f"e{i}", "tokens", q) for i, q in enumerate(["400", "200", "950"])]
    # then
    assert amounts(*charges) == ["0", "2", "2"]


def test_r4_percentage(books: Books) -> None:
    # given
    meter(books, "payments")
    terms = {"rate": "0.029", "fixed_fee": "0.30", "minimum": "0.50", "maximum": "5"}
    publish(books, "pay", said_price("payments", "PERCENTAGE", **terms))
    # when
    charges = [use(books, f"e{i}", "payments", q) for i, q in enumerate(["1", "100", "1000"])]
    # then
    assert amounts(*charges) == ["0.5", "3.2", "5"]


def r5(books: Books) -> None:
    meter(books, "tokens")
    rows = (
        RowSaid({"model": "opus", "direction": "input"}, "15"),
        RowSaid({"model": "opus", "direction": "output"}, "75"),
        RowSaid({"model": "*", "direction": "input"}, "3"),
        RowSaid({"direction": "output"}, "15"),
    )
    publish(
        books,
        "api",
        said_price("tokens", "UNIT", per="1000000", dimensions=("model", "direction"), rows=rows),
    )


def test_r5_dimensions(books: Books) -> None:
    # given
    r5(books)
    said = [("opus", "input", "12345"), ("opus", "output", "678"), ("haiku", "input", "12345")]
    said.append(("haiku", "output", "678"))
    # when
    charges = [
        use(books, f"e{i}", "tokens", q, properties={"model": model, "direction": direction})
        for i, (model, direction, q) in enumerate(said)
    ]
    # then
    assert amounts(*charges) == ["0.185175", "0.05085", "0.037035", "0.01017"]
    with pytest.raises(InvalidInput, match="model 'opus', direction 'audio'") as refused:
        use(books, "e9", "tokens", "1", properties={"model": "opus", "direction": "audio"})
    assert refused.value.field == "properties"


def test_r9_each_event_by_the_version_of_its_time(books: Books) -> None:
    # given
    books.at(2026, 2, 1)
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1.00"))
    switch = datetime(2026, 3, 1, tzinfo=UTC)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="2.00"), effective_at=switch)
    # when
    books.at(2026, 3, 2)
    late = use(
        books, "e0", "tokens", "1", occurred_at=datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    )
    now = use(books, "e1", "tokens", "1", occurred_at=switch)
    # then
    assert amounts(late, now) == ["1", "2"]
    assert [charge.lines[0].version for charge in (late, now)] == [1, 2]


def test_r11_unique(books: Books) -> None:
    # given
    meter(books, "users", "UNIQUE", property="user_id")
    publish(books, "app", said_price("users", "UNIT", unit_price="2.00"))
    # when
    charges = [
        use(books, f"e{i}", "users", properties={"user_id": user})
        for i, user in enumerate(["u1", "u2", "u1"])
    ]
    books.at(2026, 2, 1)
    next_cycle = use(books, "e3", "users", properties={"user_id": "u1"})
    # then
    assert amounts(*charges, next_cycle) == ["2", "2", "0", "2"]
    assert b"u1" not in b"".join(
        state for _, _, topic, state in books.log.rows if topic.startswith("sighting")
    )


def test_unique_within_one_batch(books: Books) -> None:
    # given
    meter(books, "users", "UNIQUE", property="user_id")
    publish(books, "app", said_price("users", "UNIT", unit_price="2.00"))
    # when
    answers = books.do_together(
        [
            RecordUsage(f"e{i}", "ext:acme", "users", properties={"user_id": user})
            for i, user in enumerate(["u1", "u1", "u2", "u1"])
        ]
    )
    # then
    assert amounts(*[answer.charge for answer in answers]) == ["2", "0", "2", "0"]  # type: ignore[union-attr]
    check_reloads(books)


def test_r13_version_within_a_cycle(books: Books) -> None:
    # given
    books.at(2026, 3, 1)
    meter(books, "tokens")
    v1 = (TierSaid("0.10", "1000"), TierSaid("0.05"))
    v2 = (TierSaid("0.20", "1000"), TierSaid("0.10"))
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=v1))
    switch = datetime(2026, 3, 16, tzinfo=UTC)
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=v2), effective_at=switch)
    # when
    books.at(2026, 3, 5)
    before = use(books, "e0", "tokens", "1000")
    books.at(2026, 3, 16)
    after = use(books, "e1", "tokens", "100")
    books.at(2026, 3, 20)
    late = use(books, "e2", "tokens", "50", occurred_at=datetime(2026, 3, 10, tzinfo=UTC))
    # then
    assert amounts(before, after, late) == ["100", "10", "2.5"]


def test_r14_late_into_the_previous_cycle(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))
    use(books, "e0", "tokens", "990")
    books.at(2026, 2, 2)
    use(books, "e1", "tokens", "500")
    # when
    late = use(books, "e2", "tokens", "20", occurred_at=datetime(2026, 1, 31, tzinfo=UTC))
    # then
    assert amounts(late) == ["1.8"]
    quantities = {
        each.starts_at.month: decimal_of(each.quantity, 18)
        for each in books.wallet().totals.by_key.values()
    }
    assert quantities == {1: "1010", 2: "500"}


def test_r17_overlapping_tokens(books: Books) -> None:
    # given
    meter(books, "input", property="prompt", less=("cached",), event_type="llm")
    meter(books, "cached", property="cached", event_type="llm")
    meter(books, "output", property="output", event_type="llm")
    publish(
        books,
        "api",
        said_price("input", "UNIT", unit_price="3.00", per="1000000"),
        said_price("cached", "UNIT", unit_price="0.30", per="1000000"),
        said_price("output", "UNIT", unit_price="15.00", per="1000000"),
    )
    said = {"prompt": 16_111, "cached": 15_872, "output": 2}
    # when
    charge = use(books, "e0", "llm", properties=said)
    # then
    assert amounts(charge) == ["0.0055086"]
    assert {line.meter: decimal_of(line.amount_units, 9) for line in charge.lines} == {
        "input": "0.000717",
        "cached": "0.0047616",
        "output": "0.00003",
    }


def test_l9_the_total_is_rounded_not_each_event(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="0.0000000125"))
    # then
    charges = [use(books, f"e{i}", "tokens", "1") for i in range(3)]
    assert amounts(*charges) == ["0.000000012", "0.000000013", "0.000000013"]


# Aggregations


def test_max_and_latest_charge_the_change_of_the_value(books: Books) -> None:
    # given
    meter(books, "peak", "MAX", property="n")
    meter(books, "level", "LATEST", property="n")
    publish(
        books,
        "app",
        said_price("peak", "UNIT", unit_price="1"),
        said_price("level", "UNIT", unit_price="10"),
        effective_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    # when
    peaks = [use(books, f"p{n}", "peak", properties={"n": n}) for n in (3, 5, 4)]
    levels = [use(books, f"l{n}", "level", properties={"n": n}) for n in (3, 5, 4)]
    older = use(
        books, "old", "level", properties={"n": 9}, occurred_at=datetime(2026, 1, 9, tzinfo=UTC)
    )
    # then
    assert amounts(*peaks) == ["3", "2", "0"]
    assert amounts(*levels, older) == ["30", "20", "-10", "0"]
    assert spent(books) == "45"
    check_reloads(books)


def test_count_ignores_quantity(books: Books) -> None:
    # given
    meter(books, "calls", "COUNT")
    publish(books, "app", said_price("calls", "UNIT", unit_price="0.5"))
    # then
    assert amounts(use(books, "e0", "calls", "700")) == ["0.5"]


# Which price


def test_a_stated_amount_of_priced_usage_is_refused(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    # then
    with pytest.raises(InvalidInput) as refused:
        use(books, "e0", "tokens", "1", amount="1", asset="USD")
    assert refused.value.field == "amount"


def test_usage_without_a_price_says_its_amount(books: Books) -> None:
    # given
    meter(books, "tokens")
    # then
    with pytest.raises(InvalidInput, match="tokens has no price") as refused:
        use(books, "e0", "tokens", "1")
    assert refused.value.field == "amount"
    assert amounts(use(books, "e0", "tokens", "1", amount="7", asset="USD")) == ["7"]


def test_a_meter_without_a_price_is_told_once_until_it_has_one(books: Books) -> None:
    # given
    meter(books, "tokens", unpriced_asset="USD")
    # when: unpriced twice, priced from now on, and by a price that is gone again
    use(books, "e1", "tokens", "1")
    use(books, "e2", "tokens", "1")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    books.later(seconds=1)
    use(books, "e3", "tokens", "1", occurred_at=books.clock.at)
    check_reloads(books)
    meter(books, "others")
    publish(books, "api", said_price("others", "UNIT", unit_price="1"))
    books.later(seconds=1)
    use(books, "e4", "tokens", "1", occurred_at=books.clock.at)
    # then
    stream = books.log.stream(books.wallet().id)
    told = [each for each in stream if isinstance(each, ThresholdCrossed)]
    assert [(each.kind, each.direction, each.about) for each in told] == [
        ("UNPRICED_USAGE", "UP", "tokens"),
        ("UNPRICED_USAGE", "DOWN", "tokens"),
        ("UNPRICED_USAGE", "UP", "tokens"),
    ]
    check_reloads(books)


def test_unpriced_usage_is_a_zero_charge_in_the_meters_asset(books: Books) -> None:
    # given
    meter(books, "tokens", unpriced_asset="USD")
    # when
    charge = use(books, "e0", "tokens", "12")
    # then
    assert (amounts(charge), charge.asset, charge.allocations) == (["0"], "USD", ())
    (line,) = charge.lines
    assert (line.product, line.price, line.quantity) == (None, None, "12")


def test_a_meter_without_a_price_beside_priced_ones_is_a_line_of_nothing(books: Books) -> None:
    # given
    meter(books, "input", property="input", event_type="llm")
    meter(books, "calls", "COUNT", event_type="llm")
    publish(books, "api", said_price("input", "UNIT", unit_price="1"))
    # when
    charge = use(books, "e0", "llm", properties={"input": 3})
    # then
    assert [(line.meter, line.price, line.amount_units) for line in charge.lines] == [
        ("input", "input", 3 * 10**9),
        ("calls", None, 0),
    ]


def test_an_event_that_no_filter_selects(books: Books) -> None:
    # given
    meter(books, "tokens", filters={"model": ["opus", "haiku"]})
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    # then
    assert amounts(use(books, "e0", "tokens", "2", properties={"model": "opus"})) == ["2"]
    with pytest.raises(InvalidInput) as refused:
        use(books, "e1", "tokens", "2", properties={"model": "sonnet"})
    assert refused.value.field == "properties"


def test_the_default_product_goes_by_months_of_the_customers_zone(books: Books) -> None:
    # given
    books.customer("tokyo", timezone="Asia/Tokyo")
    books.grant("t", "10", asset="USD", customer="ext:tokyo")
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1", free="1"))
    books.at(2026, 2, 1)
    # when
    charges = [
        use(books, f"e{i}", "tokens", "1", customer="ext:tokyo", occurred_at=at)
        for i, at in enumerate(
            [datetime(2026, 1, 31, 14, 59, tzinfo=UTC), datetime(2026, 1, 31, 15, tzinfo=UTC)]
        )
    ]
    # then
    assert amounts(*charges) == ["0", "0"]
    starts = [charge.lines[0].starts_at for charge in charges]
    assert starts == [
        datetime(2025, 12, 31, 15, tzinfo=UTC),
        datetime(2026, 1, 31, 15, tzinfo=UTC),
    ]


# What is refused leaves no trace


def test_a_refused_event_moves_no_total(books: Books) -> None:
    # given
    books.customer("poor")
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))
    # when
    with pytest.raises(InsufficientFunds):
        use(books, "e0", "tokens", "600", customer="ext:poor")
    books.grant("p", "1000", asset="USD", customer="ext:poor")
    # then
    assert amounts(use(books, "e0", "tokens", "600", customer="ext:poor")) == ["60"]


def test_a_rated_event_sent_again_is_a_replay(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))
    use(books, "e0", "tokens", "600")
    # when
    again = books.do(RecordUsage("e0", "ext:acme", "tokens", quantity="600.0"))
    # then
    assert again.replayed
    assert total(books) == "600: 60"
    with pytest.raises(IdempotencyConflict) as refused:
        use(books, "e0", "tokens", "601")
    assert refused.value.field == "quantity"


@pytest.mark.parametrize(
    "properties, field",
    [
        ({}, "properties.n"),
        ({"n": None}, "properties.n"),
        ({"n": "many"}, "properties.n"),
        ({"n": True}, "properties.n"),
        ({"n": [1]}, "properties.n"),
        ({"n": "NaN"}, "properties.n"),
        ({"n": -1}, "properties.n"),
        ({"n": "1e3"}, "properties.n"),
        ({"n": 1, "cached": 2}, "properties.n"),
        ({"n": 1}, "properties.cached"),
    ],
)
def test_what_cannot_be_counted_is_named(
    books: Books, properties: dict[str, object], field: str
) -> None:
    # given
    meter(books, "tokens", property="n", less=("cached",))
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    # then
    with pytest.raises(InvalidInput) as refused:
        use(
            books,
            "e0",
            "tokens",
            properties={"cached": 0, **properties} if field == "properties.n" else properties,
        )
    assert refused.value.field == field


def test_shadow_moves_totals_and_no_balance(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    books.do(SetWalletMode("ext:acme", "SHADOW"))
    # when
    charges = [use(books, f"e{i}", "tokens", q) for i, q in enumerate(["990", "20", "9190"])]
    # then
    assert amounts(*charges) == ["99", "-18.2", "429.2"]
    assert {charge.status for charge in charges} == {"OBSERVED"}
    assert spent(books) == "0"
    assert total(books) == "10200: 510"
    check_reloads(books)


def test_totals_of_cycles_that_cannot_move_are_dropped(books: Books) -> None:
    # given
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "GRADUATED", tiers=R1_TIERS))
    # when
    for month in range(1, 7):
        books.at(2026, month, 15)
        use(books, f"e{month}", "tokens", "600")
    # then
    assert len(books.wallet().totals.by_key) == 2
    check_reloads(books)


def fold(books: Books, charge: UsageCharge) -> UsageCharge:
    again = UsageCharge.fold(books.log.stream(charge.id))
    assert again is not None
    return again


def test_a_charge_below_zero_forgives_overage_first(books: Books) -> None:
    # given
    books.customer("late", mode="HYBRID")
    books.grant("l", "50", asset="USD", customer="ext:late")
    meter(books, "tokens")
    publish(books, "api", said_price("tokens", "VOLUME", tiers=R1_TIERS))
    use(books, "e0", "tokens", "990", customer="ext:late")
    # when
    credit = use(books, "e1", "tokens", "20", customer="ext:late")
    # then
    assert amounts(credit) == ["-18.2"]
    assert fold(books, credit).overage_units == -18_200_000_000
    account = books.wallet("late").accounts["USD"]
    assert decimal_of(account.owed_units, 9) == "30.8"


def test_a_line_says_what_a_unit_costs_where_one_price_does(books: Books) -> None:
    # given
    for key in ("tokens", "thirds", "tiered", "rows"):
        meter(books, key)
    rows = (RowSaid({"model": "opus"}, "15"), RowSaid({}, "3"))
    publish(
        books,
        "api",
        said_price("tokens", "UNIT", unit_price="3.00", per="1000000"),
        said_price("thirds", "UNIT", unit_price="1", per="3"),
        said_price("tiered", "GRADUATED", tiers=R1_TIERS),
        said_price("rows", "UNIT", per="1000", dimensions=("model",), rows=rows),
        default=False,
    )
    books.do(Subscribe("s", "ext:acme", "api", discount="0.2"))
    # when
    prices = [
        use(books, key, key, "10").lines[0].unit_price for key in ("tokens", "thirds", "tiered")
    ]
    models = [
        use(books, model, "rows", "10", properties={"model": model}).lines[0].unit_price
        for model in ("opus", "haiku")
    ]
    # then
    assert prices == ["0.0000024", None, None]
    assert models == ["0.012", "0.0024"]
