"""A roll of all subscriptions at one instant, beside raw inserts of the very rows of the run."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from application.commands.catalog_requests import (
    DraftProductVersion,
    IncludedGrantSaid,
    PriceSaid,
    PublishProductVersion,
)
from application.commands.requests import RunDueWork
from application.commands.subscription_requests import Subscribe
from application.due_work import WALLETS_AT_ONCE
from application.storage.recorder import Rows
from benchmarks.ground import execute, fund, ledger, middle, seconds_of
from benchmarks.raw import raw_seconds
from benchmarks.report import Figure, promise, rounds
from domain import identity
from domain.catalog.price import PriceModel
from interfaces.runtime import Runtime

MONTHS = 5
START = datetime(2026, 1, 1, tzinfo=UTC)


def measure(subscriptions: int) -> list[Figure]:
    """Roll them five months on: each a fee from the wallet, credits that end and new ones."""
    with ledger(test_clock=START) as runtime:
        fund(runtime, subscriptions)
        _subscribe(runtime, subscriptions)
        written: list[Rows] = []
        runtime.ledger.on_commit.append(lambda rows, _: written.append(rows))
        wallets = [_wallet(runtime, number) for number in range(subscriptions)]
        row_rates: list[float] = []
        raw_rates: list[float] = []
        commits = rows = 0
        for month in range(2, 2 + MONTHS):
            written.clear()
            until = START.replace(month=month)
            took = seconds_of(partial(_roll, runtime, wallets, until))
            rows = sum(map(len, written))
            commits = len(written)
            row_rates.append(rows / took)
            raw_rates.append(rows / raw_seconds(runtime, list(written)))
    ratios = [ours / raw for ours, raw in zip(row_rates, raw_rates, strict=True)]
    return [
        {
            "what": "A roll of all subscriptions at one instant beside raw inserts of its rows",
            "subscriptions": subscriptions,
            "rows a roll": rows,
            "commits": commits,
            "rows/s": round(middle(row_rates)),
            "raw rows/s": round(middle(raw_rates)),
            "ratio of rows/s": round(middle(ratios), 3),
            "rounds": rounds(ratios),
            **promise("at least 0.3", kept=middle(ratios) >= 0.3),
        }
    ]


def _subscribe(runtime: Runtime, subscriptions: int) -> None:
    fee = PriceSaid("fee", PriceModel.FLAT, "CREDIT", unit_price="20")
    credits_ = IncludedGrantSaid("CREDIT", "100")
    execute(runtime, [DraftProductVersion("pro", (fee,), includes=(credits_,))])
    execute(runtime, [PublishProductVersion("pro", 1)])
    execute(
        runtime,
        [Subscribe(f"s{number}", f"ext:c{number}", "pro") for number in range(subscriptions)],
    )


def _wallet(runtime: Runtime, number: int) -> str:
    customer_id = identity.customer_id(runtime.tenant_id, f"c{number}")
    return identity.wallet_id(runtime.tenant_id, customer_id)


def _roll(runtime: Runtime, wallets: list[str], until: datetime) -> None:
    """As the runner does."""
    for start in range(0, len(wallets), WALLETS_AT_ONCE):
        part = wallets[start : start + WALLETS_AT_ONCE]
        execute(runtime, [RunDueWork(wallet_id, until) for wallet_id in part])
