"""A charge under three nested budgets beside one without, in one run."""

from __future__ import annotations

from application.commands.requests import RecordUsage
from application.commands.spend_requests import SetBudget
from benchmarks.ground import execute, fund, ledger, middle, seconds_of
from benchmarks.report import Figure, promise
from interfaces.runtime import Runtime

ROUNDS = 5
WALLETS = 10
BATCH = 100
SUBJECT = "team/project/agent"


def measure(charges: int) -> list[Figure]:
    """Measure `charges` a round, in commits of 100 over 10 wallets, both kinds by turns.

    The first half of the customers has no budget; the other has one on each prefix.
    """
    with ledger() as runtime:
        fund(runtime, 2 * WALLETS)
        execute(
            runtime,
            [
                SetBudget(f"ext:c{customer}", subject, "CREDIT", "1000000000", "DAY")
                for customer in range(WALLETS, 2 * WALLETS)
                for subject in ("team", "team/project", SUBJECT)
            ],
        )
        for kind in (0, 1):
            _spend(runtime, f"warm-{kind}", kind, charges)
        without: list[float] = []
        under: list[float] = []
        for round_ in range(ROUNDS):
            without.append(_spend(runtime, f"{round_}-0", 0, charges))
            under.append(_spend(runtime, f"{round_}-1", 1, charges))
    ratio = middle([ours / bare for ours, bare in zip(under, without, strict=True)])
    return [
        {
            "what": "A charge under three nested budgets",
            "charges a transaction": BATCH,
            "µs without": round(middle(without), 1),
            "µs with": round(middle(under), 1),
            "ratio": round(ratio, 2),
            **promise("at most 1.3", kept=ratio <= 1.3),
        }
    ]


def _spend(runtime: Runtime, name: str, kind: int, charges: int) -> float:
    """Return microseconds a charge. kind: 0 without budgets, 1 with."""
    batches = [
        [_usage(f"{name}-{n}", kind * WALLETS + n % WALLETS) for n in range(start, start + BATCH)]
        for start in range(0, charges, BATCH)
    ]

    def run() -> None:
        for batch in batches:
            execute(runtime, batch)

    return seconds_of(run) * 1_000_000 / charges


def _usage(event_id: str, customer: int) -> RecordUsage:
    return RecordUsage(
        event_id, f"ext:c{customer}", "tokens", amount="0.0125", asset="CREDIT", subject=SUBJECT
    )
