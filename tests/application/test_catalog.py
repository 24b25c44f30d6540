"""The catalogue in the writer: kept in memory, and never relied on once overtaken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from application.commands import handlers
from application.commands.answers import CustomerAnswer
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
)
from application.commands.customers import create_customer
from application.commands.requests import CreateCustomer, DefineAsset
from application.work import Work
from domain import identity
from domain.catalog.price import PriceModel
from tests.application.conftest import Serve
from tests.application.engine import Engine

pytestmark = pytest.mark.storage


def draft(price: str) -> DraftProductVersion:
    unit = PriceSaid("tokens", PriceModel.UNIT, "CREDIT", meter="tokens", unit_price=price)
    return DraftProductVersion("api", (unit,))


@contextmanager
def resting_on_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let each new customer be decided upon the catalogue; note upon which number."""
    numbers: list[int] = []

    def decided(work: Work, command: Any) -> CustomerAnswer:
        numbers.append(work.catalog.number)
        return create_customer(work, command)

    with monkeypatch.context() as patched:
        patched.setitem(handlers.HANDLERS, CreateCustomer, decided)
        yield numbers


def catalog_events(engine: Engine) -> list[str]:
    return engine.topics(identity.catalog_id(engine.tenant_id))


def test_a_process_with_an_overtaken_catalogue_decides_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two servers, of which one has the catalogue in memory
    here, there = serve(), serve()
    there.done(DefineAsset("CREDIT", "Credits"), DefineMeter("tokens"))
    with resting_on_the_catalogue(monkeypatch) as numbers:
        here.done(CreateCustomer("first"))
        # when the other publishes, and this one decides alone
        there.done(draft("1"), PublishProductVersion("api", 1))
        here.done(CreateCustomer("second"))
        here.done(CreateCustomer("third"))
    # then it was decided upon what was published, and that is kept
    assert numbers == [1, 1, 3, 3]


def test_what_writes_nothing_rests_on_the_newest_catalogue(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a command that only looks, for which nothing is checked at a commit
    here, there = serve(), serve()
    here.done(DefineMeter("tokens"), DefineAsset("CREDIT", "Credits"))
    numbers: list[int] = []

    def look(work: Work, _: Any) -> CustomerAnswer:
        numbers.append(work.catalog.number)
        return CustomerAnswer("nobody")

    monkeypatch.setitem(handlers.HANDLERS, CreateCustomer, look)
    here.done(CreateCustomer("first"))
    there.done(draft("1"))
    # when
    here.done(CreateCustomer("first"))
    # then
    assert numbers[-1] == 2


def test_two_servers_that_change_it_lose_nothing(serve: Serve) -> None:
    # given
    here, there = serve(), serve()
    here.done(DefineAsset("CREDIT", "Credits"))
    # when
    here.done(DefineMeter("a"))
    there.done(DefineMeter("b"))
    here.done(DefineMeter("c"))
    there.done(DefineMeter("tokens"), DefineMeter("a"), draft("1"))
    (answer,) = here.done(draft("2"))
    # then
    assert [version.number for version in answer.product.versions] == [1, 2]
    assert catalog_events(here).count("catalog.meter_defined") == 4


def test_the_catalogue_is_loaded_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    engine.done(DefineMeter("tokens"))
    loaded: list[str] = []
    with resting_on_the_catalogue(monkeypatch) as numbers:
        monkeypatch.setattr("application.work.Batch._load_catalog", loaded.append)
        # when
        for name in ("a", "b", "c"):
            engine.done(CreateCustomer(name))
    # then
    assert (numbers, loaded) == ([1, 1, 1], [])


def test_a_refused_command_leaves_the_catalogue_as_it_was(engine: Engine) -> None:
    # given
    engine.done(DefineMeter("tokens"), DefineAsset("CREDIT", "Credits"))
    # when
    (outcome,) = engine.do(draft("-1"))
    # then
    assert outcome.refusal is not None
    (answer,) = engine.done(draft("1"))
    assert [version.number for version in answer.product.versions] == [1]
    assert catalog_events(engine) == ["catalog.meter_defined", "catalog.version_drafted"]


def test_a_reader_keeps_the_catalogue_until_it_is_overtaken(serve: Serve) -> None:
    # given
    here, there = serve(), serve()
    empty = here.reader.catalog(here.tenant_id)
    there.done(DefineMeter("tokens"))
    # when
    first = here.reader.catalog(here.tenant_id)
    again = here.reader.catalog(here.tenant_id)
    there.done(DefineMeter("images"))
    # then
    assert (list(empty.meters), list(first.meters)) == ([], ["tokens"])
    assert again is first
    assert list(here.reader.catalog(here.tenant_id).meters) == ["tokens", "images"]


def test_a_catalogue_that_is_still_empty_is_relied_on_as_such(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    here, there = serve(), serve()
    with resting_on_the_catalogue(monkeypatch) as numbers:
        # when
        here.done(CreateCustomer("first"))
        there.done(DefineMeter("tokens"))
        here.done(CreateCustomer("second"))
    # then: decided once, and again when it was no longer empty
    assert numbers == [0, 0, 1]
