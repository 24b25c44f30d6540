"""The invariants again, with every command through the writer and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from application.caller import Caller
from application.clock import SetClock
from application.commands.requests import Command, DefineAsset
from application.storage.database import Login, Role
from application.tenants import open_tenant
from tests.application.engine import Engine, running
from tests.books import START, Books, MemoryLog
from tests.domain import test_invariants
from tests.domain.test_invariants import LedgerMachine

pytestmark = pytest.mark.storage

_tenants = count(1)


class PostgresBooks(Books):
    """Books whose commands go through a ledger; its rows are read back into memory."""

    def __init__(self, engine: Engine) -> None:
        assert isinstance(engine.clock, SetClock)
        self.clock = engine.clock
        self.clock.at = START
        self.log = MemoryLog()
        self.cache = engine.ledger.cache
        self.tenant_id = open_tenant(engine.recorder, f"example-{next(_tenants)}", START)
        self.caller = Caller(self.tenant_id, "test", "request")
        self._engine = engine
        self._position = 0
        self._read_back()
        self.do(DefineAsset("CREDIT", "Credits"))

    def _commit(self, commands: Sequence[Command], keep_refusals: bool = False) -> list[Any]:
        outcomes = self._engine.ledger.execute(self.caller, commands)
        self._read_back()
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if outcome.refusal is not None and not keep_refusals:
                raise outcome.refusal
        return [outcome.answer or outcome.refusal for outcome in outcomes]

    def _read_back(self) -> None:
        with self._engine.recorder.connection() as connection:
            rows = connection.execute(
                "SELECT notification_id AS position, originator_id::text AS stream,"
                " originator_version AS version, topic, state FROM ledger_00.events"
                " WHERE tenant = %s AND notification_id > %s ORDER BY notification_id",
                (self.tenant_id, self._position),
            ).fetchall()
        for row in rows:
            stored = (row["version"], row["topic"], bytes(row["state"]))
            stream = self.log.streams.setdefault(row["stream"], [])
            assert row["version"] == len(stream) + 1
            stream.append(stored)
            self.log.rows.append((row["stream"], *stored))
            self._position = row["position"]


@pytest.fixture
def simulated(logins: dict[Role, Login]) -> Iterator[Engine]:
    with running(logins, SetClock(START)) as engine:
        yield engine


def test_invariants_hold_on_postgres(simulated: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def new_books() -> Books:
        books = PostgresBooks(simulated)
        books.do(DefineAsset("POINT", "Points", scale=0))
        books.do(DefineAsset("MILE", "Miles", scale=0))
        for customer in test_invariants.CUSTOMERS:
            books.customer(customer.removeprefix("ext:"))
        return books

    monkeypatch.setattr(test_invariants, "new_books", new_books)
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=20, stateful_step_count=50)
    )
