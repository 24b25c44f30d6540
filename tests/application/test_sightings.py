"""Values that UNIQUE meets: how often the log is asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PublishProductVersion,
    SetDefaultProduct,
)
from application.commands.requests import RecordUsage
from application.storage.streams import StreamReader
from domain.metering.meter import Aggregation
from domain.money.decimals import decimal_of
from tests.application.engine import Engine
from tests.catalogue import said_price

pytestmark = pytest.mark.storage


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many streams each query for last events named."""
    counts: list[int] = []
    latest = StreamReader.latest

    def counting(self: Any, cursor: Any, tenant_id: str, ids: Sequence[str]) -> Any:
        counts.append(len(ids))
        return latest(self, cursor, tenant_id, ids)

    monkeypatch.setattr(StreamReader, "latest", counting)
    return counts


def seen(event_id: str, value: str) -> RecordUsage:
    return RecordUsage(event_id, "ext:acme", "users", properties={"user": value})


def amounts(answers: list[Any]) -> list[str]:
    return [decimal_of(answer.charge.amount_units, 6) for answer in answers]


def test_a_batch_asks_once_for_all_its_values(engine: Engine, asked: list[int]) -> None:
    # given
    engine.funded("100")
    price = said_price("users", "UNIT", unit_price="2", asset="CREDIT")
    engine.done(
        DefineMeter("users", aggregation=Aggregation.UNIQUE, property="user"),
        DraftProductVersion("api", (price,)),
        PublishProductVersion("api", 1, None),
        SetDefaultProduct("api"),
    )
    assert amounts(engine.done(seen("e0", "u"))) == ["2"]
    asked.clear()
    # when
    answers = engine.done(*(seen(f"e{i}", value) for i, value in enumerate("uvwvx", start=1)))
    # then
    assert amounts(answers) == ["0", "2", "2", "0", "2"]
    assert asked == [4]
