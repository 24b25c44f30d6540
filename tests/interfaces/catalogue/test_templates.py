"""List prices of models, as the installed package has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from interfaces.catalogue import templates
from interfaces.catalogue.templates import METERS, PriceTemplate

DAY = date(2026, 11, 1)


def _prices(**prices: str | TieredPrices) -> ModelPrice:
    return ModelPrice(
        **{
            f"{name}_mtok": Decimal(price) if isinstance(price, str) else price
            for name, price in prices.items()
        }
    )


def _model(name: str, prices: ModelPrice | list[ConditionalPrice]) -> ModelInfo:
    return ModelInfo(id=name, match=ClauseEquals(equals=name), prices=prices)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A vendor whose models a test adds."""
    provider = Provider(id="acme", name="Acme", api_pattern="acme")
    monkeypatch.setattr(templates, "_providers", lambda: [provider])
    templates._changes.cache_clear()
    yield provider
    templates._changes.cache_clear()


def _rows(on: date = DAY) -> dict[str, PriceTemplate]:
    return {row.meter: row for row in templates.templates(on)}


def test_a_model_has_five_rows_and_an_explicit_zero_is_zero(vendor: Provider) -> None:
    # given: a free cache, and reasoning with a price of its own
    vendor.models = [
        _model("m", _prices(input="3.00", output="15", cache_read="0", output_reasoning="0.5"))
    ]
    # when
    rows = _rows()
    # then
    assert {meter: row.unit_price for meter, row in rows.items()} == {
        "llm.input": "3",
        "llm.cached_read": "0",
        "llm.cached_write": "3",
        "llm.output": "15",
        "llm.reasoning": "0.5",
    }
    assert {row.per for row in rows.values()} == {"1000000"}
    assert "lists no price of its own: that of input" in rows["llm.cached_write"].note
    assert "no price" not in rows["llm.cached_read"].note


def test_a_row_says_what_its_count_includes(vendor: Provider) -> None:
    # given
    vendor.models = [_model("m", _prices(input="1", output="2"))]
    # when
    rows = _rows()
    # then
    assert "input_tokens include cached_read_tokens and cached_write_tokens" in (
        rows["llm.input"].note
    )
    assert "cached_read_tokens are included in input_tokens" in rows["llm.cached_read"].note
    assert "reasoning_tokens are included in output_tokens" in rows["llm.reasoning"].note
    assert [meter.less for meter in METERS if meter.key == "llm.output"] == [("reasoning_tokens",)]


def test_prices_are_those_in_force_on_the_day_and_say_since_when(vendor: Provider) -> None:
    # given
    first, later = _prices(input="4", output="8"), _prices(input="2", output="4")
    cut = StartDateConstraint(start_date=date(2026, 10, 15))
    announced = StartDateConstraint(start_date=date(2027, 1, 1))
    vendor.models = [
        _model(
            "m",
            [
                ConditionalPrice(prices=first),
                ConditionalPrice(constraint=cut, prices=later),
                ConditionalPrice(constraint=announced, prices=first),
            ],
        )
    ]
    # when
    before, on, after = _rows(date(2026, 10, 14)), _rows(date(2026, 10, 15)), _rows()
    # then
    assert before["llm.input"].unit_price == "4"
    assert on["llm.input"].unit_price == "2"
    assert (after["llm.input"].unit_price, after["llm.input"].as_of) == ("2", "2026-10-15")


def test_a_price_by_the_length_of_the_prompt_is_not_hidden(vendor: Provider) -> None:
    # given
    tiers = [Tier(start=200_000, price=Decimal(5))]
    vendor.models = [
        _model("m", _prices(input=TieredPrices(base=Decimal("2.5"), tiers=tiers), output="10"))
    ]
    # when
    row = _rows()["llm.input"]
    # then
    assert row.unit_price == "2.5"
    assert "5 above 200000 input tokens" in row.note


def test_what_is_not_priced_by_the_token_is_left_out(vendor: Provider) -> None:
    vendor.models = [_model("speech", ModelPrice(audio_hours=Decimal("0.36")))]
    assert _rows() == {}


def test_todays_models_are_there() -> None:
    # when
    rows = templates.templates(DAY, "anthropic")
    # then
    assert len(rows) == 5 * len({row.model for row in rows}) > 50
    assert len({row.key for row in rows}) == len(rows)
    assert {row.as_of <= "2026-11-01" for row in rows} == {True}
    assert "report the sum" in rows[0].note
    assert templates.templates(DAY, "nobody") == []
