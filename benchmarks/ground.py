"""What a benchmark stands on: a ledger of its own in a directory that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from application.caller import Caller
from application.commands.requests import (
    Command,
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    Money,
    RecordUsage,
)
from application.storage.embedded import EmbeddedServer
from interfaces.interpreter import tune_interpreter
from interfaces.runtime import Runtime
from interfaces.settings import Settings


@contextmanager
def ledger(test_clock: datetime | None = None) -> Iterator[Runtime]:
    """Open a ledger with the embedded server's own settings, and nobody else in it.

    test_clock: where that of a sandbox starts; None: the clock is the system's.
    """
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as directory:
        data_dir = Path(directory) / "ledger"
        settings = Settings(
            data_dir=data_dir, sandbox=test_clock is not None, test_clock=test_clock
        )
        with Runtime.open(settings, tasks=()) as runtime:
            tune_interpreter()
            yield runtime
        EmbeddedServer(data_dir).remove()


def execute(runtime: Runtime, commands: Sequence[Command]) -> None:
    """Run commands; none may be refused."""
    caller = Caller(runtime.tenant_id, "benchmark", "benchmark")
    for outcome in runtime.ledger.execute(caller, commands):
        assert outcome.answer is not None, outcome.refusal or outcome.error


def fund(runtime: Runtime, customers: int) -> None:
    """Make customers with more credits than a benchmark spends."""
    names = [f"c{number}" for number in range(customers)]
    execute(runtime, [DefineAsset("CREDIT", "Credits")])
    execute(runtime, [CreateCustomer(name) for name in names])
    paid = Money("10", "USD")
    execute(
        runtime,
        [IssueGrant(name, f"ext:{name}", "CREDIT", "1000000000", paid=paid) for name in names],
    )


def usage(event_id: str, customer: int) -> RecordUsage:
    return RecordUsage(
        event_id,
        f"ext:c{customer}",
        "tokens",
        quantity="1250",
        amount="0.0125",
        asset="CREDIT",
        properties={"model": "large", "direction": "output"},
    )


def seconds_of(run: Any) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began


def middle(values: Sequence[float]) -> float:
    return median(values)
