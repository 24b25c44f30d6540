"""Many hands below one threshold: one request, one alert, one grant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from application.commands.requests import Money
from application.commands.top_up_requests import ReportTopUp, SetAutoTopUp, SetBalanceAlert
from application.ledger import Outcome
from domain.wallet.top_up import TopUp
from tests.application.conftest import Serve
from tests.application.engine import Engine, hold, settled, usage

pytestmark = pytest.mark.storage


def watched(serve: Serve) -> list[Engine]:
    """Two servers; acme has 1 000, and both an alert and a top-up of 100 below 950."""
    engines = [serve(), serve()]
    engines[0].funded("1000")
    engines[0].done(
        SetBalanceAlert("ext:acme", "CREDIT", "950"),
        SetAutoTopUp("ext:acme", "CREDIT", "950", "100", price=Money("1", "USD")),
    )
    return engines


def top_up(engine: Engine) -> TopUp:
    """Return the last request as it stands."""
    request_id = engine.wallet().watches["CREDIT"].request_id
    assert request_id is not None
    return engine.reader.top_ups(engine.tenant_id, [request_id])[request_id]


def test_two_servers_make_one_request(serve: Serve) -> None:
    # given
    engines = watched(serve)

    def spend(number: int) -> Outcome:
        engine = engines[number % 2]
        if number % 5 == 0:
            return engine.do(hold(f"h{number}", "1"))[0]
        return engine.do(usage(f"e{number}"))[0]

    # when
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(spend, range(100)))
    # then
    assert settled(outcomes) == 100
    topics = engines[1].topics(engines[1].wallet_id())
    assert topics.count("wallet.top_up_requested") == 1
    assert topics.count("wallet.threshold_crossed") == 1
    assert engines[0].available() == 900


def test_eight_messages_of_one_payment_make_one_grant(serve: Serve) -> None:
    # given
    engines = watched(serve)
    engines[0].done(usage("a", "60"))
    request_id = top_up(engines[0]).id

    def report(number: int) -> Outcome:
        command = ReportTopUp(request_id, "SETTLED", Money("1", "USD"), "pi_1")
        return engines[number % 2].do(command)[0]

    # when
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(report, range(8)))
    # then
    assert [outcome.refusal or outcome.error for outcome in outcomes] == [None] * 8
    assert engines[1].available() == 1_040
    assert engines[1].topics(request_id) == ["top_up.requested", "top_up.reported"]


def test_of_two_outcomes_one_is_known_last(serve: Serve) -> None:
    """A decline and a success told at once: the success credits, whichever came first."""
    # given
    engines = watched(serve)
    engines[0].done(usage("a", "60"))
    request_id = top_up(engines[0]).id
    # when
    with ThreadPoolExecutor(2) as pool:
        told = [
            pool.submit(engines[0].do, ReportTopUp(request_id, "DECLINED")),
            pool.submit(engines[1].do, ReportTopUp(request_id, "SETTLED")),
        ]
        declined, success = (each.result()[0] for each in told)
    # then
    assert success.refusal is None
    assert declined.refusal is None or declined.refusal.code == "INVALID_STATE"
    assert engines[0].available() == 1_040
    assert top_up(engines[1]).status == "SETTLED"
