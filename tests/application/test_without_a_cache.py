"""The races of test_concurrency, in small, with no wallet kept in memory: a cache is a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from application.clock import Clock
from application.storage.database import Login, Role
from application.storage.wallets import WalletCache
from tests.application import test_concurrency as cached
from tests.application.engine import Engine, running, usage

pytestmark = pytest.mark.storage


@pytest.fixture
def serve(logins: dict[Role, Login], tenant: str) -> Iterator[Callable[..., Engine]]:
    """Start one more server of the test's tenant, which keeps no wallet."""
    with ExitStack() as stack:

        def start(clock: Clock | None = None) -> Engine:
            return stack.enter_context(running(logins, clock, tenant, WalletCache(0)))

        yield start


@pytest.fixture
def engine(serve: Callable[..., Engine]) -> Engine:
    return serve()


test_twenty_holds_at_once = cached.test_twenty_holds_at_once
test_one_payment_under_two_keys_at_once = cached.test_one_payment_under_two_keys_at_once
test_l24_one_hold_many_hands = cached.test_l24_one_hold_many_hands
test_l24_capture_and_release_at_once = cached.test_l24_capture_and_release_at_once
test_cold_servers_on_one_wallet = cached.test_cold_servers_on_one_wallet
test_two_servers_and_the_same_events = cached.test_two_servers_and_the_same_events
test_two_servers_and_the_last_unit = cached.test_two_servers_and_the_last_unit
test_a_freeze_by_another_server_is_obeyed = cached.test_a_freeze_by_another_server_is_obeyed
test_what_another_server_made_can_be_changed = cached.test_what_another_server_made_can_be_changed


def test_no_wallet_is_kept(engine: Engine) -> None:
    # given
    engine.funded("10")
    # when
    engine.done(usage("e1"), usage("e2"))
    engine.done(usage("e3"))
    # then
    cache = engine.ledger.cache
    assert (len(cache), cache.bytes, cache.hits) == (0, 0, 0)
    assert cache.misses >= 3
    assert engine.available() == 7
