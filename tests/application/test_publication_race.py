"""Two servers charge while a third publishes: each event by the version of when it occurred."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from application.clock import SetClock
from application.commands.answers import ChargeAnswer
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    SetDefaultProduct,
)
from application.commands.requests import RecordUsage
from domain.catalog.price import PriceModel
from tests.application.conftest import Serve
from tests.application.engine import Engine

pytestmark = pytest.mark.storage

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FROM_THEN_ON = NOW + timedelta(minutes=2)
AT_A_TIME = 50


def draft(price: str) -> DraftProductVersion:
    unit = PriceSaid("tokens", PriceModel.UNIT, "CREDIT", meter="tokens", unit_price=price)
    return DraftProductVersion("api", (unit,))


def usage(server: int, number: int) -> RecordUsage:
    """Every other event occurs once the second version holds."""
    occurred_at = FROM_THEN_ON if number % 2 else FROM_THEN_ON - timedelta(microseconds=1)
    return RecordUsage(
        f"{server}-{number}", "ext:acme", "tokens", quantity="1", occurred_at=occurred_at
    )


@pytest.mark.parametrize("charges", [1_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_each_event_is_priced_by_the_version_of_its_time(serve: Serve, charges: int) -> None:
    # given
    clock = SetClock(NOW)
    here, there, publisher = serve(clock), serve(clock), serve(clock)
    here.funded("1000000")
    here.done(DefineMeter("tokens"), draft("1"), PublishProductVersion("api", 1, NOW))
    here.done(SetDefaultProduct("api"))
    each = charges // 2
    half_way = threading.Barrier(3)
    published = threading.Event()

    def charge(server: int, engine: Engine) -> list[ChargeAnswer]:
        answers: list[ChargeAnswer] = []
        for start in range(0, each, AT_A_TIME):
            if start == each // 2:
                half_way.wait()
            if start == each - AT_A_TIME:
                assert published.wait(60)
            numbers = range(start, start + AT_A_TIME)
            answers += engine.done(*(usage(server, number) for number in numbers))
        return answers

    def publish() -> None:
        half_way.wait()
        publisher.done(draft("2"), PublishProductVersion("api", 2, FROM_THEN_ON))
        published.set()

    # when
    with ThreadPoolExecutor() as threads:
        sent = [threads.submit(charge, *server) for server in enumerate((here, there))]
        threads.submit(publish).result(120)
        answers = [answer for future in sent for answer in future.result(300)]
    # then: before it was published the first version was all there was
    found = Counter(
        (charge.reported.occurred_at, line.version, charge.amount_units // 10**6)
        for charge in (answer.charge for answer in answers)
        for line in charge.lines
    )
    earlier = FROM_THEN_ON - timedelta(microseconds=1)
    assert found[earlier, 1, 1] == charges // 2
    assert found[FROM_THEN_ON, 1, 1] + found[FROM_THEN_ON, 2, 2] == charges // 2
    assert found.total() == charges
    # and whatever was decided after it, by either server, was priced by the second
    last = [answer.charge for answer in answers[each - AT_A_TIME : each] + answers[-AT_A_TIME:]]
    assert {
        line.version
        for charge in last
        if charge.reported.occurred_at == FROM_THEN_ON
        for line in charge.lines
    } == {2}
    assert here.wallet().accounts["CREDIT"].burned_units == sum(
        answer.charge.amount_units for answer in answers
    )
