"""What so many units of a cycle cost, model by model."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.price import DimensionRow, Price, PriceModel, Tier
from domain.metering.quantity import ONE, quantity_of
from domain.money.decimals import decimal_of
from domain.rating.cost import CostFunction
from domain.rating.dimensions import Table
from domain.refusals import InvalidInput
from tests.rating_reference import reference_cost

R1_TIERS = (Tier("1000", "0.10"), Tier("10000", "0.08"), Tier(None, "0.05"))


def price(model: PriceModel, **fields: object) -> Price:
    return Price("p", "m", model, "USD", 9, **fields)  # type: ignore[arg-type]


def lines(function: CostFunction, quantities: list[int], scale: int = 9) -> list[str]:
    """Return what each event moves the cycle's cost by, in whole units of the asset."""
    total = 0
    found: list[str] = []
    for quantity in quantities:
        before = function.cost(total)
        total += quantity * ONE
        moved = Fraction(function.cost(total) - before, 10**scale)
        found.append(f"{float(moved):g}")
    return found


def test_r1_graduated() -> None:
    # given
    function = CostFunction(price(PriceModel.GRADUATED, tiers=R1_TIERS))
    # then
    assert lines(function, [600, 600, 9_000]) == ["60", "56", "714"]
    assert function.cost(quantity_of("10200")) == 830 * 10**9


def test_r2_volume() -> None:
    # given
    function = CostFunction(price(PriceModel.VOLUME, tiers=R1_TIERS))
    # then
    assert lines(function, [990, 20, 9_190]) == ["99", "-18.2", "429.2"]
    assert function.cost(quantity_of("10200")) == 510 * 10**9


def test_r3_package_with_free_allowance() -> None:
    # given
    function = CostFunction(
        price(PriceModel.PACKAGE, unit_price="2.00", package_size="1000", free="500")
    )
    # then
    assert lines(function, [400, 200, 950]) == ["0", "2", "2"]


def test_r4_percentage() -> None:
    # given
    function = CostFunction(
        price(PriceModel.PERCENTAGE, rate="0.029", fixed_fee="0.30", minimum="0.50", maximum="5")
    )
    # then
    amounts = [function.percentage(quantity_of(amount)) for amount in ("1", "100", "1000", "0")]
    assert amounts == [500_000_000, 3_200_000_000, 5_000_000_000, 0]


def test_l9_fine_units_round_on_the_total() -> None:
    # given
    function = CostFunction(price(PriceModel.UNIT, unit_price="0.0000000125"))
    # then
    assert function.cost(ONE) == 12
    assert function.cost(3 * ONE) == 38
    assert function.cost(1_000_000 * ONE) == 12_500_000
    assert lines(function, [1, 1, 1], scale=0) == ["12", "13", "13"]


