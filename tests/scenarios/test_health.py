"""A read model that has met an event it cannot fold, as everybody is told of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from application.commands.stop_requests import TellStop
from application.due_work import DueWork
from application.storage.database import Login
from interfaces.http.health import Readiness
from interfaces.readiness import readiness_of
from tests.interfaces.test_metrics import metrics_of
from tests.processes.commands import eventually
from tests.scenarios.server import serving, settings_for

pytestmark = pytest.mark.storage

HEALTH = """{ health { position openHolds oldestHoldAt
  projections { name position lag lagSeconds stoppedAt stoppedBecause } } }"""


def test_one_that_stopped_is_named_everywhere_and_the_others_go_on(
    database: Login, tmp_path: Path
) -> None:
    with serving(settings_for(database, tmp_path)) as (client, runtime):
        # given
        client.define_credit()
        client.customer()
        client.grant("g", "10")
        client.authorize("h", "2")
        client.await_lists()
        ready = client.http.get("/readyz").json()
        assert (ready["status"], ready["checks"]["migrations"]) == ("ready", {"pending": []})
        (hold,) = client.ask('{ holds(customerId: "ext:acme") { placedAt: expiresAt } }')["holds"]
        found = client.ask(HEALTH)["health"]
        assert (found["openHolds"], found["oldestHoldAt"] < hold["placedAt"]) == (1, True)
        assert {each["stoppedAt"] for each in found["projections"]} == {None}
        # when
        with database.connect(autocommit=True) as connection:
            connection.execute("ALTER TABLE ledger_00.charges RENAME COLUMN refunded TO returned")
        client.charge("e1", "3")
        eventually(lambda: bool(runtime.engine.stopped()), "the charges stop")
        # then a process that answers goes on answering
        answer = client.http.get("/readyz")
        ready = answer.json()
        assert (answer.status_code, ready["status"]) == (200, "degraded")
        assert "charges stopped at position" in ready["message"]
        assert "counterfoil rebuild charges" in ready["message"]
        check = ready["checks"]["projections"]["charges"]
        assert check["stopped"]
        assert check["stopped_topic"] == "charge.settled"
        assert check["stopped_because"].startswith("UndefinedColumn 42703 in projections/")
        # then it is told by GraphQL and metrics alike
        found = client.ask(HEALTH)["health"]
        stopped = {each["name"]: each for each in found["projections"] if each["stoppedAt"]}
        assert list(stopped) == ["charges"]
        assert stopped["charges"]["stoppedAt"] == check["stopped_at"]
        assert stopped["charges"]["position"] < check["stopped_at"]
        assert "UndefinedColumn" in stopped["charges"]["stoppedBecause"]
        metrics = metrics_of(client.url)
        assert metrics["counterfoil_projection_stopped", ("charges",)] == 1
        assert metrics["counterfoil_projection_stopped", ("balances",)] == 0
        at = metrics["counterfoil_projection_stopped_position", ("charges",)]
        assert at == check["stopped_at"]
        # then decisions and other lists are right
        assert client.account()["available"] == "5"
        assert client.charge("e2", "1")["balanceAfter"] == "4"
        eventually(
            lambda: runtime.engine.positions()["balances"] > check["stopped_at"],
            "the balances go on",
        )
        # then each tenant is told once
        asked = "{ notifications(kind: PROJECTION_STOPPED) { nodes { position data } } }"
        eventually(lambda: bool(client.ask(asked)["notifications"]["nodes"]), "it is told")
        stops = [TellStop("charges", check["stopped_at"], "charge.settled", "told anew")]
        DueWork(runtime.ledger, runtime.reader, lambda *_: [], lambda: None, list).tell(
            runtime.tenant_id, stops
        )
        client.charge("e3", "1")
        client.ask("{ customers { nodes { id } } }")
        (told,) = client.ask(asked)["notifications"]["nodes"]
        assert (told["data"]["projection"], told["data"]["position"]) == (
            "charges", check["stopped_at"],
        )  # fmt: skip


def test_a_process_that_only_folds_is_not_ready_where_one_has_stopped(
    database: Login, tmp_path: Path
) -> None:
    with serving(settings_for(database, tmp_path)) as (client, runtime):
        # given
        client.define_credit()
        client.await_lists()
        with database.connect(autocommit=True) as connection:
            connection.execute("DROP TABLE ledger_00.customers")
        client.customer()
        eventually(lambda: bool(runtime.engine.stopped()), "the customers stop")

        # when
        async def both() -> list[Readiness]:
            return [await readiness_of(runtime, answers=each)() for each in (True, False)]

        answering, folding = asyncio.run(both())
        # then
        assert (answering.ready, folding.ready) == (True, False)
        assert folding.phase == "degraded"
        assert "counterfoil rebuild customers" in folding.message
