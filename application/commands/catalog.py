"""How meters are defined, and product versions drafted and published."""

from __future__ import annotations

import json
from typing import Any

from application.commands.answers import MeterAnswer, ProductAnswer
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PublishProductVersion,
    SetDefaultProduct,
)
from application.commands.prices import known_asset, scalar, terms_of
from application.work import Work
from domain.metering.meter import Meter, PropertyFilter
from domain.refusals import NotFound


def define_meter(work: Work, command: DefineMeter) -> MeterAnswer:
    """Raises InvalidInput, IdempotencyConflict naming what differs from what is defined."""
    if command.unpriced_asset is not None:
        known_asset(work.asset, command.unpriced_asset, "unpricedAsset")
    meter = meter_of(command)
    work.catalog.define_meter(meter, work.now)
    return MeterAnswer(meter)


def draft_product_version(work: Work, command: DraftProductVersion) -> ProductAnswer:
    """Raises InvalidInput naming what is wrong."""
    terms = terms_of(work.asset, command)
    work.catalog.draft_version(command.product, command.name, terms, command.effective_at, work.now)
    return _product(work, command.product)


def publish_product_version(work: Work, command: PublishProductVersion) -> ProductAnswer:
    """Raises NotFound, InvalidState, InvalidInput."""
    work.catalog.publish_version(command.product, command.number, command.effective_at, work.now)
    return _product(work, command.product)


def set_default_product(work: Work, command: SetDefaultProduct) -> ProductAnswer:
    """Answer the product, or, where there is none from now on, the one before. Raises NotFound."""
    catalog = work.catalog
    last = catalog.last_default
    catalog.set_default_product(command.product, work.now)
    told = command.product if command.product is not None else last
    if told is None:
        raise NotFound(what="default product", key="")
    return _product(work, told)


def meter_of(command: DefineMeter) -> Meter:
    return Meter(
        key=command.key,
        event_type=command.event_type or command.key,
        aggregation=command.aggregation,
        property=command.property,
        less=command.less,
        filters=_filters(command.filters),
        unpriced_asset=command.unpriced_asset,
    )


def _product(work: Work, key: str) -> ProductAnswer:
    return ProductAnswer(work.catalog.listed(key, work.now))


def _filters(said: dict[str, Any] | None) -> tuple[PropertyFilter, ...]:
    """Return filters in an order of their own, so that the same ones compare as such."""
    filters: list[PropertyFilter] = []
    for name, value in sorted((said or {}).items()):
        values = [scalar(each) for each in (value if isinstance(value, list) else [value])]
        by_text = {json.dumps(each): each for each in values}
        filters.append(PropertyFilter(name, tuple(by_text[text] for text in sorted(by_text))))
    return tuple(filters)
