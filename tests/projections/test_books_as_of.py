"""What finance reads as of a position is what it read there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date

import pytest

from application.codec import EventCodec
from projections.books_at import books_at
from projections.engine import ProjectionEngine
from projections.models import read_models
from projections.queries import ReadModels
from projections.tables import Location
from tests.projections.shop import Shop

LIVE = Location("ledger_00")
MONTHS = ("2026-01", "2026-06")
ON = date(2026, 4, 1)


@contextmanager
def as_it_stood(shop: Shop, position: int) -> Iterator[ReadModels]:
    """Give the books folded from the beginning up to a position, and no further."""
    decode = EventCodec().decode_all
    with books_at(shop.proj, decode, LIVE, shop.tenant, position) as (connection, tables):
        stood = ReadModels(lambda _: nullcontext(connection))
        stood._location = tables
        yield stood


@pytest.mark.parametrize("part", [0.15, 0.4, 0.6, 0.8, 0.97])
def test_books_as_of_a_position(told_shop: Shop, part: float) -> None:
    # given
    shop = told_shop
    engine = ProjectionEngine(shop.proj, EventCodec().decode_all, read_models())
    engine.catch_up()
    assert not engine.stopped()
    position = int(part * engine.positions()["journal"])
    now = shop.queries
    # when
    with as_it_stood(shop, position) as stood:
        # then
        rows = list(stood.schedule_rows(shop.tenant))
        assert rows
        assert list(now.schedule_rows(shop.tenant, as_of=position)) == rows
        ahead = stood.liability_ahead(shop.tenant, ON)
        assert now.liability_ahead(shop.tenant, ON, position) == ahead
        months = stood.liability_months(shop.tenant, MONTHS, "USD")
        assert now.liability_months(shop.tenant, MONTHS, "USD", position) == months
