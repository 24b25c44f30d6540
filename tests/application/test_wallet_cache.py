"""The wallet cache: bounded by memory, the least recently used goes first."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.commands.catalog_requests import DefineMeter, PriceSaid, RowSaid
from application.commands.requests import (
    AuthorizeUsage,
    Command,
    IssueGrant,
    Money,
    RecordUsage,
    SetOverageLimit,
)
from application.commands.spend_requests import SetBudget
from application.storage.wallets import WalletCache, estimated_bytes
from domain import identity
from domain.catalog.price import PriceModel
from domain.wallet.wallet import Wallet
from tests.books import START, Books
from tests.catalogue import R1_TIERS, meter, publish, said_price, use
from tests.plans import Plans, flat, included, seat

COPIES = 30


def grant(number: int) -> Command:
    return IssueGrant(
        f"g{number}", "ext:acme", "CREDIT", "10", "PAID", paid=Money("10", "USD"),
        expires_at=START + timedelta(days=1 + number),
    )  # fmt: skip


def hold(number: int) -> Command:
    return AuthorizeUsage(
        f"h{number}", "ext:acme", "tokens", amount="0.01", asset="CREDIT", subject=f"a/b-{number}"
    )


def budget(number: int) -> Command:
    return SetBudget("ext:acme", f"team/agent-{number}", "CREDIT", "5", "DAY")


def wallet_with(*commands: Command) -> tuple[Books, str]:
    books = Books()
    books.customer("acme")
    for command in commands:
        books.do(command)
    return books, identity.wallet_id(books.tenant_id, identity.customer_id(books.tenant_id, "acme"))


def folded(books: Books, wallet_id: str) -> Wallet:
    wallet = books.log.wallets(books.tenant_id, [wallet_id])[wallet_id]
    wallet.write_to([])
    return wallet


@pytest.mark.parametrize(
    "commands",
    [
        [],
        [grant(0)],
        [grant(number) for number in range(100)],
        [grant(0), *(hold(number) for number in range(100))],
        [budget(number) for number in range(100)],
    ],
    ids=["empty", "a grant", "grants", "holds", "budgets"],
)
def test_the_estimate_is_what_a_wallet_takes(commands: list[Command]) -> None:
    check_estimate(*wallet_with(*commands))


@pytest.mark.parametrize("rows", [1, 40])
def test_the_estimate_of_subscriptions(rows: int) -> None:
    # given five, two of them with prices of their own
    books = Books()
    plans = Plans(books)
    override = PriceSaid(
        "use",
        PriceModel.UNIT,
        "USD",
        "tokens",
        unit_price="1",
        dimensions=("model",),
        rows=tuple(RowSaid({"model": f"m{number}"}, "0.1") for number in range(rows)),
    )
    for number in range(2):
        books.do(DefineMeter(f"tokens{number}"))
    for number in range(5):
        prices = [flat("20"), seat("5")]
        if number < 2:
            prices.append(replace(override, meter=f"tokens{number}"))
        plans.publish(f"p{number}", prices, [included("100")])
        subscription = plans.subscribe(f"p{number}")
        if number < 2:
            plans.override(subscription, replace(override, meter=f"tokens{number}"))
    # then
    check_estimate(
        books,
        identity.wallet_id(books.tenant_id, identity.customer_id(books.tenant_id, "acme")),
    )


@pytest.mark.parametrize("model, grants", [("UNIT", 0), ("VOLUME", 0), ("VOLUME", 30)])
def test_running_totals_and_who_paid_count_too(model: str, grants: int) -> None:
    # given a month's totals of many prices, each paid by some grants
    books = Books()
    books.customer("acme")
    for number in range(grants):
        books.grant(f"g{number}", "10", priority=1)
    books.grant("rest", "100000", paid=Money("100", "USD"))
    terms: dict[str, Any] = {"unit_price": "0.1"} if model == "UNIT" else {"tiers": R1_TIERS}
    keys = [f"tokens{number}" for number in range(40)]
    for key in keys:
        meter(books, key)
    prices = [said_price(key, model, asset="CREDIT", meter=key, **terms) for key in keys]
    publish(books, "api", *prices)
    # when
    for number, key in enumerate(keys):
        use(books, f"e{number}", key, "100")
    # then
    assert len(books.wallet().totals.by_key) == len(keys)
    check_estimate(books, books.wallet().id)


def check_estimate(books: Books, wallet_id: str) -> None:
    """Never less than what a wallet takes, and not more than twice as much."""
    folded(books, wallet_id)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        wallets = [folded(books, wallet_id) for _ in range(COPIES)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    taken = (after - before) / COPIES
    assert taken <= estimated_bytes(wallets[0]) <= 2 * taken


def test_overage_counts_too() -> None:
    limited = [SetOverageLimit("ext:acme", "CREDIT", "1000")]
    used = RecordUsage("u1", "ext:acme", "tokens", amount="1", asset="CREDIT")
    none = folded(*wallet_with(*limited))
    some = folded(*wallet_with(*limited, used))
    assert estimated_bytes(some) > estimated_bytes(none)


def test_the_least_recently_used_make_room() -> None:
    # given
    wallets = [Wallet.restored(f"w{n}", 1, START, _empty().state()) for n in range(4)]
    size = estimated_bytes(wallets[0])
    cache = WalletCache(3 * size)
    cache.keep(wallets[:3])
    cache.keep(wallets[:1])
    # when
    cache.keep(wallets[3:])
    # then
    assert [cache.get(f"w{n}") is not None for n in range(4)] == [True, False, True, True]
    assert (len(cache), cache.bytes) == (3, 3 * size)
    cache.drop("w0")
    cache.drop("w0")
    assert (len(cache), cache.bytes) == (2, 2 * size)


def test_a_wallet_that_grew_is_weighed_anew() -> None:
    # given
    books, wallet_id = wallet_with()
    cache = WalletCache(100_000)
    cache.keep([folded(books, wallet_id)])
    small = cache.bytes
    # when
    for number in range(20):
        books.do(grant(number))
    cache.keep([folded(books, wallet_id)])
    # then
    assert len(cache) == 1
    assert cache.bytes > small + 20 * 1_000


def _empty() -> Wallet:
    return folded(*wallet_with())
