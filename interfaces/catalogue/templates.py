"""Today's list prices of language models, as rows that a person may publish.

They come from the `genai-prices` package as it is installed, and change only with it:
nothing is priced live. A row is dated by the last change of prices that the package knows
of; of prices that change by the hour the standard one is taken.

Counts overlap. Here `input_tokens` is the whole prompt and `output_tokens` the whole
answer; the meters of input and output take off what the other three count apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from domain.money.decimals import canonical

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

PACKAGE = "genai-prices"
EVENT_TYPE = "llm"
CURRENCY, PER = "USD", "1000000"
MODEL = "model"


@dataclass(frozen=True, slots=True)
class TokenMeter:
    """What is counted apart: `property` of the event, less what other meters count of it.

    price: the vendor's price for it in the package; otherwise: the one that holds where the
    vendor lists none.
    """

    key: str
    property: str
    less: tuple[str, ...]
    price: str
    otherwise: str | None


METERS = (
    TokenMeter(
        "llm.input",
        "input_tokens",
        ("cached_read_tokens", "cached_write_tokens"),
        "input_mtok",
        None,
    ),
    TokenMeter("llm.cached_read", "cached_read_tokens", (), "cache_read_mtok", "input_mtok"),
    TokenMeter("llm.cached_write", "cached_write_tokens", (), "cache_write_mtok", "input_mtok"),
    TokenMeter("llm.output", "output_tokens", ("reasoning_tokens",), "output_mtok", None),
    TokenMeter("llm.reasoning", "reasoning_tokens", (), "output_reasoning_mtok", "output_mtok"),
)


@dataclass(frozen=True, slots=True)
class PriceTemplate:
    """A list price: `per` of what `meter` counts cost `unit_price` (exact decimal).

    as_of: a day, ISO 8601; note: what a count includes, and what else is to be known.
    """

    vendor: str
    model: str
    meter: str
    currency: str
    per: str
    unit_price: str
    as_of: str
    note: str

    @property
    def key(self) -> str:
        return f"{self.vendor}/{self.model}/{self.meter}"


def vendors() -> list[str]:
    return sorted(provider.id for provider in _providers())


def templates(on: date, vendor: str | None = None) -> list[PriceTemplate]:
    """Return the list prices in force on a day, of all vendors or of one; five rows a model.

    Models that are not priced by the token are left out. An unknown vendor has none.
    """
    as_of = _last_change(on)
    return [
        row
        for provider in _providers()
        if vendor is None or provider.id == vendor
        for model in provider.models
        for row in _of_model(provider, model, as_of)
    ]


def _of_model(provider: Provider, model: ModelInfo, as_of: date) -> Iterator[PriceTemplate]:
    prices = _in_force(model, as_of)
    if prices.input_mtok is None:
        return
    for meter in METERS:
        listed = getattr(prices, meter.price)
        notes = [_counting(provider, meter)]
        if listed is None and meter.otherwise is not None:
            listed = getattr(prices, meter.otherwise)
            other = meter.otherwise.removesuffix("_mtok")
            notes.append(f"the vendor lists no price of its own: that of {other}")
        if listed is None:
            notes.append("the vendor lists no price: 0")
        unit_price, tiers = _base(listed)
        notes += [*tiers, _source()]
        yield PriceTemplate(
            provider.id, model.id, meter.key, CURRENCY, PER, unit_price, as_of.isoformat(),
            "; ".join(notes),
        )  # fmt: skip


def _base(listed: Decimal | TieredPrices | None) -> tuple[str, list[str]]:
    """Return the price of a short prompt, and what is to be said of long ones."""
    from genai_prices.types import TieredPrices

    if listed is None:
        return "0", []
    if not isinstance(listed, TieredPrices):
        return _text(listed), []
    longer = ", ".join(f"{_text(tier.price)} above {tier.start}" for tier in listed.tiers)
    return _text(listed.base), [f"by the prompt's length, not in this row: {longer} input tokens"]


def _counting(provider: Provider, meter: TokenMeter) -> str:
    if meter.property == "input_tokens":
        told = "input_tokens include cached_read_tokens and cached_write_tokens, taken off here"
        if _counts_cached_apart(provider):
            told += f" ({provider.name}'s API counts them apart: report the sum)"
        return told
    if meter.property == "output_tokens":
        return "output_tokens include reasoning_tokens, taken off here"
    whole = "output_tokens" if meter.property == "reasoning_tokens" else "input_tokens"
    return f"{meter.property} are included in {whole}"


def _counts_cached_apart(provider: Provider) -> bool:
    """Whether the vendor's own count of input has to be added to that of cached tokens."""
    return any(
        mapping.dest == "cache_read_tokens"
        and any(
            other.path == mapping.path and other.dest == "input_tokens"
            for other in extractor.mappings
        )
        for extractor in provider.extractors or ()
        if extractor.api_flavor == "default"
        for mapping in extractor.mappings
    )


def _in_force(model: ModelInfo, on: date) -> ModelPrice:
    from genai_prices.types import ModelPrice, StartDateConstraint

    if isinstance(model.prices, ModelPrice):
        return model.prices
    for conditional in reversed(model.prices):
        constraint = conditional.constraint
        if constraint is None or (
            isinstance(constraint, StartDateConstraint) and constraint.start_date <= on
        ):
            return conditional.prices
    return model.prices[0].prices


def _last_change(on: date) -> date:
    """Return the last day up to `on` on which the package knows a price to have changed."""
    return max((day for day in _changes() if day <= on), default=on)


@cache
def _changes() -> frozenset[date]:
    from genai_prices.types import ModelPrice, StartDateConstraint

    conditions = [
        condition.constraint
        for provider in _providers()
        for model in provider.models
        for condition in (
            *(() if isinstance(model.prices, ModelPrice) else model.prices),
            *(model.price_variants or ()),
        )
    ]
    return frozenset(
        constraint.start_date
        for constraint in conditions
        if isinstance(constraint, StartDateConstraint)
    )


@cache
def _source() -> str:
    return f"{PACKAGE} {version(PACKAGE)}"


def _providers() -> Sequence[Provider]:
    # Imported late: the table takes a quarter of a second.
    from genai_prices.data import providers

    return providers


def _text(price: Decimal) -> str:
    return canonical(format(price, "f"))
