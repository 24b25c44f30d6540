"""A live draft of a customer with many charges, beside one with ten."""

from __future__ import annotations

from application.commands.requests import (
    CreateCustomer,
    DefineAsset,
    RecordUsage,
    SetExchangeRate,
)
from benchmarks.ground import execute, ledger, middle, seconds_of
from benchmarks.report import Figure, promise, rounds
from benchmarks.serving import serving

ROUNDS = 101
FEW = 10
MOST = 2
_DRAFT = '{ draftInvoice(customerId: "ext:%s", currency: "USD") { total lines { chargeCount } } }'


def measure(charges: int) -> list[Figure]:
    """Ask for the draft of each over HTTP, in turns."""
    with ledger() as runtime:
        execute(runtime, [DefineAsset("CREDIT", "Credits")])
        execute(runtime, [SetExchangeRate("CREDIT", "USD", "0.01", None)])
        execute(runtime, [CreateCustomer(name, mode="HYBRID") for name in ("few", "many")])
        for name, count in (("few", FEW), ("many", charges)):
            for first in range(0, count, 1_000):
                execute(
                    runtime,
                    [
                        RecordUsage(
                            f"{name}-{n}", f"ext:{name}", "tokens", amount="1.25", asset="CREDIT"
                        )
                        for n in range(first, min(first + 1_000, count))
                    ],
                )
        runtime.catch_up()
        taken: dict[str, list[float]] = {"few": [], "many": []}
        with serving(data_dir=runtime.settings.data_dir) as served:
            for name, count in (("few", FEW), ("many", charges)):
                draft = served.ask(_DRAFT % name)["draftInvoice"]
                assert sum(line["chargeCount"] for line in draft["lines"]) == count
            for _ in range(ROUNDS):
                for name, seconds in taken.items():
                    seconds.append(1_000 * seconds_of(lambda name=name: served.ask(_DRAFT % name)))
    few, many = middle(taken["few"]), middle(taken["many"])
    return [
        {
            "what": "draftInvoice over HTTP, of a customer with many charges and of one with ten",
            "charges": charges,
            "ms": round(many, 2),
            "ms of ten": round(few, 2),
            "ratio": round(many / few, 2),
            "slowest ms": rounds(sorted(taken["many"])[-3:]),
            **promise(f"below {MOST} x", kept=many < MOST * few),
        }
    ]
