"""Many hands on one wallet: nothing is spent twice, nothing is refused that is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest

from application.commands.requests import (
    CaptureUsage,
    Command,
    FreezeWallet,
    IssueGrant,
    Money,
    RefundCharge,
    ReleaseHold,
    VoidGrant,
)
from application.ledger import Outcome
from domain.refusals import IdempotencyConflict, InsufficientFunds, InvalidState
from tests.application.conftest import Serve
from tests.application.engine import Engine, hold, replayed, settled, usage

pytestmark = pytest.mark.storage

T = TypeVar("T")


def at_once(hands: Sequence[Callable[[], T]]) -> list[T]:
    """Let each hand act in a thread of its own, all from the same moment."""
    start = Barrier(len(hands))

    def act(hand: Callable[[], T]) -> T:
        start.wait()
        return hand()

    with ThreadPoolExecutor(len(hands)) as pool:
        return list(pool.map(act, hands))


def sending(engine: Engine, *commands: Command) -> Callable[[], list[Outcome]]:
    return lambda: engine.do(*commands)


def refusals(outcomes: Sequence[Outcome]) -> list[object]:
    return [outcome.refusal for outcome in outcomes if outcome.refusal is not None]


# One server


def test_r12_twelve_concurrent_spenders(engine: Engine) -> None:
    # given
    engine.funded("10000")

    def spend(thread: int) -> list[Outcome]:
        return [
            outcome
            for start in range(0, 1_000, 10)
            for outcome in engine.do(*(usage(f"e-{thread}-{start + n}") for n in range(10)))
        ]

    # when
    with ThreadPoolExecutor(12) as pool:
        outcomes = [outcome for part in pool.map(spend, range(12)) for outcome in part]
    # then
    assert settled(outcomes) == 10_000
    refused = refusals(outcomes)
    assert len(refused) == 2_000
    assert {type(refusal) for refusal in refused} == {InsufficientFunds}
    assert engine.available() == 0


def test_l8_the_same_event_a_thousand_times(engine: Engine) -> None:
    # given
    engine.funded("10")
    # when
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: engine.do(usage("e1", "4"))[0], range(1_000)))
    # then
    assert (settled(outcomes), replayed(outcomes)) == (1, 999)
    assert engine.available() == 6


def test_twenty_holds_at_once(engine: Engine) -> None:
    # given
    engine.funded("500")
    # when
    answers = at_once([sending(engine, hold(f"h{n}", "75")) for n in range(20)])
    # then
    outcomes = [outcome for (outcome,) in answers]
    assert settled(outcomes) == 6
    refused = refusals(outcomes)
    assert len(refused) == 14
    assert all(
        isinstance(refusal, InsufficientFunds) and refusal.available_units == 50 * 10**6
        for refusal in refused
    )
    assert len(engine.wallet().holds) == 6
    assert engine.available() == 50


def test_l18_one_payment_many_messages(engine: Engine) -> None:
    # given
    engine.funded("1")
    paid = Money("50.00", "USD")
    message = IssueGrant("k1", "ext:acme", "CREDIT", "5000", "PAID", paid=paid, reference="pi_1")
    # when
    outcomes = [outcome for (outcome,) in at_once([sending(engine, message)] * 4)]
    # then
    assert (settled(outcomes), replayed(outcomes)) == (1, 3)
    assert engine.available() == 5_001
    other_key = IssueGrant("k2", "ext:acme", "CREDIT", "5000", "PAID", paid=paid, reference="pi_1")
    other_amount = IssueGrant(
        "k1", "ext:acme", "CREDIT", "6000", "PAID", paid=paid, reference="pi_1"
    )
    conflicts = refusals(engine.do(other_key, other_amount))
    assert [
        conflict.field for conflict in conflicts if isinstance(conflict, IdempotencyConflict)
    ] == ["reference", "amount"]
    assert engine.available() == 5_001


def test_one_payment_under_two_keys_at_once(engine: Engine) -> None:
    engine.funded("1")
    messages = [
        IssueGrant(
            f"k{n}", "ext:acme", "CREDIT", "5", "PAID", paid=Money("1", "USD"), reference="pi_1"
        )
        for n in range(4)
    ]
    outcomes = [
        outcome for (outcome,) in at_once([sending(engine, message) for message in messages])
    ]
    assert settled(outcomes) == 1
    assert {type(refusal) for refusal in refusals(outcomes)} == {IdempotencyConflict}
    assert engine.available() == 6


def test_l24_one_hold_many_hands(engine: Engine) -> None:
    # given
    engine.funded("100")
    (answer,) = engine.done(hold("h1", "40"))
    capture = CaptureUsage(answer.charge.hold_id, "25")
    # when
    outcomes = [outcome for (outcome,) in at_once([sending(engine, capture)] * 8)]
    # then
    assert (settled(outcomes), replayed(outcomes)) == (1, 7)
    assert engine.available() == 75


@pytest.mark.parametrize("servers", [1, 2])
def test_l24_capture_and_release_at_once(serve: Serve, servers: int) -> None:
    """One of the two wins; nobody ever sees 115."""
    engines = [serve() for _ in range(servers)]
    engines[0].funded("1000")
    left = 1_000
    for round_ in range(8):
        # given
        (answer,) = engines[0].done(hold(f"h{round_}", "40"))
        hold_id = answer.charge.hold_id
        # when
        (captured,), (released,) = at_once(
            [
                sending(engines[0], CaptureUsage(hold_id, "25")),
                sending(engines[-1], ReleaseHold(hold_id)),
            ]
        )
        # then
        won = [outcome.answer is not None for outcome in (captured, released)]
        assert sorted(won) == [False, True]
        assert [type(refusal) for refusal in refusals([captured, released])] == [InvalidState]
        left -= 25 if won[0] else 0
        assert engines[-1].available() == left


# Several servers on one database


@pytest.mark.parametrize("servers", [5, 8])
def test_cold_servers_on_one_wallet(serve: Serve, servers: int) -> None:
    """A wallet of 50, ten charges from each server: 50 settle, and none is refused before."""
    # given
    serve().funded("50")
    engines = [serve() for _ in range(servers)]

    def spend(server: int) -> list[Outcome]:
        return [engines[server].do(usage(f"e-{server}-{n}"))[0] for n in range(10)]

    # when
    spenders = [lambda server=server: spend(server) for server in range(servers)]
    outcomes = [outcome for part in at_once(spenders) for outcome in part]
    # then
    assert settled(outcomes) == 50
    refused = refusals(outcomes)
    assert len(refused) == 10 * servers - 50
    assert all(
        isinstance(refusal, InsufficientFunds) and refusal.available_units == 0
        for refusal in refused
    )
    assert engines[0].available() == 0
    (one_more,) = engines[1].do(usage("one-more"))
    assert isinstance(one_more.refusal, InsufficientFunds)


def test_three_servers_spend_one_wallet_to_the_last_unit(serve: Serve) -> None:
    """Batches of many threads on each server; what is refused was not there."""
    # given
    engines = [serve() for _ in range(3)]
    engines[0].funded("500")

    def spend(thread: int) -> list[Outcome]:
        engine = engines[thread % 3]
        return [
            outcome
            for start in range(0, 60, 6)
            for outcome in engine.do(*(usage(f"e-{thread}-{start + n}") for n in range(6)))
        ]

    # when
    spenders = [lambda thread=thread: spend(thread) for thread in range(9)]
    outcomes = [outcome for part in at_once(spenders) for outcome in part]
    # then
    assert settled(outcomes) == 500
    assert len(refusals(outcomes)) == 40
    assert [engine.available() for engine in engines] == [0, 0, 0]


def test_two_servers_and_the_same_events(serve: Serve) -> None:
    # given
    one, other = serve(), serve()
    one.funded("100")
    # when: 20 events, each sent four times to each server
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda n: (one, other)[n % 2].do(usage(f"e{n // 8}"))[0], range(160))
        )
    # then
    assert (settled(outcomes), replayed(outcomes)) == (20, 140)
    assert one.available() == 80


def test_two_servers_and_the_last_unit(serve: Serve) -> None:
    """The same event at once on both, with just enough for it: one settles, one replays."""
    one, other = serve(), serve()
    one.funded("10")
    for event in range(10):
        (first,), (second,) = at_once([sending(each, usage(f"e{event}")) for each in (one, other)])
        assert (settled([first, second]), replayed([first, second])) == (1, 1)
    assert one.available() == 0


# What another server did meanwhile


def test_a_refusal_is_not_decided_on_an_old_version(serve: Serve) -> None:
    # given: one server knows the wallet empty, another fills it
    one, other = serve(), serve()
    one.funded("10")
    one.done(usage("e1", "10"))
    assert len(refusals(one.do(usage("e2", "1")))) == 1
    other.grant("more", "5")
    # when
    one.done(usage("e2", "1"))
    # then
    assert one.available() == 4


def test_a_freeze_by_another_server_is_obeyed(serve: Serve) -> None:
    one, other = serve(), serve()
    one.funded("10")
    one.done(usage("e1"))
    other.done(FreezeWallet("ext:acme", "fraud"))
    (refusal,) = refusals(one.do(usage("e2")))
    assert isinstance(refusal, InvalidState)
    assert refusal.state == "FROZEN"
    assert one.available() == 9


def test_what_another_server_made_can_be_changed(serve: Serve) -> None:
    """Found by its own id, with a wallet in memory that does not know it yet."""
    # given
    one, other = serve(), serve()
    one.funded("10")
    one.done(usage("e1"))
    grant_id = other.grant("gift", "7")
    (held,) = other.done(hold("h1", "3"))
    (charged,) = other.done(usage("e2", "2"))
    assert one.available() == 11
    # when
    one.done(VoidGrant(grant_id, "a mistake"))
    other.done(usage("e3"))
    one.done(CaptureUsage(held.charge.hold_id, "2"))
    other.done(usage("e4"))
    one.done(RefundCharge(charged.charge.id, "a mistake", "r1", compensate=True))
    # then: of 10, charges of 1, 2, 1 and 1 are left; the gift went unused, or back
    assert one.available() == other.available()
    assert other.wallet().holds == {}
    assert one.wallet().accounts["CREDIT"].burned_units == 5 * 10**6


def test_what_another_server_made_can_be_changed_after_a_refusal(serve: Serve) -> None:
    """Once a batch was looked up, no wallet in memory is taken as it is."""
    # given
    one, other = serve(), serve()
    one.funded("10")
    one.done(usage("e1"))
    (held,) = other.done(hold("h1", "3"))
    grant_id = other.grant("gift", "7")
    # when
    refused, captured, voided = one.do(
        usage("e2", "1", "nobody"),
        CaptureUsage(held.charge.hold_id, "2"),
        VoidGrant(grant_id, "a mistake"),
    )
    # then
    assert refused.refusal is not None
    assert refusals([captured, voided]) == []
    assert one.available() == 7