def test_a_tier_takes_its_end_and_each_entered_tier_its_fee() -> None:
    # given
    tiers = (Tier("10", "1", "5"), Tier(None, "2", "7"))
    graduated = CostFunction(price(PriceModel.GRADUATED, tiers=tiers))
    volume = CostFunction(price(PriceModel.VOLUME, tiers=tiers))
    # then
    whole = [
        (q, graduated.cost(q * ONE) // 10**9, volume.cost(q * ONE) // 10**9) for q in (0, 10, 11)
    ]
    assert whole == [(0, 0, 0), (10, 15, 15), (11, 24, 29)]


def test_cap_and_discount() -> None:
    # given
    function = CostFunction(price(PriceModel.UNIT, unit_price="1", cap="8", free="2"), "0.2")
    # then
    assert [function.cost(q * ONE) for q in (2, 3, 12, 13)] == [0, 8 * 10**8, 8 * 10**9, 8 * 10**9]


def table(rows: list[tuple[dict[str, str], str]], **fields: object) -> CostFunction:
    return CostFunction(
        price(
            PriceModel.UNIT,
            dimensions=("model", "direction"),
            rows=tuple(DimensionRow(tuple(match.items()), unit) for match, unit in rows),
            **fields,
        )
    )


def unit_price(rows: Table, properties: dict[str, str]) -> Fraction:
    """Return the price of one unit in USD, whose scale is 9."""
    row = rows.row(properties)
    return Fraction(row.factor, row.denominator) / 10**9


R5_ROWS = [
    ({"model": "opus", "direction": "input"}, "15"),
    ({"model": "opus", "direction": "output"}, "75"),
    ({"model": "*", "direction": "input"}, "3"),
    ({"direction": "output"}, "15"),
]


def test_r5_the_most_specific_row_wins() -> None:
    # given
    dimensions = table(R5_ROWS).table
    assert dimensions is not None
    # then
    unit_prices = [
        unit_price(dimensions, {"model": model, "direction": direction})
        for model, direction in [
            ("opus", "input"),
            ("opus", "output"),
            ("haiku", "input"),
            ("haiku", "output"),
        ]
    ]
    assert unit_prices == [15, 75, 3, 15]
    with pytest.raises(InvalidInput, match="model 'opus', direction 'audio'"):
        dimensions.row({"model": "opus", "direction": "audio"})
    with pytest.raises(InvalidInput, match=r"properties\.model"):
        dimensions.row({"direction": "input"})


def test_of_equally_specific_rows_the_earlier_dimension_wins() -> None:
    # given
    dimensions = table([({"direction": "input"}, "1"), ({"model": "opus"}, "2")]).table
    assert dimensions is not None
    # then
    assert unit_price(dimensions, {"model": "opus", "direction": "input"}) == 2


def test_without_a_row_the_own_unit_price_holds() -> None:
    # given
    dimensions = table([({"model": "opus"}, "2")], unit_price="9").table
    assert dimensions is not None
    # then
    assert unit_price(dimensions, {"model": "haiku", "direction": "input"}) == 9


decimals = st.builds(decimal_of, st.integers(0, 10**7), st.integers(0, 9))


@st.composite
def cycle_prices(draw: st.DrawFn) -> Price:
    """Any UNIT, PACKAGE, GRADUATED or VOLUME price, with free allowance and cap."""
    model = draw(st.sampled_from(["UNIT", "PACKAGE", "GRADUATED", "VOLUME"]))
    fields: dict[str, object] = {
        "free": draw(st.none() | st.integers(0, 50).map(str)),
        "cap": draw(st.none() | decimals),
    }
    if model in ("UNIT", "PACKAGE"):
        fields["unit_price"] = draw(decimals)
    if model == "PACKAGE":
        fields["package_size"] = str(draw(st.integers(1, 20)))
    else:
        fields["per"] = draw(st.sampled_from(["1", "3", "7", "1000000", "0.5"]))
    if model in ("GRADUATED", "VOLUME"):
        ends = sorted(draw(st.sets(st.integers(1, 200), max_size=4)))
        fields["tiers"] = tuple(
            Tier(end, draw(decimals), draw(st.sampled_from(["0", "1.25"])))
            for end in [*map(str, ends), None]
        )
    scale = draw(st.integers(0, 12))
    return Price("p", "m", PriceModel(model), "X", scale, **fields)  # type: ignore[arg-type]


@given(
    cycle_prices(),
    st.lists(st.integers(0, 10**20), max_size=12),
    st.sampled_from(["0", "0.2", "0.333", "1"]),
)
def test_the_lines_of_a_cycle_sum_to_the_rounded_cost_of_its_total(
    any_price: Price, quantities: list[int], discount: str
) -> None:
    # given
    function = CostFunction(any_price, discount)
    # when
    total = 0
    lines_sum = 0
    for quantity in quantities:
        lines_sum += function.cost(total + quantity) - function.cost(total)
        total += quantity
    # then
    exact = Fraction(total, ONE)
    assert lines_sum == reference_cost(any_price, exact, Fraction(discount))


def test_a_row_is_found_by_the_kind_of_a_value_too() -> None:
    # given
    rows = [({"model": "1", "direction": "in"}, "1"), ({"model": "*", "direction": "in"}, "2")]
    dimensions = table(rows).table
    assert dimensions is not None
    # then
    found = [
        dimensions.row({"model": said, "direction": "in"}).unit_price for said in ("1", 1, True)
    ]
    assert found == ["1", "2", "2"]


@given(
    st.tuples(st.integers(0, 10**12), st.integers(1, 10**9)).map(lambda pair: Fraction(*pair)),
    st.lists(st.tuples(st.integers(0, 10**22), st.integers(0, 1)), max_size=6),
    decimals,
    st.sampled_from(["1", "3", "1000", "0.5"]),
)
def test_what_rows_cost_adds_up_exactly(
    begun: Fraction, moves: list[tuple[int, int]], other: str, per: str
) -> None:
    # given
    unit_prices = ("0.0000000125", other)
    rows = [({"model": str(n), "direction": "in"}, each) for n, each in enumerate(unit_prices)]
    dimensions = table(rows, per=per).table
    assert dimensions is not None
    # when
    exact = (begun.numerator, begun.denominator)
    for quantity, place in moves:
        row = dimensions.row({"model": str(place), "direction": "in"})
        exact = row.added(exact, quantity)
    # then
    units = 10**9 / Fraction(per) / ONE
    told = begun + sum(quantity * units * Fraction(unit_prices[place]) for quantity, place in moves)
    assert exact == (told.numerator, told.denominator)
