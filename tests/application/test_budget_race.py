"""Many hands on one budget: never more is spent than it allows, nor less than there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from application.commands.spend_requests import SetBudget, SetBudgetTemplate
from application.ledger import Outcome
from domain.refusals import SpendLimitReached
from tests.application.conftest import Serve
from tests.application.engine import hold, settled, usage

pytestmark = pytest.mark.storage


@pytest.mark.parametrize("limit", ["set", "template"])
def test_fifty_charges_from_two_servers(serve: Serve, limit: str) -> None:
    """Each server sends 25 charges of 1, under four subjects below one with a budget of 20."""
    # given
    engines = [serve(), serve()]
    engines[0].funded("1000")
    if limit == "set":
        engines[0].done(SetBudget("ext:acme", "team", "CREDIT", "20", "TOTAL"))
    else:
        engines[0].done(SetBudgetTemplate("te*", "CREDIT", "20", "TOTAL"))

    def spend(number: int) -> Outcome:
        charge = usage(f"e{number}", subject=f"team/agent-{number % 4}")
        return engines[number % 2].do(charge)[0]

    # when
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(spend, range(50)))
    # then
    assert settled(outcomes) == 20
    refused = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
    assert len(refused) == 30
    assert all(isinstance(each, SpendLimitReached) and each.allowed_units == 0 for each in refused)
    assert [engine.available() for engine in engines] == [980, 980]


def test_holds_and_charges_from_two_servers(serve: Serve) -> None:
    """Holds of 3 and charges of 1 under 20: together never above, and less is not left over."""
    # given
    engines = [serve(), serve()]
    engines[0].funded("1000")
    engines[0].done(SetBudget("ext:acme", "", "CREDIT", "20", "TOTAL"))

    def take(number: int) -> tuple[int, Outcome]:
        if number % 5 == 0:
            return 3, engines[number % 2].do(hold(f"h{number}", "3"))[0]
        return 1, engines[number % 2].do(usage(f"e{number}"))[0]

    # when
    with ThreadPoolExecutor(10) as pool:
        taken = list(pool.map(take, range(50)))
    # then
    assert sum(amount for amount, outcome in taken if outcome.answer is not None) == 20
    assert engines[1].available() == 980
    (one_more,) = engines[1].do(usage("one-more"))
    assert isinstance(one_more.refusal, SpendLimitReached)
