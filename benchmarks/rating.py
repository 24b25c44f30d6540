"""Usage rated by a table of 200 rows beside usage that states its amount, in one run."""

from __future__ import annotations

from functools import partial

from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    RowSaid,
    SetDefaultProduct,
)
from application.commands.requests import RecordUsage
from benchmarks.ground import execute, fund, ledger, middle, seconds_of
from benchmarks.report import Figure, promise, rounds
from domain.catalog.price import PriceModel
from interfaces.runtime import Runtime

ROUNDS = 9
WALLETS = 10
BATCH = 100
MODELS = 100
DIRECTIONS = ("input", "output")
MOST = 1.5


def measure(charges: int) -> list[Figure]:
    """Measure `charges` a round, in commits of 100 over 10 wallets, both kinds by turns: commit
    by commit, so that whatever else the machine does falls on both.

    Both say the same quantity and properties, and come to the same amount: a rated event
    differs only in that the ledger finds it.
    """
    with ledger() as runtime:
        fund(runtime, 2 * WALLETS)
        _publish(runtime)
        _spend(runtime, "warm", charges)
        spent = [_spend(runtime, str(round_), charges) for round_ in range(ROUNDS)]
    stated, by_table = zip(*spent, strict=True)
    ratios = [ours / bare for ours, bare in zip(by_table, stated, strict=True)]
    return [
        {
            "what": "A charge rated by a table of 200 rows, beside a stated amount",
            "charges a transaction": BATCH,
            "µs stated": round(middle(stated), 1),
            "µs rated": round(middle(by_table), 1),
            "ratio": round(middle(ratios), 2),
            "rounds": rounds(ratios),
            **promise(f"at most {MOST}", kept=middle(ratios) <= MOST),
        }
    ]


def _publish(runtime: Runtime) -> None:
    """Price the meter `rated` by model and direction; `tokens` has no price."""
    rows = tuple(
        RowSaid({"model": f"model-{model}", "direction": direction}, "0.00001")
        for model in range(MODELS)
        for direction in DIRECTIONS
    )
    table = PriceSaid(
        "rated",
        PriceModel.UNIT,
        "CREDIT",
        meter="rated",
        dimensions=("model", "direction"),
        rows=rows,
    )
    execute(runtime, [DefineMeter("rated")])
    execute(runtime, [DraftProductVersion("api", (table,))])
    execute(runtime, [PublishProductVersion("api", 1)])
    execute(runtime, [SetDefaultProduct("api")])


def _spend(runtime: Runtime, name: str, charges: int) -> tuple[float, float]:
    """Return microseconds a charge that states its amount, and one that is rated."""
    commits = [
        [
            [_usage(f"{name}-{kind}-{n}", n, kind) for n in range(start, start + BATCH)]
            for kind in (0, 1)
        ]
        for start in range(0, charges, BATCH)
    ]
    seconds = [0.0, 0.0]
    for of_both in commits:
        for kind, batch in enumerate(of_both):
            seconds[kind] += seconds_of(partial(execute, runtime, batch))
    stated, by_table = (each * 1_000_000 / charges for each in seconds)
    return stated, by_table


def _usage(event_id: str, number: int, kind: int) -> RecordUsage:
    """Return usage of the first wallets for kind 0, of the others for kind 1."""
    rated = kind == 1
    return RecordUsage(
        event_id,
        f"ext:c{number % WALLETS + WALLETS * kind}",
        "rated" if rated else "tokens",
        quantity="1250",
        amount=None if rated else "0.0125",
        asset=None if rated else "CREDIT",
        properties={
            "model": f"model-{number % MODELS}",
            "direction": DIRECTIONS[number // MODELS % 2],
        },
    )
