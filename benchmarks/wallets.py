"""How fast wallets are charged: one that all want, many at once, and one with many grants."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from application.caller import Caller
from application.commands.requests import Command, CreateCustomer, IssueGrant, RecordUsage
from benchmarks.ground import execute, fund, ledger, middle, seconds_of, usage
from benchmarks.report import Figure, promise, rounds
from interfaces.runtime import Runtime

ROUNDS = 5
CLIENTS = 32
BATCH = 1_000
FEW_GRANTS = 10
CHARGES_A_TURN = 20
HOT = 0


def measure(charges: int, wallets: int, grants: int) -> list[Figure]:
    """Measure `charges` a round: hot and spread by turns, then few and many grants by turns."""
    with ledger() as runtime:
        fund(runtime, wallets)
        return [*_contended(runtime, charges, wallets), _granted(runtime, wallets, grants)]


def _contended(runtime: Runtime, charges: int, wallets: int) -> list[Figure]:
    """One charge a command, from 32 clients at once, each waiting for its answer."""
    hot: list[float] = []
    spread: list[float] = []
    _by_clients(runtime, [usage(f"warm-{number}", HOT) for number in range(1_000)])
    for round_ in range(ROUNDS):
        at_once = [usage(f"hot-{round_}-{number}", HOT) for number in range(charges)]
        hot.append(charges / _by_clients(runtime, at_once))
        first = round_ * charges
        apart = [
            usage(f"apart-{number}", number % wallets) for number in range(first, first + charges)
        ]
        spread.append(charges / _by_clients(runtime, apart))
    shared = {"clients": CLIENTS, "charges a command": 1}
    return [
        {
            "what": "Charges of 32 clients, one a command",
            "wallets": several,
            **shared,
            "charges/s": round(middle(rates)),
            "rounds": rounds(rates),
        }
        for several, rates in ((1, hot), (wallets, spread))
    ]


def _by_clients(runtime: Runtime, commands: Sequence[RecordUsage]) -> float:
    """Return the seconds that all take."""
    waiting = list(reversed(commands))
    caller = Caller(runtime.tenant_id, "benchmark", "benchmark")

    async def client() -> None:
        while waiting:
            outcome = await runtime.ledger.submit(caller, waiting.pop())
            assert outcome.answer is not None, outcome.refusal

    async def clients() -> None:
        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    return seconds_of(lambda: asyncio.run(clients()))


def _granted(runtime: Runtime, wallets: int, grants: int) -> Figure:
    """Both wallets live alike: twenty charges use ten grants up, and ten new ones come in."""
    few, many = wallets, wallets + 1
    execute(runtime, [CreateCustomer(f"c{few}"), CreateCustomer(f"c{many}")])
    execute(runtime, [_grant(few, f"first-{number}") for number in range(FEW_GRANTS)])
    execute(runtime, [_grant(many, f"first-{number}") for number in range(grants)])
    for_few: list[float] = []
    for_many: list[float] = []
    for round_ in range(ROUNDS):
        for_few.append(_live(runtime, few, round_))
        for_many.append(_live(runtime, many, round_))
    ratios = [slow / fast for slow, fast in zip(for_many, for_few, strict=True)]
    ratio = middle(ratios)
    return {
        "what": f"A cached wallet with {grants} live grants beside one with {FEW_GRANTS}",
        "charges a command": BATCH,
        "µs with few": round(middle(for_few), 1),
        "µs with many": round(middle(for_many), 1),
        "ratio": round(ratio, 2),
        "ratios": rounds(ratios),
        **promise("at most 2", kept=ratio <= 2),
    }


def _live(runtime: Runtime, customer: int, round_: int) -> float:
    """Return microseconds a charge, with the half of a grant that it uses up."""
    commands: list[Command] = []
    for turn in range(BATCH // CHARGES_A_TURN):
        name = f"{round_}-{turn}"
        commands += [usage(f"{customer}-{name}-{n}", customer) for n in range(CHARGES_A_TURN)]
        commands += [_grant(customer, f"{name}-{n}") for n in range(FEW_GRANTS)]
    return seconds_of(lambda: execute(runtime, commands)) * 1_000_000 / BATCH


def _grant(customer: int, key: str) -> IssueGrant:
    """Return a grant that two charges use up."""
    return IssueGrant(f"{customer}-{key}", f"ext:c{customer}", "CREDIT", "0.025", "PROMOTIONAL")
