"""Lumen's catalogue: what is measured, three products, and how their prices change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    RowSaid,
    SetDefaultProduct,
    TierSaid,
)
from application.commands.requests import Command
from domain.catalog.price import PriceModel
from domain.money.decimals import decimal_of
from interfaces.cli.demo.catalog import (
    AGENTS,
    CHAT,
    CREDIT,
    MODELS,
    SEARCH,
    SONNET,
    Model,
    event_type,
)

LAUNCH, LUMEN, ENTERPRISE = "launch", "lumen", "enterprise"
# Of `lumen`: the one that was typed wrong, by how much, and the one that puts it right.
WRONG_VERSION, WRONG_TIMES, RIGHT_VERSION = 3, 10, 4
MILLION = "1000000"
INPUT, OUTPUT = "input", "output"
_PROPERTY = {INPUT: "input_tokens", OUTPUT: "output_tokens"}

Percent = Mapping[tuple[str, str], int]
"""What a model's input or output costs, by model and side, beside the usual 100."""


def meters() -> Iterator[DefineMeter]:
    for event in _event_types():
        for side, counted in _PROPERTY.items():
            yield DefineMeter(f"{event}.{side}", event, property=counted)


def first_prices(since: datetime) -> list[Command]:
    """Return what makes the launch's prices those of all customers from the start."""
    return [
        *meters(),
        DraftProductVersion(LAUNCH, _prices({}), "Launch prices"),
        PublishProductVersion(LAUNCH, 1, since),
        SetDefaultProduct(LAUNCH),
        DraftProductVersion(ENTERPRISE, _enterprise(), "Enterprise, by volume"),
    ]


def lumen(percent: Percent, effective_at: datetime | None = None) -> DraftProductVersion:
    return DraftProductVersion(LUMEN, _prices(percent), "Lumen", effective_at)


CHEAPER: Percent = {(SONNET.name, INPUT): 80, (SONNET.name, OUTPUT): 80}
DEARER: Percent = {**CHEAPER, (SONNET.name, OUTPUT): 90}
MISTYPED: Percent = {**DEARER, (SONNET.name, OUTPUT): 90 * WRONG_TIMES}


def _event_types() -> Iterator[str]:
    for asset in (CREDIT, "USD"):
        for kind in (CHAT, AGENTS, SEARCH):
            yield event_type(kind, asset)


def _prices(percent: Percent) -> tuple[PriceSaid, ...]:
    return tuple(
        PriceSaid(
            f"{event_type(kind, asset)}.{side}",
            PriceModel.UNIT,
            asset,
            meter=f"{event_type(kind, asset)}.{side}",
            per=MILLION,
            dimensions=("model",),
            rows=tuple(
                RowSaid(
                    {"model": model.name},
                    _unit_price(model, side, asset, percent.get((model.name, side), 100)),
                )
                for model in MODELS
            ),
        )
        for asset in (CREDIT, "USD")
        for kind in (CHAT, AGENTS, SEARCH)
        for side in (INPUT, OUTPUT)
    )


def _unit_price(model: Model, side: str, asset: str, percent: int) -> str:
    """Return the price of a million tokens: the vendor's, and Lumen's margin."""
    vendors = model.input_price if side == INPUT else model.output_price
    return decimal_of(model.priced(vendors) * percent, (4 if asset == CREDIT else 6) + 1)


def _enterprise() -> tuple[PriceSaid, ...]:
    """Return prices by the month's tokens, whatever the model."""
    tiers = {
        INPUT: (TierSaid("280", "1000000"), TierSaid("200", "10000000"), TierSaid("160")),
        OUTPUT: (TierSaid("1400", "200000"), TierSaid("1000", "2000000"), TierSaid("800")),
    }
    return tuple(
        PriceSaid(
            f"{event_type(kind, CREDIT)}.{side}",
            PriceModel.GRADUATED,
            CREDIT,
            meter=f"{event_type(kind, CREDIT)}.{side}",
            per=MILLION,
            tiers=tiers[side],
        )
        for kind in (CHAT, AGENTS)
        for side in (INPUT, OUTPUT)
    )
