"""What an event costs at its vendor, by the table in force when it occurred."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from application.commands.cost_requests import CostRowSaid, SetCostTable
from application.commands.requests import Money
from domain.costs.table import CostFunction, CostRow, CostTerms, VendorCost
from domain.costs.tables import CostTables
from domain.refusals import InvalidInput, NotFound
from tests.books import Books

JANUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3))
EARLIER = datetime(2025, 12, 31, tzinfo=UTC)


def row(unit_cost: str, counted: str | None = None, **match: Any) -> CostRow:
    return CostRow(tuple(match.items()), counted, unit_cost)


def terms_of(
    *rows: CostRow,
    dimensions: tuple[str, ...] = ("model",),
    per: str = "1000000",
    vendor: str | None = None,
) -> CostTerms:
    return CostTerms("chat", vendor, "USD", per, dimensions, rows)


def units_of(
    *rows: CostRow, quantity: str | None = None, said: dict[str, Any] | None = None, **more: Any
) -> int | None:
    return CostFunction(terms_of(*rows)).units(quantity, {**(said or {}), **more})


def test_properties_are_counted_each_by_its_own_row_and_added_up() -> None:
    # given
    rows = (
        row("15", "in", model="opus"),
        row("75", "out", model="opus"),
        row("3", "in", model="*"),
    )
    # then: 0.185175 and 0.05085 together; on haiku only what is counted of it
    assert units_of(*rows, model="opus", said={"in": 12_345, "out": "678"}) == 236_025_000
    assert units_of(*rows, model="haiku", said={"in": 12_345, "out": "678"}) == 37_035_000


@pytest.mark.parametrize(
    "properties, units",
    [
        ({"a": "x", "b": "y"}, 1),  # both said
        ({"a": "x", "b": "z"}, 2),  # of equally specific the earlier dimension
        ({"a": "z", "b": "y"}, 3),
        ({"a": "z", "b": "z"}, 4),
        ({}, 4),  # a missing property is matched by * alone
        ({"a": 7, "b": True}, 5),
        ({"a": "7", "b": "true"}, 4),  # a text is no number
    ],
)
def test_the_most_specific_row_wins(properties: dict[str, Any], units: int) -> None:
    # given
    rows = (
        row("4"), row("3", b="y"), row("2", a="x"), row("1", a="x", b="y"), row("5", a=7, b=True),
    )  # fmt: skip
    function = CostFunction(terms_of(*rows, dimensions=("a", "b"), per="1000000000"))
    # then
    assert function.units("1", properties) == units


@pytest.mark.parametrize(
    "properties",
    [
        {"model": "haiku", "n": 5},
        {"model": "opus"},
        {"model": "opus", "n": "many"},
        {"model": "opus", "n": True},
        {"model": "opus", "n": -1},
        {"n": 5},
    ],
)
def test_an_event_of_which_nothing_is_counted_has_no_cost(properties: dict[str, Any]) -> None:
    assert units_of(row("15", "n", model="opus"), quantity="7", said=properties) is None


def test_without_a_property_the_quantity_is_counted_and_a_zero_cost_is_zero() -> None:
    # given
    rows = (row("0", model="free"), row("30000"))
    # then
    assert units_of(*rows, quantity="12", model="free") == 0
    assert units_of(*rows, quantity="200") == 6 * 10**9
    assert units_of(*rows) is None


def test_the_sum_is_rounded_once_half_even() -> None:
    # given: 12.5 nano a token
    rows = (row("0.0125", "a"), row("0.0125", "b"))
    # then, of 25, 12.5 and 37.5 nano
    assert [units_of(*rows, a=1, b=1), units_of(*rows, a=1), units_of(*rows, a=3)] == [25, 12, 38]


def test_a_version_is_in_force_from_its_time_on() -> None:
    # given
    tables = CostTables()
    for since, cost in ((MARCH, "1"), (JANUARY, "2"), (MARCH, "3")):
        tables.set("llm", terms_of(row(cost)), since)
    # when
    february = datetime(2026, 2, 1, tzinfo=UTC)
    found = [tables.cost("chat", at, "1000", {}) for at in (EARLIER, JANUARY, february, MARCH)]
    # then
    assert [cost and cost.version for cost in found] == [None, 2, 2, 3]
    assert tables.cost("images", MARCH, "1000", {}) is None


@pytest.mark.parametrize(
    "properties, table",
    [
        ({"vendor": "acme"}, "c-acme"),
        ({"vendor": "other"}, "b-any"),
        ({}, "a-zoom"),  # an event that names none is asked of all, by their keys
        ({"vendor": "acme", "n": 1}, "c-acme"),
    ],
)
def test_the_vendor_of_an_event_says_which_table(properties: dict[str, Any], table: str) -> None:
    # given
    tables = CostTables()
    for key, vendor in (("c-acme", "acme"), ("a-zoom", "zoom"), ("b-any", None)):
        tables.set(key, terms_of(row("1"), vendor=vendor), JANUARY)
    # when
    cost = tables.cost("chat", JANUARY, "1000", properties)
    # then
    assert cost is not None
    assert cost.table == table


# Commands

ROWS = (CostRowSaid({"model": "opus"}, "15", "input_tokens"),)
TABLE = SetCostTable("llm", "chat", "USD", ("model",), ROWS, vendor="acme", per="1000000")


def test_a_table_said_again_is_the_same_version() -> None:
    # given
    books = Books()
    first = books.do(TABLE).version
    written = len(books.log.rows)
    # when
    again = books.do(TABLE).version
    # then
    assert first == again
    assert (first.number, first.effective_at) == (1, books.clock.at)
    assert len(books.log.rows) == written
    # when it says something else
    other = books.do(SetCostTable("llm", "chat", "USD", (), (CostRowSaid({}, "1"),))).version
    # then
    assert other.number == 2


@pytest.mark.parametrize(
    "change, field",
    [
        ({"key": ""}, "key"),
        ({"per": "0"}, "per"),
        ({"per": "NaN"}, "per"),
        ({"rows": ()}, "rows"),
        ({"rows": ROWS * 2}, "rows[1].match"),
        ({"rows": (CostRowSaid({"model": "opus"}, "-1"),)}, "rows[0].unitCost"),
        ({"rows": (CostRowSaid({"model": "opus"}, "x"),)}, "rows[0].unitCost"),
        ({"rows": (CostRowSaid({"region": "eu"}, "1"),)}, "rows[0].match"),
        ({"rows": (CostRowSaid(["opus"], "1"),)}, "rows[0].match"),
        ({"dimensions": ("model", "model")}, "dimensions"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(change: dict[str, Any], field: str) -> None:
    # given
    books = Books()
    said = {name: getattr(TABLE, name) for name in TABLE.__slots__}
    # when
    with pytest.raises(InvalidInput) as caught:
        books.do(SetCostTable(**{**said, **change}))
    # then
    assert caught.value.field == field
    assert "catalog.cost_table_set" not in books.topics()


def test_a_currency_that_does_not_exist_is_not_found() -> None:
    # when
    with pytest.raises(NotFound) as caught:
        Books().do(SetCostTable("llm", "chat", "XXX", (), (CostRowSaid({}, "1"),)))
    # then
    assert (caught.value.what, caught.value.key) == ("currency", "XXX")


# On the charge


def test_a_charge_carries_what_the_table_says_it_cost() -> None:
    # given
    books = Books()
    books.customer()
    books.grant("a", "100")
    books.do(TABLE)
    properties = {"model": "opus", "input_tokens": 2_000, "vendor": "acme"}
    # when
    charge = books.charge("e1", "5", meter="chat", properties=properties)
    # then: 2 000 tokens at 15 a million
    assert charge.reported.vendor_cost == VendorCost(30_000_000, "USD", "acme", "llm", 1)
    assert charge.reported.cost is None
    # then it is replayed without it
    again = books.charge("e1", "5", meter="chat", properties=properties)
    assert again.id == charge.id


def test_a_cost_that_is_said_stands() -> None:
    # given
    books = Books()
    books.customer()
    books.grant("a", "100")
    books.do(TABLE)
    properties = {"model": "opus", "input_tokens": 2_000}
    # when

    charge = books.charge("e1", "5", meter="chat", properties=properties, cost=Money("1", "EUR"))
    # then
    assert charge.reported.vendor_cost is None
    assert charge.reported.cost is not None


def test_a_capture_costs_by_what_was_really_used() -> None:
    # given
    books = Books()
    books.customer()
    books.grant("a", "100")
    books.do(TABLE)
    hold = books.authorize("h", "50", meter="chat", properties={"model": "opus"})
    # when
    charge = books.capture(hold, "5", properties={"model": "opus", "input_tokens": 1_000})
    # then
    assert charge.reported.vendor_cost is not None
    assert charge.reported.vendor_cost.units == 15_000_000
