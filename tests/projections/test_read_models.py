"""What every read model must be: a fold of the log, whatever the batches and the crashes."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from application.codec import EventCodec
from projections import positions
from projections.balances import Balances
from projections.charges import Charges
from projections.customers import Customers
from projections.engine import ProjectionEngine
from projections.journal import Journal
from projections.log import LogReader
from projections.margins import Margins
from projections.notifications import Notifications
from projections.read_model import ReadModel
from projections.statement import Statement
from projections.subscriptions import Subscriptions
from projections.tables import Location
from projections.top_ups import TopUps
from tests.projections.shop import Shop

pytestmark = [pytest.mark.storage, pytest.mark.xdist_group("projections")]

LIVE = Location("ledger_00")


def _two_each(*engines: ProjectionEngine) -> list[int | None]:
    return [engine.step() for engine in engines for _ in range(2)]


class ReadModelContract:
    """Inherited by the test of each read model."""

    model_class: ClassVar[type[ReadModel[Any]]]

    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, told_shop: Shop) -> dict[str, list[str]]:
        """The tables as one batch makes them."""
        model = cls.model_class(LIVE)
        told_shop.forget_all()
        engine = told_shop.engine(model, batch_size=1_000_000)
        engine.catch_up()
        assert not engine.stopped()
        contents = told_shop.contents(model)
        assert all(contents.values())
        return contents

    @pytest.fixture
    def model(self, told_shop: Shop, expected: dict[str, list[str]]) -> ReadModel[Any]:
        """The read model before the first event."""
        told_shop.forget_all()
        return self.model_class(LIVE)

    @pytest.mark.parametrize("size", [1, 7, 50])
    def test_a_restart_between_any_two_batches_changes_nothing(
        self, told_shop: Shop, model: ReadModel[Any], expected: dict[str, list[str]], size: int
    ) -> None:
        # when
        step: int | None = 0
        while step is not None:
            engine = told_shop.engine(model, batch_size=size)
            step = engine.step()
            assert not engine.stopped()
        # then
        assert told_shop.contents(model) == expected

    def test_the_same_batch_twice_equals_once(
        self, told_shop: Shop, model: ReadModel[Any], expected: dict[str, list[str]]
    ) -> None:
        # given
        first, second = (told_shop.engine(model, batch_size=60) for _ in range(2))
        # when each takes the log from where it last knew the read model to be
        while [first.step(), second.step()] != [None, None]:
            assert not first.stopped()
            assert not second.stopped()
        # then
        assert told_shop.contents(model) == expected

    def test_two_engines_that_take_turns_equal_one(
        self, told_shop: Shop, model: ReadModel[Any], expected: dict[str, list[str]]
    ) -> None:
        # given each keeps what it last wrote
        others = self.model_class(LIVE)
        first, second = (told_shop.engine(each, batch_size=40) for each in (model, others))
        # when each hears by its first step where the other has come, and folds by its second
        while any(step is not None for step in _two_each(first, second)):
            assert not first.stopped()
            assert not second.stopped()
        # then
        assert told_shop.contents(model) == expected

    def test_a_batch_that_is_not_committed_leaves_nothing(
        self, told_shop: Shop, model: ReadModel[Any], expected: dict[str, list[str]]
    ) -> None:
        # given
        engine = told_shop.engine(model, batch_size=100)
        engine.step()
        before = told_shop.contents(model), engine.positions()
        # when
        reader = LogReader(LIVE, EventCodec().decode_all)
        with told_shop.proj.connection() as connection:
            start = positions.lock(connection, LIVE, model.name).position
            batch = reader.batch(connection, start, None, 500)
            model.apply(connection, batch.events(model.topics))
            positions.move(connection, LIVE, model.name, batch.end)
            connection.rollback()
        # then
        assert (told_shop.contents(model), engine.positions()) == before
        engine.catch_up()
        assert told_shop.contents(model) == expected

    def test_folding_from_zero_equals_live(
        self, told_shop: Shop, model: ReadModel[Any], expected: dict[str, list[str]]
    ) -> None:
        # given
        told_shop.engine(model, batch_size=33).catch_up()
        # when
        with told_shop.owner_connection() as owner:
            told_shop.engine(model).rebuild(model.name, owner)
        # then
        assert told_shop.contents(model) == expected


class TestBalances(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Balances


class TestCharges(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Charges


class TestCustomers(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Customers


class TestNotifications(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Notifications


class TestTopUps(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = TopUps


class TestStatement(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Statement


class TestMargins(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Margins


class TestSubscriptions(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Subscriptions


class TestJournal(ReadModelContract):
    model_class: ClassVar[type[ReadModel[Any]]] = Journal
