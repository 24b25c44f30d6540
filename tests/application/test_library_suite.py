"""The library's own test-suite of recorders, on ours, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import TestCase

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from application.storage.database import Login, Role
from application.storage.embedded import EmbeddedServer
from application.storage.recorder import LedgerDatastore, LedgerRecorder
from tests.application.engine import prepared

pytestmark = pytest.mark.storage


@pytest.fixture(scope="module")
def empty(postgres: EmbeddedServer) -> tuple[Login, dict[Role, Login]]:
    """A database that only these tests write to: they expect the first position to be 1."""
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE library")
    owner = Login(dict(postgres.conninfo("library")))
    return owner, prepared(owner)


class _OnPostgres(TestCase):
    logins: dict[Role, Login]

    @pytest.fixture(autouse=True)
    def _emptied(self, empty: tuple[Login, dict[Role, Login]]) -> None:
        owner, self.logins = empty
        with owner.connect(autocommit=True) as connection:
            connection.execute("TRUNCATE ledger_00.events RESTART IDENTITY")

    def create_recorder(self) -> LedgerRecorder:
        datastore = LedgerDatastore(self.logins["log"])
        self.addCleanup(datastore.close)
        return LedgerRecorder(datastore)


class TestApplicationRecorder(_OnPostgres, ApplicationRecorderTestCase[LedgerRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleavingPositions(_OnPostgres, NonInterleavingNotificationIDsBaseCase):
    pass


class _WithoutPositions(LedgerRecorder):
    """An application recorder answers positions; a recorder of aggregates, as this, none."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)


class TestAggregateRecorder(_OnPostgres, AggregateRecorderTestCase):
    def create_recorder(self) -> LedgerRecorder:
        datastore = LedgerDatastore(self.logins["log"])
        self.addCleanup(datastore.close)
        return _WithoutPositions(datastore)
